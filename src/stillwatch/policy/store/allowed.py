"""The allow-list: organisations that no step reaches, each with a reason and an end."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from stillwatch.policy.store.audit import AuditKind
from stillwatch.policy.store.principals import Principal, PrincipalRole
from stillwatch.policy.store.schema import ALLOWED
from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.policy.store.store import Store

__all__ = ["AllowList", "Allowed"]


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry."""

    allowed_id: str
    organization_id: str
    reason: str
    ends_at: datetime
    by: str


@dataclass(slots=True)
class AllowList:
    """The entries of a store."""

    store: Store

    def add(
        self, organization_id: str, reason: str, ends_at: datetime, by: Principal, *, now: datetime
    ) -> Allowed:
        """Keep steps from an organisation until a moment.

        Raises:
            InputError: There is no reason, or the end is past.
            NotAllowedError: `by` is no approver.
        """
        by.require(PrincipalRole.APPROVER)
        if not reason.strip() or ends_at <= now:
            raise InputError(
                "an exception has a reason and an end to come.",
                where=organization_id[:64],
                remedy="Give both.",
            )
        entry = Allowed(uuid.uuid4().hex, organization_id, reason.strip(), ends_at, by.name)
        with self.store.writing() as connection:
            connection.execute(
                sa.insert(ALLOWED).values(
                    allowed_id=entry.allowed_id,
                    organization_id=organization_id,
                    reason=entry.reason,
                    ends_at=ends_at,
                    by_name=by.name,
                    created_at=now,
                )
            )
            told = {"allowed": entry.allowed_id, "ends_at": ends_at.isoformat()}
            self.store.audit.append(connection, [(AuditKind.ALLOWED, told)], by, now=now)
        return entry

    def remove(self, allowed_id: str, by: Principal, *, now: datetime) -> None:
        """End an exception before its time.

        Raises:
            InputError: There is none of this id.
            NotAllowedError: `by` is no approver.
        """
        by.require(PrincipalRole.APPROVER)
        with self.store.writing() as connection:
            done = connection.execute(
                sa.update(ALLOWED)
                .where(ALLOWED.c.allowed_id == allowed_id, ALLOWED.c.removed_at.is_(None))
                .values(removed_at=now)
            )
            if not done.rowcount:
                raise InputError(
                    "there is no such exception.",
                    where=allowed_id[:64],
                    remedy="`stillwatch policy allow list` shows them.",
                )
            told = {"allowed": allowed_id}
            self.store.audit.append(connection, [(AuditKind.ALLOWED_NO_MORE, told)], by, now=now)

    def valid(self, *, now: datetime) -> list[Allowed]:
        """The entries that hold now."""
        query = (
            sa.select(ALLOWED)
            .where(ALLOWED.c.removed_at.is_(None), ALLOWED.c.ends_at > now)
            .order_by(ALLOWED.c.created_at, ALLOWED.c.allowed_id)
        )
        with self.store.reading() as connection:
            return [
                Allowed(r.allowed_id, r.organization_id, r.reason, r.ends_at, r.by_name)
                for r in connection.execute(query)
            ]
