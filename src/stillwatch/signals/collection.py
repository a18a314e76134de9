"""Worth training on: does the work look like a harvest, or like an owner's own use?

Every owner (an account, a declared organisation, a group under test) is described by the
same figures over a sample of its own work, and gets one score from them. No figure is a threshold:
scores are only ever compared with those of the owners of this log.
Card: `docs/signals/collection.md`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stillwatch.lake.purpose import purpose_model
from stillwatch.signals.owners import Wording, evenly_each
from stillwatch.signals.targets import asks_for_training_material
from stillwatch.signals.traffic import Traffic

__all__ = ["FIGURES", "describe_owner", "describe_owners", "harvest_score", "score_of_lesser_half"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

SAMPLE = 400

FIGURES: dict[str, str] = {
    "unused_answers": "part of the answers that the account they went to did not come back to",
    "purpose": "how probably a prompt asks for what trains a model, on average",
    "harvest": "distinct items answered (logarithm)",
}


def describe_owner(traffic: Traffic, wording: Wording, rows: IntArray) -> FloatArray:
    """The figures of one owner, in the order of `FIGURES`; NaN where the log cannot tell.

    Args:
        rows: The exchanges of the owner's own work.
    """
    return np.asarray(describe_owners(traffic, wording, rows, np.array([0, len(rows)]))[0])


def describe_owners(
    traffic: Traffic, wording: Wording, rows: IntArray, starts: IntArray
) -> FloatArray:
    """The figures of many owners, one row each.

    Args:
        rows, starts: The exchanges of owner i's own work are `rows[starts[i] : starts[i + 1]]`.
    """
    sample, begins = evenly_each(rows, starts, SAMPLE)
    size = np.diff(begins)
    owner = np.repeat(np.arange(len(size)), size)

    def mean(values: npt.NDArray[Any], where: npt.NDArray[np.bool_]) -> FloatArray:
        """Of the sampled exchanges that count, for each owner; NaN where none does."""
        total = np.bincount(owner[where], values[where], minlength=len(size))
        counted = np.bincount(owner[where], minlength=len(size))
        return np.asarray(np.divide(total, counted, np.full(len(size), np.nan), where=counted > 0))

    everything = np.ones(len(sample), np.bool_)
    asked = asks_for_training_material(traffic.purpose[sample])
    distinct = np.nan_to_num(mean(wording.first_of_item[sample], everything))
    part_answered = np.nan_to_num(mean(~traffic.refused[sample], everything))
    figures = np.empty((len(size), len(FIGURES)))
    figures[:, 0] = mean(wording.single_turn[sample], everything)
    figures[:, 1] = mean(asked, ~np.isnan(asked))
    figures[:, 2] = np.log1p(np.diff(starts) * distinct * part_answered)
    return figures


def harvest_score(figures: FloatArray) -> FloatArray:
    """How much an owner's work looks like a harvest: log of (1 + items × wanted) × wanted.

    Wanted is unused × purity. Purity is the part of the prompts that ask for what trains a model,
    beyond what own work is given by accident. The first factor counts the answers that nobody used
    and that were asked for to train on: where nobody asks for any, volume is no harvest. The second
    is there because a giant that asks now and then, or whose answers people come back to, must not
    outweigh a small owner that asks for nothing else. The form only orders owners; whatever it is,
    the comparison with the owners of the log is valid.
    A figure that the log cannot tell counts as one half, for every owner alike.

    Args:
        figures: In the order of `FIGURES` along the last axis; one score for each of the others.
    """
    harvested, wanted = _harvested(figures)
    return np.asarray(np.log1p(harvested) + np.log(wanted + 0.01))


def score_of_lesser_half(traffic: Traffic, wording: Wording, rows: IntArray) -> float:
    """The score of a group by what the half of its members that harvest least do, counted twice.

    A finding accuses every member, so what a few of them collect must not carry it. Who harvests
    least (items × wanted) is read from every other exchange of each member, and what that
    half (rounded up) harvests from the exchanges between, scaled to the whole group; then the other
    way round, and the mean is taken: chance in few exchanges does not make members unequal.
    Never above the score of all the work together: clause 3 stays valid for whatever lowers a
    group's score by its own work alone (`docs/statistics.md`, theorem 2b).

    Args:
        rows: The exchanges of the group's work, of one account or more, ascending.
    """
    by_account = rows[np.argsort(traffic.accounts[rows], kind="stable")]
    sizes = np.unique(traffic.accounts[by_account], return_counts=True)[1]
    half = (len(sizes) + 1) // 2
    turn = (np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)) % 2
    owner = np.repeat(np.arange(len(sizes)), sizes)
    scores = []
    for now in (0, 1):
        starts = np.concatenate([[0], np.cumsum((sizes + 1 - now) // 2)])
        figures = describe_owners(traffic, wording, by_account[turn == now], starts)
        lesser = np.argsort(_harvested(figures)[0], kind="stable")[:half]
        others = by_account[(turn != now) & np.isin(owner, lesser)]
        of_half = describe_owner(traffic, wording, np.sort(others))
        of_half[2] = np.log1p(np.expm1(of_half[2]) * 2 * len(sizes) / half)
        scores.append(float(harvest_score(of_half)))
    together = float(harvest_score(describe_owner(traffic, wording, rows)))
    return min(together, float(np.mean(scores)))


def _harvested(figures: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Items × wanted, and wanted, of owners whose figures lie along the last axis."""
    unused, purpose = (np.nan_to_num(figures[..., i], nan=0.5) for i in (0, 1))
    accident = purpose_model().accident
    wanted = unused * np.maximum(purpose - accident, 0.0) / (1.0 - accident)
    return np.expm1(figures[..., 2]) * wanted, wanted
