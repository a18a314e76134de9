"""What is signed is believed by those who have the public key, for one purpose, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from stillwatch.identity import (
    VerifyKeys,
    create_signing_key,
    read_signing_key,
    read_verify_keys,
)
from stillwatch.identity.signing_keys import public_file_of, write_verify_keys
from stillwatch.records import InputError


def test_a_key_comes_back_from_its_file_and_its_public_one_checks_it(tmp_path: Path) -> None:
    """The private file is its owner's alone."""
    create_signing_key(tmp_path / "signing")
    signature = read_signing_key(tmp_path / "signing").sign(b"one purpose", b"message")
    public = read_verify_keys(public_file_of(tmp_path / "signing"))

    assert (tmp_path / "signing").stat().st_mode & 0o777 == 0o600
    assert public.verifies(b"one purpose", b"message", signature)
    assert not public.verifies(b"one purpose", b"massage", signature)
    assert not public.verifies(b"another purpose", b"message", signature)


def test_several_public_keys_may_lie_in_one_file(tmp_path: Path) -> None:
    """While a signing key is replaced, the old and the new are believed."""
    old, new = (create_signing_key(tmp_path / name) for name in ("old", "new"))
    write_verify_keys(VerifyKeys.joined([old.public, new.public]), tmp_path / "both")
    both = read_verify_keys(tmp_path / "both")

    assert both.verifies(b"p", b"m", old.sign(b"p", b"m"))
    assert both.verifies(b"p", b"m", new.sign(b"p", b"m"))
    assert not new.public.verifies(b"p", b"m", old.sign(b"p", b"m"))


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    """What it signed would not be believed any more."""
    create_signing_key(tmp_path / "signing")

    with pytest.raises(InputError, match="already"):
        create_signing_key(tmp_path / "signing")


def test_a_private_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """Whoever has it can block whom they like."""
    create_signing_key(tmp_path / "signing")
    (tmp_path / "signing").chmod(0o640)

    with pytest.raises(InputError, match="chmod 600"):
        read_signing_key(tmp_path / "signing")


def test_files_that_are_no_keys_are_told(tmp_path: Path) -> None:
    """Missing ones, and those with something else in them."""
    (tmp_path / "text").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    (tmp_path / "text").chmod(0o600)

    for read in (read_signing_key, read_verify_keys):
        with pytest.raises(InputError, match="Ed25519"):
            read(tmp_path / "text")  # type: ignore[operator]
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path / "missing")  # type: ignore[operator]
