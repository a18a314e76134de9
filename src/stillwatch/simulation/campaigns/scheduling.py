"""Who takes a task, and when: from a round robin to the rhythm of real clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stillwatch.simulation.campaigns.workers import Worker
from stillwatch.simulation.clocks import WakingHours
from stillwatch.simulation.cohort import Cohort
from stillwatch.simulation.frame import SECOND, Ints

__all__ = ["Slots", "schedule"]

_JITTERED = 0.18
_UNEVEN = 0.8
_HEAVY_TAILED = 1.2


@dataclass(frozen=True, slots=True)
class Slots:
    """Moments at which a task is taken, in order of time.

    Attributes:
        worker: Which worker takes it.
        started: When, us.
    """

    worker: Ints
    started: Ints

    def first(self, count: int) -> Slots:
        """The first `count` slots."""
        return Slots(self.worker[:count], self.started[:count])


def schedule(cohort: Cohort, workers: Sequence[Worker], total: int, *, timing: int) -> Slots:
    """About `total` slots over the workers' lives, at a level of the timing dial."""
    if timing <= 1:
        worker, started = _levelled(cohort.rng, workers, total, jitter=timing == 1)
    else:
        worker, started = _uneven(cohort, workers, total, real=timing > 2)
    started = cohort.frame.after_outage(cohort.rng, started)
    order = np.argsort(started, kind="stable")
    worker, started = worker[order], started[order]
    begins = np.array([w.begin for w in workers])[worker]
    ends = np.array([w.end for w in workers])[worker]
    alive = (started >= begins) & (started < ends)
    return Slots(worker[alive], started[alive])


def _levelled(
    rng: np.random.Generator, workers: Sequence[Worker], total: int, *, jitter: bool
) -> tuple[Ints, Ints]:
    """A dispatcher that gives each active worker the same number of tasks, in turn.

    With jitter it waits irregularly, has no order, and some accounts are a little quicker.
    """
    begins = np.array([w.begin for w in workers])
    ends = np.array([w.end for w in workers])
    edges = np.unique(np.concatenate([begins, ends]))
    active = [np.nonzero((begins <= a) & (ends > a))[0] for a in edges[:-1]]
    work = np.array([len(a) for a in active]) * np.diff(edges)
    counts = np.round(float(total) * work / max(1, work.sum())).astype(np.int64)
    takers: list[Ints] = []
    moments: list[Ints] = []
    pace = rng.lognormal(0.0, _JITTERED, len(workers))
    for members, first, last, count in zip(active, edges[:-1], edges[1:], counts, strict=True):
        if not count:
            continue
        if jitter:
            paces = pace[members]
            turns = rng.choice(members, int(count), p=paces / paces.sum())
            gaps = rng.gamma(1.5, size=count)
        else:
            turns = np.resize(members, int(count))
            gaps = np.ones(count)
        takers.append(turns)
        position = np.cumsum(gaps) - gaps[0] * rng.random()
        step = (int(last) - int(first)) / (gaps.sum() + 1e-9)
        moments.append(int(first) + (position * step * 0.999).astype(np.int64))
    started = np.concatenate(moments) if moments else np.zeros(0, np.int64)
    started = started + rng.integers(0, SECOND // 4, len(started))
    worker = np.concatenate(takers) if takers else np.zeros(0, np.int64)
    return worker.astype(np.int64), started


def _uneven(
    cohort: Cohort, workers: Sequence[Worker], total: int, *, real: bool
) -> tuple[Ints, Ints]:
    """Each worker at its own pace: waking hours, or the rhythm of a real client."""
    rng = cohort.rng
    life = np.array([max(0, w.end - w.begin) for w in workers], float)
    weight = life * rng.lognormal(0.0, _HEAVY_TAILED if real else _UNEVEN, len(workers))
    counts = rng.multinomial(total, weight / weight.sum())
    moments: list[Ints] = []
    for worker, count in zip(workers, counts.tolist(), strict=True):
        if not count:
            moments.append(np.zeros(0, np.int64))
        elif real:
            moments.append(
                cohort.rhythms.client_times(rng, cohort.frame, count, worker.begin, worker.end)
            )
        else:
            hours = WakingHours.draw(rng, worker.customer.country.utc_offset)
            moments.append(hours.moments(rng, count, worker.begin, worker.end))
    lengths = np.fromiter(map(len, moments), np.int64, len(moments))
    return np.repeat(np.arange(len(workers)), lengths), np.concatenate(moments)
