"""A policy tried on the past: whom it would have met, how, and what that would have stopped."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from stillwatch.policy.decided import NOTHING_DECIDED, Decided, SubjectKey, without_settled
from stillwatch.policy.rules import Known, Planned, Policy, plan_steps
from stillwatch.policy.rules.standing import Standing
from stillwatch.records import TIMESTAMP, Action, ActionState, Step, Verdict
from stillwatch.records.words import CampaignId

if TYPE_CHECKING:
    from stillwatch.lake.log import Log

__all__ = [
    "CampaignDay",
    "Replay",
    "accounts_by_step",
    "effect_of",
    "organisations_touched",
    "replayed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignDay:
    """What of a campaign's day would have been refused.

    Attributes:
        serving, tokens: Exchanges that serve the campaign, and their output tokens.
        refused, tokens_refused: Of those. A throttle refuses a part, hence no whole numbers.
        withheld: Of those, exchanges that would have gone out without what `withhold` keeps back.
        others_refused: Exchanges of the same accounts that do not serve the campaign.
    """

    campaign_id: CampaignId
    day: date
    serving: int
    tokens: float
    refused: float
    tokens_refused: float
    withheld: int
    others_refused: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a policy would have done between two moments.

    Attributes:
        steps: Each as it would have begun, the earliest first.
        settled: What was left out because a person refused, lifted or rolled back the like.
        days: Every day on which a campaign was active.
    """

    since: datetime
    until: datetime
    steps: tuple[Planned, ...]
    settled: tuple[Planned, ...] = ()
    days: tuple[CampaignDay, ...] = ()

    def accounts_by_step(self) -> dict[Step, int]:
        """How many accounts meet which step."""
        return accounts_by_step(self.steps)

    def accounts_by_standing(self) -> dict[Standing, dict[Step, int]]:
        """The same, by how far the account's owner is verified."""
        grouped: dict[Standing, list[Planned]] = defaultdict(list)
        for step in self.steps:
            grouped[step.standing].append(step)
        return {kind: accounts_by_step(grouped[kind]) for kind in Standing if grouped[kind]}

    def organisations_touched(self) -> list[str]:
        """Declared organisations with a step beyond `tag`, but for credentials found stolen."""
        return organisations_touched(self.steps)

    def waiting(self) -> int:
        """How many steps a second person would have been asked about."""
        return sum(step.is_by_two for step in self.steps)

    def guards(self) -> Counter[str]:
        """How many steps each guard rail had something to say about."""
        both = (*self.steps, *self.settled)
        return Counter(guard.value for step in both for guard in step.guards)


def accounts_by_step(steps: Iterable[Planned]) -> dict[Step, int]:
    """How many accounts meet which step; each counts once, at the hardest that it meets."""
    hardest: dict[str, Step] = {}
    for step in steps:
        account = step.verdict.account_id
        known = hardest.get(account, Step.OBSERVE)
        hardest[account] = max(known, step.step, key=lambda s: s.rank)
    found = Counter(hardest.values())
    return {step: found[step] for step in Step}


def organisations_touched(steps: Iterable[Planned]) -> list[str]:
    """Declared organisations with a step beyond `tag`, but for credentials found stolen."""
    return sorted(
        {
            step.organisation
            for step in steps
            if step.is_declared
            and step.is_beyond_tag
            and not step.is_stolen
            and step.organisation is not None
        }
    )


def replayed(
    verdicts: Sequence[Verdict],
    policy: Policy,
    known: Known,
    *,
    since: datetime,
    until: datetime,
    decided: Decided = NOTHING_DECIDED,
) -> Replay:
    """Decide at every midnight, with what had been flagged by then.

    The evidence is that of the latest scan, from the moment on at which it sufficed to flag the
    account (`first_flagged_at`). Approvals are taken as given at once. Steps that end begin anew
    while their account is flagged.

    Args:
        since, until: Only midnights between them decide; the last moment decides as well.
    """
    steps: list[Planned] = []
    left: dict[SubjectKey, Planned] = {}
    ends: dict[SubjectKey, datetime] = {}
    for now in _moments(since, until):
        flagged = [v for v in verdicts if v.first_flagged_at <= now]
        if not flagged:
            continue
        still = [_as_decided(step) for step in steps if step.ends_at > now]
        planned = plan_steps(flagged, policy, known, now=now, open_actions=still)
        todo, settled = without_settled(planned, decided)
        left |= {step.key: step for step in settled}
        for step in todo:
            if ends.get(step.key, since) <= now and step.ends_at > step.begins_at:
                ends[step.key] = step.ends_at
                steps.append(step)
    ordered = sorted(steps, key=lambda s: (s.begins_at, s.verdict.campaign_id, s.subject))
    return Replay(since=since, until=until, steps=tuple(ordered), settled=tuple(left.values()))


def effect_of(replay: Replay, log: Log, attributed: pa.Table) -> tuple[CampaignDay, ...]:
    """What the steps would have met in the log.

    The campaign is taken to go on as it did: that it would open other accounts is not in a log.

    Args:
        attributed: The columns `campaign_id`, `exchange_id` and `account_id` of the findings.
    """
    lent = {"attributed": attributed, "steps": _as_table(replay.steps)}
    rows = log.ask("policy_effect", tables=lent).to_pylist()
    return tuple(CampaignDay(**row) for row in rows)


def _moments(since: datetime, until: datetime) -> list[datetime]:
    first = datetime.combine(since.astimezone(UTC).date(), time(), UTC)
    days = range((until - first).days + 1)
    midnights = [first + timedelta(days=day) for day in days]
    return [m for m in midnights if since <= m < until] + [until]


def _as_decided(step: Planned) -> Action:
    """As the blast radius counts it: nobody ever sees this action."""
    return step.as_action(
        action_id="", reference="", state=ActionState.SHADOW, reason="", proposed_by=""
    )


_SCHEMA = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("account_id", pa.string()),
        ("scope", pa.string()),
        ("subject", pa.string()),
        ("step", pa.string()),
        ("rank", pa.int32()),
        ("requests_per_minute", pa.int64()),
        ("begins_at", TIMESTAMP),
        ("ends_at", TIMESTAMP),
    ]
)


def _as_table(steps: Iterable[Planned]) -> pa.Table:
    rows: list[Mapping[str, object]] = [
        {
            "campaign_id": step.verdict.campaign_id,
            "account_id": step.verdict.account_id,
            "scope": step.scope.value,
            "subject": step.subject,
            "step": step.step.value,
            "rank": step.step.rank,
            "requests_per_minute": step.requests_per_minute,
            "begins_at": step.begins_at,
            "ends_at": step.ends_at,
        }
        for step in steps
    ]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)
