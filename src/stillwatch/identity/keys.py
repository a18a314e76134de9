"""The secret that turns identifiers into tokens: where it lies, and who may read it."""

from __future__ import annotations

import base64
import binascii
import fcntl
import hmac
import os
import secrets
import shlex
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stillwatch.records import InputError, StillwatchError, flush_to_disk, private_file

__all__ = [
    "MOST_KEY_BYTES",
    "Key",
    "KeySource",
    "create_key",
    "decode_key",
    "default_key_file",
    "rotate_key",
    "store_key",
]

SECRET_BYTES = 32
MOST_KEY_BYTES = 2**16
"""How much of a file or of a command's output is read as a key."""

_KEY_COMMAND_SECONDS = 60
_INIT = "Make a key with `stillwatch keys init`, or name one with --key-file or --key-command."


@dataclass(frozen=True, slots=True)
class Key:
    """A chain of secrets. Each kind of identifier gets keys of its own, derived from them.

    Without the newest secret a token cannot be turned back by trying all phone numbers or
    addresses, and tokens of two kinds never agree, even over the same value.

    Attributes:
        secret: The newest; the only one where the key was never rotated.
        earlier: Those before it, oldest first. A token goes through all of them in order.
    """

    secret: bytes = field(repr=False)
    earlier: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def links(self) -> tuple[Key, ...]:
        """Each secret as a key of its own, oldest first."""
        return tuple(Key(secret) for secret in (*self.earlier, self.secret))

    def derived(self, kind: str) -> bytes:
        """The newest secret's key for a kind of identifier (HKDF-SHA-256, RFC 5869)."""
        info = f"stillwatch/1/{kind}".encode()
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self.secret)

    @property
    def fingerprint(self) -> str:
        """Says which key this is, the whole chain of it, without helping anyone to guess it."""
        said = "fingerprint"
        for link in self.links:
            said = hmac.digest(link.derived("fingerprint"), said.encode(), "sha256").hex()[:32]
        return said

    def rotated(self) -> Key:
        """The same chain with a new random secret at its end."""
        return Key(secrets.token_bytes(SECRET_BYTES), (*self.earlier, self.secret))

    def when(self, fingerprint: str) -> Key | None:
        """This key as it was when it had this fingerprint; None if it never had."""
        chain = (*self.earlier, self.secret)
        for length in range(len(chain), 0, -1):
            key = Key(chain[length - 1], chain[: length - 1])
            if key.fingerprint == fingerprint:
                return key
        return None

    def since(self, then: Key) -> Key | None:
        """What this key has beyond `then`, an earlier state of it; None where that is nothing."""
        beyond = (*self.earlier, self.secret)[len(then.links) :]
        return Key(beyond[-1], beyond[:-1]) if beyond else None


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the key comes from: a file only its owner may read, or a command that prints it.

    A command is for secret stores; it is run without a shell, and its output is never kept.
    """

    file: Path | None = None
    command: str | None = None

    @classmethod
    def chosen(cls, *, file: Path | None = None, command: str | None = None) -> KeySource:
        """The source asked for; else the environment's; else the default file.

        Raises:
            InputError: Both a file and a command were asked for.
        """
        if file and command:
            raise InputError(
                "a key file and a key command were both given.",
                where="--key-file, --key-command",
                remedy="Give one of the two.",
            )
        if file or command:
            return cls(file, command)
        if named := os.environ.get("STILLWATCH__KEYS__FILE"):
            return cls(Path(named).expanduser())
        if named := os.environ.get("STILLWATCH__KEYS__COMMAND"):
            return cls(command=named)
        return cls(default_key_file())

    @property
    def place(self) -> str:
        """Where the key lies, for people."""
        return str(self.file) if self.file else "the output of the key command"

    def read(self) -> Key:
        """The key itself.

        Raises:
            InputError: There is none, others may read it, or it is not a key.
        """
        text = _read_private(self.file) if self.file else _run(self.command or "")
        return decode_key(text, where=self.place)


def default_key_file() -> Path:
    """The place of the key when nobody named another: the user's configuration folder."""
    configured = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(configured) if configured else Path.home() / ".config"
    return folder / "stillwatch" / "key"


def create_key(path: Path) -> Key:
    """A new random key, kept at `path`. Never replaces a key: lakes depend on it."""
    key = Key(secrets.token_bytes(SECRET_BYTES))
    store_key(key, path)
    return key


