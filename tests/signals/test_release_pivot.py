"""Release pivot: who turns to a new model at once, and who does so like everybody."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np

from planted_logs import DAY, START, LogBook, scene_of
from stillwatch.signals.release_pivot import measure, turned

RELEASE = START + 4 * DAY
DAYS = 8


def users(book: LogBook, name: str, number: int, *, waits: float) -> list[str]:
    """Accounts that ask the old model until they turn, so many days after the release on average."""
    names = [f"{name}{i:03}" for i in range(number)]
    for account in names:
        book.account(account, plan="individual")
        turns = RELEASE + DAY * book.rng.expovariate(1 / waits)
        for at in range(DAYS * 6):
            moment = START + timedelta(hours=4 * at, minutes=book.rng.randrange(200))
            book.exchange(
                account, f"question {at}", moment, model="new" if moment > turns else "old"
            )
    return names


def log(seed: int) -> LogBook:
    book = LogBook(seed)
    book.releases = [
        {"model": "older", "released_at": START - 90 * DAY},
        {"model": "new", "released_at": RELEASE},
    ]
    users(book, "p", 80, waits=6.0)
    return book


def test_a_group_that_turns_within_hours_stands_out(tmp_path: Path) -> None:
    """Most others take a week."""
    book = log(1)
    group = users(book, "w", 15, waits=0.2)
    tell = measure(scene_of(book.evidence(tmp_path), group))

    assert np.log(20) < tell.log_e[0] <= tell.largest[0] + 1e-9
    assert len(tell.members[0]) > 8


def test_a_group_that_turns_as_everybody_does_not(tmp_path: Path) -> None:
    """The eagerness of the log is the measure."""
    book = log(2)
    group = users(book, "w", 15, waits=6.0)

    assert measure(scene_of(book.evidence(tmp_path), group)).log_e[0] < np.log(20)


def test_where_all_turn_at_once_nobody_stands_out(tmp_path: Path) -> None:
    """A model that everybody waited for."""
    book = log(3)
    users(book, "q", 200, waits=0.2)
    group = users(book, "w", 15, waits=0.2)

    assert measure(scene_of(book.evidence(tmp_path), group)).log_e[0] < np.log(20)


def test_newcomers_of_the_release_day_cannot_turn(tmp_path: Path) -> None:
    """Who was not at work before has no figure: a benchmark on the day is no pivot."""
    book = log(4)
    for number in range(30):
        moment = RELEASE + timedelta(minutes=20 + number)
        book.exchange("fresh", f"item {number}", moment, model="new")
    scene = scene_of(book.evidence(tmp_path), ["fresh"])
    figures = turned(scene)

    assert figures is not None
    assert np.isnan(figures[scene.groups[0].accounts]).all()


def test_without_a_release_in_the_log_nothing_is_said(tmp_path: Path) -> None:
    """No table, or only old releases."""
    book = log(5)
    book.releases = book.releases[:1]
    group = users(book, "w", 10, waits=0.2)

    assert measure(scene_of(book.evidence(tmp_path), group)).largest.tolist() == [0.0]


def test_a_release_is_unknown_before_it(tmp_path: Path) -> None:
    """What is replayed at a midnight knows only what was released by then."""
    evidence = log(6).evidence(tmp_path)
    midnight = int((START + 3 * DAY).timestamp() * 1e6)

    assert len(evidence.releases.models) == 2
    assert len(evidence.until(midnight).releases.models) == 1
