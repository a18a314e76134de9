"""Whoever is copied is no member: what others send after an account says nothing of that account.

Anybody can send again, word for word, what an honest account sent, and thereby share wording with it
that few have. So an account is a member on its own evidence: on wording that the group uses in texts of
its own, in exchanges that the account alone sent or that it sent after another member. What this
withstands, and what not: `docs/threat-model.md`, "Framing".
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import hypergeom

from stillwatch.lake.scratch import rest
from stillwatch.linking.dealt import not_dealt_out
from stillwatch.linking.group import Group, LinkingParameters
from stillwatch.linking.members import who_works
from stillwatch.linking.ordinary import ordinary_users
from stillwatch.signals.templates import Fragments
from stillwatch.signals.traffic import Traffic

__all__ = ["leave_out_copied"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_USUAL = LinkingParameters()
AT_ONCE = 2  # groups that are looked at beside each other; most of it runs without the lock
LEVEL = 0.05  # chance that a queue which repeats its items loses any of its members


@dataclass(frozen=True, slots=True)
class _Items:
    """What a group sent, one entry a row of the group.

    Attributes:
        shared: Another member sent the same item; never so for a row without input.
        first: The row's account is the first that sent it.
        counted: The account's first row of the item.
    """

    shared: BoolArray
    first: BoolArray
    counted: BoolArray


def leave_out_copied(
    groups: list[Group],
    traffic: Traffic,
    fragments: Fragments,
    parameters: LinkingParameters = _USUAL,
) -> list[Group]:
    """Each group without the accounts that are in it only for having been copied.

    This says who is named, not what a group is weighed on: to weigh the others alone would be to choose
    them by how they repeat one another, and a class was found to look like a queue for that.

    What an account was first to send and others sent after it never speaks for its membership: only
    whoever repeats shows anything. Where most of what a group sends is its sender's alone, nothing
    that several sent does, whoever was first: shared text may have been known to all beforehand. Wording
    that most of its users have from such exchanges alone is not the group's. An account stays if what is
    left of its part is still like the others' (`who_works`).

    Nor is an account a member that keeps to itself more than dealing allows (`dealt.not_dealt_out`), or
    that uses the wording no more than accounts in none of these groups do (`ordinary.ordinary_users`).

    A queue that sends each item several times leaves its workers what they repeated. In such a group an
    account goes, too, if it was repeated more than the others were. Null: the members' items are dealt
    out at random, so that each has a hypergeometric number of repeated ones; Bonferroni over members.
    """
    exchanges = traffic.exchanges
    grouped = np.zeros(len(exchanges), np.bool_)
    for group in groups:
        grouped[group.accounts] = True

    def own_evidence(group: Group) -> Group:
        if not group.by_wording:
            return group
        remaining = _own_evidence(group, traffic, fragments, exchanges, grouped, parameters)
        rest()
        return remaining

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(own_evidence, groups))


def _own_evidence(
    group: Group,
    traffic: Traffic,
    fragments: Fragments,
    exchanges: IntArray,
    grouped: BoolArray,
    parameters: LinkingParameters,
) -> Group:
    accounts = traffic.accounts[group.rows].astype(np.int64)
    items = _read_items(traffic, group.rows, accounts)
    repeats = 2 * int(items.shared[items.counted].sum()) > int(items.counted.sum())
    silent = items.shared & items.first if repeats else items.shared
    carries = _carry_wording_of_its_own(group, traffic, fragments, group.rows[~silent])
    works = who_works(traffic, group.rows[carries & ~silent], exchanges, parameters)
    gone = np.setdiff1d(accounts[silent | ~carries], works)
    gone = np.union1d(gone, not_dealt_out(traffic, group.rows))
    gone = np.union1d(gone, ordinary_users(group, traffic, fragments, exchanges, grouped))
    if repeats:
        counted = items.counted
        gone = np.union1d(gone, _repeated_most(accounts[counted], items.shared[counted]))
    return group.only(np.setdiff1d(group.accounts, gone), traffic) if len(gone) else group


def _read_items(traffic: Traffic, rows: IntArray, accounts: IntArray) -> _Items:
    """Items are told by their input. The rows are in time order, so the first is the earliest."""
    _, item = np.unique(traffic.input_hashes[rows], return_inverse=True)
    item = np.where(traffic.input_words[rows] > 0, item, len(rows) + np.arange(len(rows)))
    _, first_row, item = np.unique(item, return_index=True, return_inverse=True)
    _, first_of_pair = np.unique(item << 32 | accounts, return_index=True)
    senders = np.bincount(item[first_of_pair], minlength=len(first_row))
    counted = np.zeros(len(rows), np.bool_)
    counted[first_of_pair] = True
    return _Items(senders[item] > 1, accounts[first_row][item] == accounts, counted)


def _carry_wording_of_its_own(
    group: Group, traffic: Traffic, fragments: Fragments, own: IntArray
) -> BoolArray:
    """Which rows carry a fragment that at least half of the members who use it have in `own` rows."""
    inside = fragments.uses_of(group.fragments)
    inside = inside[np.isin(fragments.use_rows[inside], group.rows)]
    rows = fragments.use_rows[inside]
    used = np.searchsorted(group.fragments, fragments.use_fragments[inside])
    key = used << 32 | traffic.accounts[rows]
    users, of_its_own = (
        np.bincount(np.unique(some) >> 32, minlength=len(group.fragments))
        for some in (key, key[np.isin(rows, own)])
    )
    kept = 2 * of_its_own >= users
    return np.isin(group.rows, rows[kept[used]])


def _repeated_most(accounts: IntArray, shared: BoolArray) -> IntArray:
    """Accounts of whose items more are shared than chance allows, one entry an account and item."""
    members, place = np.unique(accounts, return_inverse=True)
    sent = np.bincount(place)
    of_them = np.bincount(place, shared).astype(np.int64)
    tail = hypergeom.sf(of_them - 1, len(accounts), int(shared.sum()), sent)
    return np.asarray(members[tail <= LEVEL / len(members)], np.int64)
