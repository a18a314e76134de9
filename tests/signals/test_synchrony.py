"""One clock: what pools of different habits score."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from planted_logs import DAY, START, LogBook, rows_of
from stillwatch.signals.synchrony import BINS, bets, common_clock, hourly_background

DAYS = 12


def bursts(book: LogBook, number: int = 14) -> list[int]:
    """Hours since the start at which somebody presses a button."""
    return sorted(book.rng.sample(range(DAYS * 24), number))


def at_hours(book: LogBook, account: str, hours: list[int], times: int = 1) -> None:
    for hour in hours:
        for _ in range(times):
            moment = START + timedelta(hours=hour, seconds=book.rng.randrange(3600))
            book.exchange(account, None, moment)


def ordinary(book: LogBook, number: int, name: str = "p") -> list[str]:
    """Independent accounts, each with its own random busy hours, more of them by day."""
    names = [f"{name}{i:02}" for i in range(number)]
    for account in names:
        hours = [book.rng.randrange(DAYS) * 24 + book.rng.randrange(8, 22) for _ in range(40)]
        at_hours(book, account, hours)
    return names


def scored(book: LogBook, accounts: list[str], folder: Path) -> np.ndarray:
    traffic = book.traffic(folder)
    return common_clock(traffic, rows_of(traffic, accounts), hourly_background(traffic))[0]


def test_a_pool_on_one_scheduler_scores_high(tmp_path: Path) -> None:
    """Round robin: all are busy in the same hours, whatever the hour of day."""
    book = LogBook(1)
    ordinary(book, 60)
    hours = bursts(book)
    workers = [f"w{i:02}" for i in range(12)]
    for worker in workers:
        at_hours(book, worker, hours, times=4)

    assert np.median(scored(book, workers, tmp_path)) > 2.0


def test_independent_people_score_near_zero(tmp_path: Path) -> None:
    """Habits of the day alone are no common clock."""
    book = LogBook(2)
    people = ordinary(book, 160)
    scores = scored(book, people[:16], tmp_path)

    assert not np.isnan(scores).any()
    assert abs(scores.mean()) < 1.0


def test_an_outage_that_moves_everybody_says_nothing(tmp_path: Path) -> None:
    """What the log as a whole does in an hour is taken out of each account."""
    book = LogBook(3)
    ordinary(book, 160)
    dead = {24 * 5 + h for h in range(24)} | {24 * 8 + h for h in range(8, 15)}
    book.exchanges = [
        e for e in book.exchanges if int((e["started_at"] - START) / timedelta(hours=1)) not in dead
    ]
    people = sorted({e["account_id"] for e in book.exchanges})[:16]
    traffic = book.traffic(tmp_path)
    pool = rows_of(traffic, people)
    background = hourly_background(traffic)

    corrected = common_clock(traffic, pool, background)[0]
    naive = common_clock(traffic, pool, np.ones_like(background))[0]

    assert np.mean(naive) > 1.0
    assert np.mean(corrected) < 0.5


@pytest.mark.parametrize(("days", "exchanges"), [(3, 40), (DAYS, 5)])
def test_too_little_says_nothing(tmp_path: Path, days: int, exchanges: int) -> None:
    """A few days, or a few exchanges, have no score."""
    book = LogBook(4)
    for account in ("a", "b"):
        for number in range(exchanges):
            book.exchange(
                account, None, START + DAY * (number % days) + timedelta(hours=number % 20)
            )

    assert np.isnan(scored(book, ["a", "b"], tmp_path)).all()


def test_the_background_counts_every_exchange_once(tmp_path: Path) -> None:
    """Hours since the beginning of the first day, whole days."""
    book = LogBook(5)
    at_hours(book, "a", [3, 3, 25, 50])
    background = hourly_background(book.traffic(tmp_path))

    assert len(background) == 72
    assert {int(h): int(background[h]) for h in np.flatnonzero(background)} == {3: 2, 25: 1, 50: 1}


def test_bets_are_a_distribution_over_the_bins() -> None:
    """They sum to one, as the proof of the martingale needs."""
    assert bets().sum() == pytest.approx(1.0)
    assert len(bets()) == len(BINS) - 1
