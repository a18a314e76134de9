"""A canonical exchange, written as a provider's log and read back, is itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from provider_builders import lines_in, rows_of

from stillwatch.sources.anthropic import AnthropicAdapter
from stillwatch.sources.openai import OpenaiAdapter
from stillwatch.sources.values import stated

# A mark in front of each text: a text that is nothing but "***" would be no prompt.
TEXTS = st.text(min_size=1, max_size=30).map(lambda text: f"§{text}")
COUNTS = st.integers(0, 10**9)
SHARES = st.floats(0, 2, allow_nan=False)
WORDS = st.text("abcdefghij-0123456789", min_size=1, max_size=12)
KEYS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=20, max_size=40).filter(
    lambda key: len(set(key)) >= 8 and not any(w in key for w in ("redact", "mask", "hidden"))
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
FAILURES = {
    "rate_limited": (429, "rate_limit_exceeded"),
    "error": (500, "server_error"),
    "blocked": (403, "account_deactivated"),
}
EVERYWHERE: dict[str, st.SearchStrategy[Any]] = {
    "account_id": WORDS,
    "started_at": MOMENTS,
    "exchange_id": WORDS,
    "finished_at": MOMENTS,
    "conversation_id": WORDS,
    "batch_id": WORDS,
    "model": WORDS,
    "system_text": TEXTS,
    "input_text": TEXTS,
    "tool_names": st.lists(WORDS, min_size=1, max_size=3),
    "max_output_tokens": COUNTS,
    "temperature": SHARES,
    "user_agent": WORDS,
    "client_ip_raw": st.ip_addresses().map(str),
    "client_country": st.sampled_from(["NO", "KE"]),
    "tls_fingerprint": WORDS,
    "credential_raw": KEYS,
    "end_user_raw": WORDS,
    "output_text": TEXTS,
    "input_tokens": COUNTS,
    "output_tokens": COUNTS,
    "reasoning_tokens": COUNTS,
}
REQUIRED = ("account_id", "started_at", "input_text")
OF_THE_ANSWER = ("output_text", "input_tokens", "output_tokens", "reasoning_tokens")


@st.composite
def exchanges(draw: st.DrawFn, endpoint: str, *, provider: str) -> dict[str, Any]:
    """A row as the adapter of this provider gives it."""
    row = {
        name: draw(strategy)
        for name, strategy in EVERYWHERE.items()
        if name in REQUIRED or draw(st.booleans())
    }
    turns = draw(st.lists(st.tuples(TEXTS, TEXTS), max_size=2))
    row |= {
        "endpoint": endpoint,
        "turn_index": len(turns),
        "earlier_messages": [text for turn in turns for text in turn],
        "prefill": endpoint == "chat" and draw(st.booleans()),
        "settings": draw(_settings(endpoint, provider=provider)),
        "status": draw(st.sampled_from(["ok", "refused", *FAILURES])),
    }
    sealed = provider == "anthropic" or endpoint == "responses"
    if sealed and turns:
        row["reasoning_blocks_presented_raw"] = draw(st.lists(WORDS, max_size=2))
    if provider == "openai":
        row["cache_key_raw"] = draw(st.none() | WORDS)
        row["client_metadata_raw"] = draw(st.dictionaries(WORDS, WORDS, max_size=2))
    elif "end_user_raw" in row:
        row["client_metadata_raw"] = {"user_id": row["end_user_raw"]}
    if row["status"] in FAILURES:
        row = {name: value for name, value in row.items() if name not in OF_THE_ANSWER}
    else:
        row["stop_reason"] = _stop_reason(endpoint, provider, refused=row["status"] == "refused")
        if row["status"] == "refused":
            row.setdefault("output_text", "§No.")
        if sealed:
            row["reasoning_block_issued_raw"] = draw(st.none() | WORDS)
    return stated(row)


def _stop_reason(endpoint: str, provider: str, *, refused: bool) -> str:
    if provider == "anthropic":
        return "refusal" if refused else "end_turn"
    return "completed" if endpoint == "responses" else "stop"


@st.composite
def _settings(draw: st.DrawFn, endpoint: str, *, provider: str) -> dict[str, Any] | None:
    optional = st.none() | st.integers(1, 20)
    names: dict[str, st.SearchStrategy[Any]] = {
        "n": optional,
        "top_p": st.none() | SHARES,
        "seed": optional,
        "logprobs": optional,
        "reasoning_effort": st.none() | st.sampled_from(["low", "high"]),
    }
    kept = {"chat": set(names), "responses": {"top_p", "logprobs", "reasoning_effort"}}[endpoint]
    if provider == "anthropic":
        kept = {"top_p", "reasoning_effort"}
    found = {name: draw(strategy) if name in kept else None for name, strategy in names.items()}
    return found if any(value is not None for value in found.values()) else None


def openai_line(row: dict[str, Any]) -> dict[str, Any]:
    """The row as a proxy in front of OpenAI's API logs it."""
    wanted, is_chat = row.get("settings") or {}, row["endpoint"] == "chat"
    turns = _turns(row)
    body: dict[str, Any] = {
        "model": row.get("model"),
        "max_completion_tokens" if is_chat else "max_output_tokens": row.get("max_output_tokens"),
        "temperature": row.get("temperature"),
        "top_p": wanted.get("top_p"),
        "prompt_cache_key": row.get("cache_key_raw"),
        "safety_identifier": row.get("end_user_raw"),
        "metadata": row.get("client_metadata_raw"),
        "tools": [
            {"type": "function", **({"function": {"name": n}} if is_chat else {"name": n})}
            for n in row.get("tool_names", [])
        ],
        "top_logprobs": wanted.get("logprobs"),
    }
    if is_chat:
        system = (
            [{"role": "developer", "content": row["system_text"]}] if "system_text" in row else []
        )
        body |= {name: wanted.get(name) for name in ("n", "seed", "reasoning_effort")}
        body |= {"messages": system + turns, "logprobs": wanted.get("logprobs") is not None or None}
    else:
        blocks = row.get("reasoning_blocks_presented_raw", [])
        sealed = [{"type": "reasoning", "encrypted_content": b, "summary": []} for b in blocks]
        body |= {
            "instructions": row.get("system_text"),
            "input": [*turns[:1], *sealed, *turns[1:]],
            "reasoning": {"effort": wanted.get("reasoning_effort")},
        }
    return _line(row, path="/v1/chat/completions" if is_chat else "/v1/responses", body=body)


