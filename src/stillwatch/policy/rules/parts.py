"""Which part of an account serves the campaign, where the whole must not be touched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from stillwatch.policy.rules.guards import Guard, Reach
from stillwatch.policy.rules.known import Use
from stillwatch.records.actions import Scope, Step

__all__ = ["Part", "parts_of"]

_ALONE = 0.95
"""Part of a subject's exchanges that must be the campaign's: the rest is the attribution's error."""

_FEWEST = 5
"""Exchanges below which it is not known whom a credential or a shape serves."""

_STILL_OPEN = timedelta(days=1)
"""A conversation that rested longer is not gone on with: to block it would stop nothing."""

_MOST_CONVERSATIONS = 50
"""Of one account, the latest. An account with more of them is not stopped by conversation."""


@dataclass(frozen=True, slots=True)
class Part:
    """A subject narrower than the account, with the hardest step it may meet."""

    use: Use
    step: Step
    guard: Guard | None = None


def parts_of(
    uses: Iterable[Use],
    *,
    step: Step,
    widest: Scope,
    reach: Reach,
    is_stolen: bool,
    is_perhaps_robbed: bool,
    may_be_whole: bool,
    now: datetime,
) -> list[Part]:
    """The credentials that serve the campaign, else its conversations, else its shapes; or none.

    A credential that serves the campaign alone is taken with the policy's step. Where it is the
    account's only one, or its owner uses it as well, the step is `verify` at most: a robbed owner
    proves who they are, and gets another. A reseller's is left alone then.

    Args:
        step: What the policy wants.
        widest: What it lets be touched.
        reach: What the guard rails let be done.
        is_stolen: The scan found that the account's credential was stolen.
        is_perhaps_robbed: It may have been, but nothing says so.
        may_be_whole: The whole account may meet the step, so that its only credential may, too.
    """

    def part_of(use: Use) -> Part | None:
        if use.scope is not Scope.CREDENTIAL:
            return _narrow(use, step.at_most(reach.part), now)
        stolen = is_stolen or use.is_reported_leaked
        return _credential(
            use,
            step.at_most(reach.stolen if stolen else reach.part),
            owner_may_be_honest=stolen or is_perhaps_robbed,
            may_be_whole=may_be_whole,
        )

    by_scope = {scope: [u for u in uses if u.scope is scope] for scope in Scope}
    order = (Scope.CREDENTIAL, Scope.CONVERSATION, Scope.SHAPE)
    allowed = order[order.index(widest) :] if widest in order else order
    for scope in allowed:
        found = [part for use in by_scope[scope] if (part := part_of(use))]
        if found:
            latest = sorted(found, key=lambda p: (p.use.last_at, p.use.subject), reverse=True)
            return latest[:_MOST_CONVERSATIONS] if scope is Scope.CONVERSATION else latest
    return []


def _narrow(use: Use, step: Step, now: datetime) -> Part | None:
    """A conversation that is still going on, or a shape that hardly anybody else has."""
    if use.scope is Scope.CONVERSATION and now - use.last_at > _STILL_OPEN:
        return None
    if use.scope is Scope.SHAPE and use.serving < _FEWEST:
        return None
    return _beyond_tag(use, step) if use.share >= _ALONE else None


def _credential(
    use: Use, step: Step, *, owner_may_be_honest: bool, may_be_whole: bool
) -> Part | None:
    """A credential with its step, or None where it must not be touched beyond `tag`."""
    serves_alone = use.share >= _ALONE and use.serving >= _FEWEST
    if serves_alone and (may_be_whole or not use.is_only_one):
        return _beyond_tag(use, step)
    if owner_may_be_honest and use.serving:
        return _beyond_tag(use, step.at_most(Step.VERIFY), Guard.ONLY_CREDENTIAL)
    return None


def _beyond_tag(use: Use, step: Step, guard: Guard | None = None) -> Part | None:
    return Part(use, step, guard) if step.rank > Step.TAG.rank else None
