"""One queue's clock: the members' exchanges avoid each other, as if one hand sent them in turn.

Whatever moves a crowd together (an outage, an exam, a release, a timer) makes its exchanges meet
more often than chance; only a common queue makes them meet less often.
Card: `docs/signals/queue_clock.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

from stillwatch.signals.tell import Scene, Tell, examples, silent

__all__ = ["NAME", "QueueClockParameters", "Reading", "measure", "read_clock"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

NAME = "queue_clock"
HOUR = 3_600_000_000
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class QueueClockParameters:
    """How finely the clock is read, and what is bet.

    Attributes:
        days: At most this many days, the last ones, are looked at.
        minimum_days: Fewer whole-day shifts say nothing.
        gaps: Widths of the windows, in mean gaps between the group's exchanges.
        windows: Least and greatest number of windows in an hour.
        overlap: A shift is compared if at least this part of the most meetings that any shift lets
            expect are expected under it.
        slopes: Bets on a score of z standard deviations: exp(-slope × z), shared out over the shifts.
        shown: Log of the e-value from which members are named.
    """

    days: int = 28
    minimum_days: int = 5
    gaps: tuple[float, ...] = (0.5, 1.0, 2.0)
    windows: tuple[int, int] = (2, 720)
    overlap: float = 0.5
    slopes: tuple[float, ...] = (0.5, 1.0, 2.0)
    shown: float = float(np.log(20))


@dataclass(frozen=True, slots=True)
class Reading:
    """What one width of window shows, one entry a member; NaN where it has no say.

    Attributes:
        met, expected: Meetings with the members before it, and how many chance would give.
        low: Its true alignment is in the lower half of the shifts.
    """

    log_e: float
    largest: float
    met: FloatArray
    expected: FloatArray
    low: npt.NDArray[np.bool_]
    window: float


def measure(scene: Scene, parameters: QueueClockParameters = QueueClockParameters()) -> Tell:
    """Ask of each group whether its members' exchanges avoid each other.

    Null: each member's exchanges, moved round by a whole number of days, would fall among those of
    the members before it just as they do: strangers, whatever hours, weekdays, timetables and
    common events they share, as far as these return every day or make them meet.
    Source: circular shifts as a randomisation null for point processes (Amarasingham, Harrison,
    Hatsopoulos and Geman 2012, "Conditional modeling and the jitter method of spike resampling");
    e-values from ranks by betting (Vovk, Gammerman and Shafer 2005; Vovk and Wang 2021).
    """
    tell = silent(NAME, len(scene.groups))
    if len(scene.traffic) == 0 or not scene.groups:
        return tell
    log_e, largest = tell.log_e, tell.largest
    observed, usual = list(tell.observed), list(tell.usual)
    members, rows = list(tell.members), list(tell.rows)
    for number, group in enumerate(scene.groups):
        owner = np.searchsorted(group.accounts, scene.traffic.accounts[group.rows])
        times = scene.traffic.started[group.rows]
        readings = read_clock(times, owner, len(group.accounts), parameters)
        if not readings:
            continue
        log_e[number] = _mean(np.array([r.log_e for r in readings]))
        largest[number] = _mean(np.array([r.largest for r in readings]))
        best = max(readings, key=lambda r: r.log_e)
        met, expected = np.nansum(best.met), np.nansum(best.expected)
        observed[number] = (
            f"{met:,.0f} meetings within {best.window / 60:.1f} minutes, {expected:,.0f} by chance"
        )
        usual[number] = "as many as by chance, or more where something moves a crowd"
        if log_e[number] >= parameters.shown:
            members[number] = group.accounts[best.low]
            rows[number] = examples(scene.traffic, group.rows, members[number])
    return Tell(
        signal=NAME,
        log_e=log_e,
        largest=largest,
        text="Its exchanges fall between those of the other members, as if sent in turn.",
        observed=observed,
        usual=usual,
        members=members,
        rows=rows,
    )


def read_clock(
    times: IntArray,
    member: IntArray,
    members: int,
    parameters: QueueClockParameters = QueueClockParameters(),
) -> list[Reading]:
    """One reading for each width of window; none where there are too few days or exchanges.

    Args:
        times: Microseconds since 1970, ascending.
        member: Who sent each, from 0 to `members` - 1.
    """
    if len(times) == 0:
        return []
    last = int(times[-1]) // DAY + 1
    first = max(int(times[0]) // DAY, last - parameters.days)
    days = last - first
    recent = times >= first * DAY
    if days < parameters.minimum_days or recent.sum() < 2:
        return []
    since, member = times[recent] - first * DAY, member[recent]
    order = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[order], np.arange(members + 1))
    gap = days * DAY / len(since)
    per_hour = {
        int(np.clip(round(HOUR / (width * gap)), *parameters.windows)) for width in parameters.gaps
    }
    return [
        _read(since[order] * an_hour // HOUR, starts, days, an_hour, parameters)
        for an_hour in sorted(per_hour)
    ]


def _read(
    windows: IntArray,
    starts: IntArray,
    days: int,
    an_hour: int,
    parameters: QueueClockParameters,
) -> Reading:
    """Bet on each member's true alignment, and merge the bets by their mean."""
    slopes = np.array(parameters.slopes)
    logs, among, met, expected = _bets(windows, starts, days, an_hour, parameters.overlap, slopes)
    met[among < 2], expected[among < 2] = np.nan, np.nan
    largest = np.log(np.maximum(among, 1)).sum()
    return Reading(
        _mean(logs.sum(axis=0)), float(largest), met, expected, logs[:, 0] > 0, 3600 / an_hour
    )


@nb.njit(cache=True, nogil=True)
def _bets(windows, starts, days, an_hour, overlap, slopes):  # type: ignore[no-untyped-def]
    """Log of each member's bets on its true alignment among its shifts by whole days.

    A shift is scored by the meetings with the members before, less those that the counts of the
    hours let expect, in standard deviations. Only shifts that let expect enough meetings are
    compared: the set of them does not depend on which of them is true.
    """
    members = starts.shape[0] - 1
    total = days * 24 * an_hour
    fine = np.zeros(total)
    hourly = np.zeros(days * 24)
    logs = np.zeros((members, slopes.shape[0]))
    among = np.zeros(members)
    met = np.zeros(members)
    expected = np.zeros(members)
    score = np.zeros(days)
    chance = np.zeros(days)
    for i in range(members):
        for shift in range(days):
            meetings = 0.0
            chance[shift] = 0.0
            for k in range(starts[i], starts[i + 1]):
                at = (windows[k] + shift * 24 * an_hour) % total
                meetings += fine[at]
                chance[shift] += hourly[at // an_hour]
            chance[shift] /= an_hour
            score[shift] = (meetings - chance[shift]) / np.sqrt(max(chance[shift], 1e-9))
            if shift == 0:
                met[i] = meetings
        expected[i] = chance[0]
        least = overlap * chance.max()
        compared = (chance >= least) & (chance > 0)
        if compared[0]:
            among[i] = compared.sum()
            for b in range(slopes.shape[0]):
                stakes = 0.0
                for shift in range(days):
                    if compared[shift]:
                        stakes += np.exp(-slopes[b] * (score[shift] - score[0]))
                logs[i, b] = np.log(among[i] / stakes)
        for k in range(starts[i], starts[i + 1]):
            fine[windows[k]] += 1
            hourly[windows[k] // an_hour] += 1
    return logs, among, met, expected


def _mean(logs: FloatArray) -> float:
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))
