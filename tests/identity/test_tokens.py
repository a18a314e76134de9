"""Tokens, and tables with tokens in place of identifiers."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.identity import DomainCensus, Key, Kind, Tokeniser, name_exchanges, tokenise
from stillwatch.identity.metadata import metadata_with_tokens
from stillwatch.identity.normalise import address_of
from stillwatch.records import ACCOUNTS, EXCHANGES

KEY = Key(bytes(range(32)))
TOKENISER = Tokeniser(KEY)
OTHER = Tokeniser(Key(bytes(range(1, 33))))


def accounts(*rows: dict[str, Any]) -> pa.Table:
    """Accounts with raw columns beside the canonical ones."""
    raw = {name for row in rows for name in row} - set(ACCOUNTS.names)
    canonical = ACCOUNTS.table([dict.fromkeys(ACCOUNTS.names) | row for row in rows])
    for name in sorted(raw):
        canonical = canonical.append_column(name, pa.array([row.get(name) for row in rows]))
    return canonical


def exchanges(*rows: dict[str, Any]) -> pa.Table:
    """Exchanges with raw columns beside the canonical ones."""
    raw = {name for row in rows for name in row} - set(EXCHANGES.names)
    canonical = EXCHANGES.table([dict.fromkeys(EXCHANGES.names) | row for row in rows])
    for name in sorted(raw):
        canonical = canonical.append_column(name, pa.array([row.get(name) for row in rows]))
    return canonical


def test_token_is_hmac_sha256_under_the_key_of_its_kind() -> None:
    """The token is the HMAC that anyone with the key can make again, cut to 128 bits."""
    expected = hmac.new(KEY.derived("pay"), b"card", hashlib.sha256).hexdigest()[:32]

    assert TOKENISER.token(Kind.PAYMENT, "card") == f"pay_{expected}"


def test_tokens_of_two_kinds_or_two_keys_never_agree() -> None:
    """Neither another kind nor another key gives a token that could be matched."""
    tokens = {t.token(kind, "x").partition("_")[2] for t in (TOKENISER, OTHER) for kind in Kind}

    assert len(tokens) == 2 * len(Kind)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_addresses_share_a_prefix_exactly_when_they_share_a_network(one: int, two: int) -> None:
    """The token keeps subnet evidence and nothing nearer."""
    from ipaddress import IPv4Address

    first, second = TOKENISER.address(IPv4Address(one)), TOKENISER.address(IPv4Address(two))

    assert first.address.startswith(first.network + ".")
    assert (first.network == second.network) == (one >> 8 == two >> 8)
    assert (first.address == second.address) == (one == two)


def test_account_has_tokens_and_no_raw_identifier_left() -> None:
    """After tokenising nothing that a person typed is in the table."""
    table = accounts(
        {
            "account_id": "a1",
            "country": "GB",
            "email_raw": "Ann+1@Example.org",
            "phone_raw": "020 7946 0018",
            "payment_raw": "4000 0012 3456 7899",
            "device_raw": "device-77",
            "signup_ip_raw": "192.0.2.77",
        }
    )

    row = tokenise(table, TOKENISER).to_pylist()[0]

    text = json.dumps(row, default=str)
    for raw in ("ann", "Ann", "7946", "3456", "device-77", "192.0.2"):
        assert raw not in text
    assert row["phone_token"] == TOKENISER.token(Kind.PHONE, "+442079460018")
    assert row["payment_bin"] == "400000"
    assert row["email_token"] == TOKENISER.token(Kind.EMAIL, "ann+1@example.org")
    assert row["email_base_token"] == TOKENISER.token(Kind.EMAIL, "ann@example.org")
    assert row["signup_ip"].startswith(row["signup_net_token"] + ".")


def test_tokens_that_come_are_taken_as_they_are() -> None:
    """Canonical tokens and opaque addresses pass through unchanged."""
    given_row = {
        "account_id": "a1",
        "email_token": "theirs",
        "email_raw": "ann@example.org",
        "payment_token": "card-9",
        "signup_ip": "net7.host3",
        "signup_net_token": "net7",
    }

    row = tokenise(accounts(given_row), TOKENISER).to_pylist()[0]

    for name in ("email_token", "payment_token", "signup_ip", "signup_net_token"):
        assert row[name] == given_row[name]


def test_address_in_clear_in_a_canonical_column_becomes_a_token() -> None:
    """`client_ip` may hold an address or a token; an address never reaches the lake."""
    table = exchanges({"account_id": "a", "client_ip": "192.0.2.7"}, {"client_ip": "net7.host3"})

    first, second = tokenise(table, TOKENISER).to_pylist()

    found = address_of("192.0.2.7")
    assert found is not None
    assert first["client_ip"] == TOKENISER.address(found).address
    assert first["client_net_token"] == TOKENISER.address(found).network
    assert (second["client_ip"], second["client_net_token"]) == ("net7.host3", None)


def test_network_in_clear_agrees_with_the_network_of_an_address() -> None:
    """A source that logs only 192.0.2.0/24 links to one that logs the address."""
    table = exchanges({"client_net_token": "192.0.2.0/24"}, {"client_ip_raw": "192.0.2.9"})

    first, second = tokenise(table, TOKENISER).to_pylist()

    assert first["client_net_token"] == second["client_net_token"]


def test_secret_and_its_logged_hash_are_one_credential() -> None:
    """One gateway logs the key, another its SHA-256: the credential is the same."""
    digest = hashlib.sha256(b"sk-1").hexdigest()
    table = exchanges({"credential_raw": "sk-1"}, {"credential_sha256": digest}, {})

    first, second, third = tokenise(table, TOKENISER)["credential_id"].to_pylist()

    assert first == second == TOKENISER.token(Kind.CREDENTIAL, digest)
    assert third is None


def test_answer_sent_again_is_recognised() -> None:
    """The digest of an answer equals that of the same message in a later request."""
    table = exchanges(
        {"output_text": "An answer."},
        {"earlier_messages": ["A question", " An answer.\n"]},
    )

    first, second = tokenise(table, TOKENISER).to_pylist()

    assert first["output_digest"] == second["prefix_digests"][1]
    assert len(second["prefix_digests"]) == 2


def test_metadata_keeps_its_shape_and_hides_its_values() -> None:
    """Keys stay readable, values are tokens, and a secret used as a key is hidden too."""
    metadata = {"user_id": "ann", "x-stainless-os": "Linux", "inner": {"a@b.org": 1}}

    found = json.loads(metadata_with_tokens(metadata, TOKENISER))

    assert found["x-stainless-os"] == "Linux"
    assert found["user_id"] == TOKENISER.token(Kind.METADATA, "ann")
    assert "a@b.org" not in json.dumps(found)


def test_clear_metadata_cannot_smuggle_text() -> None:
    """A value under an allowed key that is no version or name becomes a token."""
    found = json.loads(metadata_with_tokens({"x-stainless-os": "ann@b.org"}, TOKENISER))

    assert found["x-stainless-os"].startswith("meta_")


def test_nameless_exchange_gets_the_same_id_each_time() -> None:
    """The id depends on format, account, start and digests, and on nothing else."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    row = {"account_id": "a", "started_at": start, "input_text": "hi", "output_text": "ho"}
    variants = [row, row, row | {"account_id": "b"}, row | {"input_text": "hix"}]
    table = tokenise(exchanges(*variants, row | {"exchange_id": "own"}), TOKENISER)

    ids = name_exchanges(table, TOKENISER, raw=table, log_format="otlp")["exchange_id"].to_pylist()
    other = name_exchanges(table, TOKENISER, raw=table, log_format="litellm")[
        "exchange_id"
    ].to_pylist()

    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert ids[4] == other[4] == "own"
    assert ids[0] != other[0]


def test_census_hides_domains_and_remembers_them() -> None:
    """A domain is a token until somebody who counts says that it may be shown."""
    census = DomainCensus(TOKENISER)
    table = accounts({"account_id": "a", "email_domain": "Rare.example"}, {"email_domain": "t0k"})

    hidden = census.conceal(table)["email_domain"].to_pylist()

    assert hidden[1] == "t0k"
    assert census.domain_by_token == {hidden[0]: "rare.example"}


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.text(max_size=5) | st.floats(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=5,
        ),
        max_size=5,
    )
)
def test_no_metadata_breaks_tokens(metadata: dict[str, Any]) -> None:
    """Whatever a client sends as metadata becomes a JSON object."""
    assert isinstance(json.loads(metadata_with_tokens(metadata, TOKENISER)), dict)


@pytest.mark.parametrize("text", ["\ud800", "a\ud800b"])
def test_lone_surrogate_has_a_token(text: str) -> None:
    """JSON can carry half a character; it still has a token."""
    assert TOKENISER.token(Kind.END_USER, text)