def _openai_answer(row: dict[str, Any]) -> dict[str, Any]:
    refused = row["status"] == "refused"
    if row["endpoint"] == "responses":
        kind = "refusal" if refused else "output_text"
        part = {"type": kind, "refusal" if refused else "text": row.get("output_text")}
        sealed = {"type": "reasoning", "encrypted_content": row.get("reasoning_block_issued_raw")}
        return {
            "object": "response",
            "status": "completed",
            "output": [sealed, {"type": "message", "role": "assistant", "content": [part]}],
            "usage": {
                "input_tokens": row.get("input_tokens"),
                "output_tokens": row.get("output_tokens"),
                "output_tokens_details": {"reasoning_tokens": row.get("reasoning_tokens")},
            },
        }
    message = {"role": "assistant", "refusal" if refused else "content": row.get("output_text")}
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": row.get("input_tokens"),
            "completion_tokens": row.get("output_tokens"),
            "completion_tokens_details": {"reasoning_tokens": row.get("reasoning_tokens")},
        },
    }


def anthropic_line(row: dict[str, Any]) -> dict[str, Any]:
    """The row as a proxy in front of Anthropic's API logs it."""
    wanted, turns = row.get("settings") or {}, _turns(row)
    if blocks := row.get("reasoning_blocks_presented_raw"):
        thoughts = [{"type": "thinking", "thinking": "", "signature": block} for block in blocks]
        said = {"type": "text", "text": turns[1]["content"]}
        turns[1] = {"role": "assistant", "content": [*thoughts, said]}
    body = {
        "model": row.get("model"),
        "max_tokens": row.get("max_output_tokens"),
        "temperature": row.get("temperature"),
        "top_p": wanted.get("top_p"),
        "output_config": {"effort": wanted.get("reasoning_effort")},
        "system": row.get("system_text"),
        "messages": turns,
        "metadata": {"user_id": row["end_user_raw"]} if "end_user_raw" in row else None,
        "tools": [{"name": name} for name in row.get("tool_names", [])],
    }
    return _line(row, path="/v1/messages", body=body)


def _anthropic_answer(row: dict[str, Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if "reasoning_block_issued_raw" in row:
        signature = row["reasoning_block_issued_raw"]
        content.append({"type": "thinking", "thinking": "Hm.", "signature": signature})
    content.append({"type": "text", "text": row.get("output_text", "")})
    return {
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": row["stop_reason"],
        "usage": {
            "input_tokens": row.get("input_tokens"),
            "output_tokens": row.get("output_tokens"),
            "output_tokens_details": {"thinking_tokens": row.get("reasoning_tokens")},
        },
    }


def _turns(row: dict[str, Any]) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    earlier = row.get("earlier_messages", [])
    turns = [{"role": roles[i % 2], "content": text} for i, text in enumerate(earlier)]
    turns.append({"role": "user", "content": row["input_text"]})
    return turns + ([{"role": "assistant", "content": "1."}] if row["prefill"] else [])


def _line(row: dict[str, Any], *, path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"User-Agent": row.get("user_agent")}
    if "credential_raw" in row:
        headers |= {"Authorization": f"Bearer {row['credential_raw']}"}
    code, answer = 200, _anthropic_answer if path == "/v1/messages" else _openai_answer
    if row["status"] in FAILURES:
        code, name = FAILURES[row["status"]]
        received = {"error": {"type": name, "code": name, "message": "No."}}
    else:
        received = answer(row)
    named = ("account_id", "exchange_id", "conversation_id", "batch_id", "client_country")
    return {
        **{name: row.get(name) for name in (*named, "tls_fingerprint")},
        "client_ip": row.get("client_ip_raw"),
        "started_at": row["started_at"].isoformat(),
        "finished_at": row["finished_at"].isoformat() if "finished_at" in row else None,
        "request": {
            "method": "POST",
            "url": f"https://api.example{path}",
            "headers": headers,
            "body": json.dumps(body),
        },
        "response": {"status_code": code, "headers": {}, "body": json.dumps(received)},
    }


QUIET = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("endpoint", ["chat", "responses"])
@QUIET
@given(data=st.data())
def test_openai_round_trip(endpoint: str, data: st.DataObject, tmp_path: Path) -> None:
    """Every column that the format carries comes back as it was."""
    row = data.draw(exchanges(endpoint, provider="openai"))

    assert rows_of(OpenaiAdapter(), lines_in(tmp_path / "log", [openai_line(row)])) == [row]


@QUIET
@given(row=exchanges("chat", provider="anthropic"))
def test_anthropic_round_trip(row: dict[str, Any], tmp_path: Path) -> None:
    """Every column that the format carries comes back as it was."""
    assert rows_of(AnthropicAdapter(), lines_in(tmp_path / "log", [anthropic_line(row)])) == [row]
