"""What becomes of a step that an adapter cannot do: a milder one, never a harder.

The order is that of `Step`, but what an action does not say is not invented: without a budget
nothing is throttled, and without countermeasures nothing is withheld. `verify` refuses every
request until the customer has proved who they are, so it stands in for a block alone: whoever was
to be slowed down is not shut out.
"""

from __future__ import annotations

from stillwatch.enforcement.snapshot import Standing
from stillwatch.records.actions import Step

__all__ = ["Fall"]

_FROM_THE_HARDEST = tuple(sorted(Step, key=lambda step: step.rank, reverse=True))


class Fall:
    """The step that is done, remembered for each way of asking."""

    def __init__(self) -> None:
        self._known: dict[tuple[frozenset[Step], Step, bool, bool], Step] = {}

    def of(self, one: Standing, possible: frozenset[Step]) -> Step:
        """The step that is done for an action where only some are possible."""
        says_measures = bool(one.countermeasures)
        says_budget = one.requests_per_minute is not None
        key = (possible, one.step, says_measures, says_budget)
        done = self._known.get(key)
        if done is None:
            done = self._known[key] = _fallen(*key)
        return done


def _fallen(possible: frozenset[Step], step: Step, says_measures: bool, says_budget: bool) -> Step:
    for milder in _FROM_THE_HARDEST:
        if milder.rank > step.rank or milder not in possible:
            continue
        if milder is Step.WITHHOLD and not says_measures:
            continue
        if milder is Step.THROTTLE and not says_budget:
            continue
        if milder is Step.VERIFY and step not in (Step.VERIFY, Step.BLOCK):
            continue
        return milder
    return Step.OBSERVE
