"""Small OTLP requests for tests, built with OpenTelemetry's own messages."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

START = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z


def attributes(values: dict[str, Any]) -> list[KeyValue]:
    """Attributes of strings and numbers."""
    kinds = {int: "int_value", float: "double_value", str: "string_value"}
    return [
        KeyValue(key=key, value=AnyValue(**{kinds[type(value)]: value}))
        for key, value in values.items()
    ]


def traces(
    *spans: dict[str, Any], resource: dict[str, Any] | None = None, started_at: int | None = None
) -> Any:
    """A request with one resource; each span has `number`, `parent` and `attributes`.

    A span lasts half a second, from `started_at` (nanoseconds since 1970), else from as many
    seconds after `START` as its number says.
    """
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(attributes(resource or {"service.name": "gateway"}))
    scope = group.scope_spans.add()
    for span in spans:
        number = span["number"]
        start = START + number * 1_000_000_000 if started_at is None else started_at
        scope.spans.add(
            trace_id=span.get("trace", 1).to_bytes(16, "big"),
            span_id=number.to_bytes(8, "big"),
            parent_span_id=span["parent"].to_bytes(8, "big") if "parent" in span else b"",
            name="a span",
            start_time_unix_nano=start,
            end_time_unix_nano=start + 500_000_000,
            attributes=attributes(span["attributes"]),
        )
    return request


def details(number: int, values: dict[str, Any], *, trace: int = 1) -> Any:
    """A request with the event that tells the details of span `number`."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    scope.log_records.add(
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        event_name="gen_ai.client.inference.operation.details",
        observed_time_unix_nano=START + number * 1_000_000_000,
        attributes=attributes(values),
    )
    return request


def model_call(number: int, **more: Any) -> dict[str, Any]:
    """A span of a model call whose input names its number."""
    text = [{"role": "user", "parts": [{"type": "text", "content": f"question {number}"}]}]
    return {
        "number": number,
        "trace": more.pop("trace", number),
        **({"parent": more.pop("parent")} if "parent" in more else {}),
        "attributes": {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "gen_ai.input.messages": json.dumps(text),
            "user.id": f"account-{number}",
            **more,
        },
    }


def json_line(request: Any) -> bytes:
    """A request as OTLP/JSON, with ids in hexadecimal as the specification wants them."""
    from google.protobuf.json_format import MessageToDict

    value = MessageToDict(request)
    _hexadecimal(value)
    return json.dumps(value).encode() + b"\n"


def _hexadecimal(value: Any) -> None:
    import base64

    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("traceId", "spanId", "parentSpanId"):
                value[key] = base64.b64decode(inner).hex()
            else:
                _hexadecimal(inner)
    elif isinstance(value, list):
        for inner in value:
            _hexadecimal(inner)
