"""OTLP requests for tests, built with OpenTelemetry's own messages."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status

START = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
# How the calls of each status fail, as the conventions' `error.type`.
ERRORS = {
    "rate_limited": "rate_limit_exceeded",
    "error": "server_error",
    "blocked": "account_deactivated",
}


def attributes(values: dict[str, Any]) -> list[KeyValue]:
    """Attributes of strings, numbers and lists of strings."""
    return [KeyValue(key=key, value=_any_value(value)) for key, value in values.items()]


def _any_value(value: Any) -> AnyValue:
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_any_value(item) for item in value]))
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)


def traces(
    *spans: dict[str, Any], resource: dict[str, Any] | None = None, started_at: int | None = None
) -> Any:
    """A request with one resource; each span has `number`, `parent` and `attributes`.

    A span lasts half a second, from `started_at` (nanoseconds since 1970), else from as many
    seconds after `START` as its number says. It may say itself when it `started` and `finished`,
    and that it `failed`.
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
            start_time_unix_nano=span.get("started", start),
            end_time_unix_nano=span.get("finished", start + 500_000_000),
            attributes=attributes(span["attributes"]),
            status=Status(code=2 if span.get("failed") else 0),
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


def span_of(number: int, row: dict[str, Any]) -> dict[str, Any]:
    """The row as an instrumented gateway tells it, by the names of the conventions."""
    wanted = row.get("settings") or {}
    blocks = row.get("reasoning_blocks_presented_raw", [])
    turns = [_message(role, text) for role, text in _turns(row)]
    turns[-1:-1] = [{"role": "assistant", "parts": [_reasoning(block) for block in blocks]}]
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": row.get("model"),
        "user.id": row["account_id"],
        "enduser.id": row.get("end_user_raw"),
        "gen_ai.conversation.id": row.get("conversation_id"),
        "client.address": row.get("client_ip_raw"),
        "user_agent.original": row.get("user_agent"),
        "metadata.user_api_key_hash": _sha256(row.get("credential_raw")),
        "http.request.header.x-request-id": [row["request_id"]] if "request_id" in row else None,
        "openai.api.type": "responses" if row["endpoint"] == "responses" else None,
        "gen_ai.request.max_tokens": row.get("max_output_tokens"),
        "gen_ai.request.temperature": row.get("temperature"),
        "gen_ai.request.top_p": wanted.get("top_p"),
        "gen_ai.request.seed": wanted.get("seed"),
        "gen_ai.request.choice.count": wanted.get("n"),
        "gen_ai.request.reasoning.effort": wanted.get("reasoning_effort"),
        "gen_ai.usage.input_tokens": row.get("input_tokens"),
        "gen_ai.usage.output_tokens": row.get("output_tokens"),
        "gen_ai.usage.reasoning.output_tokens": row.get("reasoning_tokens"),
        "gen_ai.response.finish_reasons": [row["stop_reason"]] if "stop_reason" in row else None,
        "error.type": ERRORS.get(row["status"]),
    }
    if "input_text" in row:
        told["gen_ai.input.messages"] = json.dumps([turn for turn in turns if turn["parts"]])
    if "system_text" in row:
        told["gen_ai.system_instructions"] = json.dumps([_text(row["system_text"])])
    if names := row.get("tool_names"):
        tools = [{"type": "function", "name": name} for name in names]
        told["gen_ai.tool.definitions"] = json.dumps(tools)
    if "output_text" in row or "reasoning_block_issued_raw" in row:
        parts = [_reasoning(row[n]) for n in ("reasoning_block_issued_raw",) if n in row]
        parts += [_text(row["output_text"])] if "output_text" in row else []
        answer = {"role": "assistant", "parts": parts}
        told["gen_ai.output.messages"] = json.dumps([answer])
    return {
        "number": number,
        "trace": number,
        "started": _nanoseconds(row["started_at"]),
        "finished": _nanoseconds(row["finished_at"]) if "finished_at" in row else 0,
        "failed": row["status"] in ERRORS,
        "attributes": {name: value for name, value in told.items() if value is not None},
    }


def _turns(row: dict[str, Any]) -> list[tuple[str, str]]:
    roles = ("user", "assistant")
    said = [(roles[i % 2], text) for i, text in enumerate(row.get("earlier_messages", []))]
    said += [("user", row["input_text"])] if "input_text" in row else []
    return said + ([("assistant", "1.")] if row.get("prefill") else [])


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [_text(text)]}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "content": text}


def _reasoning(block: str) -> dict[str, Any]:
    return {"type": "reasoning", "content": "", "signature": block}


def _sha256(secret: str | None) -> str | None:
    return None if secret is None else hashlib.sha256(secret.encode()).hexdigest()


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000


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
