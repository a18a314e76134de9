"""Spans and log records of OTLP, in one shape for its JSON and its protobuf encoding."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["EventRecord", "Record", "SpanRecord"]


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A log record, or an event of a span.

    Attributes:
        line: Line or record of the file it came from.
        trace_id, span_id: Lower-case hexadecimal, "" when unknown.
        event_name: Such as `gen_ai.client.inference.operation.details`.
        at: When it happened, or else when it was observed.
        attributes: Plain values; structured ones are dicts and lists.
        body: A plain value.
        resource: Attributes of what emitted it.
    """

    line: int
    trace_id: str
    span_id: str
    event_name: str
    at: datetime | None
    attributes: dict[str, Any]
    body: Any
    resource: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """A span, with the events that lie inside it."""

    line: int
    trace_id: str
    span_id: str
    parent_span_id: str
    started_at: datetime | None
    finished_at: datetime | None
    attributes: dict[str, Any]
    failed: bool
    message: str
    resource: dict[str, Any]
    events: list[EventRecord] = field(default_factory=list)


Record = SpanRecord | EventRecord
