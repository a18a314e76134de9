"""The bytes of a snapshot, version 1: `docs/adr/0011-a-signed-table-in-a-mapped-file.md`.

    header     fixed size: versions, sequence, times, counts, checksum of the rest
    signature  Ed25519 over the header, and so over everything
    slots      (token, first action, account) in order of tokens, with gaps; see `home_of`
    actions    all actions, those on one subject side by side
    groups     where the name of each group lies
    names      UTF-8

An account is a number: the place of the first action on the whole of it, so that one look leads
there; where there is none, a number from the count of all actions on.

All numbers are little-endian, all times milliseconds since 1970 in UTC.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from stillwatch.records.actions import Countermeasure, Scope, Step

__all__ = [
    "ACTION",
    "EMPTY_KEY",
    "GROUP",
    "HEADER",
    "MAGIC",
    "MEASURES",
    "MOST_LEFT_OPEN",
    "NONE",
    "PURPOSE",
    "SCOPES",
    "SLOT",
    "STEPS",
    "VERSION",
    "Header",
    "Regions",
    "home_of",
    "measures_mask",
]

MAGIC: Final = b"STILLSNP"
VERSION: Final = 1
PURPOSE: Final = b"stillwatch snapshot"
"""What the signature is for."""
NONE: Final = 0xFFFF_FFFF
"""No action, no account, no budget."""
EMPTY_KEY: Final = bytes(16)
MOST_LEFT_OPEN: Final = 5 / 3
"""Slots for each token: with three in five taken, a look-up needs two looks at most on average."""

HEADER: Final = struct.Struct("<8sHHIQqqQQIIIIQ16s32s")
SLOT: Final = struct.Struct("<16sII")
ACTION: Final = struct.Struct("<BBBBIIIqq16s")
GROUP: Final = struct.Struct("<IH")

# Places in the file are numbers: never reorder, only append.
STEPS: Final = (
    Step.OBSERVE,
    Step.TAG,
    Step.VERIFY,
    Step.THROTTLE,
    Step.WITHHOLD,
    Step.BLOCK,
)
SCOPES: Final = (Scope.ACCOUNT, Scope.CREDENTIAL, Scope.CONVERSATION, Scope.SHAPE)
_MEASURES = (
    Countermeasure.NO_LOG_PROBABILITIES,
    Countermeasure.SUMMARISE_REASONING,
    Countermeasure.REMOVE_REASONING,
    Countermeasure.BIND_REASONING,
    Countermeasure.CAP_NEW_MODELS,
)
MEASURES: Final = tuple(
    frozenset(m for bit, m in enumerate(_MEASURES) if mask >> bit & 1)
    for mask in range(1 << len(_MEASURES))
)
"""The countermeasures of each mask."""


class Header(NamedTuple):
    """What stands before the signature.

    Attributes:
        sequence: Rises with every change in the store that a gateway must see.
        valid_until_ms: When the last action of it ends; from then on it says nothing.
        homes: How many slots are at home somewhere; those after them took who found no place.
        key_fingerprint: Of the lake's key, under which the tokens were made.
    """

    magic: bytes
    version: int
    reserved: int
    header_bytes: int
    sequence: int
    created_ms: int
    valid_until_ms: int
    slots: int
    homes: int
    accounts: int
    actions: int
    groups: int
    credentials: int
    names_bytes: int
    key_fingerprint: bytes
    body_sha256: bytes

    @classmethod
    def unpack(cls, data: bytes) -> Header:
        """The header at the beginning of `data`, as it stands there."""
        return cls._make(HEADER.unpack_from(data))

    def pack(self) -> bytes:
        return HEADER.pack(*self)

    @property
    def etag(self) -> str:
        """Equal for equal bytes."""
        return f'"{self.sequence}-{self.body_sha256.hex()[:16]}"'


class Regions(NamedTuple):
    """Where each part of the file begins, and where the file ends."""

    slots: int
    actions: int
    groups: int
    names: int
    end: int

    @classmethod
    def of(cls, header: Header, signature_bytes: int) -> Regions:
        """The places that the counts of a header lead to."""
        slots = HEADER.size + signature_bytes
        actions = slots + header.slots * SLOT.size
        groups = actions + header.actions * ACTION.size
        names = groups + header.groups * GROUP.size
        return cls(slots, actions, groups, names, names + header.names_bytes)


def home_of(key: bytes, homes: int) -> int:
    """The slot where a search for a token begins; tokens are as good as random."""
    return int.from_bytes(key[:4], "big") * homes >> 32


def measures_mask(measures: frozenset[Countermeasure]) -> int:
    """The number of a set of countermeasures."""
    return sum(1 << bit for bit, measure in enumerate(_MEASURES) if measure in measures)
