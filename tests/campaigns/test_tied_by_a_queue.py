"""A campaign that shares nothing but wording and a queue, and strangers who share the wording."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from planted_logs import DAY, START, LogBook, members_of, planted
from stillwatch.campaigns.scan import ScanSettings, scan

QUEUE = frozenset({"queue_clock", "failover"})


def without_facts(seed: int) -> tuple[LogBook, list[str]]:
    """Every account has a device of its own, and no card is shared."""
    book, workers = planted(seed, workers=16, days=range(8), daily=10, payment_token=None)
    for number, row in enumerate(book.accounts):
        row["device_token"] = f"device-{number}"
    return book, workers


def from_one_queue(book: LogBook, workers: list[str]) -> None:
    """The workers' items, one after the other, each to whoever is drawn."""
    items = [e for e in book.exchanges if e["account_id"] in set(workers)]
    for number, item in enumerate(items):
        item["started_at"] = START + number * 8 * DAY / len(items)
        item["started_at"] += timedelta(seconds=book.rng.randrange(60))
        item["account_id"] = book.rng.choice(workers)


def found(book: LogBook, folder: Path, without: frozenset[str] = frozenset()) -> set[str]:
    settings = ScanSettings(with_timeline=False, without=without)
    return members_of(scan(book.open(folder), settings, notes={}))


def test_a_queue_ties_what_wording_alone_does_not(tmp_path: Path) -> None:
    """Found with the signals of the queue, held back without them."""
    book, workers = without_facts(1)
    from_one_queue(book, workers)

    assert found(book, tmp_path) == set(workers)
    assert found(book, tmp_path, QUEUE) == set()


def test_the_same_work_at_times_of_its_own_stays_held_back(tmp_path: Path) -> None:
    """Wording alone reports nobody, and independent clocks tie nobody."""
    book, _ = without_facts(2)

    assert found(book, tmp_path) == set()
