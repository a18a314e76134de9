"""What replay and continuation have in common: members who take over from members."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stillwatch.signals.exact_counts import Outcome, compare_counts
from stillwatch.signals.handovers import Passed
from stillwatch.signals.tell import Scene, Suspects, Tell

__all__ = ["OPPORTUNITIES", "measure_taking_over"]

IntArray = npt.NDArray[np.int64]

OPPORTUNITIES = np.array([1, 8, 64])
"""Edges of the strata: exchanges in which an account could have shown it."""


def measure_taking_over(
    signal: str, scene: Scene, passed: Passed, stratum: IntArray, *, text: str, what: str
) -> Tell:
    """Members who take over from a fellow member, against takers among the reference.

    Args:
        passed: Who took over from whom; each account takes once at most.
        stratum: One number an account: how often it could have; -1 for never.
        text: The sentence of a member's reason.
        what: What is taken over, as the figures name it.
    """
    accounts = len(scene.traffic.account_names)
    takes = np.zeros(accounts, np.bool_)
    takes[passed.taker] = True
    compared = [_compare(scene, group, passed, takes, stratum) for group in scene.groups]
    outcomes = [outcome for outcome, _ in compared]
    inside = [own for _, own in compared]
    return Tell(
        signal=signal,
        log_e=np.array([o.log_e for o in outcomes]),
        largest=np.array([o.largest for o in outcomes]),
        text=text,
        observed=[_observed(o, passed, own, what) for o, own in compared],
        usual=[
            f"{o.usual} of {o.reference:,} other accounts with as much opportunity"
            for o in outcomes
        ],
        members=[np.sort(passed.taker[own]) for own in inside],
        rows=[np.sort(passed.row[own]) for own in inside],
    )


def _compare(
    scene: Scene,
    group: Suspects,
    passed: Passed,
    takes: npt.NDArray[np.bool_],
    stratum: IntArray,
) -> tuple[Outcome, IntArray]:
    """The outcome for one group, and its handovers as positions in `passed`."""
    member = np.zeros(len(takes), np.bool_)
    member[group.accounts] = True
    own = np.flatnonzero(member[passed.giver] & member[passed.taker])
    takes_inside = np.isin(group.accounts, passed.taker[own])
    outcome = compare_counts(takes, group.accounts, takes_inside, stratum, scene.reference)
    return outcome, own


def _observed(outcome: Outcome, passed: Passed, own: IntArray, what: str) -> str:
    if not outcome.members:
        return ""
    others = int(passed.other_model[own].sum())
    aside = f", {others} with another model" if others else ""
    return f"{outcome.shown} of {outcome.members} members take over {what}{aside}"
