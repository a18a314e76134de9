"""Actions in force become a snapshot: signed, whole or absent, and never over a newer one."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from stillwatch.enforcement.snapshot_format import (
    ACTION,
    GROUP,
    HEADER,
    MAGIC,
    NONE,
    PURPOSE,
    SCOPES,
    SLOT,
    STEPS,
    VERSION,
    Header,
    measures_mask,
)
from stillwatch.enforcement.snapshot_slots import Entries, filled_slots, side_by_side, with_owners
from stillwatch.identity import GatewayKeys, Kind, SigningKey, VerifyKeys
from stillwatch.identity.signing_keys import SIGNATURE_BYTES
from stillwatch.identity.tokens import is_token
from stillwatch.records import flush_to_disk, private_file
from stillwatch.records.actions import Action, Scope

__all__ = [
    "Built",
    "SnapshotBytes",
    "alone_at",
    "build_snapshot",
    "publish",
    "signed_header_in",
]

_KINDS = {
    Scope.ACCOUNT: Kind.ACCOUNT,
    Scope.CREDENTIAL: Kind.CREDENTIAL,
    Scope.CONVERSATION: Kind.CONVERSATION,
    Scope.SHAPE: Kind.SHAPE,
}
_STEP_PLACES = {step: place for place, step in enumerate(STEPS)}
_SCOPE_PLACES = {scope: place for place, scope in enumerate(SCOPES)}
# A name longer than this is no id of ours.
_LONGEST_NAME = 200
# One less than what stands for "no budget".
_LARGEST_BUDGET = NONE - 1


@dataclass(frozen=True, slots=True)
class SnapshotBytes:
    """A whole snapshot.

    Attributes:
        ambiguous_credentials: Credentials that were said to be of two accounts. They lead to
            neither: an action on one of the two must not fall on the other.
    """

    header: Header
    parts: tuple[bytes, ...] = field(repr=False)
    signer: VerifyKeys = field(repr=False)
    ambiguous_credentials: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.parts))


@dataclass(frozen=True, slots=True)
class Built:
    """What became of a snapshot that was to be published.

    Attributes:
        is_published: False where a newer one lies there already, of another builder, or one that
            says the same.
    """

    header: Header
    size: int
    is_published: bool
    ambiguous_credentials: int


def build_snapshot(
    actions: Iterable[Action],
    keys: GatewayKeys,
    signing_key: SigningKey,
    *,
    sequence: int,
    created_at: datetime,
    credentials: Mapping[str, Iterable[str]] | None = None,
) -> SnapshotBytes:
    """The snapshot of some actions.

    A credential, conversation or shape is named by its token; an account by its id, or by its
    token. An action on a conversation or a shape is about the requests of its account alone, or,
    of a shape whose `account_id` is "", about everybody's.

    Args:
        actions: Those in force, and those approved to begin later. Their state is not looked at.
        credentials: The tokens of all known credentials of each account that an action is about.
            A request whose gateway does not say who is billed leads to its account by them.
    """
    collected = _Collected(keys)
    for action in actions:
        collected.add(action)
    for account_id, tokens in (credentials or {}).items():
        collected.add_credentials(account_id, tokens)
    return collected.assembled(signing_key, sequence=sequence, created_ms=_milliseconds(created_at))


def publish(snapshot: SnapshotBytes, path: Path) -> Built:
    """Put a snapshot in place of the one at `path`, unless that is as new or newer, or says the same.

    Two builders may publish to one place: the newest stays. Who has the old one mapped keeps it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    header = snapshot.header
    with alone_at(path):
        present = signed_header_in(path, snapshot.signer)
        newer = present is None or (
            (present.sequence, present.created_ms) < (header.sequence, header.created_ms)
            and (present.sequence, present.body_sha256) != (header.sequence, header.body_sha256)
        )
        if newer:
            with private_file(path) as partial:
                with partial.open("wb") as file:
                    file.writelines(snapshot.parts)
                flush_to_disk(partial)
            flush_to_disk(path.parent)
    return Built(header, len(snapshot), newer, snapshot.ambiguous_credentials)


def signed_header_in(path: Path, keys: VerifyKeys) -> Header | None:
    """The header of the snapshot at `path` where its signature holds; the rest is not looked at."""
    try:
        with path.open("rb") as file:
            start = file.read(HEADER.size)
            signature = file.read(SIGNATURE_BYTES)
    except OSError:
        return None
    if len(start) < HEADER.size or not keys.verifies(PURPOSE, start, signature):
        return None
    return Header.unpack(start)


