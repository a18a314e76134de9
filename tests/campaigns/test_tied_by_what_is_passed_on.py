"""Accounts that share no card, device or place, and pass on talks or reasoning as one worker would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from planted_logs import DAY, START, LogBook, members_of, planted
from stillwatch.campaigns.scan import ScanSettings, scan

Story = Callable[[LogBook, list[dict[str, Any]]], None]
MINUTE = timedelta(minutes=1)


def with_own_talks(seed: int) -> tuple[LogBook, list[dict[str, Any]]]:
    """Strangers who go on with talks of their own; the campaign's exchanges, in time order."""
    book, workers = planted(seed, workers=16, payment_token=None)
    latest: dict[str, dict[str, Any]] = {}
    pool = []
    for number, row in enumerate(sorted(book.exchanges, key=lambda r: r["started_at"])):
        row["reasoning_signature_issued"] = f"block {number}"
        if row["account_id"] in workers:
            pool.append(row)
            continue
        before = latest.get(row["account_id"])
        if before is not None and number % 3 == 0:
            row |= {
                "conversation_id": before["conversation_id"],
                "turn_index": before["turn_index"] + 1,
                "reasoning_signatures_presented": [before["reasoning_signature_issued"]],
            }
        latest[row["account_id"]] = row
    return book, pool


def whoever_is_free_presents(_: LogBook, pool: list[dict[str, Any]]) -> None:
    """Every third exchange presents what somebody was issued seven exchanges before."""
    for before, row in zip(pool[:-7:3], pool[7::3], strict=False):
        row["reasoning_signatures_presented"] = [before["reasoning_signature_issued"]]


def whoever_is_free_goes_on(_: LogBook, pool: list[dict[str, Any]]) -> None:
    """Every third exchange is the second turn of a talk that began seven exchanges before."""
    for before, row in zip(pool[:-7:3], pool[7::3], strict=False):
        row |= {"conversation_id": before["conversation_id"], "turn_index": 1}


def one_block_is_public(_: LogBook, pool: list[dict[str, Any]]) -> None:
    """All present what the first of them was issued."""
    for row in pool[1:]:
        row["reasoning_signatures_presented"] = [pool[0]["reasoning_signature_issued"]]


def people_came_from_an_account_before(book: LogBook, pool: list[dict[str, Any]]) -> None:
    """Each had a private account, and took its last talk along, reasoning and all."""
    for name in {row["account_id"] for row in pool}:
        first = next(row for row in pool if row["account_id"] == name)
        before = f"before {name}"
        book.account(before)
        book.exchange(
            before,
            " ".join(book.rng.choices(["some", "matter", "of", name], k=9)),
            first["started_at"] - MINUTE,
            conversation_id=f"talk {name}",
            reasoning_signature_issued=f"block {name}",
        )
        first |= {
            "conversation_id": f"talk {name}",
            "turn_index": 1,
            "reasoning_signatures_presented": [f"block {name}"],
        }


def exercises_have_names(_: LogBook, pool: list[dict[str, Any]]) -> None:
    """Everybody goes through the same named conversations, each begun with three examples."""
    turns = Counter[str]()
    for row in pool:
        number = turns[row["account_id"]]
        turns[row["account_id"]] += 1
        row |= {"conversation_id": f"exercise {number}", "turn_index": 3}


def their_owner_says_so(book: LogBook, pool: list[dict[str, Any]]) -> None:
    """A router of one payer whose keys pass on talks and reasoning, declared by contract."""
    whoever_is_free_presents(book, pool)
    whoever_is_free_goes_on(book, pool)
    since = {"organization_verified": "contract", "organization_since": START - 300 * DAY}
    for row in book.accounts:
        if row["account_id"] in {exchange["account_id"] for exchange in pool}:
            row |= {"organization_id": "router", "email_domain": "router.example"} | since


def found(book: LogBook, folder: Path, *without: str) -> set[str]:
    settings = ScanSettings(with_timeline=False, without=frozenset(without))
    return members_of(scan(book.open(folder), settings, notes={}))


@pytest.mark.parametrize(
    ("story", "signal"),
    [(whoever_is_free_presents, "replay"), (whoever_is_free_goes_on, "continuation")],
)
def test_a_pool_that_passes_on_its_work_is_found_by_that(
    tmp_path: Path, story: Story, signal: str
) -> None:
    """Held back without the signal: nothing else ties it."""
    book, pool = with_own_talks(71)
    story(book, pool)

    assert found(book, tmp_path) == {row["account_id"] for row in pool}
    assert found(book, tmp_path, signal) == set()


@pytest.mark.parametrize(
    "story",
    [
        one_block_is_public,
        people_came_from_an_account_before,
        exercises_have_names,
        their_owner_says_so,
    ],
)
def test_the_same_work_is_left_alone_where_passing_on_has_an_honest_cause(
    tmp_path: Path, story: Story
) -> None:
    """A block that many read, talks that came with a person, named exercises, a declared router."""
    book, pool = with_own_talks(71)
    story(book, pool)

    assert found(book, tmp_path) == set()
