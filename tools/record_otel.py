"""Records the OpenTelemetry fixtures of the tests: `python tools/record_otel.py`.

The real OpenAI client, instrumented by three real packages, asks a stand-in for a provider;
the real exporters write OTLP/JSON, or post OTLP/protobuf to a receiver. Each package puts the
messages elsewhere: JSON strings on the span and structured arrays on the event
(`genai-openai`), one log event a message (`openai-v2`, conventions 1.36 and before), or
numbered attributes of the span (`openai` of OpenLLMetry).
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from gateway_environment import ROOT, make_environment
from log_receiver import log_receiver
from stand_in_openai import stand_in_provider

FIXTURES = ROOT / "tests" / "sources" / "fixtures"
CLIENT = ROOT / "tools" / "otel_client.py"
# Environment, folder of the fixtures, and what switches content capture on.
PACKAGES = (
    (
        "otel",
        "opentelemetry-instrumentation-genai-openai-1.3b0",
        {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event"},
    ),
    (
        "otel-events",
        "opentelemetry-instrumentation-openai-v2-2.3b0",
        {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"},
    ),
    (
        "otel-prompts",
        "opentelemetry-instrumentation-openai-0.52.6",
        {"TRACELOOP_TRACE_CONTENT": "true"},
    ),
)


def plan() -> list[dict[str, Any]]:
    """One call of each shape the adapter must read."""
    ada = {"user": "account-ada", "address": "203.0.113.7", "agent": "weaver-sdk/3.1"}
    bo = {"user": "account-bo"}
    system = {"role": "system", "content": "Answer in one sentence."}
    first = {"role": "user", "content": "Why is the sea salty?"}
    salty = "Rivers carry dissolved minerals into it."
    tool = {
        "type": "function",
        "function": {"name": "look_up_tide", "parameters": {"type": "object", "properties": {}}},
    }
    return [
        _step(
            "plain",
            ada,
            messages=[system, first],
            temperature=0.2,
            max_tokens=64,
            extra_body={"stand_in_answer": salty},
        ),
        _step(
            "follow-up",
            ada,
            messages=[
                system,
                first,
                {"role": "assistant", "content": salty},
                {"role": "user", "content": "And why are rivers not?"},
            ],
            seed=7,
            top_p=0.9,
            extra_body={"stand_in_answer": "They are renewed by rain."},
        ),
        _step(
            "tool",
            bo,
            messages=[{"role": "user", "content": "When is high tide in Bergen?"}],
            tools=[tool],
            extra_body={
                "stand_in_tool_call": {"name": "look_up_tide", "arguments": '{"harbour": "Bergen"}'}
            },
        ),
        _step(
            "stream",
            bo,
            messages=[{"role": "user", "content": "Count to three."}],
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"stand_in_answer": "One two three."},
        ),
        _step(
            "limited",
            bo,
            messages=[{"role": "user", "content": "Am I too fast?"}],
            extra_body={"stand_in_status": 429},
        ),
        {
            "reference": "responses",
            **bo,
            "api": "responses",
            "call": {
                "model": "gpt-4o",
                "instructions": "Be brief.",
                "input": "What is dew?",
                "extra_body": {"stand_in_answer": "Condensed water."},
            },
        },
    ]


def _step(reference: str, caller: dict[str, str], **call: Any) -> dict[str, Any]:
    return {"reference": reference, **caller, "call": {"model": "gpt-4o", **call}}


def main() -> None:
    """Write the fixtures anew."""
    for environment, name, settings in PACKAGES:
        folder = FIXTURES / name
        folder.mkdir(parents=True, exist_ok=True)
        _record_json(environment, folder / "otlp.jsonl", settings)
        if environment == "otel":
            _record_protobuf(environment, folder, settings)


def _record_json(environment: str, path: Path, settings: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder, stand_in_provider() as provider:
        written = Path(folder) / "otlp.jsonl"
        _run(environment, ["--json-file", str(written)], provider=provider, settings=settings)
        text = written.read_text()
    # Stack traces name the recording machine's folders; nothing else is changed.
    path.write_text(text.replace(str(ROOT), "/srv"))


def _record_protobuf(environment: str, folder: Path, settings: dict[str, str]) -> None:
    with log_receiver() as received, stand_in_provider() as provider:
        options = ["--otlp", received.url, "--user-in-baggage"]
        _run(environment, options, provider=provider, settings=settings)
        for kind in ("traces", "logs"):
            (folder / f"{kind}.pb").write_bytes(received.bodies(f"/v1/{kind}")[0])


def _run(environment: str, options: list[str], *, provider: str, settings: dict[str, str]) -> None:
    lines = "\n".join(json.dumps(step) for step in plan())
    done = subprocess.run(
        [str(make_environment(environment)), str(CLIENT), "--provider", provider, *options],
        input=lines.encode(),
        capture_output=True,
        env={"PATH": os.environ["PATH"], **settings},
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    print(environment, done.stdout.decode().count("\n"), "calls", done.stderr.decode()[-500:])


if __name__ == "__main__":
    main()
