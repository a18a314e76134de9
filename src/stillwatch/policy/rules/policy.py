"""A policy: what is to be done about which finding, and how much at a time. Data, no code."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from stillwatch.policy.rules import ceilings
from stillwatch.records.actions import Countermeasure, Scope, Step, Verdict
from stillwatch.records.words import Role, Target

__all__ = ["Delay", "Limits", "Mode", "Policy", "Rule"]


class Mode(StrEnum):
    """Whether gateways ever hear of what the policy decides."""

    SHADOW = "shadow"
    """It is written down what would have been done."""
    LIVE = "live"
    """It is done, once an approver has applied it with `--live`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of a policy: if a verdict is like this, then this step. Empty sets fit everything.

    Attributes:
        fdr_q_at_most: The campaign's false discovery rate.
        e_value_at_least: Evidence that the account belongs.
        share_at_least: Part of the account's exchanges that serve the campaign.
        targets: One of what the campaign collects is among them.
        plans: The account's plan is among them.
        scope: The widest that may be touched: an account, or only what of it serves the campaign.
        lasts: From its beginning to its end.
        waits_for_approval: Always; guard rails ask for approval by themselves where it is due.
    """

    name: str
    step: Step
    scope: Scope = Scope.ACCOUNT
    lasts: timedelta = timedelta(days=7)
    roles: frozenset[Role] = frozenset()
    targets: frozenset[Target] = frozenset()
    plans: frozenset[str] = frozenset()
    fdr_q_at_most: float = 1.0
    e_value_at_least: float = 0.0
    share_at_least: float = 0.0
    requests_per_minute: int | None = None
    countermeasures: frozenset[Countermeasure] = frozenset()
    waits_for_approval: bool = False

    def fits(self, verdict: Verdict, plan: str | None) -> bool:
        """Whether this rule is about such a verdict."""
        return (
            # Written so that a figure that is no number fits nothing.
            verdict.fdr_q <= self.fdr_q_at_most
            and verdict.e_value >= self.e_value_at_least
            and verdict.share >= self.share_at_least
            and (not self.roles or verdict.role in self.roles)
            and (not self.targets or bool(self.targets.intersection(verdict.targets)))
            and (not self.plans or plan in self.plans)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The blast radius: how much may be beyond `tag`, and how fast.

    Attributes:
        accounts_per_hour: That come newly under a step; what is more waits for a later hour.
        share_of_accounts, share_of_tokens: Of the log, at one time; what is more waits for
            approval.
        large_step_accounts: From so many accounts of one campaign on, all of them wait for
            approval.
    """

    accounts_per_hour: int = 50
    share_of_accounts: float = 0.05
    share_of_tokens: float = 0.10
    large_step_accounts: int = 50

    @property
    def accounts_in_an_hour(self) -> int:
        """The limit that holds: the policy's, or the ceiling."""
        return min(self.accounts_per_hour, ceilings.MOST_ACCOUNTS_AN_HOUR)

    @property
    def accounts_of_a_large_step(self) -> int:
        """The limit that holds: the policy's, or the ceiling."""
        return min(self.large_step_accounts, ceilings.LARGE_STEP_ACCOUNTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """When steps begin, so that nobody learns from the moment what gave them away.

    Attributes:
        at_least, at_most: After the finding.
        together: Moments are rounded up to this, so that steps of several campaigns coincide.
        waves: In how many parts a campaign's accounts are taken.
    """

    at_least: timedelta = timedelta(minutes=30)
    at_most: timedelta = timedelta(hours=6)
    together: timedelta = timedelta(hours=1)
    waves: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a policy file says. The first rule that fits a verdict decides.

    Attributes:
        error_rate: Findings with a greater false discovery rate lead to nothing beyond `tag`.
        source: The file it was read from, for people.
    """

    mode: Mode = Mode.SHADOW
    error_rate: float = 0.01
    rules: tuple[Rule, ...] = ()
    limits: Limits = field(default_factory=Limits)
    delay: Delay = field(default_factory=Delay)
    source: str = ""

    def rule_for(self, verdict: Verdict, plan: str | None) -> Rule | None:
        """The rule that decides, or None: then nothing is done."""
        return next((rule for rule in self.rules if rule.fits(verdict, plan)), None)
