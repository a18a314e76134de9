"""What people have decided before, which no plan goes against."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from stillwatch.policy.rules import Guard, Planned
from stillwatch.records import Scope
from stillwatch.records.words import AccountId, CampaignId

if TYPE_CHECKING:
    from stillwatch.policy.store import Store

__all__ = ["NOTHING_DECIDED", "Decided", "SubjectKey", "decided_in", "without_settled"]

SubjectKey = tuple[str, str, Scope, str]
"""Campaign, account, scope and subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What people have decided.

    Attributes:
        allowed: Organisations on the allow-list.
        cleared: Accounts, by campaign, whose appeal was overturned.
        settled: What was refused or lifted, since the campaign was last taken up again.
        rolled_back: Campaigns of which everything was undone, likewise.
    """

    allowed: frozenset[str] = frozenset()
    cleared: frozenset[tuple[CampaignId, AccountId]] = frozenset()
    settled: frozenset[SubjectKey] = frozenset()
    rolled_back: frozenset[str] = frozenset()


NOTHING_DECIDED = Decided()
"""Of a store that is not there yet."""


def decided_in(store: Store, campaign_ids: Iterable[str], *, now: datetime) -> Decided:
    """What a store holds of people's decisions about these campaigns."""
    rolled_back, taken_up = store.audit.rolled_back()
    return Decided(
        allowed=frozenset(entry.organization_id for entry in store.allowed.valid(now=now)),
        cleared=store.appeals.cleared(),
        settled=store.actions.settled(campaign_ids, taken_up),
        rolled_back=rolled_back,
    )


def without_settled(
    planned: Iterable[Planned], decided: Decided, *, again: Container[str] = ()
) -> tuple[list[Planned], list[Planned]]:
    """The plan in two parts: what is to be done, and what a person has settled before.

    Args:
        again: Campaigns that a person takes up again now.
    """
    todo: list[Planned] = []
    settled: list[Planned] = []
    for step in planned:
        campaign = step.verdict.campaign_id
        is_settled = campaign in decided.rolled_back or step.key in decided.settled
        if is_settled and campaign not in again:
            settled.append(step.held_by(Guard.UNDONE_BY_A_PERSON))
        else:
            todo.append(step)
    return todo, settled
