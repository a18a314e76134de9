"""OpenAI's calls, recorded from its own client, told as exchanges."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from provider_builders import NOT_IN_PAIRS, START, row_of, rows_of, told

from stillwatch.sources.openai import OpenaiAdapter

FIXTURES = Path(__file__).parent / "fixtures" / "openai-3.57.0"

_OK = {
    "model": "gpt-4o",
    "endpoint": "chat",
    "prefill": False,
    "turn_index": 0,
    "status": "ok",
    "stop_reason": "stop",
    "client_ip_raw": "203.0.113.7",
    "user_agent": "OpenAI/Python 3.57.0",
}
_ADA = {**_OK, "account_id": "account-ada", "credential_raw": "sk-ada-0123456789abcdef"}
_BO = {**_OK, "account_id": "account-bo", "credential_raw": "sk-bo-0123456789abcdef"}
_RESPONSE = {**_ADA, "model": "o4-mini", "endpoint": "responses", "stop_reason": "completed"}
_FAILED = {key: value for key, value in _BO.items() if key != "stop_reason"}
_SETTINGS: dict[str, Any] = dict.fromkeys(("n", "top_p", "seed", "logprobs", "reasoning_effort"))
EXPECTED = [
    {
        **_ADA,
        "system_text": "Answer in one sentence.",
        "input_text": "Why is the sea salty?",
        "output_text": "Rivers carry dissolved minerals into it.",
        "input_tokens": 15,
        "output_tokens": 6,
        "max_output_tokens": 64,
        "temperature": 0.2,
        "cache_key_raw": "salt-course",
        "end_user_raw": "end-user-17",
        "client_metadata_raw": {"course": "oceans"},
    },
    {
        **_ADA,
        "turn_index": 1,
        "system_text": "Answer in one sentence.",
        "input_text": "And why are rivers not?",
        "earlier_messages": ["Why is the sea salty?", "Rivers carry dissolved minerals into it."],
        "output_text": "They are renewed by rain.",
        "input_tokens": 32,
        "output_tokens": 5,
        "settings": {**_SETTINGS, "n": 2, "top_p": 0.9, "seed": 7, "logprobs": 5},
    },
    {
        **_BO,
        "input_text": "When is high tide in Bergen?",
        "output_text": 'look_up_tide({"harbour":"Bergen"})',
        "stop_reason": "tool_calls",
        "tool_names": ["look_up_tide"],
        "input_tokens": 9,
        "output_tokens": 2,
    },
    {
        **_BO,
        "input_text": "Count to three.",
        "output_text": "One two three.",
        "input_tokens": 6,
        "output_tokens": 3,
    },
    {
        **_BO,
        "input_text": "Name three winds.",
        "output_text": "\n2. Bora\n3. Mistral",
        "prefill": True,
        "input_tokens": 11,
        "output_tokens": 4,
    },
    {
        **_BO,
        "input_text": "Teach me to pick it.",
        "output_text": "No.",
        "status": "refused",
        "input_tokens": 8,
        "output_tokens": 2,
    },
    {**_FAILED, "input_text": "Am I too fast?", "status": "rate_limited"},
    {**_FAILED, "input_text": "Break the rules.", "status": "refused"},
    {
        **_RESPONSE,
        "system_text": "Be brief.",
        "input_text": "What is dew?",
        "output_text": "Condensed water.",
        "settings": {**_SETTINGS, "reasoning_effort": "high"},
        "reasoning_block_issued_raw": "sealed-1",
        "input_tokens": 3,
        "output_tokens": 2,
        "reasoning_tokens": 8,
    },
    {
        **_RESPONSE,
        "turn_index": 1,
        "input_text": "And fog?",
        "earlier_messages": ["What is dew?", "Condensed water."],
        "output_text": "Dew that floats.",
        "settings": {**_SETTINGS, "logprobs": 3},
        "reasoning_block_issued_raw": "sealed-2",
        "reasoning_blocks_presented_raw": ["sealed-1"],
        "input_tokens": 24,
        "output_tokens": 3,
        "reasoning_tokens": 8,
    },
]


def _row(line: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    return row_of(OpenaiAdapter(), line, tmp_path)


def _line(**changes: Any) -> dict[str, Any]:
    line: dict[str, Any] = {
        "account_id": "a",
        "timestamp": "2026-03-01T12:00:00Z",
        "request": {"model": "m", "messages": [{"role": "user", "content": "Hello."}]},
        "response": {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}],
        },
    }
    return line | changes


def test_calls_of_the_client_are_the_exchanges_that_were_played() -> None:
    """A proxy's log of ten calls, two of them streamed, gives all that they say."""
    assert told(OpenaiAdapter(), FIXTURES / "http.jsonl") == EXPECTED


