"""The audit log: each record holds the hash of the one before it, without a gap in the numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from stillwatch.policy.store.schema import AUDIT, HEAD

if TYPE_CHECKING:
    from stillwatch.policy.store.principals import Principal
    from stillwatch.policy.store.store import Store

__all__ = ["FIRST_HASH", "AuditKind", "AuditLog", "AuditRecord", "hash_of"]

FIRST_HASH = "0" * 64
"""What the first record names as the hash before it."""

_READ_ROWS = 10_000


class AuditKind(StrEnum):
    """What was done."""

    USER_ADDED = "user_added"
    USER_DISABLED = "user_disabled"
    TOKEN_MADE = "token_made"  # noqa: S105 - a kind of record
    ACTION_PROPOSED = "action_proposed"
    ACTION_APPROVED = "action_approved"
    ACTION_REFUSED = "action_refused"
    ACTION_LIFTED = "action_lifted"
    ACTION_EXPIRED = "action_expired"
    ACTION_SUPERSEDED = "action_superseded"
    POLICY_APPLIED = "policy_applied"
    CAMPAIGN_ROLLED_BACK = "campaign_rolled_back"
    ALLOWED = "allowed"
    ALLOWED_NO_MORE = "allowed_no_more"
    APPEAL_OPENED = "appeal_opened"
    APPEAL_DECIDED = "appeal_decided"
    CALIBRATION_GIVEN = "calibration_given"
    ACCOUNTS_ERASED = "accounts_erased"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One act.

    Attributes:
        by: The name of a principal.
        details: Ids of ours and keyed tokens; no identifier, no customer's text.
        previous_hash: Of the record before; `FIRST_HASH` for the first.
        hash: SHA-256 over all of the above, as canonical JSON.
    """

    sequence: int
    at: str
    kind: str
    by: str
    details: dict[str, Any]
    previous_hash: str
    hash: str

    def as_line(self) -> str:
        """The record as one line of JSON, as `audit export` writes it."""
        return _canonical(
            {
                "sequence": self.sequence,
                "at": self.at,
                "kind": self.kind,
                "by": self.by,
                "details": self.details,
                "previous_hash": self.previous_hash,
                "hash": self.hash,
            }
        )


def hash_of(
    *, sequence: int, at: str, kind: str, by: str, details: Mapping[str, Any], previous_hash: str
) -> str:
    """SHA-256 of a record, as 64 hexadecimal digits."""
    content = {
        "sequence": sequence,
        "at": at,
        "kind": kind,
        "by": by,
        "details": details,
        "previous_hash": previous_hash,
    }
    return sha256(_canonical(content).encode()).hexdigest()


@dataclass(slots=True)
class AuditLog:
    """The records of a store."""

    store: Store

    def append(
        self,
        connection: sa.Connection,
        acts: Iterable[tuple[AuditKind, Mapping[str, Any]]],
        by: Principal,
        *,
        now: datetime,
    ) -> None:
        """Add records in the transaction that does what they tell.

        Args:
            connection: Of `Store.writing`: whoever holds it is the only writer.
        """
        sequence, previous = connection.execute(
            sa.select(HEAD.c.audit_sequence, HEAD.c.audit_hash)
        ).one()
        at = now.isoformat(timespec="microseconds")
        rows = []
        for kind, details in acts:
            sequence += 1
            text = _canonical(details)
            digest = hash_of(
                sequence=sequence,
                at=at,
                kind=kind.value,
                by=by.name,
                details=json.loads(text),
                previous_hash=previous,
            )
            rows.append(
                {
                    "sequence": sequence,
                    "at": at,
                    "kind": kind.value,
                    "by_name": by.name,
                    "details": text,
                    "previous_hash": previous,
                    "hash": digest,
                }
            )
            previous = digest
        if rows:
            connection.execute(sa.insert(AUDIT), rows)
            connection.execute(sa.update(HEAD).values(audit_sequence=sequence, audit_hash=previous))

    def records(self, *, after: int = 0) -> Iterator[AuditRecord]:
        """The records with a greater number than `after`, in order."""
        with self.store.reading() as connection:
            yield from records_of(connection, after=after)

    def rolled_back(self) -> tuple[frozenset[str], dict[str, datetime]]:
        """Campaigns that people rolled back, and when people took which up again."""
        kinds = (AuditKind.CAMPAIGN_ROLLED_BACK.value, AuditKind.POLICY_APPLIED.value)
        query = sa.select(AUDIT).where(AUDIT.c.kind.in_(kinds)).order_by(AUDIT.c.sequence)
        undone: set[str] = set()
        taken_up: dict[str, datetime] = {}
        with self.store.reading() as connection:
            for row in connection.execute(query):
                told = json.loads(row.details)
                if row.kind == AuditKind.CAMPAIGN_ROLLED_BACK.value:
                    undone.add(told["campaign"])
                for campaign in told.get("again", ()):
                    undone.discard(campaign)
                    taken_up[campaign] = datetime.fromisoformat(row.at)
        return frozenset(undone), taken_up

    def head(self) -> tuple[int, str]:
        """Number and hash of the last record, as the store itself remembers them."""
        with self.store.reading() as connection:
            found = connection.execute(sa.select(HEAD.c.audit_sequence, HEAD.c.audit_hash)).one()
            return int(found[0]), str(found[1])


def records_of(connection: sa.Connection, *, after: int = 0) -> Iterator[AuditRecord]:
    """The records, in order, over a connection that is open."""
    query = sa.select(AUDIT).where(AUDIT.c.sequence > after).order_by(AUDIT.c.sequence)
    for row in connection.execution_options(yield_per=_READ_ROWS).execute(query):
        yield AuditRecord(
            int(row.sequence),
            row.at,
            row.kind,
            row.by_name,
            json.loads(row.details),
            row.previous_hash,
            row.hash,
        )


def _canonical(content: Mapping[str, Any]) -> str:
    """JSON of which there is one form only."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
