"""One queue's clock: what crowds with clocks of all kinds show, and what a queue shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from planted_logs import DAY as ONE_DAY
from planted_logs import START, LogBook, scene_of
from stillwatch.signals.queue_clock import DAY, HOUR, measure, read_clock

SECOND = 1_000_000
BOUND = float(np.log(100 / (0.01 * 0.05 / 2)))  # at the default rate, among a hundred groups
MINUTE = 60 * SECOND
DAYS = 14
Times = list[npt.NDArray[np.int64]]


def log_e(times: Times) -> float:
    """Of these accounts' times: the log of the mean over the widths of window."""
    pooled = np.concatenate(times)
    member = np.repeat(np.arange(len(times)), [len(t) for t in times])
    order = np.argsort(pooled, kind="stable")
    readings = read_clock(20_000 * DAY + pooled[order], member[order], len(times))
    assert readings
    logs = np.array([r.log_e for r in readings])
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))


def office(rng: np.random.Generator) -> Times:
    """Working hours on working days."""
    days = [d for d in range(DAYS) if d % 7 < 5]
    return [
        rng.choice(days, k) * DAY + ((9 + 8 * rng.random(k)) * HOUR).astype(np.int64)
        for k in rng.integers(20, 300, 20)
    ]


def timer_of_an_app(rng: np.random.Generator) -> Times:
    """Every user's timer fires hourly at a minute of its own."""
    hours = np.arange(DAYS * 24) * HOUR
    return [hours + int(m) * MINUTE + rng.integers(0, 20 * SECOND, len(hours)) for m in range(20)]


def drifting_timer(rng: np.random.Generator) -> Times:
    """Every user's timer has a period that divides no day, from a random start."""
    period = 97 * MINUTE
    return [np.arange(int(rng.integers(period)), DAYS * DAY, period) for _ in range(20)]


def one_after_the_other_each_night(rng: np.random.Generator) -> Times:
    """Nightly jobs staggered on purpose: a timetable that returns every day."""
    run = np.arange(DAYS)[:, None] * DAY + 3 * HOUR + np.arange(10) * 5 * SECOND
    return [(run + i * 4 * MINUTE).ravel() for i in range(20)]


def exam(rng: np.random.Generator) -> Times:
    """Three exams, and a little work at other times."""
    begins = rng.choice(DAYS, 3, replace=False) * DAY + rng.integers(8, 18, 3) * HOUR
    return [
        np.concatenate(
            [b + rng.exponential(15 * MINUTE, 15).astype(np.int64) for b in begins]
            + [rng.integers(0, DAYS * DAY, 20)]
        )
        for _ in range(20)
    ]


def release_day(rng: np.random.Generator) -> Times:
    """Everybody runs a benchmark within hours of a release."""
    released = 6 * DAY + 16 * HOUR
    return [
        np.concatenate(
            [
                rng.integers(0, DAYS * DAY, 4),
                released
                + int(rng.exponential(7 * HOUR))
                + np.cumsum(rng.lognormal(1.1, 0.7, 200) * SECOND).astype(np.int64),
            ]
        )
        for _ in range(20)
    ]


