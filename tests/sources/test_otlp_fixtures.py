"""What real instrumentation recorded, told as exchanges."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stillwatch.sources.adapter import ParsedRow
from stillwatch.sources.otlp import OtlpAdapter

FIXTURES = Path(__file__).parent / "fixtures"
GENAI = FIXTURES / "opentelemetry-instrumentation-genai-openai-1.3b0"
OPENAI_V2 = FIXTURES / "opentelemetry-instrumentation-openai-v2-2.3b0"
OPENLLMETRY = FIXTURES / "opentelemetry-instrumentation-openai-0.52.6"

_ADA = {"account_id": "account-ada", "client_ip_raw": "203.0.113.7", "user_agent": "weaver-sdk/3.1"}
_BO = {"account_id": "account-bo"}
_COMMON = {"model": "gpt-4o", "endpoint": "chat", "prefill": False, "turn_index": 0}
_OK = {**_COMMON, "status": "ok", "stop_reason": "stop"}
_SEED = {"n": None, "top_p": 0.9, "seed": 7, "logprobs": None, "reasoning_effort": None}
PLAIN = {
    **_OK,
    "system_text": "Answer in one sentence.",
    "input_text": "Why is the sea salty?",
    "output_text": "Rivers carry dissolved minerals into it.",
    "input_tokens": 15,
    "output_tokens": 6,
    "max_output_tokens": 64,
    "temperature": 0.2,
}
FOLLOW_UP = {
    **_OK,
    "system_text": "Answer in one sentence.",
    "input_text": "And why are rivers not?",
    "output_text": "They are renewed by rain.",
    "earlier_messages": ["Why is the sea salty?", "Rivers carry dissolved minerals into it."],
    "turn_index": 1,
    "input_tokens": 32,
    "output_tokens": 5,
    "settings": _SEED,
}
TOOL = {
    **_OK,
    "input_text": "When is high tide in Bergen?",
    "output_text": 'look_up_tide({"harbour":"Bergen"})',
    "stop_reason": "tool_calls",
    "tool_names": ["look_up_tide"],
    "input_tokens": 9,
    "output_tokens": 2,
}
STREAM = {
    **_OK,
    "input_text": "Count to three.",
    "output_text": "One two three.",
    "input_tokens": 6,
    "output_tokens": 3,
}
LIMITED = {**_COMMON, "input_text": "Am I too fast?", "status": "rate_limited"}
RESPONSES = {
    **_OK,
    "endpoint": "responses",
    "system_text": "Be brief.",
    "input_text": "What is dew?",
    "output_text": "Condensed water.",
    "input_tokens": 3,
    "output_tokens": 2,
}
CALLERS = [_ADA, _ADA, _BO, _BO, _BO, _BO]
GENAI_CALLS = [PLAIN, FOLLOW_UP, TOOL, STREAM, LIMITED, RESPONSES]


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _parsed(path: Path) -> list[dict[str, Any]]:
    items = list(OtlpAdapter().read(path))
    assert all(isinstance(item, ParsedRow) for item in items), items
    return [item.row for item in items]


def _told(path: Path) -> list[dict[str, Any]]:
    """The rows without the ids and times of the recording, which have a test of their own."""
    return [_without(row, "exchange_id", "started_at", "finished_at") for row in _parsed(path)]


def test_span_with_json_text_and_event_with_structures_are_one_exchange() -> None:
    """Conventions 1.37: six calls, told twice each, are six exchanges with their callers."""
    expected = [{**call, **caller} for call, caller in zip(GENAI_CALLS, CALLERS, strict=True)]

    assert _told(GENAI / "otlp.jsonl") == expected


def test_protobuf_traces_tell_the_same_as_json() -> None:
    """The binary encoding of the spans gives the same exchanges."""
    assert _told(GENAI / "traces.pb") == _told(GENAI / "otlp.jsonl")


def test_events_alone_tell_all_but_the_caller() -> None:
    """The binary log records hold the whole call; who asked was on the spans."""
    expected = [{**call, "account_id": None} for call in GENAI_CALLS]

    assert _told(GENAI / "logs.pb") == expected


def test_one_event_a_message_is_read() -> None:
    """Conventions 1.36 and before: messages come as events, which do not tell the tools."""
    calls = [PLAIN, FOLLOW_UP, _without(TOOL, "tool_names"), STREAM, LIMITED]
    expected = [{**call, **caller} for call, caller in zip(calls, CALLERS[:5], strict=True)]

    assert _told(OPENAI_V2 / "otlp.jsonl") == expected


def test_numbered_attributes_are_read() -> None:
    """OpenLLMetry: a message is `gen_ai.prompt.N.…`; it leaves out the seed."""
    follow_up = {**FOLLOW_UP, "settings": {**_SEED, "seed": None}}
    calls = [
        {**PLAIN, "reasoning_tokens": 0},
        {**follow_up, "reasoning_tokens": 0},
        {**TOOL, "reasoning_tokens": 0},
        STREAM,
        LIMITED,
        {**_without(RESPONSES, "endpoint", "stop_reason"), "reasoning_tokens": 0},
    ]
    expected = [{**call, **caller} for call, caller in zip(calls, CALLERS, strict=True)]

    assert _told(OPENLLMETRY / "otlp.jsonl") == expected


@pytest.mark.parametrize("folder", [GENAI, OPENAI_V2, OPENLLMETRY], ids=lambda f: f.name)
def test_ids_and_times_are_those_of_the_client_spans(folder: Path) -> None:
    """An exchange is named after its span and has its times, to the microsecond."""
    spans = []
    for line in (folder / "otlp.jsonl").read_text().splitlines():
        for resource in json.loads(line).get("resourceSpans", []):
            for scope in resource["scopeSpans"]:
                spans += [span for span in scope["spans"] if span["kind"] == 3]

    assert [
        (row["exchange_id"], row["started_at"], row["finished_at"])
        for row in _parsed(folder / "otlp.jsonl")
    ] == [
        (
            f"{span['traceId']}-{span['spanId']}",
            _instant(span["startTimeUnixNano"]),
            _instant(span["endTimeUnixNano"]),
        )
        for span in spans
    ]


def _instant(nanoseconds: str) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(nanoseconds) // 1000)
