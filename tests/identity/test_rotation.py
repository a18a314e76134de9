"""Tokens under a rotated key: made from identifiers, or carried over from tokens of before."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from stillwatch.identity import (
    RAW_COLUMNS,
    TOKEN_COLUMNS,
    DomainCensus,
    Key,
    Kind,
    Tokeniser,
    name_exchanges,
    tokenise,
    with_newer_tokens,
)
from stillwatch.records import ACCOUNTS, EXCHANGES

OLD = Key(bytes(range(32)))
NEW = Key(bytes(range(1, 33)), (OLD.secret,))
NEWEST = Key(bytes(range(2, 34)), (*NEW.earlier, NEW.secret))

EXCHANGE: dict[str, Any] = {
    "account_id": "a",
    "started_at": datetime(2026, 3, 1, tzinfo=UTC),
    "input_text": "Explain tides.",
    "output_text": "The moon pulls.",
    "credential_raw": "sk-1",
    "client_ip_raw": "192.0.2.1",
    "device_raw": "d-1",
    "end_user_raw": "ann",
    "cache_key_raw": "cache",
    "client_metadata_raw": json.dumps(
        {"user": {"id": 7, "b o b": "x"}, "sdk": "python", "a b": "y", "c d": "z"}
    ),
    "earlier_messages": ["Hello", "Hello, how can I help?"],
    "reasoning_block_issued_raw": "block-1",
    "reasoning_blocks_presented_raw": ["block-0", "block-1"],
}
ACCOUNT: dict[str, Any] = {
    "account_id": "a",
    "country": "DE",
    "signup_ip_raw": "2001:db8::1",
    "email_raw": "Ann+7@Example.org",
    "phone_raw": "030 123456",
    "payment_raw": "4111 1111 1111 1111",
    "device_raw": "d-1",
    "credential_sha256": "0" * 64,
}


def raw_table(schema: Any, row: dict[str, Any]) -> pa.Table:
    table = schema.table([dict.fromkeys(schema.names) | row] * 2)
    for name in sorted(set(row) & set(RAW_COLUMNS)):
        table = table.append_column(name, pa.array([row[name]] * 2, RAW_COLUMNS[name]))
    return table


def imported(key: Key) -> tuple[pa.Table, pa.Table]:
    """An exchange and an account as an import under the key would store them."""
    tokeniser = Tokeniser(key)
    raw = raw_table(EXCHANGES, EXCHANGE)
    exchanges = name_exchanges(tokenise(raw, tokeniser), tokeniser, raw=raw, log_format="x")
    accounts = tokenise(raw_table(ACCOUNTS, ACCOUNT), tokeniser)
    return exchanges, DomainCensus(tokeniser).conceal(accounts)


def test_token_of_a_rotated_key_is_made_from_that_of_the_old() -> None:
    """The newer HMAC over the older token's digits: nobody needs the identifier for it."""
    old = hmac.new(OLD.derived("pay"), b"card", hashlib.sha256).hexdigest()[:32]
    new = hmac.new(NEW.derived("pay"), old.encode(), hashlib.sha256).hexdigest()[:32]

    assert Tokeniser(NEW).token(Kind.PAYMENT, "card") == f"pay_{new}"


@pytest.mark.parametrize(("then", "now"), [(OLD, NEW), (OLD, NEWEST), (NEW, NEWEST)])
def test_carried_over_is_what_an_import_makes_now(then: Key, now: Key) -> None:
    """Every column of every row, ids of exchanges included, over one rotation or two."""
    beyond = now.since(then)
    assert beyond is not None

    for before, after in zip(imported(then), imported(now), strict=True):
        assert with_newer_tokens(before, Tokeniser(beyond)).to_pylist() == after.to_pylist()


def test_no_token_of_before_is_left() -> None:
    """Each column that depends on the key is listed, and each that is listed was tried here."""
    tried = set()
    for before, after in zip(imported(OLD), imported(NEW), strict=True):
        for name in before.column_names:
            old, new = before[name].to_pylist(), after[name].to_pylist()
            if old != new:
                tried.add(name)
                assert name in TOKEN_COLUMNS
                assert None not in old

    assert tried == set(TOKEN_COLUMNS)


def test_what_is_no_token_stays() -> None:
    """Names from elsewhere, clear domains, addresses of others and text that looks like a token."""
    token = "pay_" + "0" * 32
    rows = pa.table(
        {
            "exchange_id": ["req-1", token],
            "account_id": [token, token],
            "email_domain": ["example.org", None],
            "payment_token": ["card-1", token + "0"],
            "client_ip": ["10.9", "net_" + "0" * 32],
            "client_metadata": ['{"a": 1}', "meta_" + "0" * 32],
            "input_text": [token, token],
            "prefix_digests": pa.array([["m"], None], pa.list_(pa.string())),
            "cache_key": pa.nulls(2),
        }
    )

    assert with_newer_tokens(rows, Tokeniser(Key(NEW.secret))).equals(rows)
