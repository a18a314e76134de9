"""What a signal says of the groups under test, whatever the signal looks at.

A signal is one file with its parameters, a `measure` function, and a card in `docs/signals/`.
Its e-value is against the signal's own null, which the card states. None alone convicts: what a
signal may do for a finding is decided in `campaigns.tells`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stillwatch.signals.account_attributes import AccountAttributes
from stillwatch.signals.handovers import Handovers
from stillwatch.signals.owners import Wording
from stillwatch.signals.releases import Releases
from stillwatch.signals.shared_facts import Facts, Sightings
from stillwatch.signals.traffic import Traffic

__all__ = ["Scene", "Suspects", "Tell", "examples", "silent", "spread"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Suspects:
    """One group under test, as a signal sees it.

    Attributes:
        accounts: Positions in the traffic's `account_names`, ascending.
        rows: The group's own exchanges, in time order: those on its wording, or all of its accounts.
        openly: One declared organisation owns them.
    """

    accounts: IntArray
    rows: IntArray
    openly: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a signal may look at: the log as it was known at one moment.

    Attributes:
        groups: The groups under test.
        reference: One flag an account: it is in no group under test, and so can stand for others.
        handovers: What one account was given and another took over.
        releases: When each model was released.
    """

    traffic: Traffic
    wording: Wording
    attributes: AccountAttributes
    facts: Facts
    sightings: Sightings
    groups: Sequence[Suspects]
    reference: npt.NDArray[np.bool_]
    handovers: Handovers
    releases: Releases

    def first_rows(self, group: Suspects, members: IntArray) -> IntArray:
        """The first of the group's own exchanges of each of these members, ascending."""
        accounts, first = np.unique(self.traffic.accounts[group.rows], return_index=True)
        return np.sort(group.rows[first[np.isin(accounts, members)]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """What one signal says; every sequence has one entry a group.

    What it says of a group rests on that group and the reference, not on which others are asked
    about with it: at midnights only those are that a decision hangs on.

    Attributes:
        signal: Its name, which is that of its card.
        log_e: Log of the e-value against the signal's null; 0 where the log cannot tell.
        largest: Log of the largest value it could have taken on this log.
        text: The sentence of a member's reason, the same for all groups.
        observed: What was seen in the group, with its figure.
        usual: What is usual in the reference.
        members: The accounts that show it.
        rows: Exchanges that show it, a few of each of those accounts.
    """

    signal: str
    log_e: FloatArray
    largest: FloatArray
    text: str
    observed: Sequence[str]
    usual: Sequence[str]
    members: Sequence[IntArray]
    rows: Sequence[IntArray]


def spread(tell: Tell, asked: IntArray, groups: int) -> Tell:
    """What a signal says of some of the groups, as a tell of all: of the others it says nothing.

    Args:
        asked: The numbers of the groups that it was asked of, in its order.
        groups: How many groups there are.
    """
    found = silent(tell.signal, groups)
    observed, usual = list(found.observed), list(found.usual)
    members, rows = list(found.members), list(found.rows)
    for place, number in enumerate(asked.tolist()):
        found.log_e[number], found.largest[number] = tell.log_e[place], tell.largest[place]
        observed[number], usual[number] = tell.observed[place], tell.usual[place]
        members[number], rows[number] = tell.members[place], tell.rows[place]
    return replace(
        found, text=tell.text, observed=observed, usual=usual, members=members, rows=rows
    )


def silent(signal: str, groups: int) -> Tell:
    """A signal that this log does not let speak."""
    nobody = np.zeros(0, np.int64)
    return Tell(
        signal=signal,
        log_e=np.zeros(groups),
        largest=np.zeros(groups),
        text="",
        observed=[""] * groups,
        usual=[""] * groups,
        members=[nobody] * groups,
        rows=[nobody] * groups,
    )


def examples(traffic: Traffic, rows: IntArray, accounts: IntArray, each: int = 3) -> IntArray:
    """Of these rows, in time order, the first few of each of these accounts."""
    mine = rows[np.isin(traffic.accounts[rows], accounts)]
    order = np.argsort(traffic.accounts[mine], kind="stable")
    owner = traffic.accounts[mine][order]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    return np.sort(mine[order][place < each])
