"""Appeals in the store: one open a reference, decided by a person, with all that follows at once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from stillwatch.policy.appeals import (
    Appeal,
    AppealRules,
    AppealsFullError,
    AppealState,
    Judgement,
    PublicState,
)
from stillwatch.policy.store.audit import AuditKind
from stillwatch.policy.store.principals import NotAllowedError, Principal, PrincipalRole
from stillwatch.policy.store.schema import ACTIONS, APPEALS
from stillwatch.records import ActionState, InputError, Step
from stillwatch.records.words import AccountId, CampaignId

if TYPE_CHECKING:
    from stillwatch.policy.store.store import Store

__all__ = ["AppealTable"]

# References of what was never done were never shown to anybody.
_SHOWN = (
    ActionState.IN_FORCE.value,
    ActionState.LIFTED.value,
    ActionState.EXPIRED.value,
    ActionState.SUPERSEDED.value,
)
_OPEN = APPEALS.c.state == AppealState.OPEN.value


@dataclass(slots=True)
class AppealTable:
    """What customers said, and what became of it."""

    store: Store
    rules: AppealRules = field(default_factory=AppealRules)

    def submit(self, reference: str, text: str, *, now: datetime) -> bool:
        """Keep an appeal, if the reference lives and has none that is open; whether it was kept.

        What is kept of references that do not live is nothing, so that nobody can fill the table.

        Args:
            reference, text: As `checked_reference` and `checked_text` return them.

        Raises:
            AppealsFullError: The table has no room, whatever the reference.
        """
        with self.store.reading() as connection:
            if self._count_open(connection) >= self.rules.most_open:
                raise AppealsFullError("no more appeals are taken at the moment.")
            if self._admitted(connection, reference, now) is None:
                return False
        with self.store.writing() as connection:
            action = self._admitted(connection, reference, now)
            if action is None:
                return False
            appeal_id = uuid.uuid4().hex
            connection.execute(
                sa.insert(APPEALS).values(
                    appeal_id=appeal_id,
                    reference=reference,
                    action_id=action.action_id,
                    text=text,
                    submitted_at=now,
                    state=AppealState.OPEN.value,
                )
            )
            told = {"appeal": appeal_id, "action": action.action_id}
            by = Principal.system("appeals")
            self.store.audit.append(connection, [(AuditKind.APPEAL_OPENED, told)], by, now=now)
            return True

    def state(self, reference: str) -> PublicState:
        """What a customer is told: the same of what is open, was never made, or never was."""
        query = (
            sa.select(APPEALS.c.state, APPEALS.c.decided_at)
            .where(APPEALS.c.reference == reference)
            .order_by(APPEALS.c.submitted_at.desc())
            .limit(1)
        )
        with self.store.reading() as connection:
            found = connection.execute(query).first()
        if found is None or found.state == AppealState.OPEN.value:
            return PublicState(reference)
        return PublicState(reference, found.state, found.decided_at)

    def waiting(self, *, limit: int = 100) -> list[Appeal]:
        """Open appeals: the oldest of each campaign first, then the second of each, and so on.

        The oldest of all is always the first, and however many accounts of one campaign appeal,
        those of another wait for one of them only.
        """
        turn = (
            sa.func.row_number()
            .over(partition_by=ACTIONS.c.campaign_id, order_by=APPEALS.c.submitted_at)
            .label("turn")
        )
        query = _joined().add_columns(turn).where(_OPEN).subquery()
        ordered = sa.select(query).order_by(query.c.turn, query.c.submitted_at).limit(limit)
        with self.store.reading() as connection:
            return [_appeal(row) for row in connection.execute(ordered)]

    def count_open(self) -> tuple[int, datetime | None]:
        """How many are open, and since when the oldest of them is."""
        query = sa.select(sa.func.count(), sa.func.min(APPEALS.c.submitted_at)).where(_OPEN)
        with self.store.reading() as connection:
            count, oldest = connection.execute(query).one()
        return int(count), oldest

    def named(self, name: str) -> Appeal:
        """The latest appeal of this reference, or the one of this id.

        Raises:
            InputError: There is none.
        """
        query = (
            _joined()
            .where(sa.or_(APPEALS.c.reference == name, APPEALS.c.appeal_id == name))
            .order_by(APPEALS.c.submitted_at.desc())
            .limit(1)
        )
        with self.store.reading() as connection:
            found = connection.execute(query).first()
        if found is None:
            raise _unknown(name)
        return _appeal(found)

    def decide(self, name: str, judgement: Judgement, by: Principal, *, now: datetime) -> Appeal:
        """Decide the open appeal of this reference or id, and do what follows, all or nothing.

        Overturned, everything that is done to the account is lifted. Reduced, whatever is harder
        than the milder step is replaced by it, until the same end.

        Raises:
            InputError: There is no open appeal, or the step is not milder.
            NotAllowedError: `by` is no analyst.
        """
        by.require(PrincipalRole.ANALYST)
        with self.store.writing() as connection:
            appeal = self._open(connection, name)
            if judgement.state is AppealState.OVERTURNED:
                self.store.actions.lift_account(
                    connection, appeal.account_id, by, _why(appeal), now=now
                )
            elif judgement.reduced_to is not None:
                self.store.actions.soften_account(
                    connection, appeal.account_id, judgement.reduced_to, by, _why(appeal), now=now
                )
            changes = {
                "state": judgement.state.value,
                "decided_at": now,
                "decided_by": by.name,
                "reason": judgement.reason,
                "reduced_to": judgement.reduced_to.value if judgement.reduced_to else None,
            }
            self._change(connection, appeal, changes)
            # The reason stays here: it may speak of what a customer wrote.
            told = {
                "appeal": appeal.appeal_id,
                "action": appeal.action_id,
                "state": judgement.state.value,
            }
            self.store.audit.append(connection, [(AuditKind.APPEAL_DECIDED, told)], by, now=now)
        return replace(
            appeal,
            state=judgement.state,
            decided_at=now,
            decided_by=by.name,
            reason=judgement.reason,
            reduced_to=judgement.reduced_to,
        )

    def give_to_calibration(self, name: str, by: Principal, *, now: datetime) -> Appeal:
        """Say that an overturned appeal may teach the detector.

        Raises:
            InputError: There is no such appeal, it was not overturned, or it was given already.
            NotAllowedError: `by` is no approver, or decided the appeal.
        """
        by.require(PrincipalRole.APPROVER)
        appeal = self.named(name)
        if appeal.state is not AppealState.OVERTURNED or appeal.calibration_by is not None:
            raise InputError(
                "only an overturned appeal becomes calibration data, and only once.",
                where=name[:64],
                remedy=f"This one is {appeal.state.value}.",
            )
        if appeal.decided_by == by.name:
            raise NotAllowedError(
                f"{by.name} decided this appeal.", remedy="A second approver says what it teaches."
            )
        with self.store.writing() as connection:
            self._change(connection, appeal, {"calibration_by": by.name, "calibration_at": now})
            told = {"appeal": appeal.appeal_id, "action": appeal.action_id}
            self.store.audit.append(connection, [(AuditKind.CALIBRATION_GIVEN, told)], by, now=now)
        return replace(appeal, calibration_by=by.name)

    def cleared(self) -> frozenset[tuple[CampaignId, AccountId]]:
        """Campaigns and accounts of which a person said that the account had no part in it."""
        query = _joined().where(APPEALS.c.state == AppealState.OVERTURNED.value)
        with self.store.reading() as connection:
            return frozenset(
                (CampaignId(row.campaign_id), AccountId(row.account_id))
                for row in connection.execute(query)
            )

    def for_calibration(self) -> list[Appeal]:
        """All that approvers have given, oldest first."""
        query = _joined().where(APPEALS.c.calibration_by.is_not(None))
        with self.store.reading() as connection:
            rows = connection.execute(query.order_by(APPEALS.c.decided_at, APPEALS.c.appeal_id))
            return [_appeal(row) for row in rows]

    def erase_texts(self, *, now: datetime, account_ids: Sequence[str] = ()) -> int:
        """Erase customers' words: of these accounts, or of what was decided long enough ago."""
        if account_ids:
            mine = sa.select(ACTIONS.c.action_id).where(ACTIONS.c.account_id.in_(account_ids))
            which: sa.ColumnElement[bool] = APPEALS.c.action_id.in_(mine)
        else:
            which = APPEALS.c.decided_at < now - self.rules.text_kept
        with self.store.writing() as connection:
            done = connection.execute(
                sa.update(APPEALS).where(which, APPEALS.c.text != "").values(text="")
            )
            return int(done.rowcount)

    def _admitted(self, connection: sa.Connection, reference: str, now: datetime) -> Any:
        """The action that may be appealed against with this reference; None without one."""
        query = sa.select(ACTIONS.c.action_id).where(
            ACTIONS.c.reference == reference,
            ACTIONS.c.state.in_(_SHOWN),
            ACTIONS.c.ends_at > now - self.rules.reference_lasts,
        )
        action = connection.execute(query).first()
        counted = connection.execute(
            sa.select(sa.func.count(), sa.func.count().filter(_OPEN)).where(
                APPEALS.c.reference == reference
            )
        ).one()
        made, still_open = counted
        if still_open or made >= self.rules.most_of_reference:
            return None
        return action

    def _open(self, connection: sa.Connection, name: str) -> Appeal:
        query = _joined().where(
            _OPEN, sa.or_(APPEALS.c.reference == name, APPEALS.c.appeal_id == name)
        )
        found = connection.execute(query).first()
        if found is None:
            raise _unknown(name)
        return _appeal(found)

    def _count_open(self, connection: sa.Connection) -> int:
        query = sa.select(sa.func.count()).select_from(APPEALS).where(_OPEN)
        return int(connection.execute(query).scalar_one())

    def _change(self, connection: sa.Connection, appeal: Appeal, changes: dict[str, Any]) -> None:
        connection.execute(
            sa.update(APPEALS).where(APPEALS.c.appeal_id == appeal.appeal_id).values(**changes)
        )


def _joined() -> sa.Select[Any]:
    """Appeals with whom they are about: that stays with the action, where an erasure reaches it."""
    return sa.select(APPEALS, ACTIONS.c.campaign_id, ACTIONS.c.account_id).join(
        ACTIONS, ACTIONS.c.action_id == APPEALS.c.action_id
    )


def _appeal(row: Any) -> Appeal:
    return Appeal(
        appeal_id=row.appeal_id,
        reference=row.reference,
        action_id=row.action_id,
        campaign_id=CampaignId(row.campaign_id),
        account_id=AccountId(row.account_id),
        text=row.text,
        submitted_at=row.submitted_at,
        state=AppealState(row.state),
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        reason=row.reason,
        reduced_to=Step(row.reduced_to) if row.reduced_to else None,
        calibration_by=row.calibration_by,
    )


def _why(appeal: Appeal) -> str:
    return f"appeal {appeal.appeal_id}"


def _unknown(name: str) -> InputError:
    return InputError(
        "there is no such appeal, or it was decided already.",
        where=name[:64],
        remedy="`stillwatch appeal list` shows those that wait.",
    )
