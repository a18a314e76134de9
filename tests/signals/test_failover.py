"""Failover: a queue hands on what one account was stopped at; people do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from planted_logs import START, LogBook, scene_of
from stillwatch.signals.failover import measure
from stillwatch.signals.tell import Scene

MINUTE = timedelta(minutes=1)
BOUND = float(np.log(100 / (0.01 * 0.05 / 2)))  # at the default rate, among a hundred groups


def crew(book: LogBook, number: int = 12, name: str = "w") -> list[str]:
    names = [f"{name}{i:02}" for i in range(number)]
    for account in names:
        book.account(account)
    return names


def send(book: LogBook, account: str, text: str, at: datetime, *, stopped: bool) -> None:
    status = "rate_limited" if stopped else "ok"
    book.exchange(account, text, at, status=status)


def work(book: LogBook, names: list[str], again: str, every: int = 25, tasks: int = 900) -> None:
    """Tasks in random hands; each 25th is stopped, and sent again by somebody or nobody."""
    for number in range(tasks):
        at = START + number * 8 * MINUTE
        worker = book.rng.choice(names)
        stopped = number % every == 0
        send(book, worker, f"task number {number}", at, stopped=stopped)
        if stopped and again == "another":
            worker = book.rng.choice([n for n in names if n != worker])
        if stopped and again != "nobody":
            send(book, worker, f"task number {number}", at + 3 * MINUTE, stopped=False)


def test_a_queue_hands_on_what_was_stopped(tmp_path: Path) -> None:
    """Some forty stops of twelve workers are more than enough, and bounded."""
    book = LogBook(1)
    names = crew(book)
    work(book, names, "another")
    tell = measure(scene_of(book.evidence(tmp_path), names))

    assert BOUND < tell.log_e[0] <= tell.largest[0]
    assert len(tell.members[0]) > 6
    assert len(tell.rows[0]) > 20


def test_who_tries_again_himself_is_no_queue(tmp_path: Path) -> None:
    """What people and client libraries do."""
    book = LogBook(2)
    names = crew(book)
    work(book, names, "oneself")

    assert measure(scene_of(book.evidence(tmp_path), names)).log_e[0] < 0


def test_a_class_asks_the_same_after_a_stop_as_after_an_answer(tmp_path: Path) -> None:
    """An exercise of many is a common assignment, whoever was stopped in the rush."""
    book = LogBook(3)
    names = crew(book, 28)
    for lesson in range(12):
        for place, name in enumerate(names):
            at = START + lesson * timedelta(hours=20) + place * timedelta(seconds=20)
            send(book, name, f"exercise {lesson}", at, stopped=place < 5)

    assert measure(scene_of(book.evidence(tmp_path), names)).log_e[0] == 0


def test_partners_who_help_each_other_out_are_no_queue(tmp_path: Path) -> None:
    """Fourteen pairs, each handing on what one was stopped at: no piece of the graph is large."""
    book = LogBook(4)
    names = crew(book, 28)
    for number in range(600):
        pair = number % 14
        one, other = book.rng.sample(names[2 * pair : 2 * pair + 2], 2)
        at = START + number * 10 * MINUTE
        stopped = book.rng.random() < 0.1
        send(book, one, f"exercise {number}", at, stopped=stopped)
        if stopped:
            send(book, other, f"exercise {number}", at + 2 * MINUTE, stopped=False)

    assert measure(scene_of(book.evidence(tmp_path), names)).log_e[0] <= 0


def test_one_person_with_spare_accounts_does_not_tie_a_crowd(tmp_path: Path) -> None:
    """Six of sixty users of an app are one hand; the others are strangers."""
    book = LogBook(5)
    crowd = crew(book, 54, "p")
    work(book, crowd, "oneself", tasks=400)
    spare = crew(book, 6, "s")
    work(book, spare, "another", every=10, tasks=400)

    assert measure(scene_of(book.evidence(tmp_path), crowd + spare)).log_e[0] <= 0
    assert measure(scene_of(book.evidence(tmp_path / "alone"), spare)).log_e[0] > 5


def test_the_mean_over_random_stops_is_at_most_one(tmp_path: Path) -> None:
    """Where stops strike at random, however often prompts move between members, it is an e-value."""
    book = LogBook(6)
    names = crew(book, 8)
    for number in range(300):
        at = START + number * 10 * MINUTE
        one, other = book.rng.sample(names, 2)
        send(book, one, f"task {number}", at, stopped=number < 12)
        if book.rng.random() < 0.3:
            send(book, other, f"task {number}", at + MINUTE, stopped=False)
    scene = scene_of(book.evidence(tmp_path), names)
    first = scene.traffic.started % (10 * 60_000_000) == 0
    values = [np.exp(measure(_struck(scene, first, seed)).log_e[0]) for seed in range(400)]

    assert 0.05 < np.mean(values) <= 1.1


def _struck(scene: Scene, among: np.ndarray, seed: int) -> Scene:
    """The same log with stops at other places."""
    rng = np.random.default_rng(seed)
    status = np.zeros(len(scene.traffic), np.int8)
    status[rng.choice(np.flatnonzero(among), 3, replace=False)] = 2
    requests = replace(scene.traffic.requests, status=status)
    return replace(scene, traffic=replace(scene.traffic, requests=requests))


def test_a_log_without_status_says_nothing(tmp_path: Path) -> None:
    """No column, no evidence."""
    book = LogBook(7)
    names = crew(book)
    work(book, names, "another", tasks=200)
    for row in book.exchanges:
        row["status"] = None
    tell = measure(scene_of(book.evidence(tmp_path), names))

    assert tell.log_e.tolist() == [0.0]
    assert tell.largest.tolist() == [0.0]
