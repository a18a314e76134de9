"""The pieces of model calls in an OTLP request, and their form in the spool.

A call is told in pieces that come in requests of their own: its span, events in the log, and the
spans around it, which know the caller. So what is acknowledged is pieces, and they are joined when
they are folded. Spans and events that tell nothing of a call are passed over here already.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stillwatch.receiver.bodies import RefusedError, json_of_body
from stillwatch.receiver.limits import ReceiverLimits
from stillwatch.sources.memory import TooLargeError, bounded_memory
from stillwatch.sources.otlp_calls import CALL_EVENTS, CALLER_ATTRIBUTES, is_model_call
from stillwatch.sources.otlp_json import records_of_request
from stillwatch.sources.otlp_protobuf import records_of_resource
from stillwatch.sources.otlp_records import EventRecord, Record, SpanRecord

__all__ = [
    "Pieces",
    "Surrounding",
    "packed_pieces",
    "read_otlp",
    "unpacked_header",
    "unpacked_pieces",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
_CLOCK_TOLERANCE = timedelta(days=1)
_CODEC = pa.Codec("lz4")
_SIZE_BYTES = 8
_SHORT = 2**20


@dataclass(frozen=True, slots=True)
class Surrounding:
    """What a span says of the calls inside it.

    Attributes:
        attributes: Those that may name the caller; none where only its parent is of use.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    attributes: dict[str, Any]


@dataclass(slots=True)
class Pieces:
    """What one request tells of model calls.

    Attributes:
        records: Spans of model calls, and their events.
        around: Every span with what it says of its caller.
        rejected: How many records can be no part of an exchange, whatever comes after them.
        read: Spans or log records in the request.
    """

    records: list[Record] = field(default_factory=list)
    around: list[Surrounding] = field(default_factory=list)
    rejected: int = 0
    read: int = 0


def read_otlp(
    body: bytes,
    *,
    of_logs: bool,
    is_json: bool,
    limits: ReceiverLimits,
    account_attributes: Iterable[str],
    now: datetime,
) -> Pieces:
    """The pieces in the body of one export request.

    Args:
        of_logs: Whether it is of logs; else it is of traces.
        now: The moment against which clocks are checked.

    Raises:
        RefusedError: The body cannot be decoded as OTLP, or holds too much.
    """
    caller = CALLER_ATTRIBUTES | set(account_attributes)
    found = Pieces()
    records = _json_records(body, limits) if is_json else _protobuf_records(body, of_logs=of_logs)
    try:
        for record in records:
            found.read += 1
            if found.read > limits.rows:
                raise RefusedError(
                    413, f"The request has more than {limits.rows:,} records: send fewer."
                )
            _keep(found, record, caller, now)
    except RecursionError as error:
        raise RefusedError(400, "The request is nested too deeply.") from error
    return found


def _json_records(body: bytes, limits: ReceiverLimits) -> Iterator[Record]:
    value = json_of_body(body, limits)
    if value == {}:
        return iter(())  # a request may be empty
    records = records_of_request(value, 1)
    if records is None:
        raise RefusedError(
            400, "This is no OTLP request: it has neither resourceSpans nor resourceLogs."
        )
    return records


def _protobuf_records(body: bytes, *, of_logs: bool) -> Iterator[Record]:
    try:
        # Objects take up to a hundred times their bytes.
        with bounded_memory("the request") if len(body) > _SHORT else nullcontext():
            resources = (
                ExportLogsServiceRequest.FromString(body).resource_logs
                if of_logs
                else ExportTraceServiceRequest.FromString(body).resource_spans
            )
    except TooLargeError as error:
        raise RefusedError(413, str(error)) from error
    except (DecodeError, RecursionError) as error:
        raise RefusedError(400, "The body cannot be decoded as OTLP.") from error
    return (record for resource in resources for record in records_of_resource(resource, 1))


