"""Repeated checks: those who fear to be answered worse, and those who measure a model's drift."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from planted_logs import DAY, START, VOCABULARY, LogBook, scene_of
from stillwatch.signals.repeated_checks import after_stops, find_checks, measure

CANARIES = ("What is 17 times 23?", "Which model are you?", "Show how you come to your answer.")
HOUR = timedelta(hours=1)


def workers(
    book: LogBook, name: str, number: int, *, stopped: float = 0.05, each: int = 70
) -> list[str]:
    """Accounts that ask one thing of their own after the other, some of them stopped."""
    names = [f"{name}{i:03}" for i in range(number)]
    for account in names:
        book.account(account, plan="individual")
        for _ in range(each):
            moment = START + timedelta(seconds=book.rng.randrange(10 * 86_400))
            status = "refused" if book.rng.random() < stopped else "ok"
            text = " ".join(book.rng.choices(VOCABULARY, k=12))
            book.exchange(account, text, moment, status=status)
    return names


def stops_of(book: LogBook, names: list[str]) -> list[datetime]:
    return [
        row["started_at"]
        for row in book.exchanges
        if row["account_id"] in names and row["status"] == "refused"
    ]


def check_after_stops(
    book: LogBook, names: list[str], canaries: tuple[str, ...] = CANARIES
) -> None:
    """Within the hour after a member's stop, another member or two ask a canary."""
    for moment in stops_of(book, names):
        for account in book.rng.sample(names, 2):
            later = moment + timedelta(minutes=book.rng.uniform(2, 50))
            book.exchange(account, book.rng.choice(canaries), later)


def test_checks_after_stops_are_told(tmp_path: Path) -> None:
    """They follow the stops of others that ask the same, so both figures are high."""
    book = LogBook(51)
    workers(book, "p", 150)
    group = workers(book, "w", 10, stopped=0.15)
    check_after_stops(book, group)
    scene = scene_of(book.evidence(tmp_path), group)
    tell = measure(scene)

    assert np.log(20) < tell.log_e[0] <= tell.largest[0] + 1e-9
    assert len(tell.members[0]) >= 8
    shown = [str(scene.traffic.exchange_ids[int(row)]) for row in tell.rows[0]]
    asked = {row["exchange_id"]: row["input_text"] for row in book.exchanges}
    assert {asked[exchange] for exchange in shown} <= set(CANARIES)
    assert not any(canary in tell.observed[0] for canary in CANARIES)
    timed = after_stops(scene, scene.groups[0], find_checks(scene).rows)
    assert timed.log_e > 10.0
    assert "within the hour after one of them was stopped" in tell.observed[0]


def test_canaries_at_intervals_are_told_without_stops(tmp_path: Path) -> None:
    """Asked once a day by each, beside the work; nothing is stopped."""
    book = LogBook(52)
    workers(book, "p", 150, stopped=0.0)
    group = workers(book, "w", 10, stopped=0.0)
    for account in group:
        for day in range(10):
            moment = START + DAY * day + timedelta(hours=book.rng.uniform(0, 23))
            book.exchange(account, CANARIES[day % 2], moment)

    assert measure(scene_of(book.evidence(tmp_path), group)).log_e[0] > np.log(20)


def test_drift_monitors_are_not(tmp_path: Path) -> None:
    """The same questions every two hours from accounts that ask nothing else, and uptime checks."""
    book = LogBook(53)
    workers(book, "p", 150)
    group = [f"m{i:03}" for i in range(10)]
    for account in group:
        book.account(account, plan="individual")
        for turn in range(100):
            moment = START + 2 * HOUR * turn + timedelta(seconds=book.rng.randrange(60))
            book.exchange(account, CANARIES[turn % 3], moment)
    scene = scene_of(book.evidence(tmp_path), group)
    tell = measure(scene)

    assert len(find_checks(scene).rows) == 0
    assert tell.log_e[0] < np.log(20)
    assert tell.members[0].tolist() == []


def test_one_account_with_a_schedule_beside_its_work_is_not(tmp_path: Path) -> None:
    """A firm's monitor: its questions are nobody else's, so no group of workers shares them."""
    book = LogBook(54)
    workers(book, "p", 150)
    group = workers(book, "w", 10)
    for day in range(30):
        book.exchange(group[0], CANARIES[0], START + 8 * HOUR * day)
    scene = scene_of(book.evidence(tmp_path), group)

    assert len(find_checks(scene).rows) == 0
    assert measure(scene).log_e[0] < np.log(20)


@pytest.mark.parametrize("everyone", [True, False])
def test_a_canned_question_of_a_program_follows_no_stop(tmp_path: Path, everyone: bool) -> None:
    """Its users press one button a day; where everybody has the program, nothing is told."""
    book = LogBook(55)
    people = workers(book, "p", 150)
    group = workers(book, "w", 10, stopped=0.15)
    for account in people + group if everyone else group:
        for day in range(10):
            moment = START + DAY * day + timedelta(hours=book.rng.uniform(0, 23))
            book.exchange(account, "What is my small step for today?", moment)
    scene = scene_of(book.evidence(tmp_path), group)
    own = find_checks(scene).rows
    own = own[np.isin(scene.traffic.accounts[own], scene.groups[0].accounts)]

    assert len(own) > 50
    assert after_stops(scene, scene.groups[0], own).log_e < 1.0
    if everyone:
        assert measure(scene).log_e[0] < np.log(20)


def test_what_was_stopped_and_is_asked_again_is_a_retry(tmp_path: Path) -> None:
    """A client that tries the stopped text again, at once or hours later, checks nothing."""
    book = LogBook(56)
    workers(book, "p", 150)
    group = workers(book, "w", 10)
    for account in group:
        for day in range(4):
            for turn, status in enumerate(("refused", "rate_limited", "ok")):
                moment = START + DAY * day + 2 * HOUR * turn
                book.exchange(account, f"the list of day {day}", moment, status=status)
    scene = scene_of(book.evidence(tmp_path), group)

    assert len(find_checks(scene).rows) == 0


def test_several_answers_drawn_at_once_are_one_asking(tmp_path: Path) -> None:
    """Ten samples of one question within minutes, by everyone of the group."""
    book = LogBook(57)
    workers(book, "p", 150)
    group = workers(book, "w", 10)
    for account in group:
        for turn in range(10):
            book.exchange(account, CANARIES[0], START + DAY + timedelta(minutes=turn))

    assert len(find_checks(scene_of(book.evidence(tmp_path), group)).rows) == 0


def test_a_log_without_text_says_nothing(tmp_path: Path) -> None:
    """Nothing to ask again."""
    book = LogBook(58)
    workers(book, "p", 120)
    group = workers(book, "w", 10)
    for row in book.exchanges:
        row["input_text"] = row["output_text"] = None
    tell = measure(scene_of(book.evidence(tmp_path), group))

    assert tell.members[0].tolist() == []
    assert tell.log_e[0] < np.log(20)
