"""The table of tokens of a snapshot, put in order by arrays: a million take a second or two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stillwatch.enforcement.snapshot_format import ACTION, MOST_LEFT_OPEN, NONE, SLOT

__all__ = ["Entries", "filled_slots", "side_by_side"]

_KEY = np.dtype([("high", ">u8"), ("low", ">u8")])
_SLOT = np.dtype([("key", "V16"), ("first", "<u4"), ("account", "<u4")])
# Of an action: whether it is the last on its subject, and whose requests alone it is about.
_LAST_BYTE = 3
_OWNER = slice(12, 16)


@dataclass(slots=True)
class Entries:
    """What tokens lead to. A token may come twice, for an action on it and for its account."""

    keys: bytearray = field(default_factory=bytearray)
    firsts: list[int] = field(default_factory=list)
    accounts: list[int] = field(default_factory=list)

    def add(self, key: bytes, first: int, account: int) -> None:
        self.keys += key
        self.firsts.append(first)
        self.accounts.append(account)

    def extend(self, other: Entries, numbers: Sequence[int]) -> None:
        """Those of `other`, whose accounts are places among `numbers`."""
        self.keys += other.keys
        self.firsts += other.firsts
        self.accounts += [numbers[account] for account in other.accounts]

    def __len__(self) -> int:
        return len(self.firsts)


def side_by_side(rows: bytes, subjects: bytes) -> tuple[bytes, list[bytes], list[int]]:
    """Actions with those on one subject next to each other, the last of them marked.

    Returns:
        The rows, the key of each subject, and the place of its first action.
    """
    if not rows:
        return b"", [], []
    keys = np.frombuffer(subjects, dtype=_KEY)
    order = _ordered(keys)
    keys = keys[order]
    table = np.frombuffer(rows, dtype=np.uint8).reshape(-1, ACTION.size)[order]
    begins = _begins(keys)
    table[np.append(begins[1:], len(table)) - 1, _LAST_BYTE] = 1
    packed = keys[begins].tobytes()
    names = [packed[at : at + 16] for at in range(0, len(packed), 16)]
    return table.tobytes(), names, begins.tolist()


def with_owners(rows: bytes, numbers: Sequence[int]) -> bytes:
    """The actions with the numbers of their owners, where their places among `numbers` stood."""
    if not rows:
        return rows
    table = np.frombuffer(bytearray(rows), dtype=np.uint8).reshape(-1, ACTION.size)
    owners = np.ascontiguousarray(table[:, _OWNER]).view("<u4").ravel()
    known = np.append(np.array(numbers, dtype="<u4"), np.uint32(NONE))
    new = known[np.minimum(owners, len(numbers))].astype("<u4")
    table[:, _OWNER] = new.view(np.uint8).reshape(-1, 4)
    return table.tobytes()


def filled_slots(entries: Entries) -> tuple[bytes, int, int]:
    """The slots, how many of them are homes, and how many credentials led to two accounts."""
    if not len(entries):
        return b"", 0, 0
    keys = np.frombuffer(bytes(entries.keys), dtype=_KEY)
    order = _ordered(keys)
    keys = keys[order]
    begins = _begins(keys)
    keys = keys[begins]
    firsts = np.minimum.reduceat(np.array(entries.firsts, dtype=np.uint32)[order], begins)
    accounts, ambiguous = _accounts(np.array(entries.accounts, dtype=np.int64)[order], begins)
    homes = math.ceil(len(keys) * MOST_LEFT_OPEN)
    top = keys["high"].astype(np.uint64) >> np.uint64(32)
    wanted = ((top * np.uint64(homes)) >> np.uint64(32)).astype(np.int64)
    # Each takes its home, or the first slot after the one before it: a running maximum.
    counted = np.arange(len(keys))
    places = np.maximum.accumulate(wanted - counted) + counted
    slots = np.zeros(max(homes, int(places[-1]) + 1), dtype=_SLOT)
    slots["first"] = slots["account"] = NONE
    slots["key"][places] = keys.view("V16")
    slots["first"][places] = firsts
    slots["account"][places] = accounts
    assert slots.itemsize == SLOT.size
    return slots.tobytes(), homes, ambiguous


def _accounts(
    accounts: NDArray[np.int64], begins: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], int]:
    """The account of each token; none where two were named."""
    least = np.minimum.reduceat(accounts, begins)
    most = np.maximum.reduceat(np.where(accounts == NONE, -1, accounts), begins)
    two = (most >= 0) & (least != most)
    return np.where(two, NONE, least).astype(np.uint32), int(two.sum())


def _ordered(keys: NDArray[np.void]) -> NDArray[np.intp]:
    return np.lexsort((keys["low"], keys["high"]))


def _begins(keys: NDArray[np.void]) -> NDArray[np.int64]:
    """Where each key of an ordered list comes first."""
    differs = (keys["high"][1:] != keys["high"][:-1]) | (keys["low"][1:] != keys["low"][:-1])
    return np.append([0], np.flatnonzero(differs) + 1)
