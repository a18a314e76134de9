"""How many honest accounts might be flagged elsewhere: upper bounds that respect groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.stats import beta

__all__ = ["CONFIDENCE", "bootstrap_upper", "clopper_pearson_upper", "honest_upper"]

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
