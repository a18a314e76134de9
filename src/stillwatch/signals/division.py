"""One list, divided: the members' prompts could be dealt out anew without anyone noticing.

People and products have subjects of their own, so that two prompts of one account are more alike
than two of different accounts. Workers on one queue are not: whoever is free takes the next item.
Card: `docs/signals/division.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import erf, sqrt

import numba as nb
import numpy as np
import numpy.typing as npt

from stillwatch.signals.owners import even_positions
from stillwatch.signals.places import numbered
from stillwatch.signals.traffic import Prompts

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
    prompts: Prompts,
    pool: list[IntArray],
    parameters: DivisionParameters = DivisionParameters(),
) -> tuple[FloatArray, IntArray]:
    """How much each account of a pool keeps to subjects of its own.

    For account i: mean similarity among its own prompts minus mean similarity to the others'
    prompts, in standard deviations under random reallotment of the pool's prompts. Mean and
    variance under reallotment are exact (`_reallotment_moments`).

    Args:
        prompts: What `pool` holds positions of.
        pool: Each account's own work, in time order.

    Returns:
        One score an account of the pool, NaN where it has fewer than 3 usable prompts, and the
        number of usable prompts: few prompts say little, so like is compared with like.
    """
    starts = np.concatenate([[0], np.cumsum([len(own) for own in pool])]).astype(np.int64)
    rows = np.concatenate(pool) if pool else np.zeros(0, np.int64)
    scores, counts = _score_pool(
        rows,
        starts,
        prompts.items,
        prompts.terms.values,
        prompts.terms.starts,
        parameters.prompts,
        parameters.common,
        parameters.shared_by,
    )
    return scores, counts


@nb.njit(cache=True, nogil=True)
def _score_pool(rows, pool, items, terms, term_starts, prompts, common, shared_by):  # type: ignore[no-untyped-def]
    """The scores and the numbers of usable prompts of one pool, `rows[pool[i]:pool[i + 1]]` each."""
    accounts = len(pool) - 1
    scores = np.full(accounts, np.nan)
    chosen, owner = _usable(rows, pool, items, term_starts, prompts, shared_by)
    counts = np.zeros(accounts, np.int64)
    for account in owner:
        counts[account] += 1
    if (counts >= 3).sum() < 2:
        return scores, counts
    within, total, all_pairs, squares, pair_squares = _similarities(
        chosen, owner, accounts, terms, term_starts, common
    )
    for i in range(accounts):
        own = counts[i]
        if own < 3 or own >= len(chosen):
            continue
        mean, variance = _reallotment_moments(len(chosen), all_pairs, squares, pair_squares, own)
        if variance > 1e-18:
            of_within, of_total = _contrast_weights(own, len(chosen))
            scores[i] = (of_within * within[i] - of_total * total[i] - mean) / np.sqrt(variance)
    return scores, counts


@nb.njit(cache=True, nogil=True)
def _contrast_weights(own, all_prompts):  # type: ignore[no-untyped-def]
    """Weights of W and R in "mean within minus mean to the rest".

    W is the sum of similarities over ordered pairs of one account's prompts, R the sum over pairs
    with at least the first prompt in the account; the rest gets R - W.
    """
    within, across = own * (own - 1.0), own * (all_prompts - own * 1.0)
    return 1.0 / within + 1.0 / across, 1.0 / across


@nb.njit(cache=True, nogil=True)
def _reallotment_moments(n, all_pairs, squares, pair_squares, own):  # type: ignore[no-untyped-def]
    """Mean and variance of the contrast when `own` of the n prompts are drawn at random.

    Sampling without replacement from a finite population: W is a quadratic and R a linear
    statistic of the drawn set, whose moments need only the chances that 1 to 4 given prompts are
    drawn (Mantel 1967 for such permutation moments).

    Args:
        all_pairs, squares, pair_squares: Sums of each prompt's similarity to all others, of the
            squares of these, and of the squares of all similarities.
    """
    one = own / n
    two = one * (own - 1.0) / (n - 1.0)
    three = two * (own - 2.0) / (n - 2.0)
    four = three * (own - 3.0) / (n - 3.0) if n > 3 else 0.0
    mean_w, mean_r = two * all_pairs, one * all_pairs
    w_w = (
        2 * pair_squares * two
        + 4 * (squares - pair_squares) * three
        + (all_pairs**2 - 4 * squares + 2 * pair_squares) * four
    )
    r_r = one * squares + two * (all_pairs**2 - squares)
    w_r = 2 * squares * two + (all_pairs**2 - 2 * squares) * three
    a, b = _contrast_weights(own, n)
    mean = a * mean_w - b * mean_r
    variance = (
        a * a * (w_w - mean_w**2) + b * b * (r_r - mean_r**2) - 2 * a * b * (w_r - mean_w * mean_r)
    )
    return mean, variance


@nb.njit(cache=True, nogil=True)
def _usable(rows, pool, items, term_starts, prompts, shared_by):  # type: ignore[no-untyped-def]
    """Sampled prompts and their account, without common assignments and repeats."""
    accounts = len(pool) - 1
    taken = np.empty(4 * prompts * accounts, np.int64)
    begins = np.zeros(accounts + 1, np.int64)
    for i in range(accounts):
        own = even_positions(pool[i + 1] - pool[i], 4 * prompts)
        taken[begins[i] : begins[i] + len(own)] = rows[pool[i] + own]
        begins[i + 1] = begins[i] + len(own)
    number = begins[accounts]
    entry = numbered(items[taken[:number]])
    askers = np.zeros(number, np.int64)
    latest = np.full(number, -1, np.int64)
    first = np.zeros(number, np.bool_)
    for i in range(accounts):
        for k in range(begins[i], begins[i + 1]):
            if latest[entry[k]] != i:
                latest[entry[k]] = i
                askers[entry[k]] += 1
                first[k] = True
    chosen = np.empty(prompts * accounts, np.int64)
    owner = np.empty(prompts * accounts, np.int64)
    size = 0
    kept = np.empty(4 * prompts, np.int64)
    for i in range(accounts):
        found = 0
        for k in range(begins[i], begins[i + 1]):
            words = term_starts[taken[k] + 1] - term_starts[taken[k]]
            if first[k] and askers[entry[k]] <= shared_by and words >= 2:
                kept[found] = taken[k]
                found += 1
        for position in even_positions(found, prompts):
            chosen[size] = kept[position]
            owner[size] = i
            size += 1
    return chosen[:size], owner[:size]


@nb.njit(cache=True, nogil=True)
def _similarities(rows, owner, accounts, terms, term_starts, common):  # type: ignore[no-untyped-def]
    """Sums of the cosines of all pairs of prompts by their words, rare ones heavy, template out.

    Each pair is met once, through the words that both hold; no prompt is its own neighbour.

    Returns:
        For each account, the sum over ordered pairs of its own prompts, and over those with the
        first prompt in it; then the three sums of `_reallotment_moments`.
    """
    n = len(rows)
    begins = np.zeros(n + 1, np.int64)
    for p in range(n):
        begins[p + 1] = begins[p] + term_starts[rows[p] + 1] - term_starts[rows[p]]
    words = np.empty(begins[n], np.int64)
    for p in range(n):
        words[begins[p] : begins[p + 1]] = terms[term_starts[rows[p]] : term_starts[rows[p] + 1]]
    word = numbered(words)
    documents = np.zeros(len(word), np.int64)
    for w in word:
        documents[w] += 1
    weight = np.zeros(len(word))
    for w in range(len(word)):
        if 0 < documents[w] <= common * n:
            weight[w] = np.log(n / documents[w])
    # The prompts that hold a word, in their order, lie side by side.
    place = np.zeros(len(word) + 1, np.int64)
    for w in range(len(word)):
        shared = documents[w] > 1 and weight[w] > 0
        place[w + 1] = place[w] + (documents[w] if shared else 0)
    filled = place[:-1].copy()
    holders = np.empty(place[-1], np.int64)
    values = np.empty(place[-1])
    for p in range(n):
        norm = 0.0
        for k in range(begins[p], begins[p + 1]):
            norm += weight[word[k]] ** 2
        for k in range(begins[p], begins[p + 1]):
            w = word[k]
            if place[w + 1] > place[w]:
                holders[filled[w]] = p
                values[filled[w]] = weight[w] / np.sqrt(norm)
                filled[w] += 1
    own_next = place[:-1].copy()
    similarity = np.zeros(n)
    met = np.empty(n, np.int64)
    of_prompt = np.zeros(n)
    within, total = np.zeros(accounts), np.zeros(accounts)
    pair_squares = 0.0
    for p in range(n):
        number = 0
        for k in range(begins[p], begins[p + 1]):
            w = word[k]
            if place[w + 1] == place[w]:
                continue
            at = own_next[w]
            own_next[w] += 1
            for j in range(at + 1, place[w + 1]):
                if similarity[holders[j]] == 0.0:
                    met[number] = holders[j]
                    number += 1
                similarity[holders[j]] += values[at] * values[j]
        for j in range(number):
            q = met[j]
            of_prompt[p] += similarity[q]
            of_prompt[q] += similarity[q]
            pair_squares += 2.0 * similarity[q] ** 2
            if owner[p] == owner[q]:
                within[owner[p]] += 2.0 * similarity[q]
            similarity[q] = 0.0
    all_pairs, squares = 0.0, 0.0
    for p in range(n):
        total[owner[p]] += of_prompt[p]
        all_pairs += of_prompt[p]
        squares += of_prompt[p] ** 2
    return within, total, all_pairs, squares, pair_squares