def outage(rng: np.random.Generator) -> Times:
    """All are away for an hour and a half and come back in a rush."""
    begin, end = 9 * DAY + 13 * HOUR, 9 * DAY + 13 * HOUR + 100 * MINUTE
    times = [rng.integers(0, DAYS * DAY, k) for k in rng.integers(20, 300, 20)]
    return [np.where((t >= begin) & (t < end), end + (t - begin) // 6, t) for t in times]


def coming_and_going(rng: np.random.Generator) -> Times:
    """Each user stays some days only."""
    times = []
    for _ in range(20):
        first = rng.uniform(0, DAYS - 1)
        last = min(first + rng.exponential(4), DAYS)
        times.append((rng.uniform(first, last, 100) * DAY).astype(np.int64))
    return times


def two_shifts(rng: np.random.Generator) -> Times:
    """Half work in the morning, half in the afternoon, and never meet."""
    return [
        rng.integers(0, DAYS, 150) * DAY
        + ((8 + 8 * (i % 2) + 8 * rng.random(150)) * HOUR).astype(np.int64)
        for i in range(20)
    ]


CROWDS = (
    office,
    timer_of_an_app,
    drifting_timer,
    one_after_the_other_each_night,
    exam,
    release_day,
    outage,
    coming_and_going,
    two_shifts,
)


@pytest.mark.parametrize("crowd", CROWDS, ids=lambda c: str(c.__name__))
def test_honest_crowds_with_clocks_keep_the_mean(
    crowd: Callable[[np.random.Generator], Times],
) -> None:
    """Whatever moves or staggers a crowd, the e-value's mean is at most 1, far from the bound."""
    logs = np.array([log_e(crowd(np.random.default_rng(seed))) for seed in range(40)])

    assert np.exp(logs).mean() <= 1.25
    assert logs.max() < BOUND / 2


@pytest.mark.parametrize("shape", [40.0, 1.5], ids=["round robin", "irregular"])
def test_one_queue_is_seen_at_once(shape: float) -> None:
    """Forty workers, nine tasks each a day: the gaps of the pool are evener than chance."""
    rng = np.random.default_rng(3)
    gaps = rng.gamma(shape, size=40 * 9 * DAYS)
    moments = (np.cumsum(gaps) / gaps.sum() * (DAYS * DAY - 1)).astype(np.int64)
    taker = rng.integers(0, 40, len(moments))

    assert log_e([moments[taker == w] for w in range(40)]) > BOUND


def test_the_mean_over_all_shifts_is_one() -> None:
    """Exact: over every shift of one account by whole days, the e-value averages to at most 1."""
    rng = np.random.default_rng(5)
    fixed, moved = (np.sort(rng.integers(0, 7 * DAY, 200)) for _ in range(2))
    fixed = np.append(fixed, [0, 7 * DAY - 1])
    values = [np.exp(log_e([fixed, (moved + s * DAY) % (7 * DAY)])) for s in range(7)]

    assert np.mean(values) == pytest.approx(1.0)


def test_a_rotation_by_one_server_is_one_clock() -> None:
    """A limit of the signal: a server that serves its users in turn looks like a queue."""
    period = 7 * HOUR + 13 * MINUTE
    times = [np.arange(i * period // 60, DAYS * DAY, period) for i in range(60)]

    assert log_e(times) > BOUND


def test_the_tell_names_members_and_keeps_within_its_largest(tmp_path: Path) -> None:
    """Through the log: workers on one queue beside people at random."""
    book = LogBook(7)
    people = book.people(12, days=10, prompts=60)
    workers = [f"w{i:02}" for i in range(12)]
    for worker in workers:
        book.account(worker)
    for number in range(700):
        at = START + number * (10 * ONE_DAY - timedelta(minutes=1)) / 700
        book.exchange(book.rng.choice(workers), f"task {number}", at)
    scene = scene_of(book.evidence(tmp_path), workers, people)
    tell = measure(scene)

    assert tell.log_e[0] > 10
    assert tell.log_e[1] < np.log(20)
    assert (tell.log_e <= tell.largest + 1e-9).all()
    assert len(tell.members[0]) > 8
    assert set(scene.traffic.accounts[tell.rows[0]]) == set(tell.members[0].tolist())
    assert len(tell.members[1]) == 0


def test_a_few_days_say_nothing(tmp_path: Path) -> None:
    """Fewer than five days leave too few shifts."""
    book = LogBook(8)
    people = book.people(12, days=4)
    scene = scene_of(book.evidence(tmp_path), people)

    assert measure(scene).log_e.tolist() == [0.0]
    assert measure(scene).largest.tolist() == [0.0]