def _keep(found: Pieces, record: Record, caller: frozenset[str] | set[str], now: datetime) -> None:
    if isinstance(record, SpanRecord):
        attributes = {k: v for k, v in record.attributes.items() if k in caller}
        if attributes or record.parent_span_id:
            around = Surrounding(record.trace_id, record.span_id, record.parent_span_id, attributes)
            found.around.append(around)
        if not is_model_call(record.attributes):
            return
        record.events[:] = [e for e in record.events if e.event_name in CALL_EVENTS]
        found.records.append(record)
        found.rejected += not _is_possible(record.started_at, now)
    elif record.event_name in CALL_EVENTS:
        found.records.append(record)
        # The span of an event brings the time; one outside of any span is alone for ever.
        if not (record.trace_id and record.span_id):
            found.rejected += not _is_possible(record.at, now)


def _is_possible(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and _EARLIEST <= moment <= now + _CLOCK_TOLERANCE


def packed_pieces(pieces: Pieces) -> tuple[bytes, bytes]:
    """Header and content of a batch: spans around calls and ids of calls; and the records."""
    header = {
        "around": [[s.trace_id, s.span_id, s.parent_span_id, s.attributes] for s in pieces.around],
        "calls": [[r.trace_id, r.span_id] for r in pieces.records],
    }
    return _packed(header), _packed([_as_json(record) for record in pieces.records])


def unpacked_header(data: bytes) -> tuple[list[Surrounding], list[tuple[str, str]]]:
    """The spans around calls, and trace and span of each record, of `packed_pieces`."""
    header = _unpacked(data)
    calls = [(trace, span) for trace, span in header["calls"]]
    return [Surrounding(*values) for values in header["around"]], calls


def unpacked_pieces(data: bytes) -> list[Record]:
    """The records of `packed_pieces`."""
    return [_record(value) for value in _unpacked(data)]


def _packed(value: object) -> bytes:
    text = json.dumps(value, separators=(",", ":")).encode("utf-8", "surrogatepass")
    packed: bytes = _CODEC.compress(text, asbytes=True)
    return len(text).to_bytes(_SIZE_BYTES, "big") + packed


def _unpacked(data: bytes) -> Any:
    size = int.from_bytes(data[:_SIZE_BYTES], "big")
    return json.loads(_CODEC.decompress(data[_SIZE_BYTES:], size, asbytes=True))


def _as_json(record: Record) -> dict[str, Any]:
    if isinstance(record, EventRecord):
        return _event_as_json(record)
    return {
        "trace": record.trace_id,
        "span": record.span_id,
        "parent": record.parent_span_id,
        "started": _number(record.started_at),
        "finished": _number(record.finished_at),
        "attributes": record.attributes,
        "failed": record.failed,
        "message": record.message,
        "resource": record.resource,
        "events": [_event_as_json(event) for event in record.events],
    }


def _event_as_json(event: EventRecord) -> dict[str, Any]:
    return {
        "trace": event.trace_id,
        "span": event.span_id,
        "name": event.event_name,
        "at": _number(event.at),
        "attributes": event.attributes,
        "body": event.body,
        "resource": event.resource,
    }


def _record(value: dict[str, Any]) -> Record:
    if "name" in value:
        return _event(value)
    return SpanRecord(
        0,
        value["trace"],
        value["span"],
        value["parent"],
        _moment(value["started"]),
        _moment(value["finished"]),
        value["attributes"],
        value["failed"],
        value["message"],
        value["resource"],
        [_event(event) for event in value["events"]],
    )


def _event(value: dict[str, Any]) -> EventRecord:
    return EventRecord(
        0,
        value["trace"],
        value["span"],
        value["name"],
        _moment(value["at"]),
        value["attributes"],
        value["body"],
        value["resource"],
    )


def _number(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def _moment(number: int | None) -> datetime | None:
    return None if number is None else _EPOCH + number * _MICROSECOND
