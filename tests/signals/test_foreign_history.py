"""Foreign history: a relay's accounts, and people with talks of their own."""

from __future__ import annotations

from pathlib import Path

from planted_logs import LogBook, planted
from told import told


def with_talks(seed: int) -> tuple[LogBook, list[str]]:
    """Everyone goes on with talks of their own, every third exchange."""
    book, workers = planted(seed)
    last: dict[str, str] = {}
    for number, row in enumerate(sorted(book.exchanges, key=lambda r: r["started_at"])):
        row["output_digest"] = f"answer-{row['exchange_id']}"
        before = last.get(row["account_id"])
        if before and number % 3 == 0:
            row["prefix_digests"] = ["question", before]
        last[row["account_id"]] = row["output_digest"]
    return book, workers


def test_talks_that_began_elsewhere_are_told(tmp_path: Path) -> None:
    """The accounts of a relay send in histories that hold no answer of ours."""
    book, workers = with_talks(31)
    for row in book.exchanges:
        if row["account_id"] in workers and row["prefix_digests"]:
            row["prefix_digests"] = ["question", f"elsewhere-{row['exchange_id']}", "and then"]

    tell = told(book, workers, "foreign_history", tmp_path)

    assert 4.0 < tell.log_e <= tell.largest
    assert tell.members <= set(workers)
    assert len(tell.exchanges) >= len(tell.members)


def test_beginnings_of_answers_that_we_never_gave_are_told(tmp_path: Path) -> None:
    """A prefill is an assistant's turn that we did not write."""
    book, workers = with_talks(32)
    for row in book.exchanges:
        row["prefill"] = row["account_id"] in workers

    assert told(book, workers, "foreign_history", tmp_path).log_e > 4.0


def test_talks_of_ones_own_are_not(tmp_path: Path) -> None:
    """A history with one of our answers in it is ours."""
    book, workers = with_talks(33)
    tell = told(book, workers, "foreign_history", tmp_path)

    assert tell.log_e <= 0.0
    assert not tell.members


def test_one_talk_from_before_the_log_is_not(tmp_path: Path) -> None:
    """Its answers were given before the first day that we can see."""
    book, workers = with_talks(34)
    seen = set()
    for row in sorted(book.exchanges, key=lambda r: r["started_at"]):
        if row["account_id"] not in seen:
            seen.add(row["account_id"])
            row["prefix_digests"] = ["question", f"old-{row['account_id']}"]

    assert not told(book, workers, "foreign_history", tmp_path).members
