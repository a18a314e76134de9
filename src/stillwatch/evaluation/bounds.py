"""How many honest accounts might be flagged elsewhere: upper bounds that respect groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.stats import beta

__all__ = [
    "CONFIDENCE",
    "bootstrap_upper",
    "clopper_pearson_lower",
    "clopper_pearson_upper",
    "honest_upper",
    "nested_upper",
]

CONFIDENCE = 0.95
"""One-sided: in 95 of 100 such worlds the true share lies below the bound."""

_RESAMPLES = 2000
_SEED = 20260101


def clopper_pearson_upper(flagged: int, trials: int) -> float | None:
    """The exact one-sided 95 % upper bound of a share (Clopper and Pearson 1934).

    For independent trials only: honest groups, never the accounts within them.
    """
    if trials == 0:
        return None
    if flagged == trials:
        return 1.0
    return float(beta.ppf(CONFIDENCE, flagged + 1, trials - flagged))


def clopper_pearson_lower(flagged: int, trials: int) -> float | None:
    """The exact one-sided 95 % lower bound of a share (Clopper and Pearson 1934)."""
    if trials == 0:
        return None
    return 0.0 if flagged == 0 else float(beta.ppf(1 - CONFIDENCE, flagged, trials - flagged + 1))


def bootstrap_upper(groups: Sequence[tuple[int, int]], *, seed: int = _SEED) -> float | None:
    """The 95th percentile of the share of flagged accounts when whole groups are resampled.

    Members of a group are flagged together or not at all, so a group is one observation
    (Field and Welsh 2007). With nothing flagged it is 0: hence never use it alone.

    Args:
        groups: For each independent group, its accounts and how many of them were flagged.
        seed: Makes the bound the same on every run.
    """
    if not groups:
        return None
    # Groups of one size and count are interchangeable: drawing how many of each kind is the same.
    kinds = Counter(groups)
    accounts, flagged = np.array(sorted(kinds), dtype=np.float64).T
    weights = np.array([kinds[kind] for kind in sorted(kinds)], dtype=np.float64)
    draws = np.random.default_rng(seed).multinomial(
        len(groups), weights / weights.sum(), size=_RESAMPLES
    )
    shares = (draws @ flagged) / (draws @ accounts)
    return float(np.quantile(shares, CONFIDENCE))


def honest_upper(groups: Sequence[tuple[int, int]], *, seed: int = _SEED) -> float | None:
    """The larger of the cluster bootstrap and Clopper-Pearson over the groups."""
    touched = sum(1 for _, flagged in groups if flagged)
    exact = clopper_pearson_upper(touched, len(groups))
    resampled = bootstrap_upper(groups, seed=seed)
    if exact is None or resampled is None:
        return None
    return max(exact, resampled)


def nested_upper(
    worlds: Sequence[Sequence[tuple[int, int, int]]], *, seed: int = _SEED
) -> float | None:
    """Upper 95 % bound of the share of accounts flagged, over several worlds.

    Worlds are resampled, and honest groups within each (a two-stage cluster bootstrap, Field and
    Welsh 2007): groups of one world share its chances. With few worlds, or with nothing flagged,
    that says too little, so the bound is never below Clopper-Pearson over all groups.

    Args:
        worlds: For each world, rows of accounts in a group, how many of them were flagged, and how
            many groups are so.
    """
    worlds = [rows for rows in worlds if rows]
    if not worlds:
        return None
    rng = np.random.default_rng(seed)
    accounts = np.zeros((len(worlds), _RESAMPLES))
    flagged = np.zeros((len(worlds), _RESAMPLES))
    for number, rows in enumerate(worlds):
        sizes, hits, counts = np.array(rows, dtype=np.float64).T
        draws = rng.multinomial(int(counts.sum()), counts / counts.sum(), size=_RESAMPLES)
        accounts[number], flagged[number] = draws @ sizes, draws @ hits
    weights = rng.multinomial(len(worlds), np.full(len(worlds), 1 / len(worlds)), size=_RESAMPLES).T
    shares = (weights * flagged).sum(axis=0) / (weights * accounts).sum(axis=0)
    groups = sum(count for rows in worlds for _, _, count in rows)
    touched = sum(count for rows in worlds for _, hit, count in rows if hit)
    exact = clopper_pearson_upper(touched, groups)
    assert exact is not None
    return max(exact, float(np.quantile(shares, CONFIDENCE)))
