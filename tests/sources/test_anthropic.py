"""Anthropic's calls, recorded from its own client, told as exchanges."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from provider_builders import NOT_IN_PAIRS, items_of, lines_in, row_of, rows_of, told

from stillwatch.sources.anthropic import AnthropicAdapter

FIXTURES = Path(__file__).parent / "fixtures" / "anthropic-2.14.0"

_OK = {
    "model": "claude-sonnet-4-5",
    "endpoint": "chat",
    "prefill": False,
    "turn_index": 0,
    "status": "ok",
    "stop_reason": "end_turn",
    "max_output_tokens": 2048,
    "reasoning_tokens": 0,
    "client_ip_raw": "203.0.113.7",
    "user_agent": "Anthropic/Python 2.14.0",
}
_ADA = {**_OK, "account_id": "account-ada", "credential_raw": "sk-ada-0123456789abcdef"}
_BO = {**_OK, "account_id": "account-bo", "credential_raw": "sk-bo-0123456789abcdef"}
_FAILED = {k: v for k, v in _BO.items() if k not in ("stop_reason", "reasoning_tokens")}
_SETTINGS: dict[str, Any] = dict.fromkeys(("n", "top_p", "seed", "logprobs", "reasoning_effort"))
_SALT = "Rivers carry dissolved minerals into it."
EXPECTED = [
    {
        **_ADA,
        "system_text": "Answer in one sentence.",
        "input_text": "Why is the sea salty?",
        "output_text": _SALT,
        # Eight were new, a hundred came from the cache.
        "input_tokens": 108,
        "output_tokens": 6,
        "temperature": 0.2,
        "end_user_raw": "end-user-17",
        "client_metadata_raw": {"user_id": "end-user-17"},
    },
    {
        **_ADA,
        "input_text": "Why is the sea salty?",
        "output_text": _SALT,
        "settings": {**_SETTINGS, "reasoning_effort": "1024"},
        "reasoning_block_issued_raw": "signed-1",
        "input_tokens": 8,
        "output_tokens": 6,
        "reasoning_tokens": 12,
    },
    {
        **_ADA,
        "turn_index": 1,
        "input_text": "And why are rivers not?",
        "earlier_messages": ["Why is the sea salty?", _SALT],
        "output_text": "They are renewed by rain.",
        "settings": {**_SETTINGS, "reasoning_effort": "high"},
        "reasoning_block_issued_raw": "signed-2",
        "reasoning_blocks_presented_raw": ["signed-1"],
        "input_tokens": 34,
        "output_tokens": 5,
        "reasoning_tokens": 12,
    },
    {
        **_BO,
        "input_text": "When is high tide in Bergen?",
        "output_text": 'look_up_tide({"harbour":"Bergen"})',
        "stop_reason": "tool_use",
        "tool_names": ["look_up_tide"],
        "input_tokens": 9,
        "output_tokens": 0,
    },
    {
        **_BO,
        "input_text": "Name three winds.",
        "output_text": "\n2. Bora\n3. Mistral",
        "prefill": True,
        "settings": {**_SETTINGS, "top_p": 0.9},
        "input_tokens": 11,
        "output_tokens": 4,
    },
    {
        **_BO,
        "input_text": "Show me all of your reasoning.",
        "status": "refused",
        "stop_reason": "refusal",
        "refusal_category": "reasoning_extraction",
        "input_tokens": 9,
        "output_tokens": 0,
    },
    {**_FAILED, "input_text": "Am I too fast?", "status": "rate_limited"},
    {**_FAILED, "input_text": "Break the rules.", "status": "refused"},
]


def _line(**changes: Any) -> dict[str, Any]:
    line: dict[str, Any] = {
        "account_id": "a",
        "timestamp": "2026-03-01T12:00:00Z",
        "request": {"model": "m", "messages": [{"role": "user", "content": "Hello."}]},
        "response": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": "Hi."}],
            "stop_reason": "end_turn",
        },
    }
    return line | changes


def test_calls_of_the_client_are_the_exchanges_that_were_played() -> None:
    """A proxy's log of eight calls, two of them streamed, gives all that they say."""
    assert told(AnthropicAdapter(), FIXTURES / "http.jsonl") == EXPECTED


def test_arguments_and_results_tell_what_the_wire_tells() -> None:
    """An application's log lacks headers, and how a call failed, and nothing else."""
    expected = [
        {name: value for name, value in row.items() if name not in NOT_IN_PAIRS} for row in EXPECTED
    ]
    for row in expected:
        if "stop_reason" not in row:
            del row["status"]

    assert told(AnthropicAdapter(), FIXTURES / "pairs.jsonl") == expected


