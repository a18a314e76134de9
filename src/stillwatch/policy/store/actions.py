"""Actions in the store: proposed, approved by somebody else, lifted; each change on record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from stillwatch.identity import Kind
from stillwatch.identity.tokens import is_token
from stillwatch.policy.store.action_rows import (
    OPEN,
    action_of,
    checked,
    slices,
    softened,
    told_of,
)
from stillwatch.policy.store.audit import AuditKind
from stillwatch.policy.store.principals import Principal, PrincipalRole
from stillwatch.policy.store.schema import ACTIONS, HEAD
from stillwatch.records import Action, ActionState, InputError, Scope, Step, StillwatchError

if TYPE_CHECKING:
    from stillwatch.policy.store.store import Store

__all__ = ["ActionTable", "NotApprovedError"]


class NotApprovedError(StillwatchError):
    """An approval that does not hold: by the proposer, or of what does not wait."""


@dataclass(slots=True)
class ActionTable:
    """What is done, and what would have been."""

    store: Store

    def propose(
        self,
        actions: Sequence[Action],
        by: Principal,
        *,
        now: datetime,
        needing_approval: frozenset[str] = frozenset(),
        in_place_of: Iterable[str] = (),
        applied: Mapping[str, Any] | None = None,
    ) -> None:
        """Write actions as they are: in shadow, waiting, or in force where no approval is needed.

        Args:
            needing_approval: The ids of those that only a second person puts in force.
            in_place_of: The ids of open actions that end by it, in the same moment.
            applied: What the audit log is to tell of the policy that they follow from.

        Raises:
            InputError: One that needs approval is in force already, or ends before it begins.
            NotAllowedError: `by` is no analyst.
        """
        by.require(PrincipalRole.ANALYST)
        needing = [action.action_id in needing_approval for action in actions]
        made = [checked(a, needs_approval=n) for a, n in zip(actions, needing, strict=True)]
        with self.store.writing() as connection:
            if applied is not None:
                acts = [(AuditKind.POLICY_APPLIED, applied)]
                self.store.audit.append(connection, acts, by, now=now)
            ended = self._supersede(connection, in_place_of, by, now)
            rows = [self._row(a, by, needs=n, now=now) for a, n in zip(made, needing, strict=True)]
            self._insert(connection, rows, by, now)
            if ended or any(action.state is ActionState.IN_FORCE for action in made):
                _raise_sequence(connection)

    def approve(self, action_ids: Iterable[str], by: Principal, *, now: datetime) -> int:
        """Put in force what somebody else proposed; how many that were. All, or none.

        Raises:
            NotApprovedError: One was proposed by `by`, does not wait, or has ended meanwhile.
            NotAllowedError: `by` is no approver.
        """
        by.require(PrincipalRole.APPROVER)
        wanted = sorted(set(action_ids))
        changes = {"state": ActionState.IN_FORCE.value, "approved_by": by.name, "changed_at": now}
        with self.store.writing() as connection:
            for row in self._rows(connection, wanted):
                if row.proposed_by == by.name:
                    raise NotApprovedError(
                        f"{by.name} proposed this and may not approve it.",
                        where=row.action_id,
                        remedy="Ask another approver.",
                    )
                if row.state != ActionState.WAITING.value or row.ends_at <= now:
                    raise NotApprovedError(
                        f"this does not wait for approval: it is {row.state} until {row.ends_at}.",
                        where=row.action_id,
                        remedy="`stillwatch policy waiting` shows what does.",
                    )
            self._change(connection, wanted, changes, AuditKind.ACTION_APPROVED, by, {})
            _raise_sequence(connection)
        return len(wanted)

    def refuse(
        self, action_ids: Iterable[str], by: Principal, reason: str, *, now: datetime
    ) -> int:
        """Say no to what waits; how many that were.

        Raises:
            NotApprovedError: One does not wait.
            NotAllowedError: `by` is no approver.
        """
        by.require(PrincipalRole.APPROVER)
        wanted = sorted(set(action_ids))
        changes = {"state": ActionState.REFUSED.value, "changed_at": now}
        with self.store.writing() as connection:
            for row in self._rows(connection, wanted):
                if row.state != ActionState.WAITING.value:
                    raise NotApprovedError(
                        f"this does not wait for approval: it is {row.state}.", where=row.action_id
                    )
            told = {"reason": reason}
            self._change(connection, wanted, changes, AuditKind.ACTION_REFUSED, by, told)
        return len(wanted)

    def lift(self, action_ids: Iterable[str], by: Principal, reason: str, *, now: datetime) -> int:
        """End actions now, as fast as they began; how many were open.

        Raises:
            InputError: There is no such action.
            NotAllowedError: `by` is no analyst.
        """
        by.require(PrincipalRole.ANALYST)
        with self.store.writing() as connection:
            rows = self._rows(connection, sorted(set(action_ids)))
            return len(self._lift(connection, rows, by, reason, now))

    def lift_campaign(
        self, campaign_id: str, by: Principal, reason: str, *, now: datetime
    ) -> list[str]:
        """End all that was done for a campaign; the accounts on which something was in force.

        What another campaign does to the same accounts stays.

        Raises:
            NotAllowedError: `by` is no approver.
        """
        by.require(PrincipalRole.APPROVER)
        query = sa.select(ACTIONS).where(
            ACTIONS.c.campaign_id == campaign_id, ACTIONS.c.state.in_(OPEN)
        )
        with self.store.writing() as connection:
            rows = connection.execute(query).all()
            lifted = self._lift(connection, rows, by, reason, now)
            told = {"campaign": campaign_id, "actions": len(lifted), "reason": reason}
            self.store.audit.append(
                connection, [(AuditKind.CAMPAIGN_ROLLED_BACK, told)], by, now=now
            )
        in_force = {r.account_id for r in lifted if r.state == ActionState.IN_FORCE.value}
        return sorted(in_force)

    def lift_account(
        self, connection: sa.Connection, account_id: str, by: Principal, why: str, *, now: datetime
    ) -> int:
        """End all that is done to an account, in a transaction that is open; how much that was."""
        return len(self._lift(connection, _open_of(connection, account_id), by, why, now))

    def soften_account(
        self,
        connection: sa.Connection,
        account_id: str,
        step: Step,
        by: Principal,
        why: str,
        *,
        now: datetime,
    ) -> int:
        """Put a milder step in the place of all that is harder, in a transaction that is open.

        Each keeps its subject, its state and its end.

        Args:
            step: `tag`, `verify` or `throttle`.

        Returns:
            How many actions became milder.

        Raises:
            InputError: None of them is harder.
        """
        rows = [
            row
            for row in _open_of(connection, account_id)
            if Step(row.step).rank > step.rank and row.ends_at > now
        ]
        if not rows:
            raise InputError(
                "nothing harder than this is done to the account.",
                where=step.value,
                remedy="Uphold or overturn the appeal, or choose a milder step.",
            )
        self._lift(connection, rows, by, why, now)
        milder = [
            self._row(softened(action_of(row), step, by), by, needs=False, now=now) for row in rows
        ]
        self._insert(connection, milder, by, now)
        _raise_sequence(connection)
        return len(milder)

    def expire(self, *, now: datetime) -> int:
        """Write down which actions have ended by themselves; how many those were.

        Gateways do not wait for it: each knows when each action ends.
        """
        query = sa.select(ACTIONS).where(ACTIONS.c.state.in_(OPEN), ACTIONS.c.ends_at <= now)
        with self.store.reading() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return 0
        with self.store.writing() as connection:
            ids = [row.action_id for row in connection.execute(query)]
            changes = {"state": ActionState.EXPIRED.value, "changed_at": now}
            by = Principal.system("expiry")
            self._change(connection, ids, changes, AuditKind.ACTION_EXPIRED, by, {})
            return len(ids)

    def in_force(self, *, now: datetime) -> Iterator[Action]:
        """What gateways must obey now or later: in force, and not ended."""
        query = sa.select(ACTIONS).where(
            ACTIONS.c.state == ActionState.IN_FORCE.value, ACTIONS.c.ends_at > now
        )
        yield from self._read(query.order_by(ACTIONS.c.action_id))

    def at_one_moment(self, *, now: datetime) -> tuple[int, list[Action]]:
        """The sequence, and what is in force with it: what a snapshot is made of."""
        query = sa.select(ACTIONS).where(
            ACTIONS.c.state == ActionState.IN_FORCE.value, ACTIONS.c.ends_at > now
        )
        with self.store.reading() as connection:
            sequence = int(connection.execute(sa.select(HEAD.c.sequence)).scalar_one())
            rows = connection.execute(query.order_by(ACTIONS.c.action_id))
            return sequence, [action_of(row) for row in rows]

    def count_in_force(self, *, now: datetime) -> dict[Step, int]:
        """How many actions gateways obey at this moment, by step."""
        query = (
            sa.select(ACTIONS.c.step, sa.func.count())
            .where(
                ACTIONS.c.state == ActionState.IN_FORCE.value,
                ACTIONS.c.begins_at <= now,
                ACTIONS.c.ends_at > now,
            )
            .group_by(ACTIONS.c.step)
        )
        with self.store.reading() as connection:
            return {Step(step): int(count) for step, count in connection.execute(query)}

    def count_waiting(self) -> int:
        """How many actions wait for a second person."""
        query = sa.select(sa.func.count()).where(ACTIONS.c.state == ActionState.WAITING.value)
        with self.store.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def waiting(self) -> list[Action]:
        """What waits for a second person, oldest first."""
        query = sa.select(ACTIONS).where(ACTIONS.c.state == ActionState.WAITING.value)
        return list(self._read(query.order_by(ACTIONS.c.changed_at, ACTIONS.c.action_id)))

    def of_campaign(self, campaign_id: str) -> list[Action]:
        """Everything that was ever done, or thought of, for a campaign."""
        query = sa.select(ACTIONS).where(ACTIONS.c.campaign_id == campaign_id)
        return list(self._read(query.order_by(ACTIONS.c.begins_at, ACTIONS.c.action_id)))

    def of_account(self, account_id: str) -> list[Action]:
        """Everything that was ever done to an account."""
        query = sa.select(ACTIONS).where(ACTIONS.c.account_id == account_id)
        return list(self._read(query.order_by(ACTIONS.c.begins_at, ACTIONS.c.action_id)))

    def of_campaigns(self, campaign_ids: Iterable[str]) -> Iterator[Action]:
        """Everything that was ever done, or thought of, for any of these."""
        for piece in slices(sorted(set(campaign_ids))):
            query = sa.select(ACTIONS).where(ACTIONS.c.campaign_id.in_(piece))
            yield from self._read(query.order_by(ACTIONS.c.begins_at, ACTIONS.c.action_id))

    def settled(
        self, campaign_ids: Iterable[str], taken_up: Mapping[str, datetime]
    ) -> frozenset[tuple[str, str, Scope, str]]:
        """Campaign, account, scope and subject of what people refused or lifted.

        Args:
            taken_up: When people took up campaigns again: what was settled before does not count.
        """
        states = (ActionState.REFUSED.value, ActionState.LIFTED.value)
        found: set[tuple[str, str, Scope, str]] = set()
        with self.store.reading() as connection:
            for piece in slices(sorted(set(campaign_ids))):
                query = sa.select(ACTIONS).where(
                    ACTIONS.c.campaign_id.in_(piece), ACTIONS.c.state.in_(states)
                )
                for row in connection.execute(query):
                    since = taken_up.get(row.campaign_id)
                    if since is None or row.changed_at > since:
                        key = (row.campaign_id, row.account_id, Scope(row.scope), row.subject)
                        found.add(key)
        return frozenset(found)

    def waiting_or_in_force(self, *, now: datetime) -> list[Action]:
        """What waits or is in force, and has not ended: of every campaign."""
        states = (ActionState.WAITING.value, ActionState.IN_FORCE.value)
        query = sa.select(ACTIONS).where(ACTIONS.c.state.in_(states), ACTIONS.c.ends_at > now)
        return list(self._read(query.order_by(ACTIONS.c.begins_at, ACTIONS.c.action_id)))

    def every(self) -> Iterator[Action]:
        """All there ever was, in no order."""
        yield from self._read(sa.select(ACTIONS))

    def by_reference(self, reference: str) -> Action | None:
        """The action that a refusal's reference stands for."""
        query = sa.select(ACTIONS).where(ACTIONS.c.reference == reference)
        return next(iter(self._read(query)), None)

    def forget(self, account_ids: Iterable[str], *, now: datetime) -> int:
        """Erase accounts from the actions: their tokens stay, and so does what is in force.

        Returns:
            How many actions named one of them.
        """
        named = 0
        with self.store.writing() as connection:
            tokens: list[str] = []
            for account_id in sorted(set(account_ids)):
                mine = ACTIONS.c.account_id == account_id
                tokens += connection.scalars(
                    sa.select(ACTIONS.c.account_token).where(mine)
                ).unique()
                connection.execute(
                    sa.update(ACTIONS)
                    .where(mine, ACTIONS.c.subject == account_id)
                    .values(subject=ACTIONS.c.account_token)
                )
                done = connection.execute(
                    sa.update(ACTIONS).where(mine).values(account_id=ACTIONS.c.account_token)
                )
                named += done.rowcount
            acts = [(AuditKind.ACCOUNTS_ERASED, {"account": token}) for token in tokens]
            self.store.audit.append(connection, acts, Principal.system("erasure"), now=now)
        return named

    def _token(self, account_id: str) -> str:
        if is_token(account_id):
            return account_id
        if self.store.tokeniser is None:
            raise InputError(
                "the key of the keyed tokens is needed: the audit log names accounts by them.",
                where="--key-file",
                remedy="Name the lake's key.",
            )
        return self.store.tokeniser.token(Kind.ACCOUNT, account_id)

    def _row(self, action: Action, by: Principal, *, needs: bool, now: datetime) -> dict[str, Any]:
        return {
            "action_id": action.action_id,
            "campaign_id": action.campaign_id,
            "account_id": action.account_id,
            "account_token": self._token(action.account_id),
            "scope": action.scope.value,
            "subject": action.subject,
            "group_id": action.group,
            "step": action.step.value,
            "state": action.state.value,
            "begins_at": action.begins_at,
            "ends_at": action.ends_at,
            "reason": action.reason,
            "reference": action.reference,
            "proposed_by": by.name,
            "approved_by": None,
            "needs_approval": needs,
            "requests_per_minute": action.requests_per_minute,
            "countermeasures": " ".join(sorted(c.value for c in action.countermeasures)),
            "changed_at": now,
        }

    def _read(self, query: sa.Select[Any]) -> Iterator[Action]:
        with self.store.reading() as connection:
            rows = connection.execution_options(yield_per=10_000).execute(query)
            yield from map(action_of, rows)

    def _rows(self, connection: sa.Connection, ids: list[str]) -> list[Any]:
        found: list[Any] = []
        for piece in slices(ids):
            query = sa.select(ACTIONS).where(ACTIONS.c.action_id.in_(piece))
            found.extend(connection.execute(query))
        if len(found) < len(ids):
            missing = sorted(set(ids) - {row.action_id for row in found})
            raise InputError(
                "there is no such action.",
                where=missing[0][:64],
                remedy="`stillwatch policy waiting` shows those that wait.",
            )
        return found

    def _insert(
        self, connection: sa.Connection, rows: list[dict[str, Any]], by: Principal, now: datetime
    ) -> None:
        for piece in slices(rows):
            connection.execute(sa.insert(ACTIONS), piece)
        acts = [(AuditKind.ACTION_PROPOSED, told_of(row)) for row in rows]
        self.store.audit.append(connection, acts, by, now=now)

    def _supersede(
        self, connection: sa.Connection, ids: Iterable[str], by: Principal, now: datetime
    ) -> bool:
        """End what is still open of these; whether a gateway must hear of it."""
        rows = [row for row in self._rows(connection, sorted(set(ids))) if row.state in OPEN]
        changes = {"state": ActionState.SUPERSEDED.value, "changed_at": now}
        ended = [row.action_id for row in rows]
        self._change(connection, ended, changes, AuditKind.ACTION_SUPERSEDED, by, {})
        return any(row.state == ActionState.IN_FORCE.value for row in rows)

    def _lift(
        self, connection: sa.Connection, rows: Sequence[Any], by: Principal, why: str, now: datetime
    ) -> list[Any]:
        still_open = [row for row in rows if row.state in OPEN]
        ids = [row.action_id for row in still_open]
        changes = {"state": ActionState.LIFTED.value, "changed_at": now}
        self._change(connection, ids, changes, AuditKind.ACTION_LIFTED, by, {"reason": why})
        if any(row.state == ActionState.IN_FORCE.value for row in still_open):
            _raise_sequence(connection)
        return still_open

    def _change(
        self,
        connection: sa.Connection,
        ids: list[str],
        changes: dict[str, Any],
        kind: AuditKind,
        by: Principal,
        told: dict[str, Any],
    ) -> None:
        for piece in slices(ids):
            connection.execute(
                sa.update(ACTIONS).where(ACTIONS.c.action_id.in_(piece)).values(**changes)
            )
        acts = [(kind, {"action": action_id, **told}) for action_id in ids]
        self.store.audit.append(connection, acts, by, now=changes["changed_at"])


def _open_of(connection: sa.Connection, account_id: str) -> Sequence[Any]:
    query = sa.select(ACTIONS).where(ACTIONS.c.account_id == account_id, ACTIONS.c.state.in_(OPEN))
    return connection.execute(query).all()


def _raise_sequence(connection: sa.Connection) -> None:
    connection.execute(sa.update(HEAD).values(sequence=HEAD.c.sequence + 1))
