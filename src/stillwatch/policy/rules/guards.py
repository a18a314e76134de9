"""The guard rails: how far each lets a step go, whatever a policy says.

No policy file reaches this module: it is asked after the policy, and takes the milder of the two.
Each rail has its reason in `docs/policy.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from stillwatch.policy.rules import ceilings
from stillwatch.policy.rules.known import KnownAccount, KnownCampaign
from stillwatch.policy.rules.standing import Standing
from stillwatch.records.actions import Step, Verdict
from stillwatch.records.words import Role

__all__ = ["RAILS", "Case", "Guard", "Held", "Reach", "held_by"]


class Guard(StrEnum):
    """The names of the guard rails, as reports and documents have them."""

    NO_LINKED_CAMPAIGN = "no-linked-campaign"
    ENDED_OR_STALE = "ended-or-stale"
    NEVER_WHOLE = "never-whole"
    PERHAPS_ROBBED = "perhaps-robbed"
    MOSTLY_ITS_OWN = "mostly-its-own"
    DECLARED_OWNER = "declared-owner"
    PARTLY_VERIFIED_OWNER = "partly-verified-owner"
    ALLOW_LIST = "allow-list"
    UNKNOWN_ACCOUNT = "unknown-account"
    KNOWN_PERSON = "known-person"
    RESTORED_BEFORE = "restored-before"
    CLEARED_BY_A_PERSON = "cleared-by-a-person"
    CLOSED_ALREADY = "closed-already"
    ONLY_CREDENTIAL = "only-credential"
    NOTHING_APART = "nothing-apart"
    LARGE_STEP = "large-step"
    BLAST_RADIUS = "blast-radius"
    HOURLY_LIMIT = "hourly-limit"
    UNDONE_BY_A_PERSON = "undone-by-a-person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One verdict with all that the rails look at.

    Attributes:
        error_rate: The policy's.
        roles: Every role the account has, in any campaign.
        is_old_among_new: It was opened long before the campaign began, and few of its operators
            were.
    """

    verdict: Verdict
    account: KnownAccount | None
    campaign: KnownCampaign
    standing: Standing
    error_rate: float
    roles: frozenset[Role]
    is_old_among_new: bool
    is_allowed: bool
    is_cleared: bool
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far a step may go: on the whole account, on a part of it, on a stolen credential."""

    whole: Step = Step.BLOCK
    part: Step = Step.BLOCK
    stolen: Step = Step.BLOCK
    by_two: bool = False

    def and_also(self, other: Reach) -> Reach:
        """The milder of both in everything."""
        return Reach(
            whole=self.whole.at_most(other.whole),
            part=self.part.at_most(other.part),
            stolen=self.stolen.at_most(other.stolen),
            by_two=self.by_two or other.by_two,
        )


@dataclass(frozen=True, slots=True)
class Held:
    """One rail that has something to say of a case."""

    guard: Guard
    reach: Reach


_UNTOUCHED = Reach(whole=Step.TAG, part=Step.TAG, stolen=Step.TAG)
_NEVER_WHOLE = Reach(whole=Step.TAG)
_BY_TWO = Reach(by_two=True)
_HALF = 0.5  # below, most of what a block would stop is not the campaign's
_LOOKED_AT = frozenset({"kyc", "research", "edu", "startup"})
"""Words of `accounts.verification` that say: somebody has seen who this is."""

Rail = Callable[[Case], Reach | None]


def _linked(case: Case) -> Reach | None:
    campaign = case.campaign
    rates = (case.error_rate, campaign.error_rate, ceilings.LARGEST_RATE)
    # Written so that a figure that is no number counts as no evidence.
    is_found = all(q <= r for q in (campaign.fdr_q, case.verdict.fdr_q) for r in rates)
    is_linked = campaign.accounts >= ceilings.FEWEST_MEMBERS
    return None if is_found and is_linked and case.verdict.e_value > 1 else _UNTOUCHED


def _ended_or_stale(case: Case) -> Reach | None:
    is_over = case.now - case.campaign.last_seen > ceilings.FRESH_FOR
    return _UNTOUCHED if is_over or case.campaign.is_stale else None


def _never_whole(case: Case) -> Reach | None:
    return _NEVER_WHOLE if case.roles - {Role.OPERATOR} else None


def _perhaps_robbed(case: Case) -> Reach | None:
    return _NEVER_WHOLE if case.is_old_among_new else None


def _mostly_its_own(case: Case) -> Reach | None:
    return None if case.verdict.share >= _HALF else Reach(whole=Step.WITHHOLD)


def _declared(case: Case) -> Reach | None:
    if case.standing is not Standing.DECLARED:
        return None
    return Reach(whole=Step.TAG, part=Step.TAG, by_two=True)


def _partly_verified(case: Case) -> Reach | None:
    if case.standing is not Standing.PARTLY:
        return None
    return Reach(whole=Step.VERIFY, part=Step.THROTTLE, by_two=True)


def _allowed(case: Case) -> Reach | None:
    if not case.is_allowed:
        return None
    return Reach(whole=Step.OBSERVE, part=Step.OBSERVE, by_two=True)


def _unknown(case: Case) -> Reach | None:
    return _BY_TWO if case.standing is Standing.UNKNOWN else None


def _known_person(case: Case) -> Reach | None:
    return _BY_TWO if case.account and case.account.verification in _LOOKED_AT else None


def _restored(case: Case) -> Reach | None:
    return _BY_TWO if case.account and case.account.was_restored else None


def _cleared(case: Case) -> Reach | None:
    return _UNTOUCHED if case.is_cleared else None


def _closed(case: Case) -> Reach | None:
    if not (case.account and case.account.is_closed):
        return None
    return Reach(whole=Step.OBSERVE, part=Step.OBSERVE, stolen=Step.OBSERVE)


RAILS: tuple[tuple[Guard, Rail], ...] = (
    (Guard.NO_LINKED_CAMPAIGN, _linked),
    (Guard.ENDED_OR_STALE, _ended_or_stale),
    (Guard.NEVER_WHOLE, _never_whole),
    (Guard.PERHAPS_ROBBED, _perhaps_robbed),
    (Guard.MOSTLY_ITS_OWN, _mostly_its_own),
    (Guard.DECLARED_OWNER, _declared),
    (Guard.PARTLY_VERIFIED_OWNER, _partly_verified),
    (Guard.ALLOW_LIST, _allowed),
    (Guard.UNKNOWN_ACCOUNT, _unknown),
    (Guard.KNOWN_PERSON, _known_person),
    (Guard.RESTORED_BEFORE, _restored),
    (Guard.CLEARED_BY_A_PERSON, _cleared),
    (Guard.CLOSED_ALREADY, _closed),
)


def held_by(case: Case) -> Sequence[Held]:
    """The rails that have something to say of this case."""
    asked = [(guard, rail(case)) for guard, rail in RAILS]
    return [Held(guard, reach) for guard, reach in asked if reach is not None]
