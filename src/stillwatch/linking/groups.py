"""From rare shared wording and facts to groups of accounts.

Accounts, fragments and facts are the nodes of one graph; an edge says that an account shows a
fragment or fact, and weighs what the agreement is worth. Communities of that graph are groups.
Nothing compares all pairs, and a hub glues nobody: what many share weighs next to nothing.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import igraph
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, diags
from scipy.sparse.csgraph import connected_components

from stillwatch.signals.owners import rows_by_account
from stillwatch.signals.shared_facts import Facts
from stillwatch.signals.templates import Fragments
from stillwatch.signals.traffic import Traffic

__all__ = ["Group", "LinkingParameters", "group_accounts"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LinkingParameters:
    """What may link accounts.

    Attributes:
        minimum_accounts: Smaller groups are not raised: a handful of accounts can always be a
            family, and no clause could tell.
        minimum_share: A fragment in less of an account's traffic than this is a quotation.
        private: A fragment belongs to a group when at least this part of its users are in it.
        part_of_median: A member's own exchanges are at least this part of the median member's, and
            their share of its traffic at least twice this part of the median share: who quotes the
            wording now and then is no member.
        cohesive: Accounts up to which a group holds together on one shared wording alone. It sets
            the resolution of Leiden's modularity to N / cohesive: at a fixed resolution, small
            communities of a large log would be merged (Fortunato and Barthélemy 2007).
        same_wording: Communities whose use of fragments has at least this cosine are one group: a
            resolution that keeps small groups apart cuts large ones up. Pieces of one campaign were
            at 0.93 and more, different campaigns that share a wrapper at 0.7 at most.
        seed: Leiden visits nodes in random order; the result must not depend on when it ran.
    """

    minimum_accounts: int = 5
    minimum_share: float = 0.04
    private: float = 0.5
    part_of_median: float = 0.1
    cohesive: int = 1_000
    same_wording: float = 0.85
    seed: int = 20_26


@dataclass(frozen=True, slots=True)
class Group:
    """Accounts that share rare things.

    Attributes:
        accounts: Positions in `account_names`, ascending.
        fragments: Fragments mostly used by them.
        rows: Their own exchanges, ascending in time: those that carry such a fragment, or all
            exchanges of the accounts if the group shares no wording.
        by_wording: The group shares wording.
    """

    accounts: IntArray
    fragments: IntArray
    rows: IntArray
    by_wording: bool

    def only(self, accounts: IntArray, traffic: Traffic) -> Group:
        """The part of the group that these accounts are."""
        rows = self.rows[np.isin(traffic.accounts[self.rows], accounts)]
        return Group(np.intersect1d(self.accounts, accounts), self.fragments, rows, self.by_wording)


def group_accounts(
    traffic: Traffic,
    fragments: Fragments,
    facts: Facts,
    parameters: LinkingParameters = LinkingParameters(),
) -> list[Group]:
    """Groups of at least `minimum_accounts`, each account in one at most."""
    exchanges = np.bincount(traffic.accounts, minlength=len(traffic.account_names))
    active = int((exchanges > 0).sum())
    edges = _fragment_edges(fragments, exchanges, active, parameters)
    fact_edges = _fact_edges(facts, exchanges, active)
    membership = _communities(
        len(exchanges), active, fragments.count, edges, fact_edges, parameters
    )
    membership = _reunite(membership, fragments, edges, len(exchanges), active, parameters)
    held = _held_together(membership, fragments, edges, facts, len(exchanges))
    nothing = (edges[0][:0], edges[1][:0], edges[2][:0])
    by_facts = _held_together(membership, fragments, nothing, facts, len(exchanges))
    return _groups(traffic, fragments, held, by_facts[: len(exchanges)], parameters)


def _fragment_edges(
    fragments: Fragments, exchanges: IntArray, active: int, parameters: LinkingParameters
) -> tuple[IntArray, IntArray, FloatArray]:
    """Rarity of the wording × its share of the account's traffic × log of how often."""
    share = fragments.pair_exchanges / np.maximum(exchanges[fragments.pair_accounts], 1)
    rarity = np.log(active / np.maximum(fragments.accounts[fragments.pair_fragments], 1))
    weight = rarity * share * np.log1p(fragments.pair_exchanges)
    keep = (share >= parameters.minimum_share) & (weight > 0) & (fragments.pair_exchanges >= 2)
    return fragments.pair_accounts[keep], fragments.pair_fragments[keep], weight[keep]


