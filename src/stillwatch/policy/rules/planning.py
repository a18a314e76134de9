"""From verdicts to steps: what the policy wants, and what the guard rails leave of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce

from stillwatch.policy.rules import ceilings
from stillwatch.policy.rules.guards import Case, Guard, Reach, held_by
from stillwatch.policy.rules.known import Known, KnownCampaign
from stillwatch.policy.rules.moments import moment_of
from stillwatch.policy.rules.parts import Part, parts_of
from stillwatch.policy.rules.planned import Planned
from stillwatch.policy.rules.policy import Policy, Rule
from stillwatch.policy.rules.radius import within_radius
from stillwatch.policy.rules.standing import is_declared, standing_of
from stillwatch.records.actions import Action, Scope, Step, Verdict
from stillwatch.records.words import AccountId, CampaignId, Role

__all__ = ["BUDGET", "plan_steps"]

BUDGET = 6
"""Requests a minute of a whole group, where a rule wanted more than a throttle and names none."""

_FEW = 0.25
"""Part of a campaign's operators that are old, up to which an old one is an exception among them."""


def plan_steps(
    verdicts: Iterable[Verdict],
    policy: Policy,
    known: Known,
    *,
    now: datetime,
    open_actions: Iterable[Action] = (),
) -> list[Planned]:
    """What is to be done, strongest evidence first. Nothing is written.

    Args:
        now: When it is decided: delays count from here.
        open_actions: What was decided earlier and has not ended: the blast radius counts it.
    """
    verdicts = [v for v in verdicts if v.campaign_id in known.campaigns]
    roles = _roles_of(verdicts)
    old_among_new = _old_among_new(verdicts, known)
    planned: list[Planned] = []
    for verdict in verdicts:
        account = known.accounts.get(verdict.account_id)
        rule = policy.rule_for(verdict, account.plan if account else None)
        if rule is None:
            continue
        case = _case(verdict, policy, known, roles, old_among_new, now)
        planned += _steps_of(case, rule, known, policy)
    once = list({step.key: step for step in planned}.values())
    within = within_radius(once, policy.limits, known, open_actions)
    # What the radius left of several parts of an account is one mark.
    return list({step.key: step for step in within}.values())


def _case(
    verdict: Verdict,
    policy: Policy,
    known: Known,
    roles: Mapping[AccountId, frozenset[Role]],
    old_among_new: frozenset[tuple[CampaignId, AccountId]],
    now: datetime,
) -> Case:
    account = known.accounts.get(verdict.account_id)
    campaign = known.campaigns[verdict.campaign_id]
    key = (verdict.campaign_id, verdict.account_id)
    return Case(
        verdict=verdict,
        account=account,
        campaign=campaign,
        standing=standing_of(account, campaign.first_seen, by_plan=known.is_by_plan),
        error_rate=policy.error_rate,
        roles=roles[verdict.account_id],
        is_old_among_new=key in old_among_new,
        is_allowed=bool(account and account.owner and account.owner.organisation in known.allowed),
        is_cleared=key in known.cleared,
        now=now,
    )


def _steps_of(case: Case, rule: Rule, known: Known, policy: Policy) -> list[Planned]:
    """The steps on one account: on the whole of it, or on what of it serves the campaign."""
    held = held_by(case)
    reach = reduce(Reach.and_also, (h.reach for h in held), Reach())
    base = _base(case, rule, known, tuple(h.guard for h in held), reach)
    whole = rule.step.at_most(reach.whole)
    is_mild = rule.step.rank <= Step.TAG.rank
    # A milder step on the whole account reaches what a harder one on a part of it would not.
    if is_mild or (rule.scope is Scope.ACCOUNT and whole.rank > Step.TAG.rank):
        return [_finished(base, whole, case, rule, policy)]
    is_stolen = case.verdict.role is Role.COMPROMISED
    parts = parts_of(
        known.uses.get((case.verdict.campaign_id, case.verdict.account_id), ()),
        step=rule.step,
        widest=rule.scope,
        reach=reach,
        is_stolen=is_stolen,
        is_perhaps_robbed=case.is_old_among_new,
        may_be_whole=whole is rule.step,
        now=case.now,
    )
    on_parts = [
        _finished(_of_part(base, part, is_stolen), part.step, case, rule, policy) for part in parts
    ]
    if on_parts and is_stolen:
        return on_parts  # what was stolen is acted on alone: its owner is not even marked
    mark = base if on_parts else base.held_by(Guard.NOTHING_APART)
    return [_finished(mark, Step.TAG.at_most(whole), case, rule, policy), *on_parts]


