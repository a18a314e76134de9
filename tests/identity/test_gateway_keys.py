"""A gateway makes the lake's tokens from keys that do not give the lake's secret away."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.identity import GatewayKeys, Key, Kind, Tokeniser
from stillwatch.identity.gateway_keys import GATEWAY_KINDS
from stillwatch.records import InputError

KEY = Key(bytes(range(32)))
ROTATED = KEY.rotated().rotated()


@given(st.text(), st.sampled_from(GATEWAY_KINDS), st.sampled_from([KEY, ROTATED]))
def test_tokens_are_those_of_the_lake(text: str, kind: Kind, key: Key) -> None:
    """Of every kind a gateway makes, after rotations too."""
    assert GatewayKeys.of(key).token(kind, text) == Tokeniser(key).token(kind, text)


def test_keys_come_back_from_their_file(tmp_path: Path) -> None:
    """With the fingerprint of the lake's key, and mode 0600."""
    GatewayKeys.of(ROTATED).write(tmp_path / "keys")
    read = GatewayKeys.read(tmp_path / "keys")

    assert read.fingerprint == ROTATED.fingerprint
    assert read.token(Kind.ACCOUNT, "a") == Tokeniser(ROTATED).token(Kind.ACCOUNT, "a")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


def test_the_file_holds_neither_a_secret_nor_keys_of_other_kinds(tmp_path: Path) -> None:
    """Who takes a gateway's keys can test no card, phone or address."""
    GatewayKeys.of(ROTATED).write(tmp_path / "keys")
    text = (tmp_path / "keys").read_text()

    for link in ROTATED.links:
        assert link.secret.hex() not in text
        for kind in set(Kind) - set(GATEWAY_KINDS):
            assert link.derived(kind.value).hex() not in text


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """As a key is."""
    GatewayKeys.of(KEY).write(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o644)

    with pytest.raises(InputError, match="chmod 600"):
        GatewayKeys.read(tmp_path / "keys")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "keys": {}}'])
def test_another_file_is_told(tmp_path: Path, text: str) -> None:
    """With the command that makes one."""
    (tmp_path / "keys").write_text(text)
    (tmp_path / "keys").chmod(0o600)

    with pytest.raises(InputError, match="export-gateway"):
        GatewayKeys.read(tmp_path / "keys")
