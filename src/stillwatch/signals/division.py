"""One list, divided: the members' prompts could be dealt out anew without anyone noticing.

People and products have subjects of their own, so that two prompts of one account are more alike
than two of different accounts. Workers on one queue are not: whoever is free takes the next item.
Card: `docs/signals/division.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import erf, sqrt

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from stillwatch.signals.owners import evenly
from stillwatch.signals.traffic import Traffic

__all__ = ["BINS", "DivisionParameters", "bets", "bins_of", "own_subjects"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DivisionParameters:
    """How much of a pool is looked at.

    Attributes:
        prompts: Prompts of each account, evenly spaced over its own work.
        common: Words in more than this part of the pool's prompts belong to the template.
        shared_by: An item that more accounts than this asked is a common assignment or a public
            list, and says nothing on how one's own work was dealt out.
    """

    prompts: int = 48
    common: float = 0.25
    shared_by: int = 3


BINS = np.array([-np.inf, -1.0, 0.0, 1.0, 2.0, 3.0, 4.5, 6.5, 10.0, np.inf])
"""Edges, in standard deviations under random dealing, of how much an account keeps to itself."""


@cache
def bets() -> FloatArray:
    """What one queue expects in each bin: a standard normal, with a tenth spread for mishaps."""
    below = np.array([0.5 * (1.0 + erf(edge / sqrt(2.0))) for edge in BINS])
    chances = np.diff(below)
    uniform = np.full(len(chances), 1.0 / len(chances))
    return np.asarray(0.9 * chances / chances.sum() + 0.1 * uniform)


def bins_of(scores: FloatArray) -> IntArray:
    return np.clip(np.searchsorted(BINS, scores, side="right") - 1, 0, len(BINS) - 2)


def own_subjects(
    traffic: Traffic,
    pool: list[IntArray],
    parameters: DivisionParameters = DivisionParameters(),
) -> tuple[FloatArray, IntArray]:
    """How much each account of a pool keeps to subjects of its own.

    For account i: mean similarity among its own prompts minus mean similarity to the others'
    prompts, in standard deviations under random reallotment of the pool's prompts. Mean and
    variance under reallotment are exact (`_reallotment_moments`).

    Args:
        pool: The rows of each account's own work, in time order.

    Returns:
        One score an account of the pool, NaN where it has fewer than 3 usable prompts, and the
        number of usable prompts: few prompts say little, so like is compared with like.
    """
    chosen, owner = _usable(traffic, pool, parameters)
    scores = np.full(len(pool), np.nan)
    counts = np.bincount(owner, minlength=len(pool))
    if (counts >= 3).sum() < 2:
        return scores, counts
    similarity = _similarity(traffic, chosen, parameters)
    population = _Population.of(similarity)
    inside = (owner[:, None] == np.arange(len(pool))[None, :]).astype(np.float64)
    within = (inside * (similarity @ inside)).sum(axis=0)
    total = population.rows @ inside
    moments = {
        int(own): _reallotment_moments(population, int(own))
        for own in np.unique(counts)
        if 3 <= own < len(owner)
    }
    for i, own in enumerate(counts.tolist()):
        if own in moments and moments[own][1] > 1e-18:
            mean, variance = moments[own]
            own_weight, total_weight = _contrast_weights(own, len(owner))
            contrast = own_weight * within[i] - total_weight * total[i]
            scores[i] = (contrast - mean) / np.sqrt(variance)
    return scores, counts


@dataclass(frozen=True, slots=True)
class _Population:
    """Sums over all pairs of a pool's prompts, taken once.

    Attributes:
        rows: Each prompt's similarity to all others together.
        all_pairs, squares, pair_squares: Sums of the rows, of their squares, and of the squares of
            all similarities.
    """

    rows: FloatArray
    all_pairs: float
    squares: float
    pair_squares: float

    @classmethod
    def of(cls, similarity: FloatArray) -> _Population:
        rows = similarity.sum(axis=1)
        pair_squares = float(np.vdot(similarity, similarity))
        return cls(rows, float(rows.sum()), float((rows**2).sum()), pair_squares)


def _contrast_weights(own: int, all_prompts: int) -> tuple[float, float]:
    """Weights of W and R in "mean within minus mean to the rest".

    W is the sum of similarities over ordered pairs of one account's prompts, R the sum over pairs
    with at least the first prompt in the account; the rest gets R - W.
    """
    within, across = own * (own - 1.0), own * (all_prompts - own * 1.0)
    return 1.0 / within + 1.0 / across, 1.0 / across


def _reallotment_moments(population: _Population, own: int) -> tuple[float, float]:
    """Mean and variance of the contrast when `own` of the prompts are drawn at random.

    Sampling without replacement from a finite population: W is a quadratic and R a linear
    statistic of the drawn set, whose moments need only the chances that 1 to 4 given prompts are
    drawn (Mantel 1967 for such permutation moments).
    """
    n = len(population.rows)
    chance = np.cumprod([(own - k) / (n - k) for k in range(4)])
    all_pairs, squares = population.all_pairs, population.squares
    pair_squares = population.pair_squares
    mean_w, mean_r = chance[1] * all_pairs, chance[0] * all_pairs
    w_w = (
        2 * pair_squares * chance[1]
        + 4 * (squares - pair_squares) * chance[2]
        + (all_pairs**2 - 4 * squares + 2 * pair_squares) * chance[3]
    )
    r_r = chance[0] * squares + chance[1] * (all_pairs**2 - squares)
    w_r = 2 * squares * chance[1] + (all_pairs**2 - 2 * squares) * chance[2]
    a, b = _contrast_weights(own, n)
    mean = a * mean_w - b * mean_r
    variance = (
        a * a * (w_w - mean_w**2) + b * b * (r_r - mean_r**2) - 2 * a * b * (w_r - mean_w * mean_r)
    )
    return float(mean), float(variance)


def _usable(
    traffic: Traffic, pool: list[IntArray], parameters: DivisionParameters
) -> tuple[IntArray, IntArray]:
    """Sampled prompts and their account, without common assignments and repeats."""
    rows = [evenly(own, 4 * parameters.prompts) for own in pool]
    everything = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    owner = np.repeat(np.arange(len(pool)), [len(r) for r in rows])
    items = traffic.input_hashes[everything]
    _, item = np.unique(items, return_inverse=True)
    pairs = np.unique(item.astype(np.int64) << 32 | owner)
    askers = np.bincount(pairs >> 32)
    _, first = np.unique(item.astype(np.int64) << 32 | owner, return_index=True)
    keep = np.zeros(len(everything), np.bool_)
    keep[first] = True
    words = traffic.terms.starts[everything + 1] - traffic.terms.starts[everything]
    keep &= (askers[item] <= parameters.shared_by) & (words >= 2)
    kept, kept_owner = everything[keep], owner[keep]
    selected = [
        evenly(np.flatnonzero(kept_owner == a), parameters.prompts) for a in range(len(pool))
    ]
    index = np.concatenate(selected) if selected else np.zeros(0, np.int64)
    return kept[index], kept_owner[index]


def _similarity(traffic: Traffic, rows: IntArray, parameters: DivisionParameters) -> FloatArray:
    """Cosine of each pair of prompts by their words, rare ones heavy, template words out.

    The diagonal is 0: no prompt is its own neighbour.
    """
    starts, values = traffic.terms.starts, traffic.terms.values
    lengths = starts[rows + 1] - starts[rows]
    index = np.repeat(starts[rows] - np.cumsum(lengths) + lengths, lengths)
    words = values[index + np.arange(lengths.sum())]
    prompt = np.repeat(np.arange(len(rows)), lengths)
    _, word, documents = np.unique(words, return_inverse=True, return_counts=True)
    weight = np.log(len(rows) / documents)
    weight[documents > parameters.common * len(rows)] = 0.0
    shared = (documents[word] > 1) & (weight[word] > 0)
    norms = np.sqrt(np.bincount(prompt, weight[word] ** 2, minlength=len(rows)))
    scaled = weight[word[shared]] / norms[prompt[shared]]
    vectors = csr_matrix(
        (scaled, (prompt[shared], word[shared])), shape=(len(rows), len(documents))
    )
    similarity: FloatArray = (vectors @ vectors.T).toarray()
    np.fill_diagonal(similarity, 0.0)
    return similarity
