"""What people have decided before, which no plan goes against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from stillwatch.records import Scope
from stillwatch.records.words import AccountId, CampaignId

if TYPE_CHECKING:
    from stillwatch.policy.store import Store

__all__ = ["NOTHING_DECIDED", "Decided", "SubjectKey", "decided_in"]

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
