"""The links inside a group, for people: which two accounts share what, and what it is worth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.linking.agreement import agreeing_pairs, paired
from stillwatch.linking.groups import Group
from stillwatch.records import LINKS, strings_at
from stillwatch.signals.shared_facts import Facts
from stillwatch.signals.templates import Fragments

__all__ = ["links_within"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ALL_PAIRS = 12  # holders up to which each pair is written; beyond, a ring says the same


def links_within(
    group: Group,
    facts: Facts,
    worth: FloatArray,
    fragments: Fragments,
    names: npt.NDArray[np.str_],
) -> pa.Table:
    """Links between members (`LINKS`), the most telling fact of each family for each pair.

    Facts are worth what `worth_of_agreeing` says; wording that k of N accounts share, log(N / k).

    Args:
        worth: Of each entry of the facts (`worth_of_agreeing`).
        names: Of all accounts, sorted.
    """
    inside = facts.of_accounts(group.accounts)
    pairs = agreeing_pairs(facts.only(inside), worth[inside], all_pairs=ALL_PAIRS)
    first, second, log_lr = _by_wording(group, fragments, len(names))
    kinds = np.array([*facts.kinds, "template"])
    kind = np.concatenate([pairs.kind, np.full(len(first), len(facts.kinds))])
    first, second = np.concatenate([pairs.first, first]), np.concatenate([pairs.second, second])
    log_lr = np.concatenate([pairs.log_lr, log_lr])
    order = np.lexsort((np.argsort(np.argsort(kinds))[kind], second, first))
    return pa.table(
        {
            "account_a": strings_at(names, first[order]),
            "account_b": strings_at(names, second[order]),
            "kind": strings_at(kinds, kind[order]),
            "log_lr": log_lr[order],
        },
        schema=LINKS.arrow,
    )


def _by_wording(
    group: Group, fragments: Fragments, active: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Both accounts and the worth of the rarest fragment of each pair."""
    theirs = fragments.pairs_of(group.fragments)
    theirs = theirs[np.isin(fragments.pair_accounts[theirs], group.accounts)]
    used, users_of = fragments.pair_fragments[theirs], fragments.pair_accounts[theirs]
    worth = np.log(active / np.maximum(fragments.accounts[used], 1))
    one, other = paired(used, users_of, worth > 0, all_pairs=ALL_PAIRS)
    first = np.minimum(users_of[one], users_of[other])
    pair = first << 32 | np.maximum(users_of[one], users_of[other])
    order = np.lexsort((-worth[one], pair))
    best = order[np.diff(pair[order], prepend=-1) != 0]
    return pair[best] >> 32, pair[best] & 0xFFFFFFFF, worth[one][best]
