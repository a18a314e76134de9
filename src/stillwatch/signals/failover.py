"""Failover: what one account was stopped at, another member sends within minutes.

A person who meets a limit waits, tries again or gives up. One queue hands the item to the next
account. Card: `docs/signals/failover.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stillwatch.signals.request_columns import STATUSES
from stillwatch.signals.tell import Scene, Suspects, Tell, silent

__all__ = ["NAME", "FailoverParameters", "measure"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

NAME = "failover"
MINUTE = 60_000_000
STOPPED = [STATUSES.index(name) for name in ("rate_limited", "blocked", "error")]
ANSWERED = [STATUSES.index(name) for name in ("ok", "refused")]


@dataclass(frozen=True, slots=True)
class FailoverParameters:
    """What counts as handing over, and what is bet.

    Attributes:
        within: Minutes in which the same prompt is sent by another member.
        stratum: Minutes of time in which stopped exchanges are compared with answered ones: what
            many ask at the same time, because of a lesson or an outage, is asked after both.
        askers: A prompt that more accounts than this sent is a common assignment or a public list.
        connected: Part of the members that hand-overs must join to one another.
        bet: Chance of handing over that is staked on.
        shown: Log of the e-value from which members are named.
    """

    within: int = 30
    stratum: int = 180
    askers: int = 3
    connected: float = 0.5
    bet: float = 0.5
    shown: float = float(np.log(20))


def measure(scene: Scene, parameters: FailoverParameters = FailoverParameters()) -> Tell:
    """Ask of each group whether stopped prompts move to other members.

    Null: within three hours of the group's traffic, whether a prompt was stopped when it was first
    sent has nothing to do with whether another member sends it next. Stopped exchanges are compared
    one by one with the answered ones of their hours and the stopped ones before: a conformal test
    martingale (Vovk, Gammerman and Shafer 2005, chapter 7). It counts only if the hand-overs join
    half of the members to one another: friends who help each other out, or a few accounts of one
    person in a crowd, are no queue. An e-value times an event is an e-value still.
    """
    tell = silent(NAME, len(scene.groups))
    log_e, largest = tell.log_e, tell.largest
    observed, usual = list(tell.observed), list(tell.usual)
    members, shown = list(tell.members), list(tell.rows)
    for number, group in enumerate(scene.groups):
        rows, taker, stopped = _outcomes(scene, group, parameters)
        if not stopped.any():
            continue
        moved = taker >= 0
        handed = rows[moved & stopped]
        givers, takers = scene.traffic.accounts[handed], taker[moved & stopped]
        stratum = scene.traffic.started[rows] // (parameters.stratum * MINUTE)
        said, most = _bets(stratum, moved, stopped, parameters.bet)
        largest[number] = most.sum()
        ends = np.searchsorted(group.accounts, np.stack([givers, takers]))
        joined = _connected(ends[0], ends[1], len(group.accounts)) >= parameters.connected
        log_e[number] = float(said.sum()) if joined else min(float(said.sum()), 0.0)
        observed[number] = (
            f"{(moved & stopped).sum():,} of {stopped.sum():,} stopped prompts were sent by another "
            f"member within {parameters.within} minutes"
        )
        usual[number] = f"{(moved & ~stopped).sum():,} of {(~stopped).sum():,} answered ones"
        if log_e[number] >= parameters.shown:
            members[number] = np.unique(givers).astype(np.int64)
            shown[number] = handed
    return Tell(
        signal=NAME,
        log_e=log_e,
        largest=largest,
        text="What it was stopped at, another member sent within minutes.",
        observed=observed,
        usual=usual,
        members=members,
        rows=shown,
    )


def _outcomes(
    scene: Scene, group: Suspects, parameters: FailoverParameters
) -> tuple[IntArray, BoolArray, BoolArray]:
    """The first exchange of each prompt, in time; who sent it next, if soon; whether it was stopped."""
    traffic = scene.traffic
    status = traffic.requests.status[group.rows]
    known = np.isin(status, STOPPED + ANSWERED) & (traffic.input_words[group.rows] > 0)
    rows = group.rows[known]
    _, item = np.unique(traffic.input_hashes[rows], return_inverse=True)
    owner = traffic.accounts[rows].astype(np.int64)
    pairs = np.unique(item.astype(np.int64) << 32 | owner)
    few = np.bincount(pairs >> 32, minlength=1)[item] <= parameters.askers
    rows, item, owner = rows[few], item[few], owner[few]
    order = np.lexsort((rows, item))  # rows run in time
    item, owner, started = item[order], owner[order], traffic.started[rows[order]]
    first = np.diff(item, prepend=-1) != 0
    follows = np.append(~first[1:], False)
    other = np.append(owner[1:], -1)
    soon = np.diff(started, append=started[-1:]) <= parameters.within * MINUTE
    moved = first & follows & (other != owner) & soon
    rows, moved, other = rows[order][first], moved[first], other[first]
    order = np.argsort(rows)
    rows, moved, other = rows[order], moved[order], other[order]
    return rows, np.where(moved, other, -1), np.isin(traffic.requests.status[rows], STOPPED)


def _bets(
    stratum: IntArray, moved: BoolArray, stopped: BoolArray, bet: float
) -> tuple[FloatArray, FloatArray]:
    """Log of each exchange's bet, 0 for answered ones, and the largest it could have been."""
    _, at = np.unique(stratum, return_inverse=True)
    strata = int(at.max(initial=-1)) + 1
    kinds = np.stack([np.bincount(at[~stopped & (moved == k)], minlength=strata) for k in (0, 1)])
    before = _earlier(at, stopped)
    same = _earlier(at * 2 + moved, stopped)
    size = kinds.sum(axis=0)[at] + before + 1.0
    alike = kinds[moved.astype(np.int64), at] + same + 1.0
    stake = np.where(moved, bet, 1 - bet)
    said = np.where(stopped, np.log(stake * size / alike), 0.0)
    most = np.where(stopped, np.log(bet * size / (kinds[1][at] + before + 1.0)), 0.0)
    return said, np.maximum(most, 0.0)


def _earlier(label: IntArray, counted: BoolArray) -> IntArray:
    """For each entry, how many counted ones of its label came before it."""
    order = np.argsort(label, kind="stable")
    running: IntArray = np.cumsum(counted[order], dtype=np.int64) - counted[order]
    first = np.searchsorted(label[order], label[order])
    before = np.empty(len(label), np.int64)
    before[order] = running - running[first]
    return before


def _connected(givers: IntArray, takers: IntArray, members: int) -> float:
    """The part of the members that the largest piece of the graph of hand-overs holds."""
    graph = coo_matrix((np.ones(len(givers)), (givers, takers)), shape=(members, members))
    pieces = connected_components(graph, directed=False)[1]
    return float(np.bincount(pieces).max() / members)
