"""Tokens are made once for what comes again, and not where the log brings them: nothing else changes."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.identity import Key, Kind, Tokeniser, tokenise
from stillwatch.identity import tokens as tokens_module
from stillwatch.identity.normalise import address_of, network_of

KEY = Key(bytes(range(32)), (bytes(range(1, 33)),))
RAW = ("credential_raw", "credential_sha256", "client_ip_raw", "end_user_raw", "output_text")
TEXT_COLUMNS = (*RAW, "client_ip", "client_net_token", "end_user_token", "output_digest")
LIST_COLUMNS = ("earlier_messages", "prefix_digests")

addresses = st.sampled_from(["192.0.2.7", "192.0.2.8:443", "2001:db8::1", "no address", " "])
words = st.one_of(
    st.sampled_from(["a", " a", "e\u0301", "\u00e9", "", "b" * 200]), st.text(max_size=3)
)
values = {
    "client_ip_raw": addresses,
    "client_ip": addresses,
    "client_net_token": st.sampled_from(["198.51.100.0/24", "net_known", "192.0.2.9"]),
    "earlier_messages": st.lists(words, max_size=3),
    "prefix_digests": st.lists(st.just("msg_known"), max_size=1),
}
rows_of_a_log = st.fixed_dictionaries(
    {name: st.one_of(st.none(), values.get(name, words)) for name in TEXT_COLUMNS + LIST_COLUMNS}
)


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    types = {name: pa.string() for name in TEXT_COLUMNS} | {
        name: pa.list_(pa.string()) for name in LIST_COLUMNS
    }
    return pa.table({n: pa.array([row[n] for row in rows], t) for n, t in types.items()})


def plainly(row: dict[str, Any]) -> dict[str, Any]:
    """What a row's tokens are, one value after the other, under a tokeniser that knows nothing."""
    new = Tokeniser(KEY)

    def opaque(kind: Kind, raw: str | None) -> str | None:
        return new.token(kind, raw.strip()) if raw and raw.strip() else None

    def address(raw: str | None) -> str | None:
        found = address_of(raw) if raw is not None else None
        return new.address(found).address if found else None

    def network(raw: str | None) -> str | None:
        found = address_of(raw.partition("/")[0]) if raw is not None else None
        return new.network(network_of(found)) if found else None

    def first(*candidates: Any) -> Any:
        return next((c for c in candidates if c is not None), None)

    secret, logged = row["credential_raw"], row["credential_sha256"]
    digest = logged.strip() if logged else None
    if secret:
        digest = hashlib.sha256(secret.encode()).hexdigest()
    raw_ip, clear_ip, net = (row[n] for n in ("client_ip_raw", "client_ip", "client_net_token"))
    earlier, answer = row["earlier_messages"], row["output_text"]
    return {
        "credential_id": digest and new.token(Kind.CREDENTIAL, digest),
        "client_net_token": first(network(net), net, network(raw_ip), network(clear_ip)),
        "client_ip": first(address(clear_ip), clear_ip, address(raw_ip)),
        "end_user_token": first(row["end_user_token"], opaque(Kind.END_USER, row["end_user_raw"])),
        "output_digest": first(
            row["output_digest"], new.message(answer) if answer is not None else None
        ),
        "prefix_digests": first(
            row["prefix_digests"],
            [new.message(text) for text in earlier] if earlier is not None else None,
        ),
    }


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(rows_of_a_log, min_size=1, max_size=4), min_size=1, max_size=4))
def test_tokens_are_those_of_each_value_by_itself(batches: list[list[dict[str, Any]]]) -> None:
    """Neither what came in earlier batches, nor what other rows bring, changes a row's tokens."""
    tokeniser = Tokeniser(KEY)

    for rows in batches:
        made = tokenise(table_of(rows), tokeniser)

        expected = [plainly(row) for row in rows]
        assert made.select(list(expected[0])).to_pylist() == expected
        assert not set(made.column_names) & (set(RAW) - {"output_text"})


def test_what_the_log_brings_is_not_made_again() -> None:
    """An answer whose digest stands beside it costs nothing."""
    asked: list[str] = []

    class Counting(Tokeniser):
        def message(self, text: str) -> str:
            asked.append(text)
            return super().message(text)

    rows = pa.table({"output_text": ["x", "y", None], "output_digest": ["msg_1", None, None]})

    made = tokenise(rows, Counting(KEY))

    assert asked == ["y"]
    assert made["output_digest"].to_pylist() == ["msg_1", Tokeniser(KEY).message("y"), None]


def test_memory_of_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More texts than are remembered, and texts too long for it, have their own answers still."""
    monkeypatch.setattr(tokens_module, "_MOST_REMEMBERED", 3)
    asked: list[str] = []

    def convert(text: str) -> str:
        asked.append(text)
        return text.upper()

    remembered = Tokeniser(KEY).remembering(Kind.DEVICE, convert)
    texts = ["a", "a", "b", "c", "d", "a", "e" * 129, "e" * 129, "a"]

    assert [remembered(text) for text in texts] == [text.upper() for text in texts]
    assert asked == ["a", "b", "c", "d", "a", "e" * 129, "e" * 129]
