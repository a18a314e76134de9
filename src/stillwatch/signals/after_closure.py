"""After a closure: the others send more, or accounts begin, once a member is closed or limited.

A pool goes on with other accounts; strangers do not know that one of them was stopped.
Card: `docs/signals/after_closure.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.signals.request_columns import STATUSES
from stillwatch.signals.tell import Scene, Suspects, Tell, examples, silent

__all__ = ["NAME", "AfterClosureParameters", "measure", "stops"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

NAME = "after_closure"
MINUTE = 60_000_000
DAY = 1_440 * MINUTE
LIMITED = [STATUSES.index(name) for name in ("rate_limited", "blocked")]


@dataclass(frozen=True, slots=True)
class AfterClosureParameters:
    """What counts as a stop, and what is bet.

    Attributes:
        days: At most this many days, the last ones, are looked at.
        run: Exchanges that are limited or blocked one after the other: the account is stopped.
        within: Minutes after a stop that are compared with as many before it.
        around: Minutes before and after the time of a stop that must lie in the log.
        overlap: A day is compared if the others then send at least this part of the most that they
            send on any day in those minutes.
        slopes: Bets on a score of z: exp(slope × z), shared out over the days.
        shown: Log of the e-value from which members are named.
    """

    days: int = 28
    run: int = 3
    within: tuple[int, ...] = (15, 60, 240)
    around: int = 240
    overlap: float = 0.5
    slopes: tuple[float, ...] = (1.0, 2.0, 4.0)
    shown: float = float(np.log(20))


@dataclass(frozen=True, slots=True)
class _Group:
    """What the members did and when they were stopped, in microseconds since the first day.

    Attributes:
        sent, sender: Answered exchanges of the others, who were never stopped, in time order, and
            the member that sent each.
        began: First exchanges of the others, in time order.
        stopped: Moments of stops, one a member and day.
        days: How many are looked at.
        first, last: The log's first and last exchange; 0 where it begins earlier.
    """

    sent: IntArray
    sender: IntArray
    began: IntArray
    stopped: IntArray
    days: int
    first: int
    last: int


def measure(scene: Scene, parameters: AfterClosureParameters = AfterClosureParameters()) -> Tell:
    """Ask of each group whether the others' work rises when members are closed or limited.

    Null: the days on which members were stopped are any of the days on which the others are as
    busy at that time of day. All stops of one day move together to another such day, at their
    times of day, and whatever moves a crowd at that time every day is there too. Two figures are
    compared, exchanges and beginnings, each after the stops less before them. The true day's bet is
    its share of the stakes of all compared days that the stops before have not taken, in the order of
    their times of day: its mean is one given the stops before, so the product over days is an e-value (permutation of days without
    replacement; Vovk, Gammerman and Shafer 2005, chapter 7), and so is the mean over figures,
    widths and slopes. The others are the members that were never stopped: what they do is
    there whichever days the stops fall on.
    """
    tell = silent(NAME, len(scene.groups))
    log_e, largest = tell.log_e, tell.largest
    observed, usual = list(tell.observed), list(tell.usual)
    members, rows = list(tell.members), list(tell.rows)
    if len(scene.traffic) == 0:
        return tell
    for number, suspects in enumerate(scene.groups):
        group = _read(scene, suspects, parameters)
        value, most, compared, counts = _bets(group, parameters)
        if not compared:
            continue
        log_e[number] = _mean(value)
        largest[number] = most
        sent, began = counts
        minutes = parameters.within[1]
        observed[number] = (
            f"{compared:,} stops; in the {minutes} minutes after them the others sent "
            f"{sent[0]:,.0f}, {sent[1]:,.0f} in those before, and {began[0]:,.0f} members began, "
            f"{began[1]:,.0f} before"
        )
        usual[number] = (
            f"on other days at those times they sent {sent[2]:,.1f} and {sent[3]:,.1f}, and "
            f"{began[2]:,.1f} and {began[3]:,.1f} began"
        )
        if log_e[number] >= parameters.shown:
            takers = suspects.accounts[_takers(group, len(suspects.accounts), minutes)]
            members[number] = takers
            rows[number] = examples(scene.traffic, suspects.rows, takers)
    return Tell(
        signal=NAME,
        log_e=log_e,
        largest=largest,
        text="It began, or sent more, when another member had been closed or limited.",
        observed=observed,
        usual=usual,
        members=members,
        rows=rows,
    )


def stops(
    scene: Scene, group: Suspects, parameters: AfterClosureParameters = AfterClosureParameters()
) -> tuple[IntArray, IntArray]:
    """When members were closed, or met the first of a run of limits; and which member, from 0.

    Closures that fall after the log's last exchange are left out: nothing is known of what followed.
    """
    traffic = scene.traffic
    owner = np.searchsorted(group.accounts, traffic.accounts[group.rows])
    order = np.argsort(owner, kind="stable")
    rows, owner = group.rows[order], owner[order]
    limited = np.isin(traffic.requests.status[rows], LIMITED)
    run = np.ones(max(len(rows) - parameters.run + 1, 0), np.bool_)
    for k in range(parameters.run):
        run &= limited[k : len(run) + k] & (owner[k : len(run) + k] == owner[: len(run)])
    first = np.append(run, np.zeros(len(rows) - len(run), np.bool_))
    first[1:] &= ~(limited[:-1] & (owner[1:] == owner[:-1]))
    closed = scene.attributes.closed[group.accounts]
    known = np.flatnonzero((closed >= traffic.started[0]) & (closed <= traffic.started[-1]))
    moments = np.concatenate([traffic.started[rows[first]], closed[known]])
    return moments.astype(np.int64), np.concatenate([owner[first], known]).astype(np.int64)


def _read(scene: Scene, group: Suspects, parameters: AfterClosureParameters) -> _Group:
    traffic = scene.traffic
    last = int(traffic.started[-1]) // DAY + 1
    since = max(int(traffic.started[0]) // DAY, last - parameters.days) * DAY
    owner = np.searchsorted(group.accounts, traffic.accounts[group.rows])
    times = traffic.started[group.rows] - since
    moments, of = stops(scene, group, parameters)
    moments, of = moments[moments >= since] - since, of[moments >= since]
    order = np.lexsort((moments, of, moments // DAY))
    moments, of = moments[order], of[order]
    once = np.ones(len(moments), np.bool_)
    once[1:] = (np.diff(moments // DAY) != 0) | (np.diff(of) != 0)
    going_on = np.ones(len(group.accounts), np.bool_)
    going_on[of] = False
    beginner, first = np.unique(owner, return_index=True)
    sent = going_on[owner] & ~np.isin(traffic.requests.status[group.rows], LIMITED) & (times >= 0)
    return _Group(
        sent=times[sent],
        sender=owner[sent],
        began=np.sort(times[first[going_on[beginner]]]),
        stopped=moments[once],
        days=last - since // DAY,
        first=max(int(traffic.started[0]) - since, 0),
        last=int(traffic.started[-1]) - since,
    )


def _bets(
    group: _Group, parameters: AfterClosureParameters
) -> tuple[FloatArray, float, int, tuple[FloatArray, FloatArray]]:
    """Log of each kind of bet over all days with stops, the largest, and what was counted.

    Counted are the stops whose day could be compared with another.

    Of exchanges and of beginnings are counted, at the middle width: after and before the stops, and
    the mean of each on the other days compared.
    """
    days = group.days
    taken = np.zeros(days, np.bool_)
    shape = (2, len(parameters.within), len(parameters.slopes))
    logs, most, stopped = np.zeros(shape), 0.0, 0
    seen = np.zeros((2, 4))
    slopes = np.array(parameters.slopes)
    around = parameters.around * MINUTE
    # In an order that does not depend on the days themselves, as their permutation needs.
    _, first = np.unique(group.stopped // DAY, return_index=True)
    for stop in first[np.argsort(group.stopped[first] % DAY, kind="stable")].tolist():
        day = int(group.stopped[stop] // DAY)
        at = group.stopped[group.stopped // DAY == day] - day * DAY
        begins, ends = at.min() - around, at.max() + around
        whole = np.arange(days) * DAY + begins >= group.first
        whole &= np.arange(days) * DAY + ends <= group.last
        open_days = np.flatnonzero(whole & ~taken)
        taken[day] = True
        if not whole[day]:
            continue
        counts = np.stack([_counted(group, at + e * DAY, parameters) for e in open_days.tolist()])
        busy = counts[:, -1, 0].sum(axis=1)
        compared = (busy >= parameters.overlap * busy.max()) & (busy > 0)
        true = int(np.searchsorted(open_days, day))
        if not compared[true] or compared.sum() < 2:
            continue
        after, before = counts[..., 0], counts[..., 1]
        score = (after - before) / np.sqrt(after + before + 1.0)
        stakes = np.exp(slopes * score[:, :-1, :, None])  # day, width, figure, slope
        share = stakes[true] / stakes[compared].mean(axis=0)
        logs += np.log(share).swapaxes(0, 1)
        most += float(np.log(compared.sum()))
        stopped += len(at)
        others = compared & (np.arange(len(compared)) != true)
        seen[:, :2] += counts[true, 1]
        seen[:, 2:] += counts[others, 1].mean(axis=0)
    return logs.ravel(), most, stopped, (seen[0], seen[1])


def _counted(group: _Group, moments: IntArray, parameters: AfterClosureParameters) -> FloatArray:
    """Exchanges and beginnings of the others after and before these moments.

    Returns:
        One row a width, and one for all the minutes around; in each, exchanges and beginnings; of
        each, after and before.
    """
    widths = (*parameters.within, parameters.around)
    counted = np.zeros((len(widths), 2, 2))
    for figure, times in enumerate((group.sent, group.began)):
        here = np.searchsorted(times, moments, side="right")
        for number, minutes in enumerate(widths):
            width = minutes * MINUTE
            after = np.searchsorted(times, moments + width, side="right")
            before = np.searchsorted(times, moments - width, side="right")
            counted[number, figure] = (after - here).sum(), (here - before).sum()
    return counted


def _takers(group: _Group, members: int, minutes: int) -> IntArray:
    """The others that send more in the minutes after stops than in those before."""
    change = np.zeros(members)
    for moment in group.stopped.tolist():
        begin, here, end = np.searchsorted(
            group.sent, moment + np.array([-1, 0, 1]) * minutes * MINUTE, side="right"
        )
        change += np.bincount(group.sender[here:end], minlength=members)
        change -= np.bincount(group.sender[begin:here], minlength=members)
    return np.flatnonzero(change > 0).astype(np.int64)


def _mean(logs: FloatArray) -> float:
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))
