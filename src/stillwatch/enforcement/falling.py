"""What becomes of a step that an adapter cannot do: a milder one, never a harder.

The order is that of `Step`, but what an action does not say is not invented: without a budget
nothing is throttled, and without countermeasures nothing is withheld. `verify` refuses every
request until the customer has proved who they are, so it stands in for a block alone: whoever was
to be slowed down is not shut out.
"""

from __future__ import annotations

from stillwatch.enforcement.snapshot import Record
from stillwatch.enforcement.snapshot_format import NONE, STEPS
from stillwatch.records.actions import Step

__all__ = ["Fall"]

_FROM_THE_HARDEST = tuple(sorted(Step, key=lambda step: step.rank, reverse=True))


class Fall:
    """The step that is done, looked up in a table for each set of possible steps."""

    def __init__(self) -> None:
        self._tables: dict[frozenset[Step], tuple[Step, ...]] = {}

    def of(self, record: Record, possible: frozenset[Step]) -> Step:
        """The step that is done for an action where only some are possible."""
        table = self._tables.get(possible)
        if table is None:
            table = self._tables[possible] = _table_of(possible)
        return table[record[0] * 4 + (2 if record[1] else 0) + (record[5] != NONE)]


def _table_of(possible: frozenset[Step]) -> tuple[Step, ...]:
    return tuple(
        _fallen(possible, step, says_measures, says_budget)
        for step in STEPS
        for says_measures in (False, True)
        for says_budget in (False, True)
    )


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
