"""A snapshot as gateways hold it: one mapped file, which the processes of a machine share.

Nothing in it is code, and nothing is believed before checksum and signature were checked. Its
tokens are keyed: who reads it learns neither keys nor accounts.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from stillwatch.enforcement.snapshot_format import (
    ACTION,
    EMPTY_KEY,
    GROUP,
    HEADER,
    MAGIC,
    MEASURES,
    NONE,
    PURPOSE,
    SCOPES,
    SLOT,
    STEPS,
    VERSION,
    Header,
    Regions,
)
from stillwatch.identity import VerifyKeys
from stillwatch.identity.signing_keys import SIGNATURE_BYTES
from stillwatch.records import StillwatchError
from stillwatch.records.actions import Countermeasure, Scope, Step

__all__ = ["SEVERAL", "Record", "Snapshot", "SnapshotError", "Standing", "Unusable"]


SEVERAL: Record = (0, 0, 0, 0, 0, 0, 0, 0, 0, b"")
"""In place of an action where there are more."""

# Bound once: they are called for every request.
_SLOT_SIZE = SLOT.size
_ACTION_SIZE = ACTION.size
_from_bytes = int.from_bytes
_unpack_slot = SLOT.unpack_from
_unpack_action: Callable[[mmap.mmap, int], Record] = ACTION.unpack_from
# Of groups whose requests came; there are seldom more than some thousands.
_MOST_NAMES = 2**16


class Unusable(StrEnum):
    """Why a snapshot was not taken; these are counted."""

    UNREADABLE = "unreadable"
    NOT_A_SNAPSHOT = "not_a_snapshot"
    NEWER_VERSION = "newer_version"
    TRUNCATED = "truncated"
    CHANGED = "changed"
    """Its bytes are not those that were summed up."""
    UNSIGNED = "unsigned"
    """No key that is trusted here signed it."""
    OTHER_KEY = "other_key"
    """Its tokens were made under another key than the gateway's."""
    OLDER = "older"
    """One that is newer was held before."""


class SnapshotError(StillwatchError):
    """A file is no snapshot that may be obeyed."""

    def __init__(self, reason: Unusable, what: str, *, where: str, remedy: str) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.reason = reason


Record = tuple[int, int, int, int, int, int, int, int, int, bytes]
"""An action as it stands in the file: step, measures, scope, whether it is the last on its subject,
group, budget, owner, begin, end, reference. `Standing.of` gives the words."""


class Standing(NamedTuple):
    """One action as a gateway must know it.

    Attributes:
        owner: The account whose requests alone it is about; NONE for anybody's.
        requests_per_minute: None where the action sets no budget.
        group: Its place among the groups; `Snapshot.group_name` tells its name.
    """

    step: Step
    countermeasures: frozenset[Countermeasure]
    scope: Scope
    group: int
    requests_per_minute: int | None
    owner: int
    begins_ms: int
    ends_ms: int
    reference: str

    @classmethod
    def of(cls, record: Record) -> Standing:
        """The words of what stands in the file."""
        step, mask, scope, _, group, budget, owner, begins, ends, reference = record
        return cls(
            STEPS[step],
            MEASURES[mask],
            SCOPES[scope],
            group,
            None if budget == NONE else budget,
            owner,
            begins,
            ends,
            reference.hex(),
        )


