"""One clock: what pools of different habits score."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from planted_logs import DAY, START, LogBook, rows_of
from stillwatch.campaigns.clauses import acts_as_one, own_work, score_accounts
from stillwatch.linking.groups import Group
from stillwatch.signals.owners import read_wording
from stillwatch.signals.synchrony import (
    BINS,
    CELLS,
    bets,
    bins_of,
    common_clock,
    kinds,
    like_traffic,
)
from stillwatch.signals.traffic import Traffic

DAYS = 12
HOUR = timedelta(hours=1)


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


def scored(
    traffic: Traffic,
    accounts: list[str],
    of_accounts: np.ndarray | None = None,
    *,
    naive: bool = False,
) -> np.ndarray:
    """Scores beside the traffic of like accounts; naively, as if there were none."""
    everybody = np.arange(len(traffic.account_names))
    like = like_traffic(traffic, np.zeros_like(everybody) if of_accounts is None else of_accounts)
    rows = rows_of(traffic, accounts)
    apart = np.arange(len(traffic)) if naive else np.concatenate(rows)
    members = everybody[np.isin(traffic.account_names, accounts)]
    return common_clock(traffic, members, rows, apart, like)[0]


def test_a_pool_on_one_scheduler_scores_high(tmp_path: Path) -> None:
    """Round robin: all are busy in the same hours, whatever the hour of day."""
    book = LogBook(1)
    ordinary(book, 60)
    hours = bursts(book)
    workers = [f"w{i:02}" for i in range(12)]
    for worker in workers:
        at_hours(book, worker, hours, times=4)

    assert np.median(scored(book.traffic(tmp_path), workers)) > 2.0


def test_independent_people_score_near_zero(tmp_path: Path) -> None:
    """Habits of the day alone are no common clock."""
    book = LogBook(2)
    people = ordinary(book, 160)
    scores = scored(book.traffic(tmp_path), people[:16])

    assert not np.isnan(scores).any()
    assert abs(scores.mean()) < 1.0


def outage(book: LogBook, names: list[str]) -> None:
    """A day and an afternoon in which nobody gets through."""
    dead = {24 * 5 + h for h in range(24)} | {24 * 8 + h for h in range(8, 15)}
    book.exchanges = [
        e
        for e in book.exchanges
        if e["account_id"] not in names or int((e["started_at"] - START) / HOUR) not in dead
    ]


def rush(book: LogBook, names: list[str]) -> None:
    """Two outages end at odd minutes, and everybody sends for a quarter of an hour."""
    for name in names:
        for day, hour in ((3, 13.7), (7, 10.3)):
            for _ in range(5):
                at = START + day * DAY + (hour + book.rng.random() / 4) * HOUR
                book.exchange(name, None, at)


def midnight(book: LogBook, names: list[str]) -> None:
    """Timers that fire when the cheap hours begin, on the four nights that have them."""
    for name in names:
        for night in (2, 3, 6, 9):
            for number in range(3):
                at = START + night * DAY + timedelta(seconds=40 * number + book.rng.random())
                book.exchange(name, None, at)


@pytest.mark.parametrize("moved", [outage, rush, midnight])
def test_what_moves_all_like_accounts_says_nothing(
    tmp_path: Path, moved: Callable[[LogBook, list[str]], None]
) -> None:
    """An hour is compared with hours in which like accounts did as much, or with none."""
    book = LogBook(3)
    names = ordinary(book, 160)
    moved(book, names)
    traffic = book.traffic(tmp_path)

    assert np.mean(scored(traffic, names[:16], naive=True)) > 1.0
    assert abs(np.mean(scored(traffic, names[:16]))) < 0.5


def test_like_accounts_are_asked_and_not_the_whole_log(tmp_path: Path) -> None:
    """A timer of a small kind of account drowns in a large log, and not in its kind's."""
    book = LogBook(4)
    ordinary(book, 900)
    timed = ordinary(book, 60, "t")
    for name in timed:
        at_hours(book, name, [2 * 24 + 11, 4 * 24 + 15, 6 * 24 + 13, 9 * 24 + 12], times=2)
    traffic = book.traffic(tmp_path)
    of_accounts = np.isin(traffic.account_names, timed).astype(np.int64)
    among_all, among_like = scored(traffic, timed[:16]), scored(traffic, timed[:16], of_accounts)

    assert np.mean(among_all) > 1.0
    assert abs(np.mean(among_like)) < 0.6


