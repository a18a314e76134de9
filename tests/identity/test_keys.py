"""The key: its place, its privacy, its fingerprint."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stillwatch.identity import Key, KeySource, create_key, decode_key, rotate_key, store_key
from stillwatch.records import InputError

SECRET = bytes(range(32))


def expand_by_hand(secret: bytes, info: bytes) -> bytes:
    """HKDF of one block, straight from RFC 5869: the witness for the library's."""
    extracted = hmac.new(b"\0" * 32, secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def test_derived_keys_are_hkdf_of_the_kind() -> None:
    """Every kind of identifier has the RFC 5869 key that its name gives."""
    assert Key(SECRET).derived("pay") == expand_by_hand(SECRET, b"stillwatch/1/pay")
    assert Key(SECRET).derived("pay") != Key(SECRET).derived("phone")


def test_secret_is_in_no_text_of_the_key() -> None:
    """Neither the key's representation nor its fingerprint shows the secret."""
    key = Key(SECRET)

    assert SECRET.hex() not in repr(key) + key.fingerprint
    assert "secret" not in repr(key)


def test_new_key_is_private_and_read_back(tmp_path: Path) -> None:
    """A key file has mode 0600 from its first byte on, and gives the same key again."""
    path = tmp_path / "deep" / "key"
    old_mask = os.umask(0)
    try:
        key = create_key(path)
    finally:
        os.umask(old_mask)

    assert path.stat().st_mode & 0o777 == 0o600
    assert KeySource(path).read().fingerprint == key.fingerprint


def test_key_is_never_replaced(tmp_path: Path) -> None:
    """A second key at the same place is refused, and the first stays."""
    key = create_key(tmp_path / "key")

    with pytest.raises(InputError, match="a key here already"):
        create_key(tmp_path / "key")
    assert KeySource(tmp_path / "key").read() == key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A key file that group or others may read is refused, with the command that mends it."""
    create_key(tmp_path / "key")
    (tmp_path / "key").chmod(mode)

    with pytest.raises(InputError, match="chmod 600"):
        KeySource(tmp_path / "key").read()


def test_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    """Without a key the message names the command that makes one."""
    with pytest.raises(InputError, match="stillwatch keys init"):
        KeySource(tmp_path / "none").read()


def test_hexadecimal_and_base64_are_the_same_key() -> None:
    """A key may come as hexadecimal or base64, with line breaks."""
    text = base64.b64encode(SECRET).decode()

    assert decode_key(SECRET.hex() + "\n", where="-") == decode_key(text + "\n", where="-")


@pytest.mark.parametrize(
    "text", ["", "hello", "00" * 31, "é" * 64, base64.b64encode(b"a").decode()]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    """Anything shorter than 32 bytes, or in no known writing, is refused."""
    with pytest.raises(InputError, match="not a key"):
        decode_key(text, where="-")


def test_command_prints_the_key(tmp_path: Path) -> None:
    """A key command's standard output is the key."""
    store_key(Key(SECRET), tmp_path / "key")

    assert KeySource(command=f"cat {tmp_path / 'key'}").read() == Key(SECRET)


@pytest.mark.parametrize("command", ["false", "no-such-program-anywhere", "'unbalanced", "  "])
def test_failing_key_command_is_a_plain_error(command: str) -> None:
    """A key command that fails or cannot be run is an input error."""
    with pytest.raises(InputError):
        KeySource(command=command).read()


def test_key_command_is_not_given_to_a_shell(tmp_path: Path) -> None:
    """Shell syntax in a key command is text: nothing else runs."""
    with pytest.raises(InputError):
        KeySource(command=f"echo x; touch {tmp_path / 'ran'}").read()
    assert not (tmp_path / "ran").exists()


def test_file_and_command_together_are_refused(tmp_path: Path) -> None:
    """Two sources of the key at once are an error, not a silent choice."""
    with pytest.raises(InputError, match="both"):
        KeySource.chosen(file=tmp_path / "key", command="cat key")


def test_environment_names_the_key_when_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option stands above the environment, and the environment above the default."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("STILLWATCH__KEYS__FILE", raising=False)
    monkeypatch.delenv("STILLWATCH__KEYS__COMMAND", raising=False)
    assert KeySource.chosen().file == tmp_path / "stillwatch" / "key"

    monkeypatch.setenv("STILLWATCH__KEYS__FILE", str(tmp_path / "named"))
    assert KeySource.chosen().file == tmp_path / "named"
    assert KeySource.chosen(file=tmp_path / "asked").file == tmp_path / "asked"


def test_rotated_key_is_the_old_one_and_a_new_secret(tmp_path: Path) -> None:
    """The file keeps all secrets in order, stays private, and its fingerprint is another."""
    old = create_key(tmp_path / "key")

    new = rotate_key(tmp_path / "key")

    assert KeySource(tmp_path / "key").read() == new
    assert new.earlier == (old.secret,)
    assert new.secret != old.secret
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["key"]
    assert new.when(old.fingerprint) == old
    assert new.when(Key(new.secret).fingerprint) is None
    assert old.when(new.fingerprint) is None


def test_rotations_at_once_lose_no_secret(tmp_path: Path) -> None:
    """Each of several rotations follows from another: every key that was handed out stays."""
    create_key(tmp_path / "key")

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: rotate_key(tmp_path / "key"), range(8)))

    last = KeySource(tmp_path / "key").read()
    assert sorted(len(key.earlier) for key in made) == list(range(1, 9))
    assert all(last.when(key.fingerprint) == key for key in made)


def test_rotation_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    """Where the key's place is a symbolic link, the file it leads to is replaced."""
    create_key(tmp_path / "real")
    (tmp_path / "key").symlink_to(tmp_path / "real")

    new = rotate_key(tmp_path / "key")

    assert (tmp_path / "key").is_symlink()
    assert KeySource(tmp_path / "real").read() == new


def test_key_is_replaced_by_what_became_of_it_and_by_nothing_else(tmp_path: Path) -> None:
    """A rotated key takes the place of its past; its past does not take its own."""
    old = create_key(tmp_path / "key")
    new = rotate_key(tmp_path / "key")
    store_key(old, tmp_path / "other")

    store_key(new, tmp_path / "other")

    assert KeySource(tmp_path / "other").read() == new
    for stranger in (old, Key(new.secret), Key(SECRET)):
        with pytest.raises(InputError, match="a key here already"):
            store_key(stranger, tmp_path / "other")
    assert KeySource(tmp_path / "other").read() == new


@pytest.mark.parametrize("text", [",", SECRET.hex() + ",", SECRET.hex() + ",00"])
def test_chain_that_was_cut_is_refused(text: str) -> None:
    """A file that lost the end of a secret is no shorter key."""
    with pytest.raises(InputError, match="not a key"):
        decode_key(text, where="-")
