"""Whether an audit log is whole: its chain, the store's own count, and checkpoints kept elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from stillwatch.policy.store.audit import FIRST_HASH, AuditRecord, hash_of, records_of
from stillwatch.policy.store.checkpoints import Checkpoint
from stillwatch.policy.store.schema import HEAD

if TYPE_CHECKING:
    from stillwatch.policy.store.store import Store

__all__ = ["Checked", "check_file", "check_store", "first_difference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check found.

    Attributes:
        records: How many were read.
        first_bad: Number of the first record that is changed, missing or out of its place; of a
            chain that disagrees with a checkpoint only, the checkpoint's.
        why: What is wrong with it; empty where all is well.
        last_good: Number of the last record that is certain.
        checkpoints: How many were compared.
    """

    records: int = 0
    first_bad: int | None = None
    why: str = ""
    last_good: int = 0
    checkpoints: int = 0

    @property
    def ok(self) -> bool:
        return self.first_bad is None


def check_store(store: Store, checkpoints: Sequence[Checkpoint] = ()) -> Checked:
    """Check the log in a store, at one moment."""
    with store.reading() as connection:
        head = connection.execute(sa.select(HEAD.c.audit_sequence, HEAD.c.audit_hash)).one()
        return _checked(records_of(connection), checkpoints, (int(head[0]), str(head[1])))


def check_file(lines: Iterable[str], checkpoints: Sequence[Checkpoint] = ()) -> Checked:
    """Check a log as `audit export` writes it. Without a checkpoint nobody knows where it ended."""
    return _checked(_parsed(lines), checkpoints, None)


def first_difference(store: Store, lines: Iterable[str]) -> int | None:
    """Number of the first record that the two have differently; None where one only goes on."""
    with store.reading() as connection:
        for stored, kept in zip(records_of(connection), _parsed(lines), strict=False):
            if kept is None or stored.hash != kept.hash:
                return min(stored.sequence, kept.sequence) if kept else stored.sequence
    return None


def _parsed(lines: Iterable[str]) -> Iterator[AuditRecord | None]:
    """The records in lines of JSON; None for what is none."""
    for line in lines:
        if not line.strip():
            continue
        try:
            given: dict[str, Any] = json.loads(line)
            yield AuditRecord(
                int(given["sequence"]),
                str(given["at"]),
                str(given["kind"]),
                str(given["by"]),
                dict(given["details"]),
                str(given["previous_hash"]),
                str(given["hash"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            yield None


def _checked(
    records: Iterable[AuditRecord | None],
    checkpoints: Sequence[Checkpoint],
    head: tuple[int, str] | None,
) -> Checked:
    sealed: dict[int, list[str]] = {}
    for checkpoint in checkpoints:
        if checkpoint.sequence < 1:
            continue  # of a log in which nothing was yet
        sealed.setdefault(checkpoint.sequence, []).append(checkpoint.head)
    previous, count, certain, compared = FIRST_HASH, 0, 0, 0

    def bad(number: int, why: str) -> Checked:
        # Where checkpoints were given, only what they vouch for is certain.
        good = certain if checkpoints else min(count, number - 1)
        return Checked(
            records=count, first_bad=number, why=why, last_good=good, checkpoints=compared
        )

    for record in records:
        expected = count + 1
        if record is None:
            return bad(expected, "it cannot be read")
        if record.sequence != expected:
            what = "it is missing" if record.sequence > expected else "its number comes twice"
            return bad(expected, f"{what}: the next one has the number {record.sequence}")
        if record.previous_hash != previous:
            return bad(expected, "it does not follow the one before it")
        if record.hash != _hash(record):
            return bad(expected, "it was changed")
        for head_then in sealed.pop(expected, ()):
            compared += 1
            if head_then != record.hash:
                return bad(
                    expected,
                    "a checkpoint was made of another record of this number: the log was written "
                    f"anew from some record after number {certain} on",
                )
            certain = expected
        previous, count = record.hash, expected
    if head is not None and head != (count, previous):
        return bad(count + 1, f"the store counted {head[0]} records")
    if sealed:
        later = max(sealed)
        return bad(count + 1, f"a checkpoint was made of {later} records: the end is missing")
    return Checked(records=count, last_good=count, checkpoints=compared)


def _hash(record: AuditRecord) -> str:
    return hash_of(
        sequence=record.sequence,
        at=record.at,
        kind=record.kind,
        by=record.by,
        details=record.details,
        previous_hash=record.previous_hash,
    )
