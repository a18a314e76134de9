"""The blast radius: how many accounts, and how much of the revenue, one run may reach."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from stillwatch.policy.rules import ceilings
from stillwatch.policy.rules.guards import Guard
from stillwatch.policy.rules.known import Known
from stillwatch.policy.rules.planned import Planned
from stillwatch.policy.rules.policy import Limits
from stillwatch.records.actions import Action, Scope, Step
from stillwatch.records.words import AccountId, CampaignId

__all__ = ["within_radius"]

_HOUR = timedelta(hours=1)


def within_radius(
    planned: Sequence[Planned], limits: Limits, known: Known, open_actions: Iterable[Action]
) -> list[Planned]:
    """The steps, held back where they would reach too many at once.

    Those of the strongest evidence come first: the order of `planned` is kept. What an hour cannot
    take moves to the next that can. What exceeds the policy's share of accounts or tokens waits for
    a second person; what exceeds the ceiling's becomes `tag`.

    Args:
        open_actions: What was decided earlier and has not ended; it counts, too.
    """
    earlier = [a for a in open_actions if a.step.rank > Step.TAG.rank]
    shared = _within_shares(planned, limits, known, earlier)
    together = _large_steps_by_two(shared, limits, earlier)
    return _within_hours(together, limits, earlier)


def _within_shares(
    planned: Sequence[Planned], limits: Limits, known: Known, earlier: Sequence[Action]
) -> list[Planned]:
    reached = {a.account_id for a in earlier}
    whole = {a.account_id for a in earlier if a.scope is Scope.ACCOUNT}
    tokens = sum(_tokens_of(account, known) for account in reached)
    kept = []
    for step in planned:
        account = step.verdict.account_id
        if not step.is_beyond_tag or account in whole:
            kept.append(step)
            continue
        added = _tokens_of(account, known) if step.scope is Scope.ACCOUNT else step.output_tokens
        accounts = len(reached | {account})
        if _exceeds(accounts, tokens + added, known, _ceiling()):
            kept.append(step.only_tagged(Guard.BLAST_RADIUS))
            continue
        reached.add(account)
        tokens += added
        if step.scope is Scope.ACCOUNT:
            whole.add(account)
        is_much = _exceeds(accounts, tokens, known, limits)
        kept.append(step.by_two_people(Guard.BLAST_RADIUS) if is_much else step)
    return kept


def _exceeds(accounts: int, tokens: int, known: Known, limits: Limits) -> bool:
    if accounts <= ceilings.FEWEST_ALWAYS:
        return False
    most_accounts = limits.share_of_accounts * known.log_accounts
    most_tokens = limits.share_of_tokens * known.log_output_tokens
    # A log that tells no tokens has no share of them to keep to.
    return accounts > most_accounts or (known.log_output_tokens > 0 and tokens > most_tokens)


def _ceiling() -> Limits:
    return Limits(
        share_of_accounts=ceilings.LARGEST_SHARE_OF_ACCOUNTS,
        share_of_tokens=ceilings.LARGEST_SHARE_OF_TOKENS,
    )


def _tokens_of(account: AccountId, known: Known) -> int:
    found = known.accounts.get(account)
    return found.output_tokens if found else 0


def _large_steps_by_two(
    planned: Sequence[Planned], limits: Limits, earlier: Sequence[Action]
) -> list[Planned]:
    """All steps of a campaign wait if together they are a large one."""
    reached: dict[CampaignId, set[AccountId]] = defaultdict(set)
    for action in earlier:
        reached[action.campaign_id].add(action.account_id)
    for step in planned:
        if step.is_beyond_tag:
            reached[step.verdict.campaign_id].add(step.verdict.account_id)
    large = {c for c, of in reached.items() if len(of) >= limits.accounts_of_a_large_step}
    return [
        step.by_two_people(Guard.LARGE_STEP)
        if step.is_beyond_tag and step.verdict.campaign_id in large
        else step
        for step in planned
    ]


def _within_hours(
    planned: Sequence[Planned], limits: Limits, earlier: Sequence[Action]
) -> list[Planned]:
    most = max(1, limits.accounts_in_an_hour)
    taken: Counter[datetime] = Counter()
    since: dict[AccountId, datetime] = {}
    for action in sorted(earlier, key=lambda a: a.begins_at):
        if action.account_id not in since:
            since[action.account_id] = _hour_of(action.begins_at)
            taken[since[action.account_id]] += 1
    kept = []
    for step in planned:
        account = step.verdict.account_id
        if not step.is_beyond_tag:
            kept.append(step)
            continue
        hour = _hour_of(step.begins_at)
        # The parts of one account begin together, and an account counts once.
        if account in since:
            hour = max(hour, since[account])
        else:
            while taken[hour] >= most:
                hour += _HOUR
            since[account] = hour
            taken[hour] += 1
        later = hour - _hour_of(step.begins_at)
        kept.append(step.later_by(later, Guard.HOURLY_LIMIT) if later else step)
    return kept


def _hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
