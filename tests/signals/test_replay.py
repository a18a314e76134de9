"""Replay: a pool that cleans up each other's reasoning, and readers of a published block."""

from __future__ import annotations

from pathlib import Path

from planted_logs import LogBook, planted
from told import told


def with_reasoners(seed: int) -> tuple[LogBook, list[str]]:
    """Strangers who present their own blocks, beside a campaign."""
    book, workers = planted(seed)
    for number, row in enumerate(book.exchanges):
        if row["account_id"].startswith("q"):
            row["reasoning_signature_issued"] = f"own-{number}"
    own: dict[str, str] = {}
    for number, row in enumerate(sorted(book.exchanges, key=lambda r: r["started_at"])):
        if row["account_id"].startswith("q"):
            before = own.get(row["account_id"])
            row["reasoning_signatures_presented"] = [before] if before and number % 4 == 0 else None
            own[row["account_id"]] = row["reasoning_signature_issued"]
    return book, workers


def exchanges_of(book: LogBook, accounts: list[str]) -> list[dict]:
    rows = [row for row in book.exchanges if row["account_id"] in accounts]
    return sorted(rows, key=lambda row: row["started_at"])


def test_a_pool_that_presents_each_others_blocks_is_told(tmp_path: Path) -> None:
    """Nearly every worker takes over a colleague's block; of strangers nobody does."""
    book, workers = with_reasoners(11)
    rows = exchanges_of(book, workers)
    for number, row in enumerate(rows):
        row["reasoning_signature_issued"] = f"pool-{number}"
        if number >= 20 and number % 4 == 0:
            row["reasoning_signatures_presented"] = [f"pool-{number - 17}"]

    tell = told(book, workers, "replay", tmp_path)

    assert tell.log_e > 4.0
    assert tell.log_e <= tell.largest
    assert len(tell.members) >= 6
    assert tell.members <= set(workers)
    assert tell.exchanges <= {row["exchange_id"] for row in rows}


def test_readers_of_one_published_block_are_not(tmp_path: Path) -> None:
    """All present the same block: it speaks once, for its first reader."""
    book, workers = with_reasoners(12)
    rows = exchanges_of(book, workers)
    rows[0]["reasoning_signature_issued"] = "published"
    for row in rows[1:]:
        row["reasoning_signatures_presented"] = ["published"]

    tell = told(book, workers, "replay", tmp_path)

    assert tell.log_e < 2.0
    assert len(tell.members) <= 1


def test_those_who_go_on_with_their_own_talks_are_not(tmp_path: Path) -> None:
    """Presenting one's own block is what everybody does."""
    book, workers = with_reasoners(13)
    own: dict[str, str] = {}
    for number, row in enumerate(exchanges_of(book, workers)):
        row["reasoning_signatures_presented"] = [own.get(row["account_id"], "lost")]
        row["reasoning_signature_issued"] = own[row["account_id"]] = f"mine-{number}"

    tell = told(book, workers, "replay", tmp_path)

    assert tell.log_e <= 0.0
    assert not tell.members


def test_a_log_without_blocks_says_nothing(tmp_path: Path) -> None:
    """No opportunity, no evidence either way."""
    book, workers = planted(14)
    tell = told(book, workers, "replay", tmp_path)

    assert (tell.log_e, tell.largest) == (0.0, 0.0)