def test_arguments_and_results_tell_what_the_wire_tells() -> None:
    """An application's log lacks headers, and how a call failed, and nothing else."""
    expected = [
        {name: value for name, value in row.items() if name not in NOT_IN_PAIRS} for row in EXPECTED
    ]
    for row in expected:
        if "stop_reason" not in row:
            del row["status"]

    assert told(OpenaiAdapter(), FIXTURES / "pairs.jsonl") == expected


def test_both_files_of_a_batch_are_one_exchange_a_line() -> None:
    """Answers find their requests by custom_id, whichever file is read first."""
    names = ["batch_input.jsonl", "batch_standin1_output.jsonl", "batch.jsonl"]
    for order in (names, names[::-1]):
        rows = rows_of(OpenaiAdapter(), *(FIXTURES / name for name in order))

        assert [row.get("output_text") for row in rows[:2]] == ["Balls of ice.", "Rain and snow."]
        assert [row["input_text"] for row in rows] == [
            "What is hail?",
            "What is sleet?",
            "Too much?",
            "Too late?",
        ]
        assert [row["status"] for row in rows] == ["ok", "ok", "rate_limited", "error"]
        assert {row["endpoint"] for row in rows} == {"batch"}
        assert {row["batch_id"] for row in rows} == {"batch_standin1"}
        assert rows[0]["started_at"] == datetime(2026, 1, 1, tzinfo=UTC)
        # No answer has a time where none came: the batch's own is taken.
        assert rows[3]["started_at"] == datetime(2025, 12, 31, 23, 58, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "line",
    [
        _line(),
        _line(request=json.dumps(_line()["request"]), response=json.dumps(_line()["response"])),
        _line(request={"body": _line()["request"]}, response={"body": _line()["response"]}),
        _line(
            request={"method": "POST", "url": "u", "body": json.dumps(_line()["request"])},
            response={"status": 200, "body": json.dumps(_line()["response"])},
        ),
        _line(
            request={
                "method": "POST",
                "postData": {
                    "mimeType": "application/json",
                    "text": json.dumps(_line()["request"]),
                },
            },
            response={
                "status": 200,
                "content": {
                    "mimeType": "application/json",
                    "text": json.dumps(_line()["response"]),
                },
            },
        ),
        {
            "account_id": "a",
            "timestamp": 1772366400,
            "input": _line()["request"],
            "output": _line()["response"],
        },
        {
            "account_id": "a",
            "started_at": 1772366400000,
            **_line()["request"],
            "response": _line()["response"],
        },
        {
            "account_id": "a",
            "created_at": "2026-03-01 12:00:00",
            "request_body": _line()["request"],
            "response_body": _line()["response"],
        },
        {
            "account": {"id": "a"},
            "ts": 1772366400,
            "body": _line()["request"],
            "response": _line()["response"],
        },
    ],
)
def test_every_envelope_tells_the_same(line: dict[str, Any], tmp_path: Path) -> None:
    """Bodies, HTTP records, JSON in strings, input and output, flat lines, browsers' archives."""
    row = _row(line, tmp_path)

    assert row["account_id"] == "a"
    assert row["started_at"] == START
    assert (row["model"], row["input_text"], row["output_text"]) == ("m", "Hello.", "Hi.")
    assert row["status"] == "ok"
    assert "exchange_id" not in row


