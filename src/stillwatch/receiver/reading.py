"""What a request's body says: rows of exchanges, and what in it can never be one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from stillwatch.receiver.bodies import RefusedError, json_of_body
from stillwatch.receiver.limits import ReceiverLimits
from stillwatch.sources.limits import parsed_json
from stillwatch.sources.litellm import LitellmAdapter
from stillwatch.sources.memory import TooLargeError

__all__ = ["Rejected", "RowsRead", "read_canonical", "read_litellm"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is kept out of the lake.

    Attributes:
        row: As it came, so that it can be mended.
        reason: A sentence for people, which quotes nothing of it.
    """

    row: bytes
    reason: str


@dataclass(slots=True)
class RowsRead:
    """What was found in one body.

    Attributes:
        rows: As `ParsedRow.row`.
        told: Row for row, what was sent: what a rejected row is kept as.
        passed_over: Calls that are no exchanges, such as embeddings.
        size: Bytes of the body, unpacked.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    told: list[Callable[[], bytes]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    passed_over: int = 0
    size: int = 0

    @property
    def read(self) -> int:
        """All that was told, whatever became of it."""
        return len(self.rows) + len(self.rejected) + self.passed_over

    def require_some(self) -> RowsRead:
        """Itself, unless nothing in the body could be decoded (raises `RefusedError`)."""
        if self.rejected and len(self.rejected) == self.read:
            raise RefusedError(400, f"Nothing in the body can be read. {self.rejected[0].reason}")
        return self

    def require_few(self, limits: ReceiverLimits) -> None:
        """Raises `RefusedError` as soon as there is more than one request may bring."""
        if self.read > limits.rows:
            raise RefusedError(413, f"The body has more than {limits.rows:,} rows: send fewer.")


def read_canonical(body: bytes, limits: ReceiverLimits) -> RowsRead:
    """Exchanges in the columns of the exchange log, one JSON object a line.

    Raises:
        RefusedError: No line is a JSON object, or there are too many.
    """
    found = RowsRead()
    for line in _lines(body):
        row = _object(line, limits)
        if isinstance(row, str):
            found.rejected.append(Rejected(line, row))
        else:
            found.rows.append(row)
            found.told.append(lambda line=line: line)  # type: ignore[misc]
        found.require_few(limits)
    return found.require_some()


def read_litellm(body: bytes, limits: ReceiverLimits, adapter: LitellmAdapter) -> RowsRead:
    """What LiteLLM's `generic_api` callback posts: an array, one object, or lines of them.

    Raises:
        RefusedError: It is not JSON, or there are too many.
    """
    found = RowsRead()
    for payload in _payloads(body, limits):
        told = adapter.row_or_reason(payload) if not isinstance(payload, Rejected) else payload
        if isinstance(told, Rejected):
            found.rejected.append(told)
        elif isinstance(told, str):
            found.rejected.append(Rejected(_as_line(payload), told))
        elif told is None:
            found.passed_over += 1
        else:
            found.rows.append(told)
            found.told.append(lambda payload=payload: _as_line(payload))  # type: ignore[misc]
        found.require_few(limits)
    return found.require_some()


def _payloads(body: bytes, limits: ReceiverLimits) -> Iterator[Any]:
    """Each payload, and where there are lines, those that are none."""
    text = body.removeprefix(_BYTE_ORDER_MARK).strip()
    if not text:
        return
    lines = [] if text.startswith(b"[") else list(islice(_lines(text), limits.rows + 1))
    if len(lines) > 1 and isinstance(_object(lines[0], limits), dict):
        for line in lines:
            payload = _object(line, limits)
            yield Rejected(line, payload) if isinstance(payload, str) else payload
        return
    value = json_of_body(text, limits)
    yield from value if isinstance(value, list) else [value]


def _lines(body: bytes) -> Iterator[bytes]:
    # Not `split`: a body of line breaks would become as many objects.
    for line in io.BytesIO(body.removeprefix(_BYTE_ORDER_MARK)):
        if stripped := line.strip():
            yield stripped


def _object(line: bytes, limits: ReceiverLimits) -> dict[str, Any] | str:
    try:
        value = parsed_json(line, limits.common.nesting)
    except RecursionError:
        return f"The JSON is {limits.common.too_deep}"
    except TooLargeError as error:
        return str(error)
    except ValueError:
        return "The line is not JSON; one object a line is needed."
    return value if isinstance(value, dict) else "The line is not a JSON object."


def _as_line(value: object) -> bytes:
    return json.dumps(value, default=str).encode("utf-8", "replace")
