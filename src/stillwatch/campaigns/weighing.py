"""Weigh every group, and decide which are campaigns at a false discovery rate.

Two stages, which together hold the rate (`docs/statistics.md`, theorem 3): clauses 1 and 2 must
each pass a Bonferroni bound over all groups raised, at a tenth of the rate between them; clause 3
is then compared with the reference owners, and e-BH decides at nine tenths of the rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.campaigns.clauses import (
    ActsAsOne,
    Reference,
    acts_as_one,
    build_reference,
    describe_group,
)
from stillwatch.campaigns.declared import Declarations, Togetherness
from stillwatch.campaigns.evalues import e_bh, select_by_reference
from stillwatch.linking.groups import Group, group_accounts
from stillwatch.signals.collection import rank_owners
from stillwatch.signals.owners import Wording, read_wording
from stillwatch.signals.shared_facts import Facts
from stillwatch.signals.templates import Fragments, mine_fragments
from stillwatch.signals.traffic import Traffic

__all__ = ["Decision", "Weighed", "WeighedGroup", "decide", "smallest_rates", "weigh"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FIRST_STAGE = 0.1  # part of the rate spent on clauses 1 and 2


@dataclass(frozen=True, slots=True)
class WeighedGroup:
    """A group with the evidence of its three clauses, as logs of e-values."""

    group: Group
    acts: ActsAsOne
    togetherness: Togetherness
    figures: FloatArray
    score: float


@dataclass(frozen=True, slots=True)
class Weighed:
    """All that was weighed on one log at one moment."""

    traffic: Traffic
    wording: Wording
    fragments: Fragments
    reference: Reference
    groups: list[WeighedGroup]
    reference_scores: FloatArray


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided at one rate.

    Attributes:
        reported: One flag a group.
        e_collects: Clause 3 of each group; 0 for those that did not reach it.
        reached: Groups that passed clauses 1 and 2.
        above: Reference owners at or above the threshold of clause 3.
        owners: Number of reference owners.
        bound: Log of the e-value that clauses 1 and 2 must each reach.
    """

    reported: npt.NDArray[np.bool_]
    e_collects: FloatArray
    reached: npt.NDArray[np.bool_]
    above: int
    owners: int
    bound: float


def weigh(traffic: Traffic, facts: Facts, declarations: Declarations) -> Weighed:
    """Link, then weigh: nothing here depends on the rate."""
    fragments = mine_fragments(traffic)
    groups = group_accounts(traffic, fragments, facts)
    wording = read_wording(traffic)
    together = [declarations.togetherness(g.accounts, _first_start(traffic, g)) for g in groups]
    linked = (
        np.unique(np.concatenate([g.accounts for g in groups])) if groups else np.zeros(0, np.int64)
    )
    openly = [g.rows for g, t in zip(groups, together, strict=True) if t.openly]
    reference = build_reference(traffic, wording, linked, openly)
    tested = [(g, t) for g, t in zip(groups, together, strict=True)]
    figures = [describe_group(traffic, wording, g) for g, _ in tested]
    scores, reference_scores = _scores(figures, reference.figures)
    weighed = [
        WeighedGroup(
            group=g,
            acts=acts_as_one(traffic, g, reference),
            togetherness=t,
            figures=figures[i],
            score=float(scores[i]),
        )
        for i, (g, t) in enumerate(tested)
    ]
    return Weighed(traffic, wording, fragments, reference, weighed, reference_scores)


def decide(weighed: Weighed, rate: float) -> Decision:
    """Which groups are reported at this false discovery rate."""
    groups = weighed.groups
    bound = np.log(max(len(groups), 1) / (rate * FIRST_STAGE / 2))
    reached = np.array(
        [
            g.acts.log_e >= bound and g.togetherness.log_e >= bound and not g.togetherness.openly
            for g in groups
        ],
        np.bool_,
    )
    e_collects = np.zeros(len(groups))
    reported = np.zeros(len(groups), np.bool_)
    second = rate * (1 - FIRST_STAGE)
    scores = np.array([g.score for g in groups])
    selection = select_by_reference(scores[reached], weighed.reference_scores, second)
    e_collects[reached] = selection.e_values
    reported[reached] = e_bh(selection.e_values, second)
    return Decision(
        reported, e_collects, reached, selection.above, selection.reference, float(bound)
    )


def _scores(figures: list[FloatArray], reference: FloatArray) -> tuple[FloatArray, FloatArray]:
    if not figures:
        return np.zeros(0), np.zeros(len(reference))
    everything = (
        np.concatenate([np.stack(figures), reference]) if len(reference) else np.stack(figures)
    )
    scores = rank_owners(everything)
    return scores[: len(figures)], scores[len(figures) :]


def _first_start(traffic: Traffic, group: Group) -> int:
    return int(traffic.started[group.rows[0]])


def smallest_rates(weighed: Weighed, indices: list[int]) -> dict[int, float]:
    """For each group, the smallest rate (on a fine grid) at which it would still be reported."""
    smallest = dict.fromkeys(indices, 1.0)
    for rate in np.geomspace(1.0, 1e-6, 241):
        reported = decide(weighed, float(rate)).reported
        for index in indices:
            if reported[index]:
                smallest[index] = float(rate)
    return smallest