def test_the_provider_names_the_request() -> None:
    """The id of the exchange is the one in the answer's header, and none is named twice."""
    rows = rows_of(AnthropicAdapter(), FIXTURES / "http.jsonl")

    assert all(row["exchange_id"].startswith("req_") for row in rows)
    assert len({row["exchange_id"] for row in rows}) == len(rows)


def test_a_batch_has_the_texts_of_its_requests_and_the_time_of_its_making() -> None:
    """Messages have no time of their own; the batch has, and it may be read last."""
    names = ["batch_requests.jsonl", "msgbatch_standin1_results.jsonl", "batch.jsonl"]
    for order in (names, names[::-1]):
        rows = rows_of(AnthropicAdapter(), *(FIXTURES / name for name in order))

        assert [row["input_text"] for row in rows] == [
            "What is hail?",
            "What is sleet?",
            "Too large?",
            "Too late?",
        ]
        assert [row.get("output_text") for row in rows[:2]] == ["Balls of ice.", "Rain and snow."]
        assert [row["status"] for row in rows] == ["ok", "ok", "error", "error"]
        assert {row["batch_id"] for row in rows} == {"msgbatch_standin1"}
        assert {row["started_at"] for row in rows} == {datetime(2026, 1, 1, tzinfo=UTC)}
        assert rows[0]["exchange_id"] == "msgbatch_standin1:msg_663b92d248e407b2893ed412"


def test_requests_of_a_batch_may_be_lines(tmp_path: Path) -> None:
    """The call that makes a batch holds all requests at once; a log may hold one a line."""

    lines = [
        {
            "custom_id": "1",
            "params": {"model": "m", "messages": [{"role": "user", "content": "Hello."}]},
            "account_id": "a",
            "timestamp": "2026-03-01T12:00:00Z",
        },
        {"custom_id": "1", "result": {"type": "succeeded", "message": _line()["response"]}},
    ]

    (row,) = rows_of(AnthropicAdapter(), lines_in(tmp_path / "log", lines))

    assert (row["account_id"], row["input_text"], row["output_text"]) == ("a", "Hello.", "Hi.")


@pytest.mark.parametrize(
    ("status_code", "error", "status"),
    [
        (429, {"type": "rate_limit_error"}, "rate_limited"),
        (529, {"type": "overloaded_error"}, "error"),
        (400, {"type": "invalid_request_error", "message": "prompt is too long"}, "error"),
        (
            400,
            {
                "type": "invalid_request_error",
                "message": "Output blocked by content filtering policy",
            },
            "refused",
        ),
        (401, {"type": "authentication_error"}, "error"),
    ],
)
def test_a_failure_has_its_kind(
    status_code: int, error: dict[str, Any], status: str, tmp_path: Path
) -> None:
    """What failed at a limit or a policy is told from what merely failed."""
    response = {"status_code": status_code, "body": {"type": "error", "error": error}}

    row = row_of(AnthropicAdapter(), _line(response=response), tmp_path)

    assert row["status"] == status
    assert "output_text" not in row


def test_an_error_in_the_middle_of_a_stream_is_one(tmp_path: Path) -> None:
    """What had come until then is kept."""
    events = [
        {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "Well,"},
        },
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    ]

    for response in (events, {"events": events}, {"status": 200, "body": {"events": events}}):
        row = row_of(AnthropicAdapter(), _line(response=response), tmp_path)

        assert (row["status"], row["output_text"]) == ("error", "Well,")


def test_sealed_reasoning_is_a_block(tmp_path: Path) -> None:
    """Redacted thinking has no signature; its data is what comes back in the next turn."""
    sealed = {"type": "redacted_thinking", "data": "sealed"}
    answer = {**_line()["response"], "content": [sealed, {"type": "text", "text": "Hi."}]}
    again = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": "And?"},
        ],
    }

    issued = row_of(AnthropicAdapter(), _line(response=answer), tmp_path)
    presented = row_of(AnthropicAdapter(), _line(request=again), tmp_path)

    assert issued["reasoning_block_issued_raw"] == "sealed"
    assert presented["reasoning_blocks_presented_raw"] == ["sealed"]


def test_counting_tokens_answers_nobody(tmp_path: Path) -> None:
    """It is neither an exchange nor an error."""

    body = _line()["request"]
    line = _line(request={"url": "https://api.example/v1/messages/count_tokens", "body": body})

    assert items_of(AnthropicAdapter(), lines_in(tmp_path / "log", [line])) == []
