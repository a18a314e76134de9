"""The keys of a gateway: enough to make the tokens it must know, and not the lake's secret.

A gateway has to say which token a credential has, and nothing else. It gets the keys that were
derived for credentials, accounts, conversations and shapes alone: whoever takes them from a
gateway can test keys and account names they guess, but no card, phone, address or message.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from stillwatch.identity.keys import SECRET_BYTES, Key
from stillwatch.identity.tokens import TOKEN_BYTES, Kind
from stillwatch.records import InputError, flush_to_disk, private_file

__all__ = ["GATEWAY_KINDS", "GatewayKeys"]

GATEWAY_KINDS = (Kind.CREDENTIAL, Kind.ACCOUNT, Kind.CONVERSATION, Kind.SHAPE)
_FORMAT = 1
_MOST_BYTES = 2**18
_BLOCK_BYTES = 64  # of SHA-256
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_REMEDY = "Make the file anew with `stillwatch keys export-gateway`, where the lake's key lies."


@dataclass(frozen=True, slots=True)
class GatewayKeys:
    """Derived keys by kind, one for each secret of the lake's key, oldest first.

    Attributes:
        fingerprint: Of the lake's key: tokens fit only those made under the same.
    """

    fingerprint: str
    derived: dict[Kind, tuple[bytes, ...]] = field(repr=False)
    _pads: dict[Kind, tuple[tuple[Any, Any], ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pads = {kind: tuple(map(_pads_of, keys)) for kind, keys in self.derived.items()}
        object.__setattr__(self, "_pads", pads)

    @classmethod
    def of(cls, key: Key) -> GatewayKeys:
        """The keys that a gateway may have of the lake's."""
        links = key.links
        derived = {
            kind: tuple(link.derived(kind.value) for link in links) for kind in GATEWAY_KINDS
        }
        return cls(key.fingerprint, derived)

    @classmethod
    def read(cls, path: Path) -> GatewayKeys:
        """The keys in a file that `write` made.

        Raises:
            InputError: There is none, others may read it, or it is no such file.
        """
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read(_MOST_BYTES)
        except OSError as error:
            raise InputError(
                f"the gateway's keys cannot be read ({error.strerror}).",
                where=str(path),
                remedy=_REMEDY,
            ) from error
        if mode & 0o077:
            raise InputError(
                f"others may read these keys (their mode is {mode:04o}).",
                where=str(path),
                remedy=f"Run `chmod 600 {shlex.quote(str(path))}`.",
            )
        return cls._parsed(text, path)

    @classmethod
    def _parsed(cls, text: bytes, path: Path) -> GatewayKeys:
        try:
            content = json.loads(text)
            if content["format"] != _FORMAT:
                raise InputError(
                    f"these keys have format {content['format']}, and this version reads {_FORMAT}.",
                    where=str(path),
                    remedy="Use the version of stillwatch that wrote them.",
                )
            derived = {
                kind: tuple(bytes.fromhex(key) for key in content["keys"][kind.value])
                for kind in GATEWAY_KINDS
            }
            chains = {len(keys) for keys in derived.values()}
            if len(chains) != 1 or any(
                len(k) < SECRET_BYTES for ks in derived.values() for k in ks
            ):
                raise ValueError
            return cls(str(content["fingerprint"]), derived)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                "this is no file of a gateway's keys.", where=str(path), remedy=_REMEDY
            ) from error

    def write(self, path: Path) -> None:
        """Keep the keys at `path`, readable by its owner only; in place of those of before."""
        keys = {kind.value: [key.hex() for key in chain] for kind, chain in self.derived.items()}
        content = {"format": _FORMAT, "fingerprint": self.fingerprint, "keys": keys}
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with private_file(path) as partial:
            partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            flush_to_disk(partial)
        flush_to_disk(path.parent)

    def digest(self, kind: Kind, normalised: str) -> bytes:
        """The 16 bytes of a token, as `Tokeniser.token` writes them in hexadecimal."""
        return self.maker(kind)(normalised)

    def maker(self, kind: Kind) -> Callable[[str], bytes]:
        """`digest` of one kind, for those who ask for many."""
        first, *later = self._pads[kind]

        def made(normalised: str) -> bytes:
            digest = _hmac(first, normalised.encode("utf-8", "surrogatepass"))
            for pads in later:
                digest = _hmac(pads, digest.hex().encode())
            return digest

        return made if later else partial(_token_of_text, first)

    def token(self, kind: Kind, normalised: str) -> str:
        """The token of one normalised value; that of `Tokeniser` under the same key."""
        return f"{kind.value}_{self.digest(kind, normalised).hex()}"


def _hmac(pads: tuple[Any, Any], data: bytes) -> bytes:
    """HMAC-SHA-256 with its pads hashed beforehand: a third of the time of `hmac.digest`."""
    inner, outer = pads[0].copy(), pads[1].copy()
    inner.update(data)
    outer.update(inner.digest())
    digest: bytes = outer.digest()[:TOKEN_BYTES]
    return digest


def _token_of_text(pads: tuple[Any, Any], text: str) -> bytes:
    return _hmac(pads, text.encode("utf-8", "surrogatepass"))


def _pads_of(key: bytes) -> tuple[Any, Any]:
    padded = key.ljust(_BLOCK_BYTES, b"\0")
    return (
        hashlib.sha256(padded.translate(_INNER)),
        hashlib.sha256(padded.translate(_OUTER)),
    )
