"""Communities of the graph of accounts, fragments and facts.

An edge says that an account shows a fragment or fact, and weighs what the agreement is worth.
Nothing compares all pairs, and a hub glues nobody: what many share weighs next to nothing.
"""

from __future__ import annotations

import random
import threading

import igraph
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stillwatch.linking.group import LinkingParameters
from stillwatch.linking.likeness import Likeness
from stillwatch.linking.pieces import refine, reunite, settle
from stillwatch.signals.shared_facts import Facts
from stillwatch.signals.templates import Fragments

__all__ = ["find_communities"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Edges = tuple[IntArray, IntArray, FloatArray]

_ONE_GENERATOR = threading.Lock()  # igraph has one for the process, and looks run side by side


def find_communities(
    fragments: Fragments, facts: Facts, exchanges: IntArray, parameters: LinkingParameters
) -> tuple[IntArray, IntArray]:
    """The community of each account and fragment, and of each account by facts alone.

    Args:
        exchanges: Number of exchanges of each account.

    Returns:
        Labels of the accounts, then of the fragments; and labels of the accounts when wording is
        left aside. An account whom nothing holds is alone.
    """
    active = int((exchanges > 0).sum())
    edges = _fragment_edges(fragments, exchanges, active)
    fact_edges = _fact_edges(facts, exchanges, active)
    graph = _graph(len(exchanges), fragments.count, edges, fact_edges)
    weights = np.concatenate([edges[2], fact_edges[2]])
    coarse, fine = (
        _leiden(graph, weights, active / size, parameters.seed)[: len(exchanges)]
        for size in (parameters.cohesive, parameters.fine)
    )
    del graph
    likeness = Likeness.of(fragments, exchanges)
    of_account = refine(coarse, fine, likeness, parameters)
    of_account = settle(of_account, likeness, parameters)
    of_account = reunite(of_account, likeness, parameters)
    membership = np.concatenate([of_account, _homes(of_account, fragments)])
    held = _held_together(membership, fragments, edges, facts, len(exchanges))
    nothing = (edges[0][:0], edges[1][:0], edges[2][:0])
    by_facts = _held_together(membership, fragments, nothing, facts, len(exchanges))
    return held, by_facts[: len(exchanges)]


def _fragment_edges(fragments: Fragments, exchanges: IntArray, active: int) -> Edges:
    """Rarity of the wording × its share of the account's traffic × log of how often.

    No share is too small: who uses many phrases in turn shows each of them seldom. Whether an
    account works on a community's wording is asked of all of it together (`members`).
    """
    share = fragments.pair_exchanges / np.maximum(exchanges[fragments.pair_accounts], 1)
    rarity = np.log(active / np.maximum(fragments.accounts[fragments.pair_fragments], 1))
    weight = rarity * share * np.log1p(fragments.pair_exchanges)
    keep = (weight > 0) & (fragments.pair_exchanges >= 2)
    return fragments.pair_accounts[keep], fragments.pair_fragments[keep], weight[keep]


def _fact_edges(facts: Facts, exchanges: IntArray, active: int) -> Edges:
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


def _graph(accounts: int, fragments: int, edges: Edges, fact_edges: Edges) -> igraph.Graph:
    """Accounts, fragments and values, in that order."""
    values = int(fact_edges[1].max(initial=-1)) + 1
    sources = np.concatenate([edges[0], fact_edges[0]])
    targets = np.concatenate([edges[1] + accounts, fact_edges[1] + accounts + fragments])
    return igraph.Graph(n=accounts + fragments + values, edges=np.stack([sources, targets], axis=1))


def _leiden(graph: igraph.Graph, weights: FloatArray, resolution: float, seed: int) -> IntArray:
    with _ONE_GENERATOR:
        igraph.set_random_number_generator(random.Random(seed))
        found = graph.community_leiden(
            objective_function="modularity",
            weights=weights,
            resolution=max(1.0, resolution),
            n_iterations=2,
        )
    return np.asarray(found.membership, np.int64)


def _homes(of_account: IntArray, fragments: Fragments) -> IntArray:
    """The community in which most users of each fragment are; a new one if nobody uses it."""
    home = int(of_account.max(initial=-1)) + 1 + np.arange(fragments.count)
    pairs, users = np.unique(
        fragments.pair_fragments << 32 | of_account[fragments.pair_accounts], return_counts=True
    )
    order = np.argsort(users, kind="stable")
    home[(pairs >> 32)[order]] = (pairs & 0xFFFFFFFF)[order]
    return home


def _held_together(
    membership: IntArray,
    fragments: Fragments,
    edges: Edges,
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
    pairs, numbered = np.unique(values << 32 | holder, return_inverse=True)
    source = np.concatenate([edges[0], facts.accounts[strong]])
    target = np.concatenate([edges[1] + accounts, size + numbered])
    inside = np.concatenate(
        [membership[edges[0]] == membership[edges[1] + accounts], np.ones(len(numbered))]
    ).astype(np.bool_)
    graph = coo_matrix(
        (np.ones(int(inside.sum()), np.int8), (source[inside], target[inside])),
        shape=(size + len(pairs), size + len(pairs)),
    )
    labels: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels[:total]
