"""Pairs of accounts put together rightly, counted without forming the pairs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["PairCounts", "count_pairs"]


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Distinct unordered pairs of accounts.

    Attributes:
        together: Serve one campaign in truth.
        claimed: Lie in one finding.
        right: Both.
    """

    together: int
    claimed: int
    right: int

    @property
    def precision(self) -> float | None:
        return self.right / self.claimed if self.claimed else None

    @property
    def recall(self) -> float | None:
        return self.right / self.together if self.together else None


def count_pairs(campaigns: Mapping[str, Set[str]], findings: Mapping[str, Set[str]]) -> PairCounts:
    """Pair counts from the contingency of campaigns and findings.

    Accounts with the same campaigns and the same findings are interchangeable, so it is enough to
    count them and to compare each kind of account with each other kind. Unlike sums of binomials
    over the cells, this stays exact when an account lies in two campaigns or two findings.
    """
    in_campaigns, in_findings = _memberships(campaigns), _memberships(findings)
    kinds = Counter(
        (in_campaigns.get(account, frozenset()), in_findings.get(account, frozenset()))
        for account in in_campaigns.keys() | in_findings.keys()
    )
    if not kinds:
        return PairCounts(0, 0, 0)
    sizes = np.array(list(kinds.values()), dtype=np.int64)
    pairs = np.triu(np.outer(sizes, sizes), k=1)
    np.fill_diagonal(pairs, sizes * (sizes - 1) // 2)
    together = _share_one([campaign_set for campaign_set, _ in kinds])
    claimed = _share_one([finding_set for _, finding_set in kinds])
    return PairCounts(
        together=int(pairs[together].sum()),
        claimed=int(pairs[claimed].sum()),
        right=int(pairs[together & claimed].sum()),
    )


def _memberships(groups: Mapping[str, Set[str]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, accounts in groups.items():
        for account in accounts:
            found[account].add(name)
    return {account: frozenset(names) for account, names in found.items()}


def _share_one(sets: Iterable[frozenset[str]]) -> npt.NDArray[np.bool_]:
    """Which of the sets have an element in common, as a square of truth values."""
    listed = list(sets)
    position = {name: i for i, name in enumerate(sorted(set().union(*listed)))}
    incidence = np.zeros((len(listed), len(position)), dtype=np.int64)
    for row, names in enumerate(listed):
        for name in names:
            incidence[row, position[name]] = 1
    shared: npt.NDArray[np.bool_] = (incidence @ incidence.T) > 0
    return shared