def _fact_edges(
    facts: Facts, exchanges: IntArray, active: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Rarity of the value × the share of the account's traffic that shows it."""
    if len(facts.value) == 0:
        return facts.accounts, facts.value, np.zeros(0)
    _, value, holders = np.unique(facts.value, return_inverse=True, return_counts=True)
    share = np.minimum(facts.exchanges / np.maximum(exchanges[facts.accounts], 1), 1.0)
    sign_up = np.isin(
        facts.kind,
        [i for i, k in enumerate(facts.kinds) if k in ("payment", "device", "phone", "email")],
    )
    share = np.where(sign_up, 1.0, share)
    weight = np.log(active / np.maximum(holders[value], 1)) * share
    keep = (holders[value] >= 2) & (weight > 0)
    return facts.accounts[keep], value[keep].astype(np.int64), weight[keep]


def _communities(
    accounts: int,
    active: int,
    fragments: int,
    edges: tuple[IntArray, IntArray, FloatArray],
    fact_edges: tuple[IntArray, IntArray, FloatArray],
    parameters: LinkingParameters,
) -> IntArray:
    values = int(fact_edges[1].max(initial=-1)) + 1
    sources = np.concatenate([edges[0], fact_edges[0]])
    targets = np.concatenate([edges[1] + accounts, fact_edges[1] + accounts + fragments])
    weights = np.concatenate([edges[2], fact_edges[2]])
    graph = igraph.Graph(
        n=accounts + fragments + values, edges=np.stack([sources, targets], axis=1)
    )
    igraph.set_random_number_generator(random.Random(parameters.seed))
    found = graph.community_leiden(
        objective_function="modularity",
        weights=weights.tolist(),
        resolution=max(1.0, active / parameters.cohesive),
        n_iterations=4,
    )
    return np.asarray(found.membership, np.int64)


def _reunite(
    membership: IntArray,
    fragments: Fragments,
    edges: tuple[IntArray, IntArray, FloatArray],
    accounts: int,
    active: int,
    parameters: LinkingParameters,
) -> IntArray:
    """Join communities that use the same fragments in the same proportions.

    Rarity counts twice here (as idf does in a cosine of documents): a phrase that many use must
    not make two groups look alike.
    """
    of_account = membership[:accounts]
    communities = int(membership.max(initial=-1)) + 1
    sizes = np.bincount(of_account, minlength=communities)
    rarity = np.log(active / np.maximum(fragments.accounts[edges[1]], 1))
    use = coo_matrix(
        (edges[2] * np.maximum(rarity, 0), (of_account[edges[0]], edges[1])),
        shape=(communities, fragments.count),
    ).tocsr()
    norms = np.sqrt(np.asarray(use.multiply(use).sum(axis=1)).ravel())
    scaled = diags(1.0 / np.maximum(norms, 1e-12)) @ use
    alike = (scaled @ scaled.T).tocoo()
    joined = (alike.data >= parameters.same_wording) & (alike.row < alike.col)
    joined &= (sizes[alike.row] > 1) & (sizes[alike.col] > 1)
    graph = coo_matrix(
        (np.ones(int(joined.sum())), (alike.row[joined], alike.col[joined])),
        shape=(communities, communities),
    )
    labels: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels[membership]


def _held_together(
    membership: IntArray,
    fragments: Fragments,
    edges: tuple[IntArray, IntArray, FloatArray],
    facts: Facts,
    accounts: int,
) -> IntArray:
    """Cut each community where only chance meetings hold it.

    Networks and clients may add to what links accounts; alone they glue nobody: strangers meet
    there. What stays together shares wording, or a fact that one hand must have held.
    """
    strong = facts.kept_by_one_hand & facts.rare(accounts)
    total = accounts + fragments.count
    values = facts.value[strong] + total
    size = total + int(facts.value.max(initial=-1)) + 1
    holder = membership[facts.accounts[strong]]
    # A value ties holders of one community only: one node for each community that holds it.
    pairs, numbered = np.unique(np.stack([values, holder]), axis=1, return_inverse=True)
    source = np.concatenate([edges[0], facts.accounts[strong]])
    target = np.concatenate([edges[1] + accounts, size + numbered.ravel()])
    inside = np.concatenate(
        [membership[edges[0]] == membership[edges[1] + accounts], np.ones(len(numbered.ravel()))]
    ).astype(np.bool_)
    graph = coo_matrix(
        (np.ones(int(inside.sum()), np.int8), (source[inside], target[inside])),
        shape=(size + pairs.shape[1], size + pairs.shape[1]),
    )
    labels: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels[:total]


def _groups(
    traffic: Traffic,
    fragments: Fragments,
    membership: IntArray,
    by_facts: IntArray,
    parameters: LinkingParameters,
) -> list[Group]:
    """Those who work on a community's wording; of the others, those whom facts alone hold.

    Whoever shares the wording and does not work on it is a reader, and no group of its own.
    """
    accounts = len(by_facts)
    of_account, of_fragment = membership[:accounts], membership[accounts:]
    inside = of_account[fragments.pair_accounts] == of_fragment[fragments.pair_fragments]
    users_inside = np.bincount(fragments.pair_fragments, weights=inside, minlength=fragments.count)
    private = users_inside >= parameters.private * np.maximum(fragments.accounts, 1)
    fragments_of = _split(of_fragment[private], np.flatnonzero(private))
    working = _work_on(traffic, fragments, of_fragment, private, accounts, parameters)
    groups = [
        Group(np.unique(traffic.accounts[rows].astype(np.int64)), fragments_of[c], rows, True)
        for c, rows in working.items()
    ]
    taken = np.unique(np.concatenate([g.accounts for g in groups])) if groups else np.zeros(0)
    order, starts = rows_by_account(traffic)
    alone = np.setdiff1d(np.flatnonzero(np.diff(starts) > 0), taken)
    for members in _split(by_facts[alone], alone).values():
        if len(members) >= parameters.minimum_accounts:
            rows = np.sort(np.concatenate([order[starts[a] : starts[a + 1]] for a in members]))
            groups.append(Group(members, np.zeros(0, np.int64), rows, by_wording=False))
    return sorted(groups, key=lambda group: int(group.rows[0]))


def _work_on(
    traffic: Traffic,
    fragments: Fragments,
    of_fragment: IntArray,
    private: npt.NDArray[np.bool_],
    accounts: int,
    parameters: LinkingParameters,
) -> dict[int, IntArray]:
    """For each community of private fragments, the exchanges of those who work on it.

    Whoever does belongs to it on its own evidence, wherever its facts had put it; an account that
    works on two belongs where it does more.
    """
    used = private[fragments.use_fragments]
    label = of_fragment[fragments.use_fragments[used]]
    pairs = np.unique(label << 32 | fragments.use_rows[used])
    exchanges = np.bincount(traffic.accounts, minlength=accounts)
    rows_of = _split(pairs >> 32, pairs & 0xFFFFFFFF)
    most = np.zeros(accounts, np.int64)
    best = np.full(accounts, -1)
    for community, rows in rows_of.items():
        users = _who_works(traffic, rows, exchanges, parameters)
        counts = np.bincount(traffic.accounts[rows], minlength=accounts)[users]
        more = counts > most[users]
        most[users[more]], best[users[more]] = counts[more], community
    found = {}
    for community, rows in rows_of.items():
        mine = rows[best[traffic.accounts[rows]] == community]
        if len(np.unique(traffic.accounts[mine])) >= parameters.minimum_accounts:
            found[community] = mine
    return found


def _who_works(
    traffic: Traffic, rows: IntArray, exchanges: IntArray, parameters: LinkingParameters
) -> IntArray:
    """The accounts whose part in these exchanges is like the others', in number and in share."""
    users, counts = np.unique(traffic.accounts[rows].astype(np.int64), return_counts=True)
    if len(users) == 0:
        return users
    shares = counts / exchanges[users]
    # Medians over exchanges, not accounts: many who quote must not set the measure.
    weights = np.repeat(np.arange(len(users)), counts)
    enough = (counts >= parameters.part_of_median * np.median(counts[weights])) & (
        shares >= 2 * parameters.part_of_median * np.median(shares[weights])
    )
    return users[enough & (counts >= 2)]


def _split(labels: IntArray, values: IntArray) -> dict[int, IntArray]:
    """The values of each label, in their order."""
    order = np.argsort(labels, kind="stable")
    cuts = np.flatnonzero(np.diff(labels[order])) + 1
    parts = np.split(values[order], cuts)
    return {
        int(labels[order[start]]): part
        for start, part in zip([0, *cuts], parts, strict=True)
        if len(part)
    }
