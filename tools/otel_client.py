"""Plays requests through the real, instrumented OpenAI client; runs in `.venv-otel*`.

Reads a plan on standard input, one JSON object a line: `reference`, `user`, `address`,
`agent`, `api` (`chat` or `responses`) and `call` (arguments of the client). Prints
`reference<TAB>trace id` for each. The service around the client is what a gateway would be:
a server span that knows its caller, and baggage that carries the caller on.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from openai import OpenAI, OpenAIError  # type: ignore[import-not-found,unused-ignore]
from opentelemetry import baggage, context, trace  # type: ignore[attr-defined,unused-ignore]
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor


def main() -> None:
    """Play the plan."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--provider", required=True)
    parser.add_argument("--otlp", help="base URL of an OTLP/HTTP receiver")
    parser.add_argument("--json-file", type=Path, help="write OTLP/JSON here instead")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--user-in-baggage", action="store_true")
    options = parser.parse_args()
    tracers, loggers = _providers(options)
    _instrument(tracers, loggers)
    client = OpenAI(base_url=options.provider, api_key="not-a-key", max_retries=0)
    plan = [json.loads(line) for line in sys.stdin if line.strip()]
    with ThreadPoolExecutor(options.threads) as pool:
        for line in pool.map(lambda step: _play(client, step), plan):
            print(line)
    tracers.shutdown()
    loggers.shutdown()


def _providers(options: argparse.Namespace) -> tuple[TracerProvider, LoggerProvider]:
    resource = Resource.create({"service.name": "gateway-of-the-test"})
    tracers, loggers = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    if options.user_in_baggage:
        from opentelemetry.processor.baggage import ALLOW_ALL_BAGGAGE_KEYS, BaggageSpanProcessor

        tracers.add_span_processor(BaggageSpanProcessor(ALLOW_ALL_BAGGAGE_KEYS))
    if options.json_file:
        from opentelemetry.exporter.otlp.json.file import FileSpanExporter
        from opentelemetry.exporter.otlp.json.file._log_exporter import FileLogExporter

        tracers.add_span_processor(SimpleSpanProcessor(FileSpanExporter(options.json_file)))
        loggers.add_log_record_processor(
            SimpleLogRecordProcessor(FileLogExporter(options.json_file))
        )
    else:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        spans = OTLPSpanExporter(endpoint=f"{options.otlp}/v1/traces")
        logs = OTLPLogExporter(endpoint=f"{options.otlp}/v1/logs")
        # The default queue of 2,048 drops what a fast player makes while the exporter sleeps.
        tracers.add_span_processor(BatchSpanProcessor(spans, max_queue_size=100_000))
        loggers.add_log_record_processor(BatchLogRecordProcessor(logs, max_queue_size=100_000))
    trace.set_tracer_provider(tracers)
    set_logger_provider(loggers)
    return tracers, loggers


def _instrument(tracers: TracerProvider, loggers: LoggerProvider) -> None:
    """With whichever of the three instrumentations this environment holds."""
    providers = {"tracer_provider": tracers, "logger_provider": loggers}
    with contextlib.suppress(ImportError):
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(**providers)
        return
    with contextlib.suppress(ImportError):
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor as WithEvents

        WithEvents().instrument(**providers)
        return
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor as WithPrompts

    WithPrompts().instrument(**providers)


def _play(client: OpenAI, step: dict[str, Any]) -> str:
    caller = {
        key: step[name]
        for key, name in (
            ("user.id", "user"),
            ("client.address", "address"),
            ("user_agent.original", "agent"),
        )
        if step.get(name)
    }
    with_caller = baggage.set_baggage("user.id", step.get("user", ""))
    token = context.attach(with_caller)
    tracer = trace.get_tracer("gateway-of-the-test")
    try:
        with tracer.start_as_current_span(
            "POST /v1", kind=trace.SpanKind.SERVER, attributes=caller
        ) as span:
            with contextlib.suppress(OpenAIError):
                _call(client, step)
            return f"{step['reference']}\t{span.get_span_context().trace_id:032x}"
    finally:
        context.detach(token)


def _call(client: OpenAI, step: dict[str, Any]) -> None:
    if step.get("api") == "responses":
        client.responses.create(**step["call"])
        return
    answer = client.chat.completions.create(**step["call"])
    if step["call"].get("stream"):
        for _ in answer:
            pass


if __name__ == "__main__":
    main()
