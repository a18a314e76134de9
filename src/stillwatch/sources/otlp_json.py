"""OTLP/JSON: request objects, as exporters and the Collector's file exporter write them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from stillwatch.sources.otlp_records import EventRecord, Record, SpanRecord
from stillwatch.sources.values import instant_from_nanoseconds, mapping, sequence, text, whole

__all__ = ["records_of_request"]

_SIGNALS = ("resourceSpans", "resourceLogs", "resourceMetrics", "resourceProfiles")
_ERROR = (2, "STATUS_CODE_ERROR")


def records_of_request(request: object, line: int) -> Iterator[Record] | None:
    """The spans and log records of one request, or None if it is no OTLP request.

    Metrics and profiles are legal requests without exchanges.
    """
    if not isinstance(request, dict) or not any(signal in request for signal in _SIGNALS):
        return None
    return _records(request, line)


def _records(request: Mapping[str, Any], line: int) -> Iterator[Record]:
    for group in sequence(request.get("resourceSpans")):
        resource = _attributes(mapping(mapping(group).get("resource")))
        for scope in sequence(mapping(group).get("scopeSpans")):
            for span in sequence(mapping(scope).get("spans")):
                yield _span(mapping(span), line, resource)
    for group in sequence(request.get("resourceLogs")):
        resource = _attributes(mapping(mapping(group).get("resource")))
        for scope in sequence(mapping(group).get("scopeLogs")):
            for record in sequence(mapping(scope).get("logRecords")):
                yield _event(mapping(record), line, resource)


def _span(span: Mapping[str, Any], line: int, resource: dict[str, Any]) -> SpanRecord:
    trace_id, span_id = _identifier(span.get("traceId")), _identifier(span.get("spanId"))
    status = mapping(span.get("status"))
    events = [
        EventRecord(
            line,
            trace_id,
            span_id,
            text(event.get("name")) or "",
            instant_from_nanoseconds(event.get("timeUnixNano")),
            _attributes(event),
            None,
            resource,
        )
        for event in map(mapping, sequence(span.get("events")))
    ]
    return SpanRecord(
        line,
        trace_id,
        span_id,
        _identifier(span.get("parentSpanId")),
        instant_from_nanoseconds(span.get("startTimeUnixNano")),
        instant_from_nanoseconds(span.get("endTimeUnixNano")),
        _attributes(span),
        status.get("code") in _ERROR,
        text(status.get("message")) or "",
        resource,
        events,
    )


def _event(record: Mapping[str, Any], line: int, resource: dict[str, Any]) -> EventRecord:
    attributes = _attributes(record)
    return EventRecord(
        line,
        _identifier(record.get("traceId")),
        _identifier(record.get("spanId")),
        # Before OTLP 1.5 the name of an event was an attribute.
        text(record.get("eventName")) or text(attributes.get("event.name")) or "",
        instant_from_nanoseconds(record.get("timeUnixNano"))
        or instant_from_nanoseconds(record.get("observedTimeUnixNano")),
        attributes,
        _value(record.get("body")),
        resource,
    )


def _identifier(value: object) -> str:
    """An id in hexadecimal; some writers use protobuf's own JSON, which has base64 here."""
    if not isinstance(value, str):
        return ""
    if len(value) in (16, 32):
        return value.lower()
    try:
        return base64.b64decode(value, validate=True).hex()
    except (binascii.Error, ValueError):
        return ""


def _attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    return _pairs(holder.get("attributes"))


def _pairs(pairs: object) -> dict[str, Any]:
    result = {}
    for pair in map(mapping, sequence(pairs)):
        if key := text(pair.get("key")):
            result[key] = _value(pair.get("value"))
    return result


def _value(any_value: object) -> Any:
    """The plain value in OTLP's wrapper, which names the type of each."""
    if not isinstance(any_value, dict):
        return None
    for kind, value in any_value.items():
        if kind in ("stringValue", "boolValue", "doubleValue"):
            return value
        if kind == "intValue":
            return whole(value)
        if kind == "arrayValue":
            return [_value(item) for item in sequence(mapping(value).get("values"))]
        if kind == "kvlistValue":
            return _pairs(mapping(value).get("values"))
    return None