@pytest.mark.parametrize(
    ("status_code", "error", "status"),
    [
        (429, {"code": "rate_limit_exceeded"}, "rate_limited"),
        (None, {"type": "insufficient_quota"}, "rate_limited"),
        (400, {"code": "content_policy_violation"}, "refused"),
        (400, {"code": "content_filter"}, "refused"),
        (400, {"code": "invalid_prompt", "message": "flagged"}, "refused"),
        (401, {"code": "account_deactivated"}, "blocked"),
        (401, {"code": "invalid_api_key"}, "error"),
        (400, {"code": "context_length_exceeded"}, "error"),
        (503, "Bad gateway", "error"),
    ],
)
def test_a_failure_has_its_kind(
    status_code: int | None, error: object, status: str, tmp_path: Path
) -> None:
    """What failed at a limit or a policy is told from what merely failed."""
    response = {"status_code": status_code, "body": {"error": error}}

    row = _row(_line(response=response), tmp_path)

    assert row["status"] == status
    assert "output_text" not in row


def test_a_page_of_the_proxy_is_no_answer(tmp_path: Path) -> None:
    """An error in HTML is not what the model said."""
    row = _row(_line(response={"status_code": 502, "body": "<html>oh</html>"}), tmp_path)

    assert row["status"] == "error"
    assert "output_text" not in row


def test_the_time_of_the_answer_serves_where_the_log_has_none(tmp_path: Path) -> None:
    """`created` is the provider's; without any time the row says so, and the import reports it."""
    line = _line(response={**_line()["response"], "created": 1772366400})
    del line["timestamp"]

    assert _row(line, tmp_path)["started_at"] == START
    assert _row(_line(timestamp="yesterday"), tmp_path)["started_at"] is None


def test_a_duration_gives_the_end(tmp_path: Path) -> None:
    """Milliseconds since the start, where the end itself was not logged."""
    row = _row(_line(latency_ms=1500), tmp_path)

    assert row["finished_at"] == START + timedelta(seconds=1.5)


def test_a_client_cannot_name_its_account_or_address(tmp_path: Path) -> None:
    """Body and headers are the client's words: a stranger would be accused of its calls."""
    request = {
        "headers": {
            "account_id": "victim",
            "user_id": "victim",
            "OpenAI-Organization": "victim",
            "X-Forwarded-For": "198.51.100.9, 203.0.113.7, 10.0.0.3",
        },
        "body": {**_line()["request"], "account_id": "victim", "metadata": {"user_id": "victim"}},
    }
    line = _line(request=request)
    del line["account_id"]

    row = _row(line, tmp_path)

    assert row["account_id"] is None
    assert row["client_ip_raw"] == "203.0.113.7"


@pytest.mark.parametrize(
    "key",
    [
        "sk-...9f3a",
        "sk-proj-abcdef...uvwxyz9f3a",
        "sk-REDACTED-by-the-proxy",
        "sk-****************",
        "<redacted>",
        "[REDACTED]",
        "x" * 40,
        "none",
    ],
)
def test_a_masked_key_is_no_credential(key: str, tmp_path: Path) -> None:
    """One mask for all customers would tie them all."""
    request = {"headers": {"Authorization": f"Bearer {key}"}, "body": _line()["request"]}

    assert "credential_raw" not in _row(_line(request=request), tmp_path)


def test_a_log_without_texts_keeps_the_call(tmp_path: Path) -> None:
    """Model, settings and usage stay where messages and choices were left out."""
    request = {"model": "m", "temperature": 0.0, "n": 4}
    response = {"usage": {"prompt_tokens": 10, "completion_tokens": 20}}

    row = _row(_line(request=request, response=response), tmp_path)

    assert (row["temperature"], row["settings"]["n"]) == (0.0, 4)
    assert (row["input_tokens"], row["output_tokens"], row["status"]) == (10, 20, "ok")
    assert not row.keys() & {"input_text", "output_text", "turn_index"}


def test_turns_kept_by_the_provider_are_not_counted(tmp_path: Path) -> None:
    """`previous_response_id` says that there were earlier turns, and not how many."""
    request = {"model": "m", "input": "And then?", "previous_response_id": "resp_1"}

    row = _row(_line(request=request, response={"object": "response", "output": []}), tmp_path)

    assert row["endpoint"] == "responses"
    assert "turn_index" not in row


def test_a_conversation_of_the_provider_is_one(tmp_path: Path) -> None:
    """Its id is the conversation's, unless the log names another."""
    request = {"model": "m", "input": "And then?", "conversation": {"id": "conv_1"}}

    assert _row(_line(request=request), tmp_path)["conversation_id"] == "conv_1"


