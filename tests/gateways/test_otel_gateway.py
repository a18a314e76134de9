"""A campaign played through an instrumented OpenAI client is found in its telemetry.

The client, its instrumentation and its exporter are real; the provider is a stand-in that gives
the world's answers. Content is on the events and the caller is on the spans, as the conventions
recommend, so that both are needed. Clocks say now, and the world lasts a week: so the times of
spans and events, and nothing else, are set to the world's from a side table of trace ids.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from gateway_environment import ROOT, make_environment
from log_receiver import log_receiver
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from played_world import (
    SimulatedWorld,
    accounts_found,
    answered,
    imported,
    nanoseconds,
    simulated_world,
)
from stand_in_openai import stand_in_provider

pytestmark = pytest.mark.gateways


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimulatedWorld:
    """What is played."""
    return simulated_world(tmp_path_factory.mktemp("world") / "world", exchanges=7_000)


@pytest.fixture(scope="module")
def lake(world: SimulatedWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world played through the client, and its telemetry imported."""
    folder = tmp_path_factory.mktemp("otel")
    bodies, played = _recorded(world)
    log = folder / "otlp.bin"
    log.write_bytes(b"".join(_framed(_in_world_time(*body, played)) for body in bodies))
    return world.lake_of(log, "otlp", folder=folder)


def test_the_lake_holds_what_was_played(world: SimulatedWorld, lake: Path) -> None:
    """Every exchange, with its account, time and texts, and nothing beside them."""
    assert imported(lake) == world.spoken()


def test_the_campaign_is_found_with_exactly_its_members(world: SimulatedWorld, lake: Path) -> None:
    """Twenty accounts among two hundred honest ones."""
    assert accounts_found(lake) == world.campaign_accounts


def _recorded(
    world: SimulatedWorld,
) -> tuple[list[tuple[str, bytes]], dict[str, dict[str, Any]]]:
    plan = [_step(number, row) for number, row in enumerate(world.exchanges)]
    with stand_in_provider() as provider, log_receiver() as received:
        done = subprocess.run(
            [
                *(str(make_environment("otel")), str(ROOT / "tools" / "otel_client.py")),
                *("--provider", provider, "--otlp", received.url, "--threads", "8"),
                "--user-in-baggage",
            ],
            input="\n".join(map(json.dumps, plan)),
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "event_only",
            },
        )
        assert done.returncode == 0, done.stderr[-2000:]
        bodies = received.arrivals()
    sides = dict(line.split("\t")[::-1] for line in done.stdout.splitlines())
    return bodies, {trace: world.exchanges[int(number)] for trace, number in sides.items()}


def _step(number: int, row: dict[str, Any]) -> dict[str, Any]:
    """One exchange of the world as a call of the client."""
    system = [{"role": "system", "content": row["system_text"]}] if row["system_text"] else []
    said = {"stand_in_answer": row["output_text"]} if answered(row) else {"stand_in_status": 429}
    call: dict[str, Any] = {
        "model": row["model"],
        "messages": [*system, {"role": "user", "content": row["input_text"]}],
        "extra_body": said,
    }
    for name, column in (("temperature", "temperature"), ("max_tokens", "max_output_tokens")):
        if row[column] is not None:
            call[name] = row[column]
    if row["tool_names"]:
        call["tools"] = [
            {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
            for name in row["tool_names"]
        ]
    return {
        "reference": str(number),
        "user": row["account_id"],
        "address": row["client_ip"],
        "agent": row["user_agent"],
        "call": call,
    }


def _in_world_time(path: str, body: bytes, played: dict[str, dict[str, Any]]) -> bytes:
    if path == "/v1/traces":
        traces = ExportTraceServiceRequest.FromString(body)
        for resource in traces.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    row = played[span.trace_id.hex()]
                    span.start_time_unix_nano = nanoseconds(row["started_at"])
                    span.end_time_unix_nano = nanoseconds(row["finished_at"] or row["started_at"])
        return bytes(traces.SerializeToString())
    logs = ExportLogsServiceRequest.FromString(body)
    for resource in logs.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                row = played[record.trace_id.hex()]
                record.observed_time_unix_nano = nanoseconds(
                    row["finished_at"] or row["started_at"]
                )
    return bytes(logs.SerializeToString())


def _framed(message: bytes) -> bytes:
    """As the Collector's file exporter writes protobuf: the length, in four bytes, before it."""
    return struct.pack(">I", len(message)) + message
