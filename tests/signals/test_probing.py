"""Probing: refused at first and answered later, against those who are refused throughout."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np

from planted_logs import START, LogBook, scene_of
from stillwatch.signals.probing import fewer_refusals, measure


def users(book: LogBook, name: str, number: int, *, early: float, late: float) -> list[str]:
    """Accounts with these chances of a refusal in the first 20 and in the last 40 requests."""
    names = [f"{name}{i:03}" for i in range(number)]
    for account in names:
        book.account(account, plan="individual")
        for at in range(60):
            refused = book.rng.random() < (early if at < 20 else late)
            moment = START + timedelta(hours=at, seconds=book.rng.randrange(3000))
            status = "refused" if refused else "ok"
            book.exchange(account, f"phrasing {at % 30}", moment, status=status)
    return names


def test_a_probe_and_its_winner_stand_out(tmp_path: Path) -> None:
    """Nine in ten refused, then one in fifty."""
    book = LogBook(1)
    users(book, "p", 80, early=0.02, late=0.02)
    group = users(book, "w", 10, early=0.9, late=0.02)
    tell = measure(scene_of(book.evidence(tmp_path), group))

    assert np.log(20) < tell.log_e[0] <= tell.largest[0] + 1e-9
    assert len(tell.members[0]) == 10


def test_a_red_team_that_is_refused_throughout_does_not(tmp_path: Path) -> None:
    """Phrasings are its work; none is scaled up."""
    book = LogBook(2)
    users(book, "p", 80, early=0.02, late=0.02)
    group = users(book, "w", 10, early=0.7, late=0.7)

    assert measure(scene_of(book.evidence(tmp_path), group)).log_e[0] < np.log(20)


def test_the_figure_has_mean_nought_and_unit_spread_in_any_order(tmp_path: Path) -> None:
    """However often an account is refused."""
    book = LogBook(3)
    users(book, "p", 300, early=0.3, late=0.3)
    scores = fewer_refusals(scene_of(book.evidence(tmp_path), ["p000"]))

    assert abs(scores.mean()) < 0.15
    assert 0.85 < scores.std() < 1.15


def test_a_log_without_status_says_nothing(tmp_path: Path) -> None:
    """No column, no figure."""
    book = LogBook(4)
    group = users(book, "w", 10, early=0.9, late=0.02)
    for row in book.exchanges:
        row["status"] = None
    tell = measure(scene_of(book.evidence(tmp_path), group))

    assert tell.log_e.tolist() == [0.0]
    assert tell.members[0].tolist() == []
