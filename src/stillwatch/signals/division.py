"""One list, divided: the members' prompts could be dealt out anew without anyone noticing.

People and products have subjects of their own, so that two prompts of one account are more alike
than two of different accounts. Workers on one queue are not: whoever is free takes the next item.
Card: `docs/signals/division.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
        accounts: Accounts of a pool.
        dimensions: Of the hashed bag of words; collisions only blur.
        common: Words in more than this part of the pool's prompts belong to the template.
        permutations: Reallotments of prompts to accounts, to standardise.
        shared_by: An item that more accounts than this asked is a common assignment or a public
            list, and says nothing on how one's own work was dealt out.
    """

    prompts: int = 24
    accounts: int = 48
    dimensions: int = 1024
    common: float = 0.25
    permutations: int = 64
    shared_by: int = 3


BINS = np.array([-np.inf, -1.0, 0.0, 1.0, 2.0, 3.0, 4.5, 6.5, 10.0, np.inf])
"""Edges, in standard deviations under random dealing, of how much an account keeps to itself."""


def bets() -> FloatArray:
    """What one queue expects in each bin: a standard normal, with a tenth spread for mishaps."""
    from scipy.stats import norm

    chances = np.diff(norm.cdf(BINS))
    uniform = np.full(len(chances), 1.0 / len(chances))
    return np.asarray(0.9 * chances / chances.sum() + 0.1 * uniform)


def bins_of(scores: FloatArray) -> IntArray:
    return np.clip(np.searchsorted(BINS, scores, side="right") - 1, 0, len(BINS) - 2)


def own_subjects(
    traffic: Traffic,
    pool: list[IntArray],
    generator: np.random.Generator,
    parameters: DivisionParameters = DivisionParameters(),
) -> FloatArray:
    """How much each account of a pool keeps to subjects of its own.

    For account i: mean similarity among its own prompts minus mean similarity to the others'
    prompts, in standard deviations under random reallotment of the pool's prompts.

    Args:
        pool: The rows of each account's own work, in time order.
        generator: For the reallotments.

    Returns:
        One score an account of the pool; NaN where it has fewer than 3 usable prompts.
    """
    chosen, owner = _usable(traffic, pool, parameters)
    scores = np.full(len(pool), np.nan)
    counts = np.bincount(owner, minlength=len(pool))
    if (counts >= 3).sum() < 2:
        return scores
    vectors = _vectors(traffic, chosen, parameters)
    observed = _contrast(vectors, owner, len(pool))
    shuffled = np.stack(
        [
            _contrast(vectors, generator.permutation(owner), len(pool))
            for _ in range(parameters.permutations)
        ]
    )
    spread = shuffled.std(axis=0)
    enough = (counts >= 3) & (spread > 0)
    scores[enough] = (observed[enough] - shuffled.mean(axis=0)[enough]) / spread[enough]
    return scores


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


def _vectors(
    traffic: Traffic, rows: IntArray, parameters: DivisionParameters
) -> npt.NDArray[np.float32]:
    """Unit vectors of each prompt's words, rare ones heavy, template words out."""
    starts, values = traffic.terms.starts, traffic.terms.values
    lengths = starts[rows + 1] - starts[rows]
    index = np.repeat(starts[rows] - np.cumsum(lengths) + lengths, lengths) + np.arange(
        lengths.sum()
    )
    words = values[index]
    prompt = np.repeat(np.arange(len(rows)), lengths)
    _, word, documents = np.unique(words, return_inverse=True, return_counts=True)
    weight = np.log(len(rows) / documents)
    weight[documents > parameters.common * len(rows)] = 0.0
    vectors = np.zeros((len(rows), parameters.dimensions), np.float32)
    np.add.at(vectors, (prompt, words % parameters.dimensions), weight[word].astype(np.float32))
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = vectors / np.maximum(norms, 1e-9)
    return unit


def _contrast(vectors: npt.NDArray[np.float32], owner: IntArray, accounts: int) -> FloatArray:
    """Mean similarity within each account minus its mean similarity to the rest."""
    sums = np.zeros((accounts, vectors.shape[1]), np.float32)
    np.add.at(sums, owner, vectors)
    own_norm = np.bincount(owner, (vectors**2).sum(axis=1), minlength=accounts)
    counts = np.bincount(owner, minlength=accounts).astype(np.float64)
    total = sums.sum(axis=0)
    within = ((sums**2).sum(axis=1) - own_norm) / np.maximum(counts * (counts - 1), 1)
    others = (sums @ total - (sums**2).sum(axis=1)) / np.maximum(counts * (len(owner) - counts), 1)
    return np.asarray(within - others, np.float64)