class Snapshot:
    """Verdicts by token. It stays whole while it is held, whatever becomes of its file's name.

    Attributes:
        header: Sequence, times and counts.
        actions: How many it holds.
    """

    __slots__ = (
        "_actions_at",
        "_data",
        "_homes",
        "_names",
        "_regions",
        "_slots_at",
        "actions",
        "header",
    )

    def __init__(self, header: Header, data: mmap.mmap, regions: Regions) -> None:
        self.header = header
        self._data = data
        self._regions = regions
        # What each look-up needs, one step away.
        self._homes = header.homes
        self.actions = header.actions
        self._slots_at, self._actions_at = regions.slots, regions.actions
        self._names: dict[int, str] = {}

    @classmethod
    def open(cls, path: Path, keys: VerifyKeys, *, key_fingerprint: str | None = None) -> Snapshot:
        """Check the whole file and map it.

        The file must be replaced and never written in place: its pages are read while it is held.

        Args:
            path: A file that nobody but this user writes.
            keys: Those whose signature is believed.
            key_fingerprint: Of the gateway's keys, which must have made the tokens.

        Raises:
            SnapshotError: It may not be obeyed; the reason says why.
        """
        data = _mapped(path)
        try:
            header = _checked_header(data, path)
            regions = Regions.of(header, SIGNATURE_BYTES)
            _check_bytes(data, header, regions, keys, path)
            _check_key(header, key_fingerprint, path)
        except BaseException:
            data.close()
            raise
        return cls(header, data, regions)

    @property
    def order(self) -> tuple[int, int]:
        """By which of two snapshots the newer is known: sequence, then the moment it was made."""
        return self.header.sequence, self.header.created_ms

    @property
    def etag(self) -> str:
        """Equal for equal bytes."""
        return self.header.etag

    @property
    def created_at(self) -> datetime:
        return datetime.fromtimestamp(self.header.created_ms / 1000, UTC)

    def find(self, key: bytes) -> tuple[int, int] | None:
        """What the 16 bytes of a token lead to; None where nothing is known of it.

        Returns:
            The place of the first action on it, and the account behind it; each may be NONE. What
            is on the whole account begins at the account's number, if that is below `actions`.
        """
        at = self._slots_at + _SLOT_SIZE * (_from_bytes(key[:4], "big") * self._homes >> 32)
        while at < self._actions_at:
            held, first, account = _unpack_slot(self._data, at)
            if held == key:
                return first, account
            # Tokens lie in their order: past the place of this one there is only what is greater.
            if held == EMPTY_KEY or held > key:
                return None
            at += _SLOT_SIZE
        return None

    def only_record(self, key: bytes) -> Record | None:
        """The one action that a credential leads to; None where there is none, or `SEVERAL`."""
        at = self._slots_at + _SLOT_SIZE * (_from_bytes(key[:4], "big") * self._homes >> 32)
        data, end = self._data, self._actions_at
        while at < end:
            held, first, account = _unpack_slot(data, at)
            if held == key:
                if first == NONE:
                    if account >= self.actions:
                        return None
                    first = account
                elif account < self.actions:
                    return SEVERAL
                record = _unpack_action(data, end + _ACTION_SIZE * first)
                return record if record[3] else SEVERAL
            if held == EMPTY_KEY or held > key:
                return None
            at += _SLOT_SIZE
        return None

    def records_at(self, first: int) -> list[Record]:
        """The actions on one subject, from its first on."""
        at = self._actions_at + _ACTION_SIZE * first
        record = _unpack_action(self._data, at)
        found = [record]
        while not record[3]:
            at += _ACTION_SIZE
            record = _unpack_action(self._data, at)
            found.append(record)
        return found

    def standing_at(self, first: int) -> list[Standing]:
        """The same in words."""
        return [Standing.of(record) for record in self.records_at(first)]

    def group_name(self, group: int) -> str:
        """The name of a group: the campaign's id."""
        name = self._names.get(group)
        if name is None:
            at = self._regions.groups + GROUP.size * group
            begin, length = GROUP.unpack_from(self._data, at)
            begin += self._regions.names
            name = self._data[begin : begin + length].decode("utf-8")
            if len(self._names) < _MOST_NAMES:
                self._names[group] = name
        return name


def _mapped(path: Path) -> mmap.mmap:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SnapshotError(
            Unusable.UNREADABLE,
            f"the snapshot cannot be read ({error.strerror}).",
            where=str(path),
            remedy="The last good one stays in force.",
        ) from error
    try:
        if os.fstat(handle).st_size < HEADER.size + SIGNATURE_BYTES:
            raise _bad(Unusable.TRUNCATED, "the snapshot ends within its header.", path)
        # Pages that are there before they are needed: no request waits for one.
        populate = getattr(mmap, "MAP_POPULATE", 0)
        return mmap.mmap(handle, 0, flags=mmap.MAP_SHARED | populate, prot=mmap.PROT_READ)
    finally:
        os.close(handle)


def _checked_header(data: mmap.mmap, path: Path) -> Header:
    header = Header.unpack(data[: HEADER.size])
    if header.magic != MAGIC:
        raise _bad(Unusable.NOT_A_SNAPSHOT, "this is no snapshot.", path)
    if header.version > VERSION:
        raise SnapshotError(
            Unusable.NEWER_VERSION,
            f"the snapshot has version {header.version}, and this gateway reads {VERSION}.",
            where=str(path),
            remedy="Upgrade the gateways first, then the server. The last good one stays in force.",
        )
    if header.version < 1 or header.header_bytes != HEADER.size:
        raise _bad(Unusable.NOT_A_SNAPSHOT, "this is no snapshot.", path)
    return header


def _check_bytes(
    data: mmap.mmap, header: Header, regions: Regions, keys: VerifyKeys, path: Path
) -> None:
    signature = data[HEADER.size : regions.slots]
    if not keys.verifies(PURPOSE, data[: HEADER.size], signature):
        raise _bad(Unusable.UNSIGNED, "no key that is trusted here signed the snapshot.", path)
    if len(data) < regions.end:
        raise _bad(Unusable.TRUNCATED, "the snapshot is cut off.", path)
    with memoryview(data) as view, view[regions.slots :] as body:
        digest = hashlib.sha256(body).digest()
    if len(data) != regions.end or digest != header.body_sha256:
        raise _bad(Unusable.CHANGED, "the snapshot is not as it was signed.", path)


def _check_key(header: Header, fingerprint: str | None, path: Path) -> None:
    if fingerprint is not None and header.key_fingerprint.hex() != fingerprint:
        raise SnapshotError(
            Unusable.OTHER_KEY,
            "the snapshot's tokens were made under another key than this gateway's.",
            where=str(path),
            remedy="After `stillwatch keys rotate`, give each gateway its keys anew. Until then the"
            " last good snapshot stays in force.",
        )


def _bad(reason: Unusable, what: str, path: Path) -> SnapshotError:
    return SnapshotError(
        reason,
        what,
        where=str(path),
        remedy="The last good one stays in force, and the next is fetched by itself.",
    )
