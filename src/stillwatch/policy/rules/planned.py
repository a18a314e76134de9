"""A step that a policy leads to, before it has an id or anybody has proposed it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stillwatch.policy.rules.guards import Guard
from stillwatch.policy.rules.standing import Standing
from stillwatch.records.actions import Action, ActionState, Countermeasure, Scope, Step, Verdict

__all__ = ["Planned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What would be done to one subject, and what held it back.

    Attributes:
        rule: The policy's rule that decided.
        wanted: The step it named; `step` is what the guard rails left of it.
        guards: Those that had something to say.
        is_by_two: A second person must approve it.
        is_stolen: The subject is a credential that was found stolen.
        standing: How far the account's owner is verified.
        output_tokens: Of the subject in the log.
    """

    verdict: Verdict
    rule: str
    wanted: Step
    step: Step
    scope: Scope
    subject: str
    begins_at: datetime
    ends_at: datetime
    guards: tuple[Guard, ...] = ()
    is_by_two: bool = False
    is_stolen: bool = False
    standing: Standing = Standing.UNKNOWN
    organisation: str | None = None
    is_declared: bool = False
    output_tokens: int = 0
    requests_per_minute: int | None = None
    countermeasures: frozenset[Countermeasure] = frozenset()

    @property
    def is_beyond_tag(self) -> bool:
        return self.step.rank > Step.TAG.rank

    @property
    def key(self) -> tuple[str, str, Scope, str]:
        """Equal for two plans about the same subject of the same campaign."""
        return (self.verdict.campaign_id, self.verdict.account_id, self.scope, self.subject)

    def as_action(
        self,
        *,
        action_id: str,
        reference: str,
        state: ActionState,
        reason: str,
        proposed_by: str,
    ) -> Action:
        """What the store keeps of it; the group that shares a budget is the campaign."""
        return Action(
            action_id=action_id,
            campaign_id=self.verdict.campaign_id,
            account_id=self.verdict.account_id,
            scope=self.scope,
            subject=self.subject,
            group=self.verdict.campaign_id,
            step=self.step,
            state=state,
            begins_at=self.begins_at,
            ends_at=self.ends_at,
            reason=reason,
            reference=reference,
            proposed_by=proposed_by,
            requests_per_minute=self.requests_per_minute,
            countermeasures=self.countermeasures,
        )

    def held_by(self, guard: Guard) -> Planned:
        """The same, with one more guard rail that had something to say."""
        return replace(self, guards=_with(self.guards, guard))

    def by_two_people(self, guard: Guard) -> Planned:
        """The same, once a second person has approved it."""
        return replace(self, is_by_two=True, guards=_with(self.guards, guard))

    def only_tagged(self, guard: Guard) -> Planned:
        """The account with a mark, in place of the step."""
        return replace(
            self,
            step=Step.TAG,
            scope=Scope.ACCOUNT,
            subject=self.verdict.account_id,
            guards=_with(self.guards, guard),
            is_by_two=False,
            is_stolen=False,
            requests_per_minute=None,
            countermeasures=frozenset(),
        )

    def later_by(self, span: timedelta, guard: Guard) -> Planned:
        """The same, as much later as it lasts longer."""
        return replace(
            self,
            begins_at=self.begins_at + span,
            ends_at=self.ends_at + span,
            guards=_with(self.guards, guard),
        )


def _with(guards: tuple[Guard, ...], guard: Guard) -> tuple[Guard, ...]:
    return guards if guard in guards else (*guards, guard)
