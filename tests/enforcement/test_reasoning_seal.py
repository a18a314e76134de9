"""Sealed reasoning opens for whom it was given to, and for nobody else."""

from __future__ import annotations

import base64
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.enforcement.reasoning_seal import (
    Binding,
    ReasoningSeal,
    SealError,
    Unsealed,
    create_seal_key,
    read_seal_key,
)
from stillwatch.records import InputError

_NOW = 1_800_000_000.0
_KEY, _OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
_SEAL = ReasoningSeal((_KEY,), lifetime_seconds=3600)
_BINDING = Binding(account="acct_ada", conversation="c-1", model="m-1")
_TEXTS = st.text()
_BINDINGS = st.builds(Binding, account=_TEXTS, conversation=_TEXTS, model=_TEXTS)


@settings(deadline=None)
@given(_TEXTS, _BINDINGS)
def test_a_text_opens_as_it_was_given(text: str, binding: Binding) -> None:
    """Whatever characters it and its binding have."""
    assert _SEAL.open(_SEAL.seal(text, binding, now=_NOW), binding, now=_NOW) == text


@settings(deadline=None)
@given(_BINDINGS, _BINDINGS)
def test_a_replay_with_any_other_binding_fails(one: Binding, other: Binding) -> None:
    """Also where the parts of both read alike when they are put together."""
    if one == other:
        return
    with pytest.raises(SealError) as failed:
        _SEAL.open(_SEAL.seal("c2ln", one, now=_NOW), other, now=_NOW)

    assert failed.value.reason is Unsealed.BOUND_ELSEWHERE


@pytest.mark.parametrize("part", ["account", "conversation", "model"])
def test_each_part_of_the_binding_counts(part: str) -> None:
    """Another account, another conversation or another model is enough."""
    sealed = _SEAL.seal("c2ln", _BINDING, now=_NOW)
    with pytest.raises(SealError):
        _SEAL.open(sealed, replace(_BINDING, **{part: "other"}), now=_NOW)


def test_pieces_of_a_stream_open_when_a_client_has_joined_them() -> None:
    """Each piece is sealed as it comes; a piece of elsewhere among them opens nothing."""
    joined = "".join(_SEAL.seal(piece, _BINDING, now=_NOW) for piece in ("c2", "", "ln"))
    elsewhere = _SEAL.seal("x", replace(_BINDING, account="acct_bo"), now=_NOW)

    assert _SEAL.open(joined, _BINDING, now=_NOW) == "c2ln"
    with pytest.raises(SealError):
        _SEAL.open(joined + elsewhere, _BINDING, now=_NOW)


def test_a_seal_ends() -> None:
    """At its moment, and not before."""
    sealed = _SEAL.seal("c2ln", _BINDING, now=_NOW)

    assert _SEAL.open(sealed, _BINDING, now=_NOW + 3599) == "c2ln"
    with pytest.raises(SealError) as failed:
        _SEAL.open(sealed, _BINDING, now=_NOW + 3600)
    assert failed.value.reason is Unsealed.EXPIRED


def test_no_changed_byte_opens() -> None:
    """Neither of the text, nor of the time it ends, nor of the key it names."""
    sealed = _SEAL.seal("c2ln", _BINDING, now=_NOW)
    packed = base64.urlsafe_b64decode(sealed.split(".")[1] + "==")
    for place in range(len(packed)):
        changed = bytearray(packed)
        changed[place] ^= 1
        text = f"swr1.{base64.urlsafe_b64encode(changed).decode().rstrip('=')}."
        with pytest.raises(SealError):
            _SEAL.open(text, _BINDING, now=_NOW)


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda b: f"swr1.{base64.urlsafe_b64encode(b).decode()}."))
def test_whatever_comes_in_opens_or_is_refused(text: str) -> None:
    """With nothing but `SealError`."""
    with suppress(SealError):
        _SEAL.open(text, _BINDING, now=_NOW)


def test_what_was_never_sealed_is_refused() -> None:
    """A seal that could be left off would bind nothing."""
    for text, reason in (("c2ln", Unsealed.NOT_SEALED), ("swr2.AAAA.", Unsealed.OTHER_VERSION)):
        with pytest.raises(SealError) as failed:
            _SEAL.open(text, _BINDING, now=_NOW)
        assert failed.value.reason is reason


def test_the_providers_text_cannot_be_read_from_a_seal() -> None:
    """Else it could be cut out and replayed through an account that nobody watches."""
    text = "signature-of-the-provider"
    sealed = _SEAL.seal(text, _BINDING, now=_NOW)

    assert text not in sealed
    assert text.encode() not in base64.urlsafe_b64decode(sealed.split(".")[1] + "==")


def test_two_seals_of_one_text_differ() -> None:
    """So that equal reasoning cannot be recognised."""
    assert _SEAL.seal("c2ln", _BINDING, now=_NOW) != _SEAL.seal("c2ln", _BINDING, now=_NOW)


def test_keys_can_be_replaced() -> None:
    """What the old key sealed opens while it is kept, and no longer."""
    sealed = _SEAL.seal("c2ln", _BINDING, now=_NOW)

    assert ReasoningSeal((_OTHER_KEY, _KEY)).open(sealed, _BINDING, now=_NOW) == "c2ln"
    with pytest.raises(SealError) as failed:
        ReasoningSeal((_OTHER_KEY,)).open(sealed, _BINDING, now=_NOW)
    assert failed.value.reason is Unsealed.UNKNOWN_KEY


def test_the_key_lies_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Its owner alone can read it, it is never replaced, and one that others read is refused."""
    path = tmp_path / "keys" / "reasoning"
    key = create_seal_key(path)

    assert read_seal_key([path]) == ReasoningSeal((key,))
    with pytest.raises(InputError, match="already"):
        create_seal_key(path)
    os.chmod(path, 0o644)
    with pytest.raises(InputError, match="others may read"):
        read_seal_key([path])
    with pytest.raises(InputError):
        read_seal_key([tmp_path / "none"])


def test_a_key_is_not_shown() -> None:
    """Neither in full nor in part, when a seal is printed."""
    assert _KEY.hex() not in repr(_SEAL)
    assert repr(_KEY) not in repr(_SEAL)
