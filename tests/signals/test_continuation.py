"""Continuation: a pool that hands on its talks, and people who move to their firm's account."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from planted_logs import LogBook, planted
from told import told


def with_talks(seed: int) -> tuple[LogBook, list[str]]:
    """Strangers have one long talk each."""
    book, workers = planted(seed)
    turns: Counter[str] = Counter()
    for row in sorted(book.exchanges, key=lambda r: r["started_at"]):
        account = row["account_id"]
        if account not in workers:
            row |= {"conversation_id": f"talk of {account}", "turn_index": turns[account]}
            turns[account] += 1
    return book, workers


def test_a_pool_that_goes_on_with_each_others_talks_is_told(tmp_path: Path) -> None:
    """Whoever is free goes on with a colleague's talk."""
    book, workers = with_talks(21)
    rows = sorted(
        (r for r in book.exchanges if r["account_id"] in workers), key=lambda r: r["started_at"]
    )
    for before, row in zip(rows[:-7:3], rows[7::3], strict=False):
        if before["account_id"] != row["account_id"]:
            row |= {"conversation_id": before["conversation_id"], "turn_index": 1}

    tell = told(book, workers, "continuation", tmp_path)

    assert 4.0 < tell.log_e <= tell.largest
    assert tell.members <= set(workers)
    assert len(tell.members) >= 6


def test_people_who_move_to_another_account_are_not(tmp_path: Path) -> None:
    """From a private account to the firm's: one giver and one taker, and they are no group."""
    book, workers = with_talks(22)
    for mover in workers:
        book.account(f"old-{mover}")
        first = min(
            (r for r in book.exchanges if r["account_id"] == mover), key=lambda r: r["started_at"]
        )
        book.exchange(
            f"old-{mover}",
            " ".join(book.rng.sample(["some", "private", "matter", "of", "mine"], 5)),
            first["started_at"].replace(hour=0, minute=0, second=0),
            conversation_id=f"private-{mover}",
        )
        first["started_at"] = first["started_at"].replace(hour=23)
        first |= {"conversation_id": f"private-{mover}", "turn_index": 1}

    tell = told(book, workers, "continuation", tmp_path)

    assert tell.log_e <= 0.0
    assert not tell.members


def test_clients_that_count_their_conversations_are_not(tmp_path: Path) -> None:
    """Everyone has a conversation 1, and begins it at its first turn."""
    book, workers = with_talks(23)
    counts: dict[str, int] = {}
    for row in sorted(book.exchanges, key=lambda r: r["started_at"]):
        if row["account_id"] in workers:
            number = counts.get(row["account_id"], 0)
            counts[row["account_id"]] = number + 1
            row |= {"conversation_id": str(number // 2), "turn_index": number % 2}
    tell = told(book, workers, "continuation", tmp_path)

    assert tell.log_e <= 0.0
    assert not tell.members
