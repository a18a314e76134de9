"""A snapshot as gateways hold it: one mapped file, which the processes of a machine share.

Nothing in it is code, and nothing is believed before checksum and signature were checked. Its
tokens are keyed: who reads it learns neither keys nor accounts.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from stillwatch.enforcement.snapshot_format import (
    ACCOUNT,
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

__all__ = ["Found", "Snapshot", "SnapshotError", "Standing", "Unusable"]


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


class Found(NamedTuple):
    """What a token leads to: places of actions on it, and the account behind it; or NONE."""

    first_action: int
    account: int


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


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Verdicts by token. It stays whole while it is held, whatever becomes of its file's name.

    Attributes:
        header: Sequence, times and counts.
    """

    header: Header
    _data: mmap.mmap
    _regions: Regions

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
        return f'"{self.header.sequence}-{self.header.body_sha256.hex()[:16]}"'

    @property
    def created_at(self) -> datetime:
        return datetime.fromtimestamp(self.header.created_ms / 1000, UTC)

    def find(self, key: bytes) -> Found | None:
        """What the 16 bytes of a token lead to; None where nothing is known of it."""
        homes = self.header.homes
        if not homes:
            return None
        at = self._regions.slots + SLOT.size * (int.from_bytes(key[:4], "big") * homes >> 32)
        end = self._regions.accounts
        data, unpack = self._data, SLOT.unpack_from
        while at < end:
            held, first, account = unpack(data, at)
            if held == key:
                return Found(first, account)
            # Tokens lie in their order: past the place of this one there is only what is greater.
            if held == EMPTY_KEY or held > key:
                return None
            at += SLOT.size
        return None

    def first_of_account(self, account: int) -> int:
        """The first action on a whole account, or NONE."""
        first: int = ACCOUNT.unpack_from(self._data, self._regions.accounts + 4 * account)[0]
        return first

    def standing_at(self, first: int) -> list[Standing]:
        """The actions on one subject, from its first on."""
        found = []
        at = self._regions.actions + ACTION.size * first
        while at < self._regions.groups:
            step, mask, scope, is_last, *rest, reference = ACTION.unpack_from(self._data, at)
            group, budget, owner, begins, ends = rest
            found.append(
                Standing(
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
            )
            if is_last:
                break
            at += ACTION.size
        return found

    def group_name(self, group: int) -> str:
        """The name of a group: the campaign's id."""
        begin, length = GROUP.unpack_from(self._data, self._regions.groups + GROUP.size * group)
        begin += self._regions.names
        return self._data[begin : begin + length].decode("utf-8")


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
