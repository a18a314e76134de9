"""Baselines of the literature that look at one account's stream of queries by itself.

They say nothing about who belongs together, so they have no pairs and find no campaign.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import numpy.typing as npt
from scipy.stats import shapiro

from stillwatch.evaluation.baselines.prompt_vectors import (
    LEAST,
    PromptVectors,
    prompt_vectors,
)
from stillwatch.evaluation.baselines.suspects import Proposal, SuspectGroup

__all__ = ["mmd_accounts", "prada_accounts", "seat_accounts"]

_NEAR = (0.2, 0.4, 0.6, 0.8)
_OUTLIERS = 3.0
_FEATURES = 256
_WIDTHS = (0.5, 1.0, 2.0, 4.0)
_NULL_WINDOWS = 200
_SEED = 20260302


def seat_accounts(log: duckdb.DuckDBPyConnection) -> Iterator[Proposal]:
    """SEAT (Zhang et al., IEEE HOST 2021): queries that nearly repeat an earlier one of the account.

    An account is suspect by how many of its queries lie within a distance of some earlier query of
    its own, or by which part of them does.
    """
    prompts = prompt_vectors(log)
    nearest = [_nearest_earlier(prompts.of(i)) for i in range(len(prompts.accounts))]
    for near in _NEAR:
        matches = [float((distances < near).sum()) for distances in nearest]
        shares = [m / max(1, len(d)) for m, d in zip(matches, nearest, strict=True)]
        yield _singles(f"number of queries within {near} of an earlier one", prompts, matches)
        yield _singles(f"part of the queries within {near} of an earlier one", prompts, shares)


def prada_accounts(log: duckdb.DuckDBPyConnection) -> Iterator[Proposal]:
    """PRADA (Juuti et al., EuroS&P 2019): distances to the nearest earlier query that are not normal.

    The score is 1 less the statistic of Shapiro and Wilk, after distances further than three
    standard deviations from the mean are left out.
    """
    prompts = prompt_vectors(log)
    scores = []
    for number in range(len(prompts.accounts)):
        distances = _nearest_earlier(prompts.of(number))
        kept = distances[np.abs(distances - distances.mean()) <= _OUTLIERS * distances.std()]
        varied = len(kept) > 3 and float(np.ptp(kept)) > 1e-6
        scores.append(1 - float(shapiro(kept).statistic) if varied else 1.0)
    yield _singles("distance from normality", prompts, scores)


def mmd_accounts(log: duckdb.DuckDBPyConnection) -> Iterator[Proposal]:
    """MMD of an account's window against the log (Liu, Guo and Dong, arXiv 2606.05725).

    The kernel is theirs, a mean of four Gaussians about the median distance, by random Fourier
    features (Rahimi and Recht 2007). The null is matched: windows of as many prompts of the log,
    held against the same reference by the same statistic, which the paper does not do.
    """
    prompts = prompt_vectors(log)
    if not prompts.accounts:
        yield _singles("distance from windows of as many prompts", prompts, [])
        return
    rng = np.random.default_rng(_SEED)
    features = _kernel_features(prompts.vectors, rng)
    centre = features.mean(axis=0)
    plain = [_mmd(features[a:b], centre) for a, b in _bounds(prompts)]
    null = {
        size: np.array(
            [
                _mmd(features[rng.choice(len(features), size, replace=False)], centre)
                for _ in range(_NULL_WINDOWS)
            ]
        )
        for size in {b - a for a, b in _bounds(prompts)}
    }
    scores = []
    for value, (a, b) in zip(plain, _bounds(prompts), strict=True):
        drawn = null[b - a]
        scores.append(float((value - drawn.mean()) / (drawn.std() + 1e-12)))
    yield _singles("squared distance from the log", prompts, plain)
    yield _singles("distance from windows of as many prompts", prompts, scores)


def _bounds(prompts: PromptVectors) -> list[tuple[int, int]]:
    return list(zip(prompts.starts[:-1].tolist(), prompts.starts[1:].tolist(), strict=True))


def _nearest_earlier(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Distance of each query but the first to the nearest one before it."""
    likeness = vectors @ vectors.T
    earlier = np.tril(np.ones(likeness.shape, np.bool_), -1)
    nearest = np.where(earlier, likeness, -1.0).max(axis=1)[1:]
    return np.asarray(np.sqrt(np.maximum(0.0, 2 - 2 * nearest.astype(np.float64))))


def _kernel_features(
    vectors: npt.NDArray[np.float32], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    pairs = rng.integers(0, len(vectors), (2, 4000))
    squared = np.square(vectors[pairs[0]] - vectors[pairs[1]]).sum(axis=1)
    median = float(np.sqrt(np.median(squared[squared > 0]))) if (squared > 0).any() else 1.0
    parts = []
    for width in _WIDTHS:
        frequencies = rng.normal(0, 1 / (width * median), (vectors.shape[1], _FEATURES // 4))
        phases = rng.uniform(0, 2 * np.pi, _FEATURES // 4)
        parts.append(np.cos(vectors @ frequencies.astype(np.float32) + phases.astype(np.float32)))
    return np.concatenate(parts, axis=1) * np.float32(np.sqrt(2 / _FEATURES))


def _mmd(window: npt.NDArray[np.float32], centre: npt.NDArray[np.float32]) -> float:
    """Squared distance of the means, less what the window's own finite size adds."""
    size = len(window)
    total = window.sum(axis=0, dtype=np.float64)
    within = (total @ total - float(np.square(window, dtype=np.float64).sum())) / (
        size * (size - 1)
    )
    return float(within - 2 * (total / size) @ centre + centre @ centre)


def _singles(setting: str, prompts: PromptVectors, scores: list[float]) -> Proposal:
    return Proposal(
        f"{setting}, accounts of {LEAST} prompts or more",
        [
            SuspectGroup((account,), score)
            for account, score in zip(prompts.accounts, scores, strict=True)
        ],
    )
