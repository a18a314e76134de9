"""Who is asking is known by hashes, from where the operator said, and by nobody's own word."""

from __future__ import annotations

import base64
from hashlib import sha256
from ipaddress import ip_network
from typing import Any

import pytest
from acting import GATEWAY_KEYS, credential_token
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.enforcement.asking import Asked
from stillwatch.enforcement.identifying import (
    OWN_HEADERS,
    Identifier,
    IdentitySettings,
    Place,
    client_address,
    headers_to_remove,
)
from stillwatch.identity import Kind
from stillwatch.records import InputError

_KEY = "sk-tern-0123456789"
_TOKEN = bytes.fromhex(credential_token(_KEY).partition("_")[2])


def _credentials(asked: Asked, **settings: Any) -> tuple[bytes, ...]:
    identifier = Identifier(GATEWAY_KEYS, IdentitySettings(**settings))
    assert identifier.identity_of(asked) == identifier.identity_of(asked)  # remembered alike
    only = identifier.only_credential(asked)
    assert only is None or [only] == list(identifier.identity_of(asked).credentials)
    return tuple(identifier.identity_of(asked).credentials)


def _basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    "asked",
    [
        Asked(headers={"authorization": f"Bearer {_KEY}"}),
        Asked(headers={"authorization": f"bearer  {_KEY} "}),
        Asked(headers={"authorization": _basic(f"any:{_KEY}")}),
        Asked(headers={"authorization": _basic(f"{_KEY}:")}),
        Asked(headers={"x-api-key": _KEY}),
        Asked(headers={"api-key": _KEY}),
        Asked(credential_sha256=sha256(_KEY.encode()).hexdigest()),
        Asked(credential_sha256=sha256(_KEY.encode()).hexdigest().upper()),
    ],
)
def test_a_key_gives_the_token_of_the_lake_wherever_it_stands(asked: Asked) -> None:
    """In the headers of both providers, as basic authentication, and as a hash."""
    assert _credentials(asked) == (_TOKEN,)


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Digest x", "Basic %%%", "Basic Og==", _KEY]
)
def test_a_header_without_a_key_gives_nothing(value: str) -> None:
    """Other schemes, and what cannot be read."""
    assert _credentials(Asked(headers={"authorization": value})) == ()


def test_a_false_key_beside_the_own_hides_nothing(tmp_path: object) -> None:
    """All places are looked at, the first of them first."""
    asked = Asked(headers={"authorization": "Bearer sk-decoy", "x-api-key": _KEY})

    assert _credentials(asked)[1] == _TOKEN


def test_places_are_what_the_operator_says() -> None:
    """A header of their own, and what the gateway found out, as a key or as its hash."""
    digest = sha256(_KEY.encode()).hexdigest()
    metadata = {"litellm": {"key.hash": digest}, "jwt": {"sub": _KEY}}
    asked = Asked(headers={"x-our-key": _KEY}, metadata=metadata)
    for place in (
        "x-our-key",
        "header:X-Our-Key",
        "metadata:jwt.sub",
        "metadata-sha256:litellm.key.hash",
    ):
        assert _credentials(asked, credentials=(Place.parsed(place),)) == (_TOKEN,)
    for place in ("authorization", "metadata:jwt", "metadata:jwt.sub.more", "metadata:none.sub"):
        assert _credentials(asked, credentials=(Place.parsed(place),)) == ()


@pytest.mark.parametrize("text", ["", " ", "metadata:", "cookie:x", "header-md5:x", "metadata-:x"])
def test_a_place_that_is_none_is_told(text: str) -> None:
    """With the forms there are."""
    with pytest.raises(InputError, match="header:NAME"):
        Place.parsed(text)


def _account(asked: Asked, **settings: Any) -> bytes | None:
    return Identifier(GATEWAY_KEYS, IdentitySettings(**settings)).identity_of(asked).account


def test_an_account_is_named_as_in_the_lake() -> None:
    """With the source of the gateway's log before it, once."""
    expected = GATEWAY_KEYS.digest(Kind.ACCOUNT, "east:team-7")

    for named in ("team-7", "east:team-7"):
        assert _account(Asked(account_id=named), source_id="east") == expected
    assert _account(Asked(account_id="east:team-7")) == expected


def test_a_header_names_an_account_only_behind_a_proxy_of_ours() -> None:
    """Any client could write it: without one the setting is refused, from elsewhere not believed."""
    place = (Place.parsed("x-account"),)
    networks = (ip_network("10.0.0.0/8"),)
    inside = Asked(headers={"x-account": "team-7"}, peer_address="10.1.2.3")
    outside = Asked(headers={"x-account": "team-7"}, peer_address="203.0.113.9")

    with pytest.raises(InputError, match="any client"):
        IdentitySettings(account=place)
    assert _account(inside, account=place, trusted_hops=1, trusted_peers=networks)
    assert _account(outside, account=place, trusted_hops=1, trusted_peers=networks) is None
    assert _account(outside, account=place, trusted_hops=1)


def test_headers_of_ours_are_removed_from_what_comes_from_outside() -> None:
    """A client cannot tell those behind the gateway that it was tagged, or was not."""
    behind = IdentitySettings(account=(Place.parsed("x-account"),), trusted_hops=1)

    assert headers_to_remove(IdentitySettings()) == OWN_HEADERS
    assert all(name == name.lower() for name in OWN_HEADERS)
    assert headers_to_remove(behind) == OWN_HEADERS


@pytest.mark.parametrize(
    ("hops", "forwarded", "expected"),
    [
        (0, "198.51.100.1", "10.0.0.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "192.0.2.66, 198.51.100.1", "198.51.100.1"),
        (2, "192.0.2.66, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
        (2, "198.51.100.1", None),
        (1, "", None),
        (1, "unknown", None),
        (1, "[2001:db8::1]:443", "2001:db8::1"),
    ],
)
def test_the_client_is_as_far_away_as_there_are_proxies(
    hops: int, forwarded: str, expected: str | None
) -> None:
    """What stands further left is the client's own word."""
    asked = Asked(headers={"x-forwarded-for": forwarded}, peer_address="10.0.0.1")

    assert client_address(asked, IdentitySettings(trusted_hops=hops)) == expected


@given(
    st.dictionaries(st.sampled_from(["authorization", "x-api-key", "x-forwarded-for"]), st.text())
)
def test_nothing_that_a_client_writes_is_an_error(headers: dict[str, str]) -> None:
    """Any text in any header gives tokens or nothing."""
    asked = Asked(headers=headers, account_id="\ud800", conversation_id="\0", peer_address="x")

    Identifier(GATEWAY_KEYS).identity_of(asked)
    client_address(asked, IdentitySettings(trusted_hops=1))


def test_no_raw_key_is_remembered() -> None:
    """What a gateway keeps of its customers' keys are hashes."""
    identifier = Identifier(GATEWAY_KEYS)
    identifier.identity_of(Asked(headers={"authorization": f"Bearer {_KEY}"}))

    remembered = repr([vars(memory) for memory in (identifier._credentials, identifier._accounts)])
    assert sha256(_KEY.encode()).hexdigest() in remembered
    assert _KEY not in remembered
