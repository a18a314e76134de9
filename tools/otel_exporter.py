"""Exports spans with OpenTelemetry's real exporter, one request a line of input; runs in `.venv-otel`.

A line is `COUNT` or `COUNT timeless`: so many spans of model calls, the latter without a time. Each
is answered with the exporter's result, `SUCCESS` or `FAILURE`.
"""

from __future__ import annotations

import argparse
import sys

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def main() -> None:
    """Export what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--token", default="")
    parser.add_argument("--timeout", type=float, default=10)
    options = parser.parse_args()
    exporter = OTLPSpanExporter(
        endpoint=options.endpoint,
        timeout=options.timeout,
        compression=Compression.Gzip,
        headers={"authorization": f"Bearer {options.token}"} if options.token else None,
    )
    for line in sys.stdin:
        count, _, kind = line.strip().partition(" ")
        print(exporter.export(_spans(int(count), timeless=kind == "timeless")).name, flush=True)
    exporter.shutdown()


def _spans(count: int, *, timeless: bool) -> tuple:  # type: ignore[type-arg]
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("exporter-of-the-test")
    for number in range(count):
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "user.id": f"account-{number}",
        }
        span = tracer.start_span(
            "chat m", attributes=attributes, start_time=1 if timeless else None
        )
        span.end()
    return kept.get_finished_spans()


if __name__ == "__main__":
    main()
