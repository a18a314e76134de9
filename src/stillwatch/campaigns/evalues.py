"""E-values: how evidence is weighed, and how many findings may be wrong.

An e-value is a number that no honest chance makes large: its mean is at most 1 where the null
holds. Proofs and assumptions: `docs/statistics.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

__all__ = [
    "SELECTION",
    "Selection",
    "conformal_martingale",
    "e_bh",
    "largest_martingale",
    "select_by_reference",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def e_bh(
    e_values: FloatArray,
    alpha: float,
    *,
    weights: FloatArray | None = None,
    parts: FloatArray | None = None,
) -> npt.NDArray[np.bool_]:
    """Which hypotheses are rejected at false discovery rate `alpha`, under any dependence.

    e-BH (Wang and Ramdas 2022, "False discovery rate control with e-values"): the largest set R each
    of whose e-values is at least m / (alpha |R|).
    With weights, each must also be at least W / (alpha w), where w is the weight of R and W that of
    all (Ignatiadis, Wang and Ramdas 2024, "Compound e-values"; the rate is that of Benjamini and
    Hochberg 1997): plain and weighted rate then both hold (`docs/statistics.md`, theorem 4).
    With parts, a hypothesis has a part of the error budget of its own in place of 1 / m by number and
    of its weight / W by weight (theorem 5).

    Args:
        weights: What a wrong rejection costs, one positive number for each hypothesis.
        parts: Of the budget by number and of that by weight, a row each; neither adds up to more
            than 1 over all hypotheses, those that are not listed included.
    """
    weights = np.ones(len(e_values)) if weights is None else weights
    if parts is None:
        by_number = np.full(len(e_values), float(len(e_values)))
        by_weight = np.full(len(e_values), weights.sum())
    else:
        with np.errstate(divide="ignore"):  # who has no part is never rejected
            by_number, by_weight = 1 / parts[0], weights / parts[1]
    kept = np.ones(len(e_values), np.bool_)
    while kept.any():
        needed = np.maximum(by_number / kept.sum(), by_weight / weights[kept].sum()) / alpha
        still = kept & (e_values >= needed)
        if (still == kept).all():
            break
        kept = still
    return kept


def conformal_martingale(reference: IntArray, members: IntArray, bets: FloatArray) -> float:
    """Log of a product of bets that is an e-value when members are exchangeable with the reference.

    Each member stakes `bets` (a distribution over bins) against the share that its bin has in the
    multiset of the reference, the members before it, and itself. Given that multiset, the newest
    value is equally likely to be any of them, so each factor has mean at most 1 whatever comes
    after it; by induction from the last factor so has the product (a conformal test martingale
    read backwards; Vovk, Gammerman and Shafer 2005, chapter 7).

    Args:
        reference: Counts, one a bin.
        members: The bin of each member, in an order fixed before the values were seen.
        bets: What the alternative expects, one probability a bin.
    """
    return float(_product_of_bets(reference.astype(np.float64), members, bets))


@nb.njit(cache=True, nogil=True)
def _product_of_bets(counts, members, bets):  # type: ignore[no-untyped-def]
    total = counts.sum()
    logarithm = 0.0
    for member in members:
        counts[member] += 1.0
        total += 1.0
        logarithm += np.log(max(bets[member], 1e-300)) + np.log(total / counts[member])
    return logarithm


def largest_martingale(reference: IntArray, members: int, bets: FloatArray) -> float:
    """Log of the largest value `conformal_martingale` can take with this many members.

    Greedy is optimal: a bin's factors only shrink as it fills.
    """
    chosen = _best_bins(reference.astype(np.float64), members, bets)
    return conformal_martingale(reference, chosen, bets)


@nb.njit(cache=True, nogil=True)
def _best_bins(counts, members, bets):  # type: ignore[no-untyped-def]
    chosen = np.empty(members, np.int64)
    for i in range(members):
        chosen[i] = np.argmax(bets / (counts + 1.0))
        counts[chosen[i]] += 1.0
    return chosen


SELECTION = 0.99


@dataclass(frozen=True, slots=True)
class Selection:
    """The outcome of a comparison with reference owners.

    An e-value is `SELECTION` parts the conformal one at a data-driven threshold, which decides, and
    the rest a calibrated p-value, which orders what was not selected. A mean of e-values is one.

    Attributes:
        e_values: One for each tested score.
        threshold: Scores at or above it were selected; infinite if none.
        above: Reference owners at or above the threshold.
        reference: Number of reference owners.
    """

    e_values: FloatArray
    threshold: float
    above: int
    reference: int

    @property
    def largest(self) -> float:
        """The largest e-value that this reference allows: one more than its size."""
        return float(self.reference + 1)


def select_by_reference(
    tested: FloatArray,
    reference: FloatArray,
    alpha: float,
    weights: FloatArray | None = None,
    parts: FloatArray | None = None,
) -> Selection:
    """Conformal e-values for "scores like the reference", at one data-driven threshold.

    e_j = 1{S_j >= t} (n + 1) / (1 + #{i in reference: S_i >= t}), with t the least threshold whose
    estimated false discovery proportion m (1 + #reference >= t) / ((n + 1) #tested >= t) is at most
    alpha (Ren and Barber 2024, "Derandomised knockoffs"; Bashari et al. 2023, "Derandomized novelty
    detection with FDR control via conformal e-values"). Valid where null scores are exchangeable
    with the reference; hostile owners in the reference can only lower it. No tail is
    extrapolated: the largest value is n + 1. With weights, the proportion W (1 + #reference >= t) /
    ((n + 1) weight of tested >= t) must be at most alpha as well. With `parts` of an error budget
    (`e_bh`), t is the least at which the e-value is enough for everyone at or above it
    whose part is not too small for any.

    To it is added, with a small weight, 1 / (2 sqrt(p)) of the conformal p-value
    (1 + #reference >= S_j) / (n + 1) (Vovk and Wang 2021, section 2), so that the evidence of what
    was not selected is not nothing.
    """
    m, n = len(tested), len(reference)
    if m == 0 or n == 0:
        return Selection(np.zeros(m), float("inf"), 0, n)
    sorted_reference = np.sort(reference)
    own_above = n - np.searchsorted(sorted_reference, tested, side="left")
    calibrated = 0.5 * np.sqrt((n + 1.0) / (1.0 + own_above))
    weights = np.ones(m) if weights is None else weights
    if parts is None:
        parts = np.empty((2, m))
        parts[0], parts[1] = 1 / m, weights / weights.sum()
    by_score = np.argsort(-tested, kind="stable")
    level = alpha * SELECTION
    part = _least_part(parts[:, by_score], weights[by_score], 1 / (level * (n + 1.0)))
    threshold, above = _least_threshold(np.sort(tested), sorted_reference, part, level)
    if above < 0:
        return Selection((1 - SELECTION) * calibrated, float("inf"), 0, n)
    selected = np.where(tested >= threshold, (n + 1.0) / (1.0 + above), 0.0)
    e_values = SELECTION * selected + (1 - SELECTION) * calibrated
    return Selection(e_values, threshold, above, n)


def _least_part(parts: FloatArray, weights: FloatArray, least: float) -> FloatArray:
    """For each number of the first, none included, the least part one has if all are rejected.

    Args:
        least: Whose part is smaller even if all that are listed are rejected is left out.
    """
    return np.asarray(_parts_of_the_first(parts, parts[1] / weights, weights, weights.sum(), least))


@nb.njit(cache=True, nogil=True)
def _parts_of_the_first(parts, per_weight, weights, total, least):  # type: ignore[no-untyped-def]
    found = np.zeros(len(weights) + 1)
    number, weight, smallest, smallest_per_weight = 0.0, 0.0, np.inf, np.inf
    for i in range(len(weights)):
        able = min(parts[0, i] * len(weights), per_weight[i] * total) >= least
        if able:
            number += 1.0
            weight += weights[i]
        smallest = min(smallest, parts[0, i] if able else 1.0)
        smallest_per_weight = min(smallest_per_weight, per_weight[i] if able else 1.0)
        found[i + 1] = min(smallest * number, smallest_per_weight * weight)
    return found


@nb.njit(cache=True, nogil=True)
def _least_threshold(tested, reference, part, level):  # type: ignore[no-untyped-def]
    """The least score at which the false discovery proportion is small enough, and the owners there.

    Every score is a candidate: thresholds at tested scores alone would favour them.

    Args:
        tested, reference: Scores, ascending.
        part: For each number of the highest tested scores, as `_least_part` has it.

    Returns:
        The threshold and how many of the reference reach it; -1 if there is none.
    """
    m, n = len(tested), len(reference)
    i, j = 0, 0  # scores below the candidate
    while i < m or j < n:
        # What is not a number stands above all, as it is sorted.
        lower = i < m and (j == n or tested[i] < reference[j] or reference[j] != reference[j])
        candidate = tested[i] if lower else reference[j]
        if (1.0 + (n - j)) / ((n + 1.0) * max(part[m - i], 1e-9)) <= level:
            return candidate, n - j
        last = candidate != candidate
        while i < m and (last or tested[i] <= candidate):
            i += 1
        while j < n and (last or reference[j] <= candidate):
            j += 1
    return np.inf, -1
