"""Ed25519 keys that sign what others must trust: who has the public one can only check.

The private key lies in a file of its own, mode 0600, as PEM (PKCS #8). Beside it lies the public
one as `NAME.pub`. A file of public keys may hold several, one after the other: while a signing
key is replaced, both the old and the new are believed.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from stillwatch.records import InputError, flush_to_disk, private_file

__all__ = [
    "SIGNATURE_BYTES",
    "SigningKey",
    "VerifyKeys",
    "create_signing_key",
    "public_file_of",
    "read_signing_key",
    "read_verify_keys",
    "write_verify_keys",
]

SIGNATURE_BYTES = 64
_MOST_BYTES = 2**16
_PUBLIC_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key. `purpose` goes into what is signed: no signature serves for another."""

    _key: Ed25519PrivateKey = field(repr=False)

    def sign(self, purpose: bytes, message: bytes) -> bytes:
        """64 bytes that `VerifyKeys.verifies` checks with the same purpose."""
        return self._key.sign(purpose + b"\0" + message)

    @property
    def public(self) -> VerifyKeys:
        """What may be given to everybody."""
        return VerifyKeys((self._key.public_key(),))


@dataclass(frozen=True, slots=True)
class VerifyKeys:
    """Public keys, any of which is believed."""

    _keys: tuple[Ed25519PublicKey, ...]

    def verifies(self, purpose: bytes, message: bytes, signature: bytes) -> bool:
        """Whether one of the keys signed the message for this purpose."""
        for key in self._keys:
            try:
                key.verify(signature, purpose + b"\0" + message)
            except InvalidSignature:
                continue
            return True
        return False

    @property
    def pem(self) -> str:
        """The keys as PEM, one after the other."""
        form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return "".join(key.public_bytes(*form).decode("ascii") for key in self._keys)

    @staticmethod
    def joined(several: Iterable[VerifyKeys]) -> VerifyKeys:
        """All of them together."""
        return VerifyKeys(tuple(key for keys in several for key in keys._keys))


def public_file_of(path: Path) -> Path:
    """Where the public key of the signing key at `path` lies."""
    return path.with_name(f"{path.name}.pub")


def create_signing_key(path: Path) -> SigningKey:
    """A new random key at `path` (mode 0600), and its public key beside it. Replaces none.

    Raises:
        InputError: There is something here already.
    """
    private = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise InputError(
            "there is a signing key here already.",
            where=str(path),
            remedy="Keep it, or name another place: what it signed would not be believed any more.",
        ) from error
    with os.fdopen(handle, "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    key = SigningKey(private)
    write_verify_keys(key.public, public_file_of(path))
    return key


def write_verify_keys(keys: VerifyKeys, path: Path) -> None:
    """Keep public keys at `path`."""
    with private_file(path) as partial:
        partial.write_text(keys.pem, encoding="ascii")
        flush_to_disk(partial)
    flush_to_disk(path.parent)


def read_signing_key(path: Path) -> SigningKey:
    """The private key in a file.

    Raises:
        InputError: There is none, others may read it, or it is no Ed25519 key.
    """
    content, mode = _read(path, "signing key")
    if mode & 0o077:
        raise InputError(
            f"others may read this signing key (its mode is {mode:04o}).",
            where=str(path),
            remedy=f"Run `chmod 600 {shlex.quote(str(path))}`.",
        )
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(
            "this is no Ed25519 key in PEM.",
            where=str(path),
            remedy="Name the file that stillwatch made, or bring it back from a copy.",
        )
    return SigningKey(key)


def read_verify_keys(path: Path) -> VerifyKeys:
    """The public keys in a file, of which there may be several.

    Raises:
        InputError: There is none, or one is no Ed25519 key.
    """
    content, _ = _read(path, "public key")
    keys = [_public_key(pem) for pem in _PUBLIC_PEM.findall(content)]
    known = tuple(key for key in keys if key is not None)
    if not known or len(known) < len(keys):
        raise InputError(
            "this is no file of Ed25519 public keys in PEM.",
            where=str(path),
            remedy="Copy the file with the ending .pub that lies beside the signing key.",
        )
    return VerifyKeys(known)


def _public_key(pem: bytes) -> Ed25519PublicKey | None:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Ed25519PublicKey) else None


def _read(path: Path, what: str) -> tuple[bytes, int]:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except OSError as error:
        raise InputError(
            f"the {what} cannot be read ({error.strerror}).",
            where=str(path),
            remedy="`stillwatch serve` makes a signing key, and its public key beside it.",
        ) from error