def test_a_stream_that_broke_off_gives_what_came(tmp_path: Path) -> None:
    """A client that hangs up has read the first words."""
    chunks = [
        {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": word}}]}
        for word in ("One", " two")
    ]
    events = [
        {"type": "response.created", "response": {"id": "r", "object": "response", "output": []}},
        {"type": "response.output_text.delta", "delta": "One"},
        {"type": "response.output_text.delta", "delta": " two"},
    ]
    wire = "".join(f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in chunks)

    for body in (chunks, events, wire, {"chunks": chunks}, [*map(json.dumps, chunks)]):
        for response in (
            body,
            json.dumps(body) if body is not wire else body,
            {"status_code": 200, "body": body},
            {"status_code": 200, "body": json.dumps(body) if body is not wire else body},
        ):
            row = _row(_line(response=response), tmp_path)

            assert row["output_text"] == "One two"
            assert "stop_reason" not in row
    row = _row(_line(response={"status_code": 200, "chunks": chunks}), tmp_path)
    assert row["output_text"] == "One two"


@pytest.mark.parametrize("answer", ['{"events":["a","b"]}', '{"chunks":[{"size":1}]}'])
def test_an_answer_in_json_is_no_stream(answer: str, tmp_path: Path) -> None:
    """A model that was asked for JSON may call its lists whatever it likes."""
    row = _row(_line(response={"status_code": 200, "body": answer}), tmp_path)

    assert row["output_text"] == answer


def test_streamed_tool_calls_are_put_together(tmp_path: Path) -> None:
    """Name and arguments come in pieces, several calls at once."""
    deltas = [
        {"tool_calls": [{"index": 0, "function": {"name": "tide", "arguments": '{"at":'}}]},
        {"tool_calls": [{"index": 1, "function": {"name": "moon", "arguments": "{}"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"Bergen"}'}}]},
    ]
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]

    row = _row(_line(response=chunks), tmp_path)

    assert row["output_text"] == 'tide({"at":"Bergen"})\nmoon({})'


@pytest.mark.parametrize("lasted", [1500, "1500", "1500.0"])
def test_how_long_it_took_may_be_text(lasted: object, tmp_path: Path) -> None:
    """As logs of flat texts have it."""
    row = _row(_line(latency_ms=lasted), tmp_path)

    assert row["finished_at"] - row["started_at"] == timedelta(milliseconds=1500)


def test_an_impossible_start_is_not_replaced_by_another_time(tmp_path: Path) -> None:
    """The row lacks its time, and the import says so; without any the answer's stands in."""
    response = {**_line()["response"], "created": 1772366400}

    wrong = _row(_line(timestamp="2026-02-30T12:00:00Z", response=response), tmp_path)
    unsaid = _row(_line(timestamp=None, response=response), tmp_path)

    assert wrong["started_at"] is None
    assert unsaid["started_at"] == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {"request": {"url": "https://api.example/v1/embeddings", "body": {"input": "x"}}},
        {"request": {"method": "GET", "url": "https://api.example/v1/models", "body": None}},
        {"request": {"method": "POST", "url": "/v1/files", "body": "--form"}},
        {"response": {"object": "list", "data": [{"embedding": [0.1]}]}},
    ],
)
def test_calls_that_answer_nobody_are_passed_over(changes: dict[str, Any], tmp_path: Path) -> None:
    """Embeddings, lists and uploads are neither exchanges nor errors."""
    path = tmp_path / "log"
    path.write_text(json.dumps(_line(**changes)))

    assert list(OpenaiAdapter().read(path)) == []


def test_another_header_can_name_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever trusts a header, or keeps the customer deeper in the line, says so."""
    monkeypatch.setenv("STILLWATCH__OPENAI__ACCOUNT", "request.headers.x-tenant, billing.customer")
    headers = {"X-Tenant": "tenant-1"}
    line = _line(
        request={"headers": headers, "body": _line()["request"]}, billing={"customer": "c"}
    )

    assert _row(line, tmp_path)["account_id"] == "tenant-1"
    assert _row(_line(billing={"customer": "c"}), tmp_path)["account_id"] == "c"
