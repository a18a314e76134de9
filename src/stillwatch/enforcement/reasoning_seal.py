"""Binds a block of reasoning to account, conversation and model: replayed elsewhere it fails.

Providers hand out reasoning as an opaque text (a signature, encrypted content) that a client sends in
again in the next turn. A campaign collects such texts with one account and replays them with another.
Sealed, a text opens only for the account, conversation and model it was given to.

A seal hides the text (AES-256-GCM): a signature beside it could be cut off, and the rest be
replayed through an account that is not watched. Each binding has a key of its own, derived by
HMAC-SHA-256, so that a wrong binding is a wrong key; what is compared is compared in constant time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import stat
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stillwatch.records import InputError

__all__ = ["Binding", "ReasoningSeal", "SealError", "Unsealed", "create_seal_key", "read_seal_key"]

_VERSION = 1
# Ends with a dot, too: pieces of a stream that were sealed each, and joined by the client, come apart.
_FORM = re.compile(r"swr([0-9]{1,4})\.([A-Za-z0-9_-]*)\.")
_KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
# Identity of the key, and when the seal ends in seconds since 1970.
_HEAD = struct.Struct(">4sQ")
_PURPOSE = b"stillwatch reasoning seal v1\0"
# Long enough for a conversation that is taken up again after a weekend.
_LIFETIME_SECONDS = 4 * 24 * 3600
# A reasoning text of a provider has some kilobytes; decoding what is far longer is work for nothing.
_LONGEST = 4 * 2**20


class Unsealed(StrEnum):
    """Why a text does not open; customers are told the same of all."""

    NOT_SEALED = "not_sealed"
    OTHER_VERSION = "other_version"
    UNKNOWN_KEY = "unknown_key"
    EXPIRED = "expired"
    BOUND_ELSEWHERE = "bound_elsewhere"
    """To another account, conversation or model; or it was changed."""


class SealError(ValueError):
    """A text does not open here.

    Attributes:
        reason: For our counters, not for customers.
    """

    def __init__(self, reason: Unsealed) -> None:
        super().__init__("This reasoning does not belong here.")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """To what a text is bound. All three are said by the gateway and never by the client alone."""

    account: str
    conversation: str
    model: str

    def encoded(self) -> bytes:
        """One text for each binding: lengths go in, so that no two read alike."""
        parts = [p.encode("utf-8", "surrogatepass") for p in self._parts()]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    def _parts(self) -> tuple[str, str, str]:
        return self.account, self.conversation, self.model


@dataclass(frozen=True, slots=True)
class ReasoningSeal:
    """Seals and opens texts.

    Attributes:
        keys: 32 random bytes each. The first one seals; all open, so that keys can be replaced.
        lifetime_seconds: How long a seal opens.
        nonce: Gives so many random bytes.

    Raises:
        InputError: There is no key, or one is too short.
    """

    keys: tuple[bytes, ...] = field(repr=False)
    lifetime_seconds: int = _LIFETIME_SECONDS
    nonce: Callable[[int], bytes] = os.urandom

    def __post_init__(self) -> None:
        if not self.keys or any(len(key) != _KEY_BYTES for key in self.keys):
            raise InputError(
                "a key that seals reasoning has 32 bytes.",
                where="the keys of the seal",
                remedy="Make one with `create_seal_key`.",
            )

    def seal(self, text: str, binding: Binding, *, now: float) -> str:
        """The sealed text.

        Args:
            text: What the provider gave.
            binding: To what it is bound.
            now: Seconds since 1970.
        """
        key = self.keys[0]
        head = _HEAD.pack(_identity_of(key), int(now) + self.lifetime_seconds)
        nonce = self.nonce(_NONCE_BYTES)
        hidden = _cipher(key, binding).encrypt(
            nonce, text.encode("utf-8", "surrogatepass"), _PURPOSE + head
        )
        packed = base64.urlsafe_b64encode(head + nonce + hidden)
        return f"swr{_VERSION}.{packed.decode('ascii').rstrip('=')}."

    def open(self, sealed: str, binding: Binding, *, now: float) -> str:
        """The text as the provider gave it, in one piece or in several that were joined.

        Raises:
            SealError: It is not sealed, has expired, or was bound to something else.
        """
        return "".join(self._opened(piece, binding, now) for piece in _pieces(sealed))

    def _opened(self, packed: bytes, binding: Binding, now: float) -> str:
        head, nonce = packed[: _HEAD.size], packed[_HEAD.size : _HEAD.size + _NONCE_BYTES]
        identity, ends_at = _HEAD.unpack(head)
        hidden = packed[_HEAD.size + _NONCE_BYTES :]
        known = [key for key in self.keys if hmac.compare_digest(_identity_of(key), identity)]
        if not known:
            raise SealError(Unsealed.UNKNOWN_KEY)
        for key in known:
            try:
                text = _cipher(key, binding).decrypt(nonce, hidden, _PURPOSE + head)
            except InvalidTag:
                continue
            # Only now: what was not sealed by us tells no time.
            if now >= ends_at:
                raise SealError(Unsealed.EXPIRED)
            return text.decode("utf-8", "surrogatepass")
        raise SealError(Unsealed.BOUND_ELSEWHERE)


def create_seal_key(path: Path) -> bytes:
    """A new random key in a file of its own, mode 0600; it replaces none.

    Raises:
        InputError: There is something here already.
    """
    key = os.urandom(_KEY_BYTES)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise InputError(
            "there is a key here already.",
            where=str(path),
            remedy="Keep it, or name another place and give both to the seal, the new one first.",
        ) from error
    with os.fdopen(handle, "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def read_seal_key(paths: Iterable[Path]) -> ReasoningSeal:
    """The seal of the keys in some files, the newest first.

    Raises:
        InputError: A file is missing, others may read it, or it holds no key.
    """
    return ReasoningSeal(tuple(_read(path) for path in paths))


def _read(path: Path) -> bytes:
    remedy = "Make one with `create_seal_key`, mode 0600, and name its file."
    try:
        with path.open() as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            key = bytes.fromhex(file.read(4 * _KEY_BYTES).strip())
    except OSError as error:
        raise InputError(
            f"the key cannot be read ({error.strerror}).", where=str(path), remedy=remedy
        ) from error
    except ValueError as error:
        raise InputError("this is no key of a seal.", where=str(path), remedy=remedy) from error
    if mode & 0o077 or len(key) != _KEY_BYTES:
        raise InputError(
            "this is no key of a seal, or others may read it.", where=str(path), remedy=remedy
        )
    return key


def _identity_of(key: bytes) -> bytes:
    return hashlib.sha256(_PURPOSE + key).digest()[:4]


def _cipher(key: bytes, binding: Binding) -> AESGCM:
    return AESGCM(hmac.digest(key, _PURPOSE + binding.encoded(), "sha256"))


def _pieces(sealed: str) -> list[bytes]:
    if len(sealed) > _LONGEST:
        raise SealError(Unsealed.NOT_SEALED)
    pieces: list[bytes] = []
    at = 0
    while at < len(sealed) or not pieces:
        found = _FORM.match(sealed, at)
        if found is None:
            raise SealError(Unsealed.NOT_SEALED)
        if int(found[1]) != _VERSION:
            raise SealError(Unsealed.OTHER_VERSION)
        pieces.append(_unpacked(found[2]))
        at = found.end()
    return pieces


def _unpacked(packed: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    except binascii.Error as error:
        raise SealError(Unsealed.NOT_SEALED) from error
    if len(raw) < _HEAD.size + _NONCE_BYTES + _TAG_BYTES:
        raise SealError(Unsealed.NOT_SEALED)
    return raw
