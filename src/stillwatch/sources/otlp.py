"""OpenTelemetry GenAI: spans and log events in OTLP files, JSON or protobuf.

The conventions are still in development, and three encodings of content are in use: JSON text
in attributes of the span, structured values in attributes of one event, and (1.36 and before)
one event a message or numbered attributes. All are read; what is unknown is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from stillwatch.sources.account_names import configured_names
from stillwatch.sources.adapter import ParsedRow, Unreadable
from stillwatch.sources.call_events import CALL_EVENTS
from stillwatch.sources.json_values import ByteSource, json_values
from stillwatch.sources.limits import Limits, parsed_json
from stillwatch.sources.memory import TooLargeError
from stillwatch.sources.otlp_calls import Call, CallJoiner
from stillwatch.sources.otlp_exchange import ACCOUNT_ATTRIBUTES, exchange_of_call
from stillwatch.sources.otlp_json import records_of_request
from stillwatch.sources.otlp_protobuf import frames, framing_of, records_of_frame
from stillwatch.sources.otlp_records import Record
from stillwatch.sources.unpacking import BROKEN_FILE, unpacked, what_broke

__all__ = ["ACCOUNT_ATTRIBUTES", "OtlpAdapter"]

_HEAD = 2**16
_LOOKED_AT = 2**12
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_NO_REQUEST = "This is no OTLP request: it has neither resourceSpans nor resourceLogs."


@dataclass(frozen=True, slots=True)
class OtlpAdapter:
    """Reads OTLP files: JSON lines or documents, bare or framed protobuf, gzip, zstd or plain.

    A span and the events with its ids become one exchange when they are in one file, as when
    the traces and the logs pipeline of a Collector share a file exporter. Events without their
    span are told as such, for the lake to join them. Spans around the call give what they know
    of the caller.

    Args:
        account_attributes: Attributes that name the billed account, in order of preference;
            `resource.` in front means an attribute of the resource. `service.name` is not
            among the defaults: in a gateway's own log it names the gateway, and all of its
            customers would become one account.
    """

    name: ClassVar[str] = "otlp"

    account_attributes: tuple[str, ...] = field(
        default_factory=lambda: configured_names("otlp", ACCOUNT_ATTRIBUTES)
    )

    def read(self, path: Path) -> Iterator[ParsedRow | Unreadable]:
        """The exchanges of one file; spans and events that are no model call are passed over."""
        joiner = CallJoiner(self.account_attributes)
        last, limits = 0, Limits.configured()
        try:
            with unpacked(path, limits) as stream:
                for item in _records(_WithHead(stream), limits):
                    if isinstance(item, Unreadable):
                        last = item.line
                        yield item
                        continue
                    last = item.line
                    for call in joiner.add(item):
                        yield self._told(call)
        except BROKEN_FILE as error:
            yield Unreadable(last + 1, what_broke(error))
        for call in joiner.rest():
            yield self._told(call)

    def _told(self, call: Call) -> ParsedRow:
        row = exchange_of_call(call, self.account_attributes)
        # An event outside of any span has nothing to be joined on.
        is_apart = call.span is None and call.exchange_id is not None
        return replace(row, table=CALL_EVENTS.name) if is_apart else row


class _WithHead:
    """A stream whose first bytes can be looked at before it is read."""

    def __init__(self, stream: ByteSource) -> None:
        self.head = stream.read(_HEAD)
        self._stream = stream
        self._unread = self.head

    def read(self, size: int, /) -> bytes:
        data, self._unread = self._unread[:size], self._unread[size:]
        return data + self._stream.read(size - len(data)) if len(data) < size else data

    def readline(self, limit: int, /) -> bytes:
        end = self._unread.find(b"\n", 0, limit) + 1 or min(limit, len(self._unread))
        line, self._unread = self._unread[:end], self._unread[end:]
        if line.endswith(b"\n") or len(line) >= limit:
            return line
        return line + self._stream.readline(limit - len(line))


def _records(stream: _WithHead, limits: Limits) -> Iterator[Record | Unreadable]:
    if _is_json(stream.head):
        yield from _records_of_values(stream, limits)
    elif framing := framing_of(stream.head, limits.row_bytes):
        yield from _records_of_frames(stream, framing, limits)
    elif stream.head.removeprefix(_BYTE_ORDER_MARK).strip():
        yield Unreadable(0, "The file is neither OTLP/JSON nor OTLP/protobuf.")


def _is_json(head: bytes) -> bool:
    """Whether a file begins as JSON: a bracket, and none of the control characters that JSON
    forbids and no binary request can do without (an id's length is one)."""
    start = head.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if start[:1] not in (b"{", b"["):
        return False
    return not _CONTROL.search(head, 0, _LOOKED_AT) or _is_whole(start.partition(b"\n")[0])


def _is_whole(line: bytes) -> bool:
    """Whether a line is a JSON object, whatever damage comes after it."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _records_of_values(stream: _WithHead, limits: Limits) -> Iterator[Record | Unreadable]:
    for item in json_values(stream, limits):
        if isinstance(item, Unreadable):
            yield item
        else:
            yield from _records_of_value(item[1], item[0])


def _records_of_value(value: object, line: int) -> Iterator[Record | Unreadable]:
    try:
        records = records_of_request(value, line)
        if records is None:
            yield Unreadable(line, _NO_REQUEST)
        else:
            yield from records
    except RecursionError:
        yield Unreadable(line, "The request is nested too deeply; the rest of it was not read.")


def _records_of_frames(
    stream: _WithHead, framing: str, limits: Limits
) -> Iterator[Record | Unreadable]:
    for frame in frames(stream, framing, limits.row_bytes):
        if isinstance(frame, Unreadable):
            yield frame
            continue
        number, data = frame
        if framing == "prefixed" and data.startswith(b"{"):
            try:
                value = parsed_json(data, limits.nesting)
            except RecursionError:
                yield Unreadable(number, f"The message is {limits.too_deep}")
            except TooLargeError as error:
                yield Unreadable(number, str(error))
            except ValueError:
                yield Unreadable(number, "The message is not JSON.")
            else:
                yield from _records_of_value(value, number)
            continue
        records = records_of_frame(data, number, bare=framing == "bare")
        if isinstance(records, str):
            yield Unreadable(number, records)
        else:
            yield from records