def store_key(key: Key, path: Path) -> None:
    """Keep `key` at `path`, readable by its owner only.

    Raises:
        InputError: There is another key already, and `key` did not come from it by rotation.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        with _held(path) as (place, present):
            if key.when(present.fingerprint) is None:
                raise InputError(
                    "there is a key here already; lakes made with it would become unreadable.",
                    where=str(path),
                    remedy="Keep it, or give another place with --key-file.",
                ) from None
            _replace(place, key)
        return
    with os.fdopen(handle, "w") as file:
        file.write(_encoded(key))
        file.flush()
        os.fsync(file.fileno())


def rotate_key(path: Path) -> Key:
    """Put a new random secret at the end of the key at `path`, in one step that survives a crash.

    No secret leaves the file: tokens of the new key are made from those of the old.

    Raises:
        InputError: There is no key at `path`, or others may read it.
    """
    with _held(path) as (place, present):
        key = present.rotated()
        _replace(place, key)
    return key


@contextmanager
def _held(path: Path) -> Iterator[tuple[Path, Key]]:
    """The key file's place, links followed, and its key, while nobody else replaces it."""
    place = Path(os.path.realpath(path))
    while True:
        KeySource(place).read()  # says in words why there is none
        with place.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Who held the lock before may have put another file here.
            if os.fstat(file.fileno()).st_ino == place.stat().st_ino:
                yield place, KeySource(place).read()
                return


def _replace(place: Path, key: Key) -> None:
    """Put `key` in place of the file; under its lock, so that what else lies there is left."""
    for left in place.parent.glob(f".{place.name}.*.partial"):
        left.unlink()
    with private_file(place) as partial:
        partial.write_text(_encoded(key))
        flush_to_disk(partial)
    flush_to_disk(place.parent)


def _encoded(key: Key) -> str:
    return ",\n".join(secret.hex() for secret in (*key.earlier, key.secret)) + "\n"


def decode_key(text: str, *, where: str) -> Key:
    """The key written as hexadecimal or base64; after rotations its secrets, oldest first.

    Args:
        text: Secrets of 32 bytes or more, with commas between them and white space anywhere.
        where: The text's origin, for messages.

    Raises:
        InputError: It is neither, or too short to be safe.
    """
    *earlier, newest = ("".join(part.split()) for part in text.split(","))
    return Key(_secret(newest, where), tuple(_secret(part, where) for part in earlier))


def _secret(compact: str, where: str) -> bytes:
    secret = b""
    try:
        secret = bytes.fromhex(compact)
    except ValueError:
        try:
            secret = base64.b64decode(compact, validate=True)
        except (binascii.Error, ValueError):
            secret = b""
    if len(secret) < SECRET_BYTES:
        raise InputError(
            f"this is not a key: {SECRET_BYTES} bytes or more in hexadecimal or base64 are needed.",
            where=where,
            remedy=_INIT,
        )
    return secret


def _read_private(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise InputError(
                    f"others may read this key (its mode is {mode:04o}).",
                    where=str(path),
                    remedy=f"Run `chmod 600 {shlex.quote(str(path))}`.",
                )
            return file.read(MOST_KEY_BYTES).decode("ascii", "replace")
    except FileNotFoundError as error:
        raise InputError("there is no key here.", where=str(path), remedy=_INIT) from error
    except IsADirectoryError as error:
        raise InputError(
            "this is a folder, not a key file.", where=str(path), remedy=_INIT
        ) from error


def _run(command: str) -> str:
    where = "--key-command"
    try:
        words = shlex.split(command)
        # Standard error stays the terminal's: a secret store may have to ask for a password.
        done = subprocess.run(
            words, stdout=subprocess.PIPE, timeout=_KEY_COMMAND_SECONDS, check=False
        )
    except (OSError, ValueError, IndexError) as error:
        raise InputError(
            f"the command cannot be run ({type(error).__name__}).",
            where=where,
            remedy="Give a program with its arguments; no shell is started.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise StillwatchError(
            f"the command did not end within {_KEY_COMMAND_SECONDS} seconds.",
            where=where,
            remedy="Run it by hand to see what it waits for.",
        ) from error
    if done.returncode != 0:
        raise InputError(
            f"the command ended with status {done.returncode}.",
            where=where,
            remedy="Run it by hand to see why.",
        )
    return done.stdout.decode("ascii", "replace")
