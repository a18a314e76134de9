"""From a plan to actions: what is new, what goes on, what ends, and what people have settled."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stillwatch.policy.decided import Decided, SubjectKey
from stillwatch.policy.rules import Guard, Mode, Planned, Policy
from stillwatch.records import Action, ActionState, Scope, Step
from stillwatch.records.words import AccountId, CampaignId

if TYPE_CHECKING:
    from stillwatch.policy.store import Principal, Store

__all__ = ["Application", "application_of", "digest_of", "write_application"]

_LIVE = frozenset({ActionState.WAITING, ActionState.IN_FORCE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What applying a plan writes.

    Attributes:
        proposed: New actions: in shadow, waiting for a second person, or in force.
        superseded: The ids of open actions that end: their account is no member any more, or what
            is known of it now allows less.
        going_on: How many planned steps are in the store already.
    """

    proposed: tuple[Action, ...] = ()
    superseded: tuple[str, ...] = ()
    going_on: int = 0

    @property
    def needing_approval(self) -> frozenset[str]:
        """The ids of those that wait."""
        return frozenset(a.action_id for a in self.proposed if a.state is ActionState.WAITING)


def application_of(
    planned: Sequence[Planned],
    earlier: Iterable[Action],
    members: Collection[tuple[CampaignId, AccountId]],
    decided: Decided,
    by: Principal,
    *,
    is_live: bool,
    now: datetime,
) -> Application:
    """What is to be written for a plan, given what was written before.

    A step that is open goes on as it is; it is not made longer. A harder one comes beside it, and
    gateways obey the harder. What was done to an account that is no member any more ends, and so
    does what is harder than the plan now allows on the whole account. A campaign that ended, or
    that the scan does not find any more, ends nothing: those who are blocked are silent.

    Args:
        planned: Without what people have settled.
        earlier: All actions there ever were for the campaigns of the scan.
        members: Of those campaigns, by the scan.
    """
    earlier = list(earlier)
    states = _LIVE if is_live else {ActionState.SHADOW}
    still = [a for a in earlier if a.state in states and a.ends_at > now]
    wanted = [step for step in planned if step.ends_at > step.begins_at]
    open_steps: dict[SubjectKey, set[Step]] = defaultdict(set)
    ended = []
    reach = _reach(wanted)
    for action in still:
        is_over = _key(action) not in decided.settled and _is_over(action, members, reach)
        if is_over:
            ended.append(action.action_id)
        else:
            open_steps[_key(action)].add(action.step)
    if is_live:  # what was only thought of makes room for what is done
        keys = {step.key for step in wanted}
        shadow = [a for a in earlier if a.state is ActionState.SHADOW and _key(a) in keys]
        ended += [a.action_id for a in shadow]
    fresh = [step for step in wanted if step.step not in open_steps[step.key]]
    made = [_action(step, by, is_live=is_live) for step in fresh]
    return Application(
        proposed=tuple(made),
        superseded=tuple(ended),
        going_on=len(wanted) - len(fresh),
    )


def write_application(
    store: Store,
    application: Application,
    policy: Policy,
    by: Principal,
    *,
    is_live: bool,
    now: datetime,
    again: Collection[str] = (),
) -> None:
    """Write it, and that the policy was applied, in one transaction.

    Raises:
        NotAllowedError: `by` is no approver, of a live policy; no analyst, of one in shadow.
    """
    from stillwatch.policy.store import PrincipalRole

    by.require(PrincipalRole.APPROVER if is_live or again else PrincipalRole.ANALYST)
    told: dict[str, Any] = {
        "policy_sha256": digest_of(policy),
        "mode": (Mode.LIVE if is_live else Mode.SHADOW).value,
        "proposed": len(application.proposed),
        "waiting": len(application.needing_approval),
        "superseded": len(application.superseded),
        "again": sorted(again),
    }
    store.actions.propose(
        application.proposed,
        by,
        now=now,
        needing_approval=application.needing_approval,
        in_place_of=application.superseded,
        applied=told,
    )


def digest_of(policy: Policy) -> str:
    """SHA-256 of what a policy says, wherever its file lies; 64 hexadecimal digits."""
    content = repr(
        (
            policy.error_rate,
            [
                (
                    rule.name,
                    rule.step,
                    rule.scope,
                    rule.lasts,
                    *(sorted(some) for some in (rule.roles, rule.targets, rule.plans)),
                    rule.fdr_q_at_most,
                    rule.e_value_at_least,
                    rule.share_at_least,
                    rule.requests_per_minute,
                    sorted(rule.countermeasures),
                    rule.waits_for_approval,
                )
                for rule in policy.rules
            ],
            policy.limits,
            policy.delay,
        )
    )
    return hashlib.sha256(content.encode()).hexdigest()


def _key(action: Action) -> SubjectKey:
    return (action.campaign_id, action.account_id, action.scope, action.subject)


def _reach(planned: Iterable[Planned]) -> dict[tuple[str, str], Step]:
    """How hard the plan may be on each whole account; without those whose campaign is only silent."""
    reach: dict[tuple[str, str], Step] = {}
    for step in planned:
        key = (step.verdict.campaign_id, step.verdict.account_id)
        hardest = Step.OBSERVE
        if Guard.ENDED_OR_STALE in step.guards:
            hardest = Step.BLOCK
        elif step.scope is Scope.ACCOUNT:
            hardest = step.step
        reach[key] = max(reach.get(key, Step.OBSERVE), hardest, key=lambda s: s.rank)
    return reach


def _is_over(
    action: Action,
    members: Collection[tuple[CampaignId, AccountId]],
    reach: Mapping[tuple[str, str], Step],
) -> bool:
    """Whether what is known now speaks against an action that is open."""
    key = (action.campaign_id, action.account_id)
    if key not in members:
        return True
    return action.scope is Scope.ACCOUNT and action.step.rank > reach.get(key, Step.BLOCK).rank


def _action(step: Planned, by: Principal, *, is_live: bool) -> Action:
    state = ActionState.SHADOW
    if is_live:
        state = ActionState.WAITING if step.is_by_two else ActionState.IN_FORCE
    return step.as_action(
        action_id=uuid.uuid4().hex,
        reference=secrets.token_hex(16),
        state=state,
        reason=_reason(step),
        proposed_by=by.name,
    )


def _reason(step: Planned) -> str:
    """For colleagues: what it rests on, and which rule and guard rails made it."""
    verdict = step.verdict
    words = (
        f"{verdict.role.value} in campaign {verdict.campaign_id}: e-value {verdict.e_value:.3g}, "
        f"false discovery rate {verdict.fdr_q:.2g}, {verdict.share:.0%} of its exchanges. "
        f"Rule: {step.rule}."
    )
    guards = f" Guard rails: {', '.join(step.guards)}." if step.guards else ""
    return words + guards
