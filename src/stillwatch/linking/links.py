"""The links inside a group, for people: which two accounts share what, and what it is worth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stillwatch.linking.agreement import agreeing_pairs, paired
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
    theirs = fragments.pairs_of(group.fragments)
    theirs = theirs[np.isin(fragments.pair_accounts[theirs], group.accounts)]
    used, users_of = fragments.pair_fragments[theirs], fragments.pair_accounts[theirs]
    worth = np.log(active / np.maximum(fragments.accounts[used], 1))
    one, other = paired(used, users_of, worth > 0, all_pairs=ALL_PAIRS)
    first = np.minimum(users_of[one], users_of[other])
    pair = first << 32 | np.maximum(users_of[one], users_of[other])
    order = np.lexsort((-worth[one], pair))
    best = order[np.diff(pair[order], prepend=-1) != 0]
    return [
        (int(key >> 32), int(key & 0xFFFFFFFF), "template", value)
        for key, value in zip(pair[best].tolist(), worth[one][best].tolist(), strict=True)
    ]
