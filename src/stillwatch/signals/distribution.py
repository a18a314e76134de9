"""Distribution: does a window of prompts hold something that its stratum does not?

A window is compared with usual prompts of its stratum. Each mark (a word, a short run of words, a
high score of a witness learned on earlier windows) is counted in both; given how many prompts of
both hold it, how many of them lie in the window is hypergeometric if all are exchangeable, so that a
likelihood ratio for "a further part of the window holds it" is an exact e-value. E-values are
averaged over marks, and multiplied over windows. What a mixed-in part f adds to a count is f times the
window: evidence falls with f, not with f squared as a squared distance of means (MMD) does.
Card: `docs/signals/distribution.md`.

The pieces: noncentral hypergeometric likelihood ratios (Fisher 1935), means of e-values (Vovk and
Wang 2021), products over windows with bets learned from the past (Shafer 2021, "Testing by
betting"), and a linear witness as in a classifier two-sample test (Lopez-Paz and Oquab 2017),
here the difference of means over variances, each mark for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, vstack
from scipy.special import gammaln

from stillwatch.signals.traffic import Ragged

__all__ = [
    "DistributionParameters",
    "Usual",
    "excess_log_e",
    "factor",
    "learn_witness",
    "marks_log_e",
    "marks_of",
    "wealth",
    "witness_log_e",
]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DistributionParameters:
    """What is counted, and against which alternatives.

    Attributes:
        buckets: Words, and runs of words, are each counted in so many buckets by their hash.
        excess: Parts of a window that the alternatives add; each gets an equal stake.
        tails: Parts of the prompts whose witness scores count as high; an equal stake each.
        rare: Marks of fewer prompts, of window and usual together, are not bet on.
        ridge: Added to the variance of a mark, so that rare marks do not rule the witness.
    """

    buckets: int = 1 << 14
    excess: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.3)
    tails: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1)
    rare: int = 3
    ridge: float = 0.01


@dataclass(frozen=True, slots=True)
class Usual:
    """Prompts to compare one window with.

    Attributes:
        marks: One row a prompt, as `marks_of` gives them.
        counts: How many prompts hold each mark.
    """

    marks: csr_matrix
    counts: IntArray

    @classmethod
    def of(cls, marks: csr_matrix) -> Usual:
        return cls(marks, np.bincount(marks.indices, minlength=marks.shape[1]).astype(np.int64))


def marks_of(
    terms: Ragged,
    shingles: Ragged,
    rows: IntArray,
    parameters: DistributionParameters = DistributionParameters(),
) -> csr_matrix:
    """Which marks each prompt holds: words first, then sampled runs of five words.

    Args:
        terms, shingles: Of a log (`Traffic`), or of sketched texts.
        rows: The prompts asked for.

    Returns:
        One row a prompt, 2 × `buckets` columns, ones where it holds the mark.
    """
    parts = []
    for offset, lists in ((0, terms), (parameters.buckets, shingles)):
        lengths = lists.starts[rows + 1] - lists.starts[rows]
        begin = np.repeat(lists.starts[rows] - np.cumsum(lengths) + lengths, lengths)
        values = lists.values[begin + np.arange(lengths.sum())]
        # Sampled hashes are the small ones: their high bits say little, so they are mixed first.
        with np.errstate(over="ignore"):
            mixed = (values * np.int64(-7046029254386353131)) >> np.int64(32)
        prompt = np.repeat(np.arange(len(rows)), lengths)
        parts.append((prompt, offset + mixed % parameters.buckets))
    prompt, mark = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    found = csr_matrix(
        (np.ones(len(prompt)), (prompt, mark)), shape=(len(rows), 2 * parameters.buckets)
    )
    found.sum_duplicates()
    found.data = np.ones(len(found.data))
    return found


def excess_log_e(
    counts: IntArray, totals: IntArray, window: int, everything: int, excess: tuple[float, ...]
) -> FloatArray:
    """Log e-values of "more of the window hold this mark than chance put there", mixed over `excess`.

    For a mark that K of N prompts hold, c of them in the window of n: odds^c / mean of odds^C, where C
    is hypergeometric (N, K, n) and the odds are those of a share grown from p = K / N to
    p + f (1 - p). Given K its mean is exactly 1 where window and usual prompts are exchangeable,
    and it cannot exceed 1 / P(C is the largest possible).

    Args:
        counts: c, one a mark.
        totals: K.
        window, everything: n and N.
    """
    held, position = np.unique(totals, return_inverse=True)
    c = np.arange(int(min(window, held.max(initial=0))) + 1)
    pmf = _log_hypergeometric(c[None, :], held[:, None], window, everything)
    share = held / everything
    logs = np.empty((len(excess), len(counts)))
    for i, f in enumerate(excess):
        grown = share + f * (1.0 - share)
        with np.errstate(divide="ignore"):
            log_odds = np.log(grown) + np.log1p(-share) - np.log(share) - np.log1p(-grown)
        log_odds[(held <= 0) | (held >= everything)] = 0.0
        terms = pmf + c[None, :] * log_odds[:, None]
        top = terms.max(axis=1)
        mean = top + np.log(np.exp(terms - top[:, None]).sum(axis=1))
        logs[i] = counts * log_odds[position] - mean[position]
    mixed = np.logaddexp.reduce(logs, axis=0) - np.log(len(excess))
    return np.asarray(mixed)


def _log_hypergeometric(c: IntArray, held: IntArray, window: int, everything: int) -> FloatArray:
    """Log of the chance that c of the `held` lie in the window; -inf where that cannot be."""
    possible = (c <= held) & (window - c <= everything - held)
    outside = np.maximum(everything - held - window + c, 0)
    logs = (
        gammaln(held + 1.0)
        - gammaln(c + 1.0)
        - gammaln(np.maximum(held - c, 0) + 1.0)
        + gammaln(everything - held + 1.0)
        - gammaln(window - c + 1.0)
        - gammaln(outside + 1.0)
        - gammaln(everything + 1.0)
        + gammaln(window + 1.0)
        + gammaln(everything - window + 1.0)
    )
    return np.where(possible, logs, -np.inf)


def marks_log_e(
    window: csr_matrix,
    usual: Usual,
    parameters: DistributionParameters = DistributionParameters(),
) -> float:
    """Log e-value of a window alone: the mean over all marks that `rare` or more prompts hold.

    Which marks those are depends on window and usual prompts together, not on who holds them, so the
    mean of their e-values is one. Half of the stake is on words, half on runs of words.
    """
    inside = np.bincount(window.indices, minlength=window.shape[1]).astype(np.int64)
    totals = inside + usual.counts
    size = window.shape[0]
    halves = []
    for half in (slice(0, parameters.buckets), slice(parameters.buckets, None)):
        stakes = int((totals[half] >= parameters.rare).sum())
        # Marks that the window does not hold earn less than 1; leaving them out loses little.
        seen = np.flatnonzero((totals[half] >= parameters.rare) & (inside[half] > 0))
        if len(seen) == 0:
            halves.append(-np.inf)
            continue
        earned = excess_log_e(
            inside[half][seen],
            totals[half][seen],
            size,
            size + usual.marks.shape[0],
            parameters.excess,
        )
        halves.append(float(np.logaddexp.reduce(earned) - np.log(stakes)))
    return float(np.logaddexp(halves[0], halves[1]) - np.log(2.0))


def learn_witness(
    earlier: csr_matrix,
    usual: csr_matrix,
    parameters: DistributionParameters = DistributionParameters(),
) -> FloatArray:
    """Weights of the marks: how much more often earlier windows hold each, over its variance."""
    base = (np.asarray(usual.sum(axis=0)).ravel() + 0.5) / (usual.shape[0] + 1.0)
    more = np.asarray(earlier.mean(axis=0)).ravel() - base
    return np.asarray(more / (base * (1.0 - base) + parameters.ridge))


def witness_log_e(
    window: csr_matrix,
    usual: Usual,
    witness: FloatArray,
    parameters: DistributionParameters = DistributionParameters(),
) -> float:
    """Log e-value of a window against a witness fixed before: how many of the highest scores it holds.

    The highest are those of window and usual prompts together; ties count as high together.
    """
    scores = window @ witness
    everyone = np.concatenate([scores, usual.marks @ witness])
    ordered = np.sort(everyone)[::-1]
    ranks = [max(int(np.ceil(t * len(everyone))), 1) - 1 for t in parameters.tails]
    counts = np.array([(scores >= ordered[r]).sum() for r in ranks])
    totals = np.array([(everyone >= ordered[r]).sum() for r in ranks])
    earned = excess_log_e(counts, totals, len(scores), len(everyone), parameters.excess)
    return float(np.logaddexp.reduce(earned) - np.log(len(ranks)))


def wealth(
    windows: Iterable[csr_matrix],
    usual: Iterable[Usual],
    parameters: DistributionParameters = DistributionParameters(),
) -> Iterator[float]:
    """Log of the e-process after each window of one stream: valid whenever one stops to look.

    Before each window a third is kept, a third bets on marks, and a third on the witness learned
    from all windows before and what they were compared with. Given the past, each factor has mean
    at most 1 if the window's prompts are exchangeable with those they are compared with; so the
    chance that the process ever reaches 1/a is at most a (Ville 1939).

    Args:
        windows: In time order.
        usual: For each window prompts that no other window was compared with: those of the stratum
            in the same days, so that what moves everybody is no evidence.
    """
    total = 0.0
    before: list[csr_matrix] = []
    compared: list[csr_matrix] = []
    for window, beside in zip(windows, usual, strict=True):
        witness = learn_witness(vstack(before), vstack(compared), parameters) if before else None
        total += factor(window, beside, witness, parameters)
        before.append(window)
        compared.append(beside.marks)
        yield total


def factor(
    window: csr_matrix,
    usual: Usual,
    witness: FloatArray | None,
    parameters: DistributionParameters = DistributionParameters(),
) -> float:
    """Log of what one window multiplies the wealth by; without a witness its third is kept."""
    bets = [0.0, marks_log_e(window, usual, parameters), 0.0]
    if witness is not None:
        bets[2] = witness_log_e(window, usual, witness, parameters)
    return float(np.logaddexp.reduce(bets) - np.log(3.0))
