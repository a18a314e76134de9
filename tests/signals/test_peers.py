"""Members beside their like: round the clock, and nobody there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from planted_logs import DAY, START, LogBook, scene_of
from stillwatch.signals import no_person, round_the_clock
from stillwatch.signals.peers import Figure, tell_of

DAYS = 8


def sends(book: LogBook, name: str, *, nights: bool, talk: int, number: int = 40) -> None:
    """An account that works by day or round the clock, in talks of so many turns."""
    book.account(name, plan="individual")
    own = book.rng.sample(range(10_000), number)
    for at in range(0, number, talk):
        hour = book.rng.uniform(0, 24) if nights else book.rng.uniform(8, 20)
        begin = START + DAY * book.rng.randrange(DAYS) + timedelta(hours=hour)
        for turn in range(talk):
            moment = begin + timedelta(seconds=70 * turn)
            talked = {"conversation_id": f"{name}-{at}", "turn_index": turn}
            book.exchange(name, f"question {own[at + turn]} of {name}", moment, **talked)


def crowd(book: LogBook, name: str, number: int, *, nights: bool, talk: int) -> list[str]:
    names = [f"{name}{i:03}" for i in range(number)]
    for account in names:
        sends(book, account, nights=nights, talk=talk)
    return names


def test_who_never_rests_stands_out_among_like_accounts(tmp_path: Path) -> None:
    """Single requests at all hours, beside accounts of single requests by day."""
    book = LogBook(1)
    crowd(book, "p", 60, nights=False, talk=1)
    group = crowd(book, "w", 15, nights=True, talk=1)
    tell = round_the_clock.measure(scene_of(book.evidence(tmp_path), group))

    assert tell.log_e[0] > np.log(20)
    assert tell.log_e[0] <= tell.largest[0]
    assert len(tell.members[0]) > 5


def test_nightly_jobs_among_jobs_that_never_rest_do_not(tmp_path: Path) -> None:
    """Compared with automated accounts, not with people."""
    book = LogBook(2)
    crowd(book, "p", 60, nights=False, talk=4)
    crowd(book, "j", 60, nights=True, talk=1)
    group = crowd(book, "w", 15, nights=True, talk=1)

    assert round_the_clock.measure(scene_of(book.evidence(tmp_path), group)).log_e[0] < np.log(20)


def test_full_use_from_the_first_day_is_told_from_a_ramp(tmp_path: Path) -> None:
    """A new account that begins slowly has less on its first day than later."""
    book = LogBook(3)
    for name, daily in (("ramp", [1, 2, 4, 6, 8]), ("full", [5, 5, 5, 5, 5])):
        book.account(name, created_at=START)
        for day, number in enumerate(daily):
            for _ in range(number):
                hour = timedelta(hours=10 + 6 * book.rng.random())
                book.exchange(name, "a question", START + DAY * day + hour)
    figure = round_the_clock.full_at_once(scene_of(book.evidence(tmp_path), ["full"]))

    assert figure[0] > 0.7
    assert figure[1] < 0.3


def test_work_that_nobody_comes_back_to_stands_out_among_people(tmp_path: Path) -> None:
    """Single requests beside talks, of the same plan and volume."""
    book = LogBook(4)
    crowd(book, "p", 60, nights=False, talk=4)
    group = crowd(book, "w", 15, nights=False, talk=1)
    tell = no_person.measure(scene_of(book.evidence(tmp_path), group))

    assert tell.log_e[0] > np.log(20)
    assert "1.00" in tell.observed[0]
    assert "0.00" in tell.usual[0]


def test_people_in_a_group_do_not(tmp_path: Path) -> None:
    """A class that talks like everybody."""
    book = LogBook(5)
    crowd(book, "p", 60, nights=False, talk=4)
    group = crowd(book, "w", 15, nights=False, talk=4)

    assert no_person.measure(scene_of(book.evidence(tmp_path), group)).log_e[0] < np.log(20)


def test_the_mean_over_exchangeable_members_is_at_most_one(tmp_path: Path) -> None:
    """Whoever are the members, if they are like the others."""
    book = LogBook(6)
    group = crowd(book, "w", 6, nights=False, talk=4)
    crowd(book, "p", 12, nights=False, talk=4)
    scene = scene_of(book.evidence(tmp_path), group)
    strata = np.repeat([0, 1], 9)
    values = []
    for seed in range(600):
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(18, 6, replace=False))
        reference = ~np.isin(np.arange(18), chosen)
        shown = replace(
            scene, groups=[replace(scene.groups[0], accounts=chosen)], reference=reference
        )
        figure = Figure("figure", rng.integers(0, 30, 18).astype(float), strata)
        values.append(np.exp(tell_of(shown, "some", "some", [figure]).log_e[0]))

    assert 0.05 < np.mean(values) <= 1.05