def test_the_groups_own_exchanges_are_not_its_background(tmp_path: Path) -> None:
    """A pool that is most of its kind would hide behind itself."""
    book = LogBook(5)
    ordinary(book, 10)
    hours = bursts(book)
    workers = [f"w{i:02}" for i in range(40)]
    for worker in workers:
        at_hours(book, worker, hours, times=4)
    traffic = book.traffic(tmp_path)
    members = np.flatnonzero(np.isin(traffic.account_names, workers))
    like = like_traffic(traffic, np.zeros(len(traffic.account_names), np.int64))
    rows = rows_of(traffic, workers)
    hidden = common_clock(traffic, members, rows, rows[0][:0], like)[0]

    assert np.median(scored(traffic, workers)) > 2.0
    assert not np.nanmedian(hidden) > 2.0


@pytest.mark.parametrize("moved", [None, rush, midnight], ids=["quiet", "rush", "midnight"])
def test_the_mean_over_random_groups_of_like_accounts_is_at_most_one(
    tmp_path: Path, moved: Callable[[LogBook, list[str]], None] | None
) -> None:
    """Whoever of a moved crowd are called a group, the e-value that is shown is one."""
    book = LogBook(6)
    names = ordinary(book, 160)
    if moved is not None:
        moved(book, names)
    traffic = book.traffic(tmp_path)
    work = own_work(traffic, read_wording(traffic))
    like = like_traffic(traffic, np.zeros(160, np.int64))
    values = []
    for seed in range(60):
        members = np.sort(np.random.default_rng(seed).choice(160, 12, replace=False))
        rows = np.flatnonzero(np.isin(traffic.accounts, members))
        group = Group(members, np.zeros(0, np.int64), rows, by_wording=True)
        scores = score_accounts(traffic, work, [group], like=like)
        values.append(np.exp(acts_as_one(scores, 0, np.ones(160, np.bool_)).log_e_synchrony))

    assert 0.0 < np.mean(values) <= 1.0 + 4 * np.std(values) / np.sqrt(len(values))
    assert max(values) < 20


@pytest.mark.parametrize(("days", "exchanges"), [(3, 40), (DAYS, 5)])
def test_too_little_says_nothing(tmp_path: Path, days: int, exchanges: int) -> None:
    """A few days, or a few exchanges, have no score."""
    book = LogBook(4)
    for account in ("a", "b"):
        for number in range(exchanges):
            book.exchange(
                account, None, START + DAY * (number % days) + timedelta(hours=number % 20)
            )

    assert np.isnan(scored(book.traffic(tmp_path), ["a", "b"])).all()


def test_like_traffic_counts_every_exchange_once_by_kind(tmp_path: Path) -> None:
    """Ten minutes a cell, whole days, and no more than the last four weeks."""
    book = LogBook(5)
    for account, hours in (("a", [3, 3, 25]), ("b", [24 * 39 + 1])):
        for hour in hours:
            book.exchange(account, None, START + timedelta(hours=hour, minutes=5))
    traffic = book.traffic(tmp_path)
    early = traffic.until(int((START + 2 * DAY).timestamp() * 1e6))

    both, one = like_traffic(traffic, np.array([0, 1])), like_traffic(early, np.array([0]))

    assert both.counts.shape == (2, 28 * CELLS)
    assert both.counts.sum(axis=1).tolist() == [0, 1]
    assert {int(c): int(one.counts[0, c]) for c in np.flatnonzero(one.counts[0])} == {18: 2, 150: 1}


def test_kinds_part_by_plan_and_by_automation(tmp_path: Path) -> None:
    """A plan of few accounts is put with the others that have few."""
    book = LogBook(6)
    ordinary(book, 250)
    traffic = book.traffic(tmp_path)
    plan = np.repeat([0, 1, 2], [120, 120, 10])
    single = np.isin(traffic.accounts, np.arange(110)) | (traffic.accounts >= 245)
    of_accounts = kinds(traffic, single, plan)

    assert len(set(of_accounts[:110])) == len(set(of_accounts[120:240])) == 1
    assert of_accounts[0] != of_accounts[120]
    assert of_accounts[110] == of_accounts[240] != of_accounts[245]


def test_bets_are_a_distribution_over_the_bins() -> None:
    """They sum to one, as the proof of the martingale needs."""
    assert bets().sum() == pytest.approx(1.0)
    assert len(bets()) == len(BINS) - 1
    assert bins_of(np.array([-9.0, 9.0])).tolist() == [0, len(BINS) - 2]
