"""The secret that turns identifiers into tokens: where it lies, and who may read it."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
import shlex
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stillwatch.records import InputError, StillwatchError

__all__ = ["Key", "KeySource", "create_key", "decode_key", "default_key_file", "store_key"]

SECRET_BYTES = 32
_KEY_COMMAND_SECONDS = 60
_INIT = "Make a key with `stillwatch keys init`, or name one with --key-file or --key-command."


@dataclass(frozen=True, slots=True)
class Key:
    """The master secret. Each kind of identifier gets a key of its own, derived from it.

    Without the secret a token cannot be turned back by trying all phone numbers or addresses,
    and tokens of two kinds never agree, even over the same value.
    """

    secret: bytes = field(repr=False)

    def derived(self, kind: str) -> bytes:
        """The key of one kind of identifier (HKDF-SHA-256, RFC 5869, the kind as its info)."""
        info = f"stillwatch/1/{kind}".encode()
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self.secret)

    @property
    def fingerprint(self) -> str:
        """Says which key this is without helping anyone to guess it."""
        return hmac.digest(self.derived("fingerprint"), b"fingerprint", "sha256").hex()[:32]


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
        InputError: There is a file already.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise InputError(
            "there is a key here already; lakes made with it would become unreadable.",
            where=str(path),
            remedy="Keep it, or give another place with --key-file.",
        ) from error
    with os.fdopen(handle, "w") as file:
        file.write(key.secret.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def decode_key(text: str, *, where: str) -> Key:
    """The key written as hexadecimal or base64: 32 bytes or more.

    Raises:
        InputError: It is neither, or too short to be safe.
    """
    compact = "".join(text.split())
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
    return Key(secret)


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
            return file.read(4096).decode("ascii", "replace")
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