@contextmanager
def alone_at(path: Path) -> Iterator[None]:
    """Nobody else who asks for it replaces the file at `path` meanwhile."""
    handle = os.open(path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class _Collected:
    """Rows of the file as they come; they are put in order at the end."""

    def __init__(self, keys: GatewayKeys) -> None:
        self._keys = keys
        self._subjects = bytearray()
        self._rows = bytearray()
        self._accounts: dict[str, int] = {}
        self._groups: dict[str, int] = {}
        self._credentials = Entries()
        self._latest_end = 0

    def add(self, action: Action) -> None:
        """One action."""
        is_bound = action.scope in (Scope.CONVERSATION, Scope.SHAPE) and action.account_id
        account = self._account(action.account_id) if action.account_id else NONE
        budget = action.requests_per_minute
        begins, ends = _milliseconds(action.begins_at, up=True), _milliseconds(action.ends_at)
        self._latest_end = max(self._latest_end, ends)
        self._subjects += self._key(_KINDS[action.scope], action.subject)
        self._rows += ACTION.pack(
            _STEP_PLACES[action.step],
            measures_mask(action.countermeasures),
            _SCOPE_PLACES[action.scope],
            0,  # whether it is the last on its subject, which is not known yet
            self._groups.setdefault(action.group[:_LONGEST_NAME], len(self._groups)),
            NONE if budget is None else min(budget, _LARGEST_BUDGET),
            account if is_bound else NONE,
            begins,
            ends,
            bytes.fromhex(action.reference),
        )

    def add_credentials(self, account_id: str, tokens: Iterable[str]) -> None:
        """The credentials of an account; those of accounts without an action are not needed."""
        account = self._accounts.get(account_id)
        if account is not None:
            for token in tokens:
                self._credentials.add(self._key(Kind.CREDENTIAL, token), NONE, account)

    def _account(self, account_id: str) -> int:
        return self._accounts.setdefault(account_id, len(self._accounts))

    def _key(self, kind: Kind, subject: str) -> bytes:
        """The bytes of a token of this kind; of an id of a source's own, what it becomes."""
        start = f"{kind.value}_"
        if subject.startswith(start) and is_token(subject):
            return bytes.fromhex(subject[len(start) :])
        return self._keys.digest(kind, subject)

    def assembled(
        self, signing_key: SigningKey, *, sequence: int, created_ms: int
    ) -> SnapshotBytes:
        """Everything in its order, summed up and signed."""
        rows, subjects, firsts = side_by_side(bytes(self._rows), bytes(self._subjects))
        first_of = dict(zip(subjects, firsts, strict=True))
        keys = [self._key(Kind.ACCOUNT, account_id) for account_id in self._accounts]
        numbers = _numbers([first_of.pop(key, NONE) for key in keys], len(rows) // ACTION.size)
        entries = Entries()
        for key, number in zip(keys, numbers, strict=True):
            entries.add(key, NONE, number)
        for key, first in first_of.items():
            entries.add(key, first, NONE)
        entries.extend(self._credentials, numbers)
        rows = with_owners(rows, numbers)
        slots, homes, ambiguous = filled_slots(entries)
        groups, names = self._named_groups()
        body = (slots, rows, groups, names)
        header = Header(
            magic=MAGIC,
            version=VERSION,
            reserved=0,
            header_bytes=HEADER.size,
            sequence=sequence,
            created_ms=created_ms,
            valid_until_ms=max(self._latest_end, created_ms),
            slots=len(slots) // SLOT.size,
            homes=homes,
            accounts=len(self._accounts),
            actions=len(rows) // ACTION.size,
            groups=len(self._groups),
            credentials=len(self._credentials),
            names_bytes=len(names),
            key_fingerprint=bytes.fromhex(self._keys.fingerprint),
            body_sha256=_digest_of(body),
        )
        start = header.pack()
        signature = signing_key.sign(PURPOSE, start)
        return SnapshotBytes(header, (start, signature, *body), signing_key.public, ambiguous)

    def _named_groups(self) -> tuple[bytes, bytes]:
        groups, names = bytearray(), bytearray()
        for name in self._groups:
            encoded = name.encode("utf-8", "replace")
            groups += GROUP.pack(len(names), len(encoded))
            names += encoded
        return bytes(groups), bytes(names)


def _numbers(firsts: list[int], actions: int) -> list[int]:
    """The number of each account: its first action's place, or one beyond all actions."""
    return [actions + at if first == NONE else first for at, first in enumerate(firsts)]


def _digest_of(parts: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def _milliseconds(moment: datetime, *, up: bool = False) -> int:
    """Since 1970; begins are rounded up and ends down, so that nothing lasts longer than said."""
    microseconds = round(moment.timestamp() * 1_000_000)
    return -(-microseconds // 1000) if up else microseconds // 1000
