"""OTLP/protobuf files: one request, or a stream of them with their lengths in front.

Three framings exist. A saved request body is the bare message. Protobuf's own convention puts
a varint before each message. The Collector's file exporter puts four bytes, most significant
first, before each message, and does so for JSON too once compression is on.
A bare request is read resource by resource, so that its size does not decide our memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from stillwatch.sources.adapter import Unreadable
from stillwatch.sources.json_values import ByteSource
from stillwatch.sources.memory import TooLargeError, bounded_memory
from stillwatch.sources.otlp_records import EventRecord, Record, SpanRecord
from stillwatch.sources.values import instant_from_nanoseconds

__all__ = ["Frame", "frames", "framing_of", "records_of_frame", "records_of_resource"]

# Field 1, length-delimited: the only field of every OTLP export request.
_TAG = 0x0A
# What a message may begin with: a request with its resources, a resource with its attributes,
# its scopes or its schema, and JSON with its brace.
_BEGINNINGS = {"prefixed": b"\x0a{", "bare": b"\x0a\x12\x1a", "delimited": b"\x0a"}
# Objects take up to a hundred times their bytes: below this their memory is not worth a bound.
_SHORT = 2**20
_ERROR = Status.StatusCode.STATUS_CODE_ERROR
Frame = tuple[int, bytes]


def framing_of(head: bytes, longest: int) -> str | None:
    """`prefixed`, `delimited` or `bare`, told from the first bytes; None if none fits.

    A framing fits if its lengths lead from message to message for as far as `head` goes, and
    none is above `longest` bytes.
    """
    for framing in ("prefixed", "bare", "delimited"):
        if _fits(framing, head, longest):
            return framing
    return None


def frames(stream: ByteSource, framing: str, longest: int) -> Iterator[Frame | Unreadable]:
    """The messages of a file, numbered from one; in a bare request, its resources."""
    number = 0
    while True:
        header = _read_header(stream, framing)
        if header is None:
            return
        number += 1
        if isinstance(header, str):
            yield Unreadable(number, header)
            return
        if header > longest:
            yield Unreadable(
                number, f"A message claims {header} bytes; it is damaged or far too large."
            )
            return
        data = stream.read(header)
        if len(data) < header:
            yield Unreadable(number, "The file breaks off in the middle of a message.")
            return
        yield number, data


def records_of_frame(data: bytes, number: int, *, bare: bool) -> Iterator[Record] | str:
    """The spans and log records of one message, or what was wrong with it."""
    resources: list[bytes] | None = [data] if bare else _fields_of_request(data)
    if resources is None:
        return "The message is no OTLP export request."
    decoded = []
    for resource in resources:
        try:
            decoded.append(_decode(resource))
        except TooLargeError as error:
            return str(error)
        except (DecodeError, RecursionError):
            return "The message cannot be decoded as OTLP."
    return (record for item in decoded for record in records_of_resource(item, number))


def _decode(data: bytes) -> ResourceSpans | ResourceLogs:
    """Traces and logs have the same outer fields; only a span starts with a 16-byte id."""
    if len(data) < _SHORT:
        return _spans_or_logs(data)
    with bounded_memory("the message"):
        return _spans_or_logs(data)


def _spans_or_logs(data: bytes) -> ResourceSpans | ResourceLogs:
    spans, logs = ResourceSpans(), ResourceLogs()
    try:
        spans.ParseFromString(data)
    except DecodeError:
        # The body of a log record lies where a span has its name, and need not be UTF-8.
        logs.ParseFromString(data)
        return logs
    if any(len(span.trace_id) == 16 for scope in spans.scope_spans for span in scope.spans):
        return spans
    logs.ParseFromString(data)
    return logs


def records_of_resource(resource: ResourceSpans | ResourceLogs, number: int) -> Iterator[Record]:
    """The spans or log records of one resource of a request."""
    attributes = _pairs(resource.resource.attributes)
    if isinstance(resource, ResourceSpans):
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield _span(span, number, attributes)
    else:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield _event(record, number, attributes)


def _span(span: Span, number: int, resource: dict[str, Any]) -> SpanRecord:
    trace_id, span_id = span.trace_id.hex(), span.span_id.hex()
    events = [
        EventRecord(
            number,
            trace_id,
            span_id,
            event.name,
            instant_from_nanoseconds(event.time_unix_nano),
            _pairs(event.attributes),
            None,
            resource,
        )
        for event in span.events
    ]
    return SpanRecord(
        number,
        trace_id,
        span_id,
        span.parent_span_id.hex(),
        instant_from_nanoseconds(span.start_time_unix_nano),
        instant_from_nanoseconds(span.end_time_unix_nano),
        _pairs(span.attributes),
        span.status.code == _ERROR,
        span.status.message,
        resource,
        events,
    )


def _event(record: LogRecord, number: int, resource: dict[str, Any]) -> EventRecord:
    attributes = _pairs(record.attributes)
    name = record.event_name or attributes.get("event.name")
    return EventRecord(
        number,
        record.trace_id.hex(),
        record.span_id.hex(),
        name if isinstance(name, str) else "",
        instant_from_nanoseconds(record.time_unix_nano)
        or instant_from_nanoseconds(record.observed_time_unix_nano),
        attributes,
        _value(record.body),
        resource,
    )


def _pairs(pairs: Any) -> dict[str, Any]:
    # Most values are texts, and only a text has this one filled.
    return {pair.key: pair.value.string_value or _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _pairs(value.kvlist_value.values)
    return None if kind in (None, "bytes_value") else getattr(value, kind)


def _fields_of_request(data: bytes) -> list[bytes] | None:
    fields, position = [], 0
    while position < len(data):
        length, after = _varint(data, position + 1)
        if data[position] != _TAG or length is None or after + length > len(data):
            return None
        fields.append(data[after : after + length])
        position = after + length
    return fields


def _fits(framing: str, head: bytes, longest: int) -> bool:
    position, complete = 0, 0
    while position < len(head):
        if framing == "prefixed":
            if len(head) - position < 5:
                return complete > 0
            (length,) = struct.unpack_from(">I", head, position)
            first = head[position + 4]
            begin = position + 4
            legal = length <= longest and first in _BEGINNINGS[framing]
        else:
            bare = framing == "bare"
            if bare and head[position] != _TAG:
                return False
            found, begin = _varint(head, position + bare)
            if found is None:
                return complete > 0
            length = found
            legal = begin >= len(head) or length == 0 or head[begin] in _BEGINNINGS[framing]
        if not legal or (framing != "bare" and length == 0):
            return False
        position = begin + length
        complete += 1
    return complete > 0


def _varint(data: bytes, position: int) -> tuple[int | None, int]:
    value = 0
    for shift in range(0, 35, 7):
        if position >= len(data):
            return None, position
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    return None, position


def _read_header(stream: ByteSource, framing: str) -> int | str | None:
    """The length of the next message; None at the end; or what was wrong."""
    if framing == "prefixed":
        data = stream.read(4)
        if not data:
            return None
        return struct.unpack(">I", data)[0] if len(data) == 4 else "The file breaks off."
    if framing == "bare":
        tag = stream.read(1)
        if not tag:
            return None
        if tag[0] != _TAG:
            return "Here begins no OTLP resource; the rest was not read."
    value = 0
    for shift in range(0, 35, 7):
        byte = stream.read(1)
        if not byte:
            return "The file breaks off." if shift or framing == "bare" else None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return "A length is damaged; the rest was not read."
