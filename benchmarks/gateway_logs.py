"""A world's exchanges as a gateway would have logged them."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

__all__ = [
    "write_canonical",
    "write_json_lines",
    "write_litellm",
    "write_otlp",
    "write_otlp_protobuf",
]

_SPANS_IN_A_REQUEST = 64


def write_canonical(world: Path, out: Path, rows: int) -> int:
    """The first exchanges as one canonical Parquet file; returns their number."""
    written = 0
    writer = None
    for path in _days(world):
        table = pq.read_table(path).slice(0, rows - written)
        writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd")
        writer.write_table(table)
        written += table.num_rows
        if written >= rows:
            break
    if writer is not None:
        writer.close()
    return written


def write_json_lines(world: Path, out: Path, rows: int) -> int:
    """The first exchanges as canonical JSON, one a line; what is null is left out."""
    with out.open("w", encoding="utf-8") as file:
        written = 0
        for exchange in islice(_exchanges(world), rows):
            said = {name: value for name, value in exchange.items() if value is not None}
            file.write(json.dumps(said, default=lambda moment: moment.isoformat()) + "\n")
            written += 1
    return written


def write_litellm(world: Path, out: Path, rows: int) -> int:
    """The first exchanges as LiteLLM's `StandardLoggingPayload`, one a line."""
    with out.open("w", encoding="utf-8") as file:
        written = 0
        for exchange in islice(_exchanges(world), rows):
            file.write(json.dumps(_payload(exchange)) + "\n")
            written += 1
    return written


def write_otlp(world: Path, out: Path, rows: int) -> int:
    """The first exchanges as spans of OTLP/JSON, in requests of a collector's size."""
    exchanges = islice(_exchanges(world), rows)
    written = 0
    with out.open("w", encoding="utf-8") as file:
        while spans := [_span(e) for e in islice(exchanges, _SPANS_IN_A_REQUEST)]:
            request = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": spans}]}]}
            file.write(json.dumps(request) + "\n")
            written += len(spans)
    return written


def write_otlp_protobuf(world: Path, out: Path, rows: int) -> int:
    """The same requests as `write_otlp`, as a Collector's file exporter writes protobuf."""
    exchanges = islice(_exchanges(world), rows)
    written = 0
    with out.open("wb") as file:
        while spans := [_binary_span(_span(e)) for e in islice(exchanges, _SPANS_IN_A_REQUEST)]:
            resource = ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])
            request = TracesData(resource_spans=[resource]).SerializeToString()
            file.write(struct.pack(">I", len(request)) + request)
            written += len(spans)
    return written


def _days(world: Path) -> list[Path]:
    return sorted((world / "exchanges").glob("*.parquet"))


def _exchanges(world: Path) -> Iterator[dict[str, Any]]:
    for path in _days(world):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(4096):
                yield from batch.to_pylist()


def _messages(exchange: dict[str, Any]) -> list[tuple[str, str]]:
    texts = (("system", exchange["system_text"]), ("user", exchange["input_text"]))
    return [(role, text) for role, text in texts if text]


def _payload(exchange: dict[str, Any]) -> dict[str, Any]:
    started = exchange["started_at"].timestamp()
    answer = {"role": "assistant", "content": exchange["output_text"]}
    return {
        "id": exchange["exchange_id"],
        "call_type": "acompletion",
        "status": "success",
        "startTime": started,
        "endTime": started + 1.0,
        "model": exchange["model"],
        "messages": [{"role": role, "content": text} for role, text in _messages(exchange)],
        "response": {"choices": [{"finish_reason": "stop", "message": answer}]},
        "prompt_tokens": exchange["input_tokens"],
        "completion_tokens": exchange["output_tokens"],
        "metadata": {
            "user_api_key_user_id": exchange["account_id"],
            "user_api_key_hash": exchange["credential_id"],
            "user_agent": exchange["user_agent"],
        },
    }


def _span(exchange: dict[str, Any]) -> dict[str, Any]:
    started = int(exchange["started_at"].timestamp() * 1_000_000) * 1_000
    said = [_part(role, text) for role, text in _messages(exchange)]
    values = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": exchange["model"],
        "gen_ai.response.id": exchange["exchange_id"],
        "gen_ai.input.messages": json.dumps(said),
        "gen_ai.output.messages": json.dumps([_part("assistant", exchange["output_text"] or "")]),
        "user.id": exchange["account_id"],
    }
    number = f"{int.from_bytes(exchange['exchange_id'].encode()[-12:], 'big'):024x}"
    return {
        "traceId": number.rjust(32, "0")[-32:],
        "spanId": number[-16:],
        "name": "chat",
        "startTimeUnixNano": str(started),
        "endTimeUnixNano": str(started + 1_000_000_000),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in values.items()],
    }


def _binary_span(span: dict[str, Any]) -> Span:
    return Span(
        trace_id=bytes.fromhex(span["traceId"]),
        span_id=bytes.fromhex(span["spanId"]),
        name=span["name"],
        start_time_unix_nano=int(span["startTimeUnixNano"]),
        end_time_unix_nano=int(span["endTimeUnixNano"]),
        attributes=[
            KeyValue(key=a["key"], value=AnyValue(string_value=a["value"]["stringValue"]))
            for a in span["attributes"]
        ],
    )


def _part(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}
