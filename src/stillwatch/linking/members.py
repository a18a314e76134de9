"""Who belongs to a community, on its own exchanges, and which of them are the group's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, vstack

from stillwatch.linking.group import Group, LinkingParameters
from stillwatch.linking.likeness import Likeness, row_products, row_squares
from stillwatch.signals.templates import Fragments
from stillwatch.signals.traffic import Traffic

__all__ = ["take_members", "who_works"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def take_members(
    traffic: Traffic,
    fragments: Fragments,
    membership: IntArray,
    by_facts: IntArray,
    exchanges: IntArray,
    parameters: LinkingParameters,
) -> list[Group]:
    """Those who work on a community's wording; of the others, those whom facts alone hold.

    Whoever shares the wording and does not work on it is a reader, and no group of its own.

    Args:
        membership: Labels of the accounts, then of the fragments (`find_communities`).
        by_facts: Labels of the accounts when wording is left aside.
        exchanges: Number of exchanges of each account.
    """
    of_account, of_fragment = membership[: len(exchanges)], membership[len(exchanges) :]
    private = _private(fragments, of_account, of_fragment, exchanges, parameters)
    chosen = _choose(traffic, fragments, membership, private, exchanges, parameters)
    taken = chosen >= 0
    groups = _with_wording(traffic, fragments, chosen, exchanges, parameters)
    alone = np.flatnonzero((exchanges > 0) & ~taken)
    for members in _split(by_facts[alone], alone).values():
        if len(members) >= parameters.minimum_accounts:
            rows = traffic.by_account.of(members)
            groups.append(Group(members, np.zeros(0, np.int64), rows, by_wording=False))
    return sorted(groups, key=lambda group: int(group.rows[0]))


def _private(
    fragments: Fragments,
    of_account: IntArray,
    of_fragment: IntArray,
    exchanges: IntArray,
    parameters: LinkingParameters,
) -> npt.NDArray[np.bool_]:
    """Fragments of which most users are in the community, and not only because these ask more.

    Who asks a hundred times as much as others shows more of any wording; so the community must use
    it so much more per exchange than everybody else that most of its uses are beyond that.
    """
    inside = of_account[fragments.pair_accounts] == of_fragment[fragments.pair_fragments]
    users_inside = np.bincount(fragments.pair_fragments, weights=inside, minlength=fragments.count)
    uses = fragments.pair_exchanges
    uses_inside = np.bincount(
        fragments.pair_fragments, weights=uses * inside, minlength=fragments.count
    )
    uses_outside = np.bincount(fragments.pair_fragments, uses, fragments.count) - uses_inside
    everything = float(exchanges.sum())
    sizes = np.bincount(of_account, exchanges, max(of_fragment.max(initial=-1) + 1, 1))
    of_inside = sizes[of_fragment]
    # Rates, multiplied out: neither side of a community need have any exchanges.
    own = uses_outside * of_inside <= (1 - parameters.private) * uses_inside * (
        everything - of_inside
    )
    most = users_inside >= parameters.private * np.maximum(fragments.accounts, 1)
    return np.asarray(most & own)


def _choose(
    traffic: Traffic,
    fragments: Fragments,
    membership: IntArray,
    private: npt.NDArray[np.bool_],
    exchanges: IntArray,
    parameters: LinkingParameters,
) -> IntArray:
    """The community each account belongs to by its own exchanges, or -1.

    Whoever works on the private fragments of a community may belong to it, wherever its facts had
    put it; who works on those of several belongs to the one whose wording it uses most alike.
    """
    of_account, of_fragment = membership[: len(exchanges)], membership[len(exchanges) :]
    used = private[fragments.use_fragments]
    label = of_fragment[fragments.use_fragments[used]]
    pairs = np.unique(label << 32 | fragments.use_rows[used])
    accounts, communities = [], []
    for community, rows in _split(pairs >> 32, pairs & 0xFFFFFFFF).items():
        users = who_works(traffic, rows, exchanges, parameters)
        accounts.append(users)
        communities.append(np.full(len(users), community))
    chosen = np.full(len(exchanges), -1)
    if accounts:
        who, where = np.concatenate(accounts), np.concatenate(communities)
        alike = _likeness(fragments, of_account, exchanges, who, where)
        order = np.argsort(alike, kind="stable")
        chosen[who[order]] = where[order]
    sizes = np.bincount(chosen + 1)
    chosen[sizes[chosen + 1] < parameters.minimum_accounts] = -1
    return chosen


def _likeness(
    fragments: Fragments,
    of_account: IntArray,
    exchanges: IntArray,
    account: IntArray,
    community: IntArray,
) -> FloatArray:
    """Cosine of each account's use of wording with that of a community's other accounts."""
    likeness = Likeness.of(fragments, exchanges)
    labels, place = np.unique(of_account, return_inverse=True)
    of_community, _, _ = likeness.of_communities(place.ravel())
    at = np.minimum(np.searchsorted(labels, community), len(labels) - 1)
    everybody = vstack([likeness.use, of_community], format="csr")
    everybody.sort_indices()
    both = row_products(
        everybody.indices,
        everybody.data,
        (everybody.indptr[:-1], everybody.indptr[1:]),
        everybody.shape[1],
        account,
        len(exchanges) + at,
    )
    squares, others = row_squares(likeness.use)[account], row_squares(of_community)[at]
    # Nobody is compared with itself.
    inside = of_account[account] == community
    others = others - inside * (2 * both - squares)
    both = both - inside * squares
    both[labels[at] != community] = 0.0
    return np.asarray(both / np.sqrt(np.maximum(squares * others, 1e-12)))


def _with_wording(
    traffic: Traffic,
    fragments: Fragments,
    chosen: IntArray,
    exchanges: IntArray,
    parameters: LinkingParameters,
) -> list[Group]:
    """Each group with its fragments, and the exchanges of its members that carry one of them.

    A fragment is a group's when half of its users are members, who use it at least twice as often per
    exchange as accounts in no group do. It is, too, when members use it so much more than these that
    at most one use in a hundred can be their own affair (`surely`): what several groups share says
    nothing of who belongs, but of what a member does for its group.
    """
    labels, group = np.unique(chosen, return_inverse=True)
    group = group.ravel() - int(labels[0] == -1 if len(labels) else 0)
    count = int(group.max(initial=-1)) + 1
    home = group[fragments.pair_accounts]
    inside = home >= 0
    shape = (count, fragments.count)
    at = (home[inside], fragments.pair_fragments[inside])
    users = coo_matrix((np.ones(int(inside.sum())), at), shape=shape).tocsr()
    uses = coo_matrix((fragments.pair_exchanges[inside], at), shape=shape).tocsr()
    strangers = np.bincount(
        fragments.pair_fragments[~inside],
        fragments.pair_exchanges[~inside],
        minlength=fragments.count,
    )
    in_group = np.bincount(group[group >= 0], exchanges[group >= 0], minlength=count)
    of_strangers = max(int(exchanges[group < 0].sum()), 1)
    users, uses = users.tocoo(), uses.tocoo()
    usual = (strangers[uses.col] + 1.0) / of_strangers
    rate = uses.data / in_group[uses.row]
    theirs = users.data >= parameters.private * fragments.accounts[users.col]
    theirs &= strangers[uses.col] / of_strangers <= (1 - parameters.private) * rate
    much = usual <= (1 - parameters.surely) * rate
    theirs |= (users.data >= parameters.several) & much
    keys = np.sort(uses.row[theirs].astype(np.int64) << 32 | uses.col[theirs])
    wanted = group[traffic.accounts[fragments.use_rows]] << 32 | fragments.use_fragments
    place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    carried = (keys[place] == wanted) if len(keys) else np.zeros(len(wanted), np.bool_)
    rows = np.unique(fragments.use_rows[carried])
    rows_of = _split(group[traffic.accounts[rows]], rows)
    fragments_of = _split(keys >> 32, keys & 0xFFFFFFFF)
    members = _split(group[group >= 0], np.flatnonzero(group >= 0))
    return [
        Group(members[g], fragments_of[g], rows_of[g], by_wording=True)
        for g in sorted(members)
        if g in rows_of
    ]


def who_works(
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
