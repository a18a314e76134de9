"""What a peer names, against the truth of a world: accounts, and pairs of accounts.

Blind to roles, since no peer has any: an account is right when it serves a campaign in any role, a
stolen one included. Where a peer leaves a threshold to its user, the truth chooses it
(`best_clusters`, `best_points`): no user could, so this is the most the peer can give.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = [
    "Edges",
    "Score",
    "TruthOfWorld",
    "best_clusters",
    "best_points",
    "clusters_of",
    "read_truth_of_world",
    "score_accounts",
    "score_groups",
]

Groups = Sequence[frozenset[str]]

THRESHOLDS = 30  # that are tried of a peer's scores, beside the lowest: their quantiles
LEAST_SIZES = (2, 3, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class TruthOfWorld:
    """Who is behind the accounts of a world.

    Attributes:
        campaigns: For each account that serves a campaign, their names.
        owners: For each account of an honest group (a family, a firm, a class), its name.
        declared: Accounts whose organisation is verified by contract; it is in the log.
    """

    campaigns: Mapping[str, frozenset[str]]
    owners: Mapping[str, str]
    declared: Set[str]

    def labels(self, account: str) -> frozenset[str]:
        """All that an account belongs to; two that share one of them belong together."""
        own = self.owners.get(account)
        return self.campaigns.get(account, frozenset()) | ({f"owner {own}"} if own else set())


@dataclass(frozen=True, slots=True)
class Score:
    """Accounts named, and pairs put together.

    Attributes:
        right: Named accounts that serve a campaign.
        guilty: Accounts of the world that serve one.
        linked: Pairs of accounts put into one group, in each group once; None where a peer makes
            no groups.
        together: Linked pairs that belong together: one campaign, or one honest group.
        campaign_pairs, campaign_pairs_linked: Pairs of one campaign, and those of them put together.
    """

    named: int
    right: int
    guilty: int
    linked: int | None = None
    together: int = 0
    campaign_pairs: int = 0
    campaign_pairs_linked: int = 0

    @property
    def honest(self) -> int:
        return self.named - self.right

    @property
    def precision(self) -> float | None:
        return self.right / self.named if self.named else None

    @property
    def recall(self) -> float | None:
        return self.right / self.guilty if self.guilty else None

    @property
    def f1(self) -> float:
        both = self.named + self.guilty
        return 2 * self.right / both if both else 0.0

    @property
    def pair_precision(self) -> float | None:
        return self.together / self.linked if self.linked else None

    @property
    def pair_recall(self) -> float | None:
        if self.linked is None or not self.campaign_pairs:
            return None
        return self.campaign_pairs_linked / self.campaign_pairs


def read_truth_of_world(world: Path) -> TruthOfWorld:
    """From the truth's table, and what the accounts' table says of organisations."""
    campaigns: dict[str, set[str]] = defaultdict(set)
    owners = {}
    for row in pq.read_table(world / "truth_accounts.parquet").to_pylist():
        if row["campaign"] is not None:
            campaigns[row["account_id"]].add(row["campaign"])
        if row["honest_group"] is not None:
            owners[row["account_id"]] = row["honest_group"]
    columns = ["account_id", "organization_verified"]
    accounts = pq.read_table(world / "accounts.parquet", columns=columns).to_pylist()
    declared = {
        a["account_id"] for a in accounts if a["organization_verified"] in ("contract", "kyc")
    }
    named = {account: frozenset(names) for account, names in campaigns.items()}
    return TruthOfWorld(named, owners, frozenset(declared))


def score_accounts(truth: TruthOfWorld, named: Set[str]) -> Score:
    """Of a peer that names accounts and no groups."""
    return Score(len(named), len(named & truth.campaigns.keys()), len(truth.campaigns))


def score_groups(truth: TruthOfWorld, groups: Groups) -> Score:
    """Of a peer whose groups are what it names; they may share accounts."""
    named = frozenset[str]().union(*groups)
    accounts = score_accounts(truth, named)
    places: dict[str, set[int]] = defaultdict(set)
    for number, group in enumerate(groups):
        for account in group:
            places[account].add(number)
    nowhere: set[int] = set()
    pairs = set(_pairs_of_campaigns(truth))
    linked = sum(
        not places.get(one, nowhere).isdisjoint(places.get(other, nowhere)) for one, other in pairs
    )
    return Score(
        accounts.named,
        accounts.right,
        accounts.guilty,
        linked=sum(_pairs(len(group)) for group in groups),
        together=sum(_pairs_together(truth, group) for group in groups),
        campaign_pairs=len(pairs),
        campaign_pairs_linked=linked,
    )


def _pairs_of_campaigns(truth: TruthOfWorld) -> Iterator[tuple[str, str]]:
    members: dict[str, list[str]] = defaultdict(list)
    for account in sorted(truth.campaigns):
        for name in truth.campaigns[account]:
            members[name].append(account)
    for accounts in members.values():
        yield from combinations(accounts, 2)


def _pairs_together(truth: TruthOfWorld, group: Iterable[str]) -> int:
    """Pairs that share a label, each once: by inclusion and exclusion over sets of labels."""
    holders: Counter[tuple[str, ...]] = Counter()
    for account in group:
        labels = sorted(truth.labels(account))
        for size in range(1, len(labels) + 1):
            holders.update(combinations(labels, size))
    return sum((-1) ** (len(labels) + 1) * _pairs(count) for labels, count in holders.items())


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


@dataclass(frozen=True, slots=True)
class Edges:
    """Pairs of accounts that a peer ties, each with the strength it gives them.

    Attributes:
        names: Of the accounts.
        ends: Positions in `names`, of shape (edges, 2).
        strength: The higher, the surer.
    """

    names: Sequence[str]
    ends: np.ndarray
    strength: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Edges:
        """A peer's edges: columns `one`, `other`, `score`."""
        table = pq.read_table(path)
        names, ends = np.unique(
            np.array([table["one"].to_pylist(), table["other"].to_pylist()], dtype=str).T,
            return_inverse=True,
        )
        strength = np.asarray(table["score"].to_pylist(), dtype=float)
        return cls(names.tolist(), ends.reshape(-1, 2), strength)


