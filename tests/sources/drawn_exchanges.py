"""Exchanges drawn at random, with every column that a log may fill, as an adapter gives them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from provider_builders import OF_THE_ANSWER
from rendered_logs import Row, Rows

__all__ = ["TEXTS", "exchange_logs"]

_OF_TEXTS = (
    "system_text",
    "input_text",
    "output_text",
    "earlier_messages",
    "turn_index",
    "prefill",
)
_SETTINGS = ("n", "top_p", "seed", "logprobs", "reasoning_effort")

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
# No dash alone, which is no id.
_WORDS = st.text("abcdefghij-0123456789", min_size=1, max_size=12).filter(lambda word: word != "-")
_COUNTS = st.integers(0, 2**53)
_SHARES = st.floats(0, 2)
# No mask, which is no key.
_KEYS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=20, max_size=40).filter(
    lambda key: len(set(key)) >= 8 and not any(w in key for w in ("redact", "mask", "hidden"))
)
_MOMENTS = st.datetimes(datetime(2015, 1, 2), datetime(2025, 1, 1), timezones=st.just(UTC))
_OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "credential_raw": _KEYS,
    "conversation_id": _WORDS,
    "access_path": st.sampled_from(["api", "app", "reseller", "cloud:aurora"]),
    "system_text": TEXTS,
    "output_text": TEXTS,
    "tool_names": st.lists(_WORDS, min_size=1, max_size=3),
    "input_tokens": _COUNTS,
    "output_tokens": _COUNTS,
    "reasoning_tokens": _COUNTS,
    "max_output_tokens": _COUNTS,
    "temperature": _SHARES,
    "client_ip_raw": st.ip_addresses().map(str),
    "client_asn": st.integers(1, 2**32 - 1),
    "client_country": st.sampled_from(["NO", "KE"]),
    "client_network": st.sampled_from(["residential", "mobile", "hosting", "vpn", "relay"]),
    "user_agent": _WORDS,
    "tls_fingerprint": _WORDS,
    "end_user_raw": _WORDS,
    "client_metadata_raw": st.dictionaries(_WORDS, _WORDS, min_size=1, max_size=2),
    "cache_key_raw": _WORDS,
    "retention": st.just("full"),
}
_ONLY_OF_CHAT = {"n": st.integers(1, 2**31), "seed": st.integers(0, 2**53)}
_OF_ALL = {
    "top_p": _SHARES,
    "reasoning_effort": st.sampled_from(["low", "high"]),
}


@st.composite
def _exchanges(draw: st.DrawFn) -> Row:
    endpoint = draw(st.sampled_from(["chat", "responses", "batch"]))
    status = draw(st.sampled_from(["ok", "ok", "refused", "rate_limited", "blocked", "error"]))
    started = draw(_MOMENTS)
    earlier = draw(st.lists(st.tuples(TEXTS, TEXTS), max_size=2))
    row = {
        "account_id": draw(_WORDS),
        "model": draw(_WORDS),
        "started_at": started,
        "finished_at": started + timedelta(microseconds=draw(st.integers(0, 10**10))),
        "endpoint": endpoint,
        "status": status,
        "input_text": draw(TEXTS),
        "earlier_messages": [text for turn in earlier for text in turn],
        "turn_index": len(earlier),
        "prefill": endpoint == "chat" and draw(st.booleans()),
        "stop_reason": draw(st.sampled_from(["end_turn", "max_tokens"])),
        **{name: draw(values) for name, values in _OPTIONAL.items() if draw(st.booleans())},
    }
    if settings := draw(_settings(endpoint)):
        row["settings"] = dict.fromkeys(_SETTINGS) | settings
    if endpoint == "batch":
        row["batch_id"] = draw(_WORDS)
    elif endpoint == "responses":
        row |= draw(_sealed(talks=bool(earlier)))
    gone = () if draw(st.integers(0, 7)) else (*_OF_TEXTS, "reasoning_blocks_presented_raw")
    if status == "refused":
        row |= {"stop_reason": "refusal", "output_text": draw(TEXTS)}
    elif status != "ok":
        gone = (*gone, *OF_THE_ANSWER, "stop_reason", "reasoning_block_issued_raw")
    return {name: value for name, value in row.items() if name not in gone}


@st.composite
def _settings(draw: st.DrawFn, endpoint: str) -> dict[str, Any]:
    known = _OF_ALL if endpoint == "responses" else _OF_ALL | _ONLY_OF_CHAT
    found = {name: draw(values) for name, values in known.items() if draw(st.booleans())}
    return found | ({"logprobs": draw(st.integers(1, 20))} if draw(st.booleans()) else {})


@st.composite
def _sealed(draw: st.DrawFn, *, talks: bool) -> Row:
    row = {"reasoning_block_issued_raw": draw(_WORDS)} if draw(st.booleans()) else {}
    if talks and draw(st.booleans()):
        row["reasoning_blocks_presented_raw"] = draw(st.lists(_WORDS, min_size=1, max_size=2))
    return row


@st.composite
def exchange_logs(draw: st.DrawFn) -> Rows:
    """A log of one to three exchanges, each with an id and a moment of its own."""
    rows = draw(st.lists(_exchanges(), min_size=1, max_size=3, unique_by=lambda r: r["started_at"]))
    return [row | {"exchange_id": f"exchange-{number}"} for number, row in enumerate(rows)]
