"""Pairs of accounts put together rightly, counted without forming the pairs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

__all__ = ["PairCounts", "count_pairs"]

# Bounds the memory where a greeting joins ten thousand accounts that are otherwise all different.
_KINDS_AT_ONCE = 256

_Counts = npt.NDArray[np.int64]


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
    together = _incidence([campaign_set for campaign_set, _ in kinds])
    claimed = _incidence([finding_set for _, finding_set in kinds])
    totals = np.zeros(3, dtype=np.int64)
    for start in range(0, len(sizes), _KINDS_AT_ONCE):
        rows = slice(start, start + _KINDS_AT_ONCE)
        one_campaign = (together[rows] @ together.T).astype(bool)
        one_finding = (claimed[rows] @ claimed.T).astype(bool)
        both = one_campaign.multiply(one_finding)
        totals += [sizes[rows] @ (block @ sizes) for block in (one_campaign, one_finding, both)]
    # Each pair was met twice, and each account once with itself.
    alone = [sizes @ (have > 0) for have in _filled(together, claimed)]
    counted = (totals - np.array(alone)) // 2
    return PairCounts(int(counted[0]), int(counted[1]), int(counted[2]))


def _memberships(groups: Mapping[str, Set[str]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, accounts in groups.items():
        for account in accounts:
            found[account].add(name)
    return {account: frozenset(names) for account, names in found.items()}


def _incidence(sets: list[frozenset[str]]) -> csr_array:
    """Which set has which name, as a sparse matrix of ones."""
    position = {name: i for i, name in enumerate(sorted(set().union(*sets)))}
    rows = [row for row, names in enumerate(sets) for _ in names]
    columns = [position[name] for names in sets for name in sorted(names)]
    ones = np.ones(len(rows), dtype=np.int64)
    return csr_array((ones, (rows, columns)), shape=(len(sets), max(1, len(position))))


def _filled(together: csr_array, claimed: csr_array) -> tuple[_Counts, _Counts, _Counts]:
    """For each kind of account, whether it has any campaign, any finding, and both."""
    campaigns, findings = together.sum(axis=1), claimed.sum(axis=1)
    return campaigns, findings, campaigns * findings
