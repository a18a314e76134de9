"""The links inside a group, for people: which two accounts share what, and what it is worth."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from stillwatch.linking.groups import Group
from stillwatch.records import Link
from stillwatch.signals.shared_facts import FAMILIES, Facts
from stillwatch.signals.templates import Fragments

__all__ = ["links_within"]

IntArray = npt.NDArray[np.int64]

ALL_PAIRS = 12  # holders up to which each pair is written; beyond, a ring says the same


def links_within(
    group: Group, facts: Facts, fragments: Fragments, active: int, names: npt.NDArray[np.str_]
) -> list[Link]:
    """Links between members, the rarest fact of each family for each pair.

    The log-likelihood ratio of sharing a value that k of N accounts have is log(N / k)
    (Fellegi and Sunter 1969, with term frequencies).

    Args:
        active: N, the number of accounts with exchanges.
    """
    best: dict[tuple[int, int, str], tuple[float, str]] = {}
    inside = np.isin(facts.accounts, group.accounts)
    holders_of = np.bincount(facts.value, minlength=int(facts.value.max(initial=-1)) + 1)
    order = np.lexsort((facts.accounts[inside], facts.value[inside]))
    values = facts.value[inside][order]
    accounts = facts.accounts[inside][order]
    kinds = facts.kind[inside][order]
    for part in np.split(np.arange(len(values)), np.flatnonzero(np.diff(values)) + 1):
        if len(part) < 2:
            continue
        kind = facts.kinds[int(kinds[part[0]])]
        worth = float(np.log(active / holders_of[values[part[0]]]))
        if worth > 0:
            _credit(best, accounts[part], kind, FAMILIES.get(kind, kind), worth)
    for fragment in group.fragments:
        users = fragments.pair_accounts[fragments.pair_fragments == fragment]
        users = users[np.isin(users, group.accounts)]
        worth = float(np.log(active / max(int(fragments.accounts[fragment]), 1)))
        if len(users) > 1 and worth > 0:
            _credit(best, users, "template", "template", worth)
    links = []
    for (i, j, _), (worth, kind) in best.items():
        a, b = sorted((str(names[i]), str(names[j])))
        links.append(Link(account_a=a, account_b=b, kind=kind, log_lr=worth))
    return sorted(links, key=lambda link: (link.account_a, link.account_b, link.kind))


def _credit(
    best: dict[tuple[int, int, str], tuple[float, str]],
    accounts: IntArray,
    kind: str,
    family: str,
    worth: float,
) -> None:
    members = sorted({int(a) for a in accounts})
    pairs = (
        combinations(members, 2)
        if len(members) <= ALL_PAIRS
        else zip(members, [*members[1:], members[0]], strict=True)
    )
    for i, j in pairs:
        key = (min(i, j), max(i, j), family)
        if key not in best or best[key][0] < worth:
            best[key] = (worth, kind)
