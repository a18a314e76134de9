"""After a closure: a pool goes on with other accounts, strangers go on as they did."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from planted_logs import DAY, START, LogBook, scene_of
from stillwatch.signals.after_closure import measure, stops
from stillwatch.signals.tell import Scene

DAYS = 12
MINUTE = timedelta(minutes=1)
SHOWN = np.log(20)


def sends(book: LogBook, name: str, begin: datetime, end: datetime, *, an_hour: float) -> None:
    """Exchanges at random moments from the first to the last."""
    hours = (end - begin) / timedelta(hours=1)
    book.exchange(name, "the first task", begin)
    for number in range(round(hours * an_hour)):
        book.exchange(name, f"task {number}", begin + (end - begin) * book.rng.random())


def relay(book: LogBook, *, delay: timedelta | None) -> list[str]:
    """Thirty accounts; two are closed every day, and two begin: soon after, or whenever."""
    end = START + DAYS * DAY
    names = [f"w{i:02}" for i in range(30)]
    closed: dict[str, datetime] = {}
    begins = dict.fromkeys(names, START)
    for day in range(1, DAYS - 1):
        for _ in range(2):
            worker = book.rng.choice([n for n in names if n not in closed and begins[n] == START])
            closed[worker] = START + DAY * (day + book.rng.uniform(0.2, 0.8))
            names.append(f"w{len(names):02}")
            moment = START + DAY * (day + book.rng.uniform(0.2, 0.8))
            begins[names[-1]] = moment if delay is None else closed[worker] + delay
    for name in names:
        status = "banned" if name in closed else "active"
        created = begins[name] - DAY
        book.account(name, closed_at=closed.get(name), status=status, created_at=created)
        sends(book, name, begins[name], closed.get(name, end), an_hour=0.5)
    return names


def test_accounts_that_begin_minutes_after_closures_are_told(tmp_path: Path) -> None:
    """A pool with accounts in store."""
    book = LogBook(1)
    names = relay(book, delay=6 * MINUTE)
    tell = measure(scene_of(book.evidence(tmp_path), names))

    assert SHOWN < tell.log_e[0] <= tell.largest[0]
    assert ", 0 before" in tell.observed[0]
    assert len(tell.members[0]) > 5
    assert len(tell.rows[0]) > 5


def test_accounts_that_begin_whenever_they_do_are_not(tmp_path: Path) -> None:
    """As many closures and as many beginnings on the same days, with nothing between them."""
    book = LogBook(2)
    names = relay(book, delay=None)

    assert measure(scene_of(book.evidence(tmp_path), names)).log_e[0] < SHOWN


def limits(book: LogBook, *, moves: bool) -> list[str]:
    """Sixteen accounts; one a day meets a run of limits, and its work goes to the others or waits."""
    names = [f"w{i:02}" for i in range(16)]
    for name in names:
        book.account(name)
        sends(book, name, START, START + DAYS * DAY, an_hour=0.6)
    for day in range(DAYS):
        moment = START + DAY * (day + book.rng.uniform(0.2, 0.8))
        stopped = names[day]
        for number in range(4):
            at = moment + number * MINUTE / 4
            book.exchange(stopped, "a task", at, status="rate_limited")
        later = timedelta(minutes=10) if moves else timedelta(hours=4.5)
        for number in range(12):
            taker = book.rng.choice([n for n in names if n != stopped]) if moves else stopped
            at = moment + later * book.rng.uniform(0.5, 1)
            book.exchange(taker, f"moved {number}", at)
    return names


@pytest.mark.parametrize("moves", [True, False], ids=["to the others", "waits"])
def test_work_that_moves_when_limits_strike_is_told(tmp_path: Path, moves: bool) -> None:
    """Who waits for his limit to pass, and goes on by himself, is no pool."""
    book = LogBook(3)
    names = limits(book, moves=moves)

    told = bool(measure(scene_of(book.evidence(tmp_path), names)).log_e[0] > SHOWN)

    assert told is moves


def test_a_stop_is_a_closure_or_the_first_of_a_run(tmp_path: Path) -> None:
    """Two limits with an answer between them stop nobody."""
    book = LogBook(4)
    book.account("a", closed_at=START + 2 * DAY, status="banned")
    book.account("b")
    book.account("c", closed_at=START + 90 * DAY)
    said = {"b": ["ok", "rate_limited", "blocked", "blocked", "blocked", "ok"]}
    said["c"] = ["rate_limited", "rate_limited", "ok", "rate_limited", "rate_limited"]
    for account, statuses in said.items():
        for number, status in enumerate(statuses):
            book.exchange(account, "a task", START + DAY + number * MINUTE, status=status)
    book.exchange("a", "a task", START)
    book.exchange("a", "a task", START + 3 * DAY)
    scene = scene_of(book.evidence(tmp_path), ["a", "b", "c"])
    moments, of = stops(scene, scene.groups[0])
    since = (moments - int(START.timestamp() * 1e6)) / 60e6

    assert sorted(zip(of.tolist(), since.tolist(), strict=True)) == [(0, 2880.0), (1, 1441.0)]


def crowd(book: LogBook, kind: str) -> list[str]:
    """Honest crowds: by day, all at nine, new users every day, or a lesson on some days."""
    names = [f"p{i:02}" for i in range(40)]
    lessons = {day: book.rng.uniform(9, 15) for day in (1, 4, 7, 10)}
    for name in names:
        book.account(name)
        first = book.rng.randrange(DAYS - 1) if kind == "grows" else 0
        for day in range(first, DAYS):
            for number in range(6):
                hour = book.rng.uniform(8, 20)
                if kind == "at nine":
                    hour = 9 + book.rng.expovariate(1.5)
                if kind == "lessons" and day in lessons and number < 4:
                    hour = lessons[day] + book.rng.random()
                at = START + DAY * day + timedelta(hours=min(hour, 23.0))
                book.exchange(name, f"question {number} of day {day}", at)
    return names


@pytest.mark.parametrize("kind", ["by day", "at nine", "grows", "lessons"])
def test_the_mean_over_random_days_of_closing_is_at_most_one(tmp_path: Path, kind: str) -> None:
    """Closures in office hours, on random days: whatever the crowd does, it is an e-value."""
    book = LogBook(5)
    names = crowd(book, kind)
    scene = scene_of(book.evidence(tmp_path), names)
    values = np.exp([measure(_closed(scene, seed)).log_e[0] for seed in range(250)])

    assert 0.1 < values.mean() <= 1.0 + 4 * values.std() / np.sqrt(len(values))
    assert (values >= 20).mean() <= 0.05


def _closed(scene: Scene, seed: int) -> Scene:
    """The same log with closures of eight members on four random days, from nine to six."""
    generator = np.random.default_rng(seed)
    closed = np.zeros(len(scene.attributes), np.int64)
    days = generator.choice(np.arange(1, DAYS), 4, replace=False)
    hours = generator.uniform(9, 18, 8)
    hours[:3] = 9.1
    moments = np.repeat(days, 2) * 86_400e6 + hours * 3_600e6
    closed[generator.choice(len(closed), 8, replace=False)] = moments + START.timestamp() * 1e6
    return replace(scene, attributes=replace(scene.attributes, closed=closed))


def test_a_log_without_closures_and_status_says_nothing(tmp_path: Path) -> None:
    """No column, no evidence."""
    book = LogBook(6)
    names = crowd(book, "by day")
    for row in book.exchanges:
        row["status"] = None
    tell = measure(scene_of(book.evidence(tmp_path), names))

    assert tell.log_e.tolist() == [0.0]
    assert tell.observed == [""]