def _base(case: Case, rule: Rule, known: Known, guards: tuple[Guard, ...], reach: Reach) -> Planned:
    owner = case.account.owner if case.account else None
    return Planned(
        verdict=case.verdict,
        rule=rule.name,
        wanted=rule.step,
        step=Step.OBSERVE,
        scope=Scope.ACCOUNT,
        subject=case.verdict.account_id,
        begins_at=case.now,
        ends_at=case.now,
        guards=guards,
        is_by_two=reach.by_two or rule.waits_for_approval,
        standing=case.standing,
        organisation=owner.organisation if owner else None,
        is_declared=is_declared(case.account, case.campaign.first_seen, by_plan=known.is_by_plan),
        output_tokens=case.account.output_tokens if case.account else 0,
    )


def _of_part(base: Planned, part: Part, is_stolen: bool) -> Planned:
    use = part.use
    of_part = replace(
        base,
        scope=use.scope,
        subject=use.subject,
        is_stolen=use.scope is Scope.CREDENTIAL and (is_stolen or use.is_reported_leaked),
        output_tokens=use.output_tokens,
    )
    return of_part.held_by(part.guard) if part.guard else of_part


def _finished(base: Planned, step: Step, case: Case, rule: Rule, policy: Policy) -> Planned:
    """With its step and its span. A mark begins at once: nobody who is marked can notice."""
    if step is Step.WITHHOLD and not rule.countermeasures:
        step = Step.THROTTLE  # the rule wanted more, and does not say what to keep back
    is_beyond = step.rank > Step.TAG.rank
    campaign, account = case.verdict.campaign_id, case.verdict.account_id
    begins = case.now
    if is_beyond:
        begins = moment_of(campaign, account, now=case.now, delay=policy.delay)
    lasts = min(max(rule.lasts, timedelta(0)), ceilings.LONGEST[step])
    return replace(
        base,
        step=step,
        begins_at=begins,
        ends_at=begins + lasts,
        is_by_two=base.is_by_two and is_beyond,
        requests_per_minute=rule.requests_per_minute or BUDGET if step is Step.THROTTLE else None,
        countermeasures=rule.countermeasures if step is Step.WITHHOLD else frozenset(),
    )


def _roles_of(verdicts: Iterable[Verdict]) -> dict[AccountId, frozenset[Role]]:
    roles: dict[AccountId, set[Role]] = defaultdict(set)
    for verdict in verdicts:
        roles[verdict.account_id].add(verdict.role)
    return {account: frozenset(found) for account, found in roles.items()}


def _old_among_new(
    verdicts: Iterable[Verdict], known: Known
) -> frozenset[tuple[CampaignId, AccountId]]:
    """Operators that were opened long before their campaign began, where few of them were.

    An operator opens accounts for the work. The one that was there long before is perhaps a robbed
    customer's, whose own traffic the log does not show apart.
    """
    operators: dict[CampaignId, list[tuple[AccountId, bool]]] = defaultdict(list)
    for verdict in verdicts:
        account = known.accounts.get(verdict.account_id)
        if verdict.role is Role.OPERATOR and account and account.created_at:
            campaign: KnownCampaign = known.campaigns[verdict.campaign_id]
            is_old = account.created_at <= campaign.first_seen - ceilings.NOTICE
            operators[verdict.campaign_id].append((verdict.account_id, is_old))
    return frozenset(
        (campaign, account)
        for campaign, accounts in operators.items()
        for account, is_old in accounts
        if is_old and sum(old for _, old in accounts) <= max(1, _FEW * len(accounts))
    )