def clusters_of(edges: Edges, *, least: float) -> Groups:
    """Connected accounts, by edges of at least this strength; accounts without one are in none."""
    kept = edges.ends[edges.strength >= least]
    count = len(edges.names)
    graph = coo_array((np.ones(len(kept)), (kept[:, 0], kept[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    members: dict[int, set[str]] = defaultdict(set)
    for place in np.unique(kept):
        members[int(labels[place])].add(edges.names[place])
    return [frozenset(accounts) for _, accounts in sorted(members.items())]


def best_clusters(truth: TruthOfWorld, edges: Edges) -> tuple[Score, str]:
    """The highest F1 of accounts over strengths, sizes, and whether declared accounts are dropped."""
    chosen: tuple[Score, Groups, str] | None = None
    for least in _thresholds(edges.strength):
        found = clusters_of(edges, least=least)
        for dropped in (False, True):
            groups = [group - truth.declared for group in found] if dropped else found
            for size in LEAST_SIZES:
                kept = [group for group in groups if len(group) >= size]
                score = score_accounts(truth, frozenset[str]().union(*kept))
                if chosen is None or score.f1 > chosen[0].f1:
                    without = ", declared accounts left out" if dropped else ""
                    words = f"strength {least:.3g}, {size} accounts or more{without}"
                    chosen = (score, kept, words)
    if chosen is None:
        return score_groups(truth, []), "no edge"
    return score_groups(truth, chosen[1]), chosen[2]


def _thresholds(strength: np.ndarray) -> list[float]:
    if not len(strength):
        return []
    parts = np.linspace(0.0, 1.0, THRESHOLDS + 1)
    return [float(v) for v in np.unique(np.quantile(strength, parts, method="lower"))]


def best_points(truth: TruthOfWorld, points: Mapping[str, float]) -> tuple[Score, str]:
    """The highest F1 over the least number of points an account is named for."""
    tried = {
        least: score_accounts(truth, {a for a, had in points.items() if had >= least})
        for least in sorted(set(points.values()) - {0.0})
    }
    if not tried:
        return score_accounts(truth, frozenset()), "no point"
    least = max(tried, key=lambda value: tried[value].f1)
    return tried[least], f"{least:g} points or more"
