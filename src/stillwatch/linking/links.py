"""The links inside a group, for people: which two accounts share what, and what it is worth."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from stillwatch.linking.agreement import agreeing_pairs
from stillwatch.linking.groups import Group
from stillwatch.records import Link
from stillwatch.signals.shared_facts import Facts
from stillwatch.signals.templates import Fragments

__all__ = ["links_within"]

FloatArray = npt.NDArray[np.float64]

ALL_PAIRS = 12  # holders up to which each pair is written; beyond, a ring says the same


def links_within(
    group: Group,
    facts: Facts,
    worth: FloatArray,
    fragments: Fragments,
    names: npt.NDArray[np.str_],
) -> list[Link]:
    """Links between members, the most telling fact of each family for each pair.

    Facts are worth what `worth_of_agreeing` says; wording that k of N accounts share, log(N / k).

    Args:
        worth: Of each entry of the facts (`worth_of_agreeing`).
    """
    inside = facts.of_accounts(group.accounts)
    pairs = agreeing_pairs(facts.only(inside), worth[inside], all_pairs=ALL_PAIRS)
    found = [
        (int(first), int(second), facts.kinds[kind], float(log_lr))
        for first, second, kind, log_lr in zip(
            pairs.first, pairs.second, pairs.kind, pairs.log_lr, strict=True
        )
    ]
    found += _by_wording(group, fragments, len(names))
    links = []
    for first, second, shared, log_lr in found:
        a, b = sorted((str(names[first]), str(names[second])))
        links.append(Link(account_a=a, account_b=b, kind=shared, log_lr=log_lr))
    return sorted(links, key=lambda link: (link.account_a, link.account_b, link.kind))


def _by_wording(
    group: Group, fragments: Fragments, active: int
) -> list[tuple[int, int, str, float]]:
    """The rarest fragment of each pair."""
    best: dict[tuple[int, int], float] = {}
    theirs = fragments.pairs_of(group.fragments)
    theirs = theirs[np.isin(fragments.pair_accounts[theirs], group.accounts)]
    used, users_of = fragments.pair_fragments[theirs], fragments.pair_accounts[theirs]
    order = np.lexsort((users_of, used))
    cuts = np.flatnonzero(np.diff(used[order])) + 1
    for entries in np.split(order, cuts):
        if len(entries) == 0:
            continue
        users, fragment = users_of[entries], used[entries[0]]
        worth = float(np.log(active / max(int(fragments.accounts[fragment]), 1)))
        if len(users) < 2 or worth <= 0:
            continue
        members = users.tolist()
        pairs = (
            combinations(members, 2)
            if len(members) <= ALL_PAIRS
            else zip(members, [*members[1:], members[0]], strict=True)
        )
        for i, j in pairs:
            key = (min(i, j), max(i, j))
            best[key] = max(best.get(key, 0.0), worth)
    return [(i, j, "template", worth) for (i, j), worth in best.items()]
