"""Credentials in other hands: stolen ones that turn to a campaign, resold ones that strangers share.

A stolen key keeps its owner's life: exchanges from networks of its own, begun before, beside work that
never comes from there. A resold key has many end users or clients at once. Neither convicts: an app
that its users lend their keys to looks like the first, a team with one key like the second.
Card: `docs/signals/credentials.md`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stillwatch.signals.exact_counts import compare_counts
from stillwatch.signals.tell import Scene, Suspects, Tell
from stillwatch.signals.traffic import Traffic

__all__ = ["NAME", "measure"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NAME = "credentials"
DAY = 86_400_000_000
LEAST = 5  # exchanges in each part of an account's traffic: fewer have no life of their own
TEMPLATED = 0.3  # fixed wording from which an exchange counts as work through a template
STRANGERS = 4  # end users, or else clients, behind one credential
VOLUMES = np.array([5, 20, 80, 320])  # edges of the strata, in exchanges
EXAMPLES = 3  # exchanges shown of each member


def measure(scene: Scene) -> Tell:
    """How many members' credentials turned to the group's work, or are used by strangers.

    Null of each half: the members are exchangeable with the reference accounts of like volume, whose
    own work through a template stands for the group's. The e-value is the mean of the two halves.
    """
    traffic = scene.traffic
    accounts = len(traffic.account_names)
    templated = scene.wording.fixed_share >= TEMPLATED
    turned, parts = _turned(traffic, np.arange(len(traffic)), templated, traffic.accounts, accounts)
    shared = strangers_of(traffic) >= STRANGERS
    volume = traffic.exchanges
    volumes = np.searchsorted(VOLUMES, volume, side="right") - 1
    log_e, largest, observed, usual, members, rows = [], [], [], [], [], []
    for group in scene.groups:
        own, own_parts = _turned_of(traffic, group)
        strata = parts.copy()
        strata[group.accounts] = own_parts
        stolen = compare_counts(turned, group.accounts, own, strata, scene.reference)
        resold = compare_counts(
            shared, group.accounts, shared[group.accounts], volumes, scene.reference
        )
        log_e.append(np.logaddexp(stolen.log_e, resold.log_e) - np.log(2.0))
        largest.append(np.logaddexp(stolen.largest, resold.largest) - np.log(2.0))
        halves = [
            (stolen, "had a life of their own before, on other networks"),
            (resold, f"have {STRANGERS} end users or client programs or more on one credential"),
        ]
        seen = [(half, words) for half, words in halves if half.shown]
        observed.append("; ".join(f"{h.shown} of {h.members} members {words}" for h, words in seen))
        usual.append(
            " and ".join(f"{h.usual} of {h.reference:,}" for h, _ in seen)
            + " other accounts of like volume"
            if seen
            else ""
        )
        showing = group.accounts[own | shared[group.accounts]]
        members.append(showing)
        rows.append(_first_of_each(traffic, group.rows, showing))
    return Tell(
        signal=NAME,
        log_e=np.array(log_e),
        largest=np.array(largest),
        text="Its credential is used as one is that more than one hand holds.",
        observed=observed,
        usual=usual,
        members=members,
        rows=rows,
    )


def strangers_of(traffic: Traffic) -> IntArray:
    """For each account, the most end users on one credential; clients where users are not named."""
    requests = traffic.requests
    who = np.where(requests.end_user != 0, requests.end_user, requests.client)
    known = np.flatnonzero((who != 0) & (requests.credential != 0))
    columns = (traffic.accounts[known].astype(np.int64), requests.credential[known], who[known])
    order = np.lexsort(columns[::-1])
    account, credential, user = (column[order] for column in columns)
    new_key = _changes(account, credential)
    new_user = new_key | _changes(user)
    most = np.zeros(len(traffic.account_names), np.int64)
    if len(known):
        number = np.cumsum(new_key) - 1
        users = np.bincount(number, new_user)
        np.maximum.at(most, account[new_key], users.astype(np.int64))
    return most


def _changes(*columns: IntArray) -> BoolArray:
    """Where any of these sorted columns differs from the entry before."""
    new = np.ones(len(columns[0]), np.bool_)
    new[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return new


def _turned_of(traffic: Traffic, group: Suspects) -> tuple[BoolArray, IntArray]:
    """`_turned` of the members of a group, whose own exchanges serve."""
    rows = traffic.by_account.of(group.accounts)
    member = np.searchsorted(group.accounts, traffic.accounts[rows])
    return _turned(traffic, rows, np.isin(rows, group.rows), member, len(group.accounts))


def _turned(
    traffic: Traffic,
    rows: IntArray,
    serves: BoolArray,
    owner: npt.NDArray[np.integer[Any]],
    accounts: int,
) -> tuple[BoolArray, IntArray]:
    """Accounts whose other exchanges began a day before, on networks that never served.

    Args:
        rows: All exchanges of these accounts, ascending.
        serves, owner: Of each of them, whether it serves, and the number of its account.
        accounts: How many they are.

    Returns:
        One flag an account, and its stratum: the smaller part's volume; -1 where a part is too small
        or its networks are unknown.
    """
    known = traffic.requests.network[rows] != 0
    rows, part, account = rows[known], serves[known], owner[known].astype(np.int64)
    counts = np.stack([np.bincount(account[part == p], minlength=accounts) for p in (False, True)])
    first = np.full((2, accounts), np.iinfo(np.int64).max)
    np.minimum.at(first, (part.astype(np.int64), account), traffic.started[rows])
    network = traffic.requests.network[rows]
    order = np.lexsort((part, network, account))
    meets = ~_changes(account[order], network[order]) & _changes(part[order].astype(np.int64))
    both = np.zeros(accounts, np.bool_)
    both[account[order][meets]] = True
    smaller = counts.min(axis=0)
    stratum = np.searchsorted(VOLUMES, smaller, side="right") - 1
    earlier = first[0] <= first[1] - DAY
    return (smaller >= LEAST) & earlier & ~both, stratum


def _first_of_each(traffic: Traffic, rows: IntArray, accounts: IntArray) -> IntArray:
    """The first few of these rows of each account."""
    kept = rows[np.isin(traffic.accounts[rows], accounts)]
    order = np.argsort(traffic.accounts[kept], kind="stable")
    owner = traffic.accounts[kept][order]
    place = np.arange(len(kept)) - np.searchsorted(owner, owner, side="left")
    return np.sort(kept[order[place < EXAMPLES]])
