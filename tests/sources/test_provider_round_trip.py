"""A canonical exchange, written as a provider's log and read back, is itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from provider_builders import (
    FAILURES,
    OF_THE_ANSWER,
    anthropic_line,
    lines_in,
    openai_line,
    rows_of,
)

from stillwatch.sources.anthropic import AnthropicAdapter
from stillwatch.sources.openai import OpenaiAdapter
from stillwatch.sources.values import stated

# A mark in front of each text: a text that is nothing but "***" would be no prompt.
TEXTS = st.text(min_size=1, max_size=30).map(lambda text: f"§{text}")
COUNTS = st.integers(0, 10**9)
SHARES = st.floats(0, 2, allow_nan=False)
# No dash alone, which is no id.
WORDS = st.text("abcdefghij-0123456789", min_size=1, max_size=12).filter(lambda word: word != "-")
KEYS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=20, max_size=40).filter(
    lambda key: len(set(key)) >= 8 and not any(w in key for w in ("redact", "mask", "hidden"))
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
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
