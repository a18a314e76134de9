"""Who took over what from whom, and when it was known."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from planted_logs import DAY, START, LogBook
from stillwatch.signals.handovers import KINDS, Handovers
from stillwatch.signals.traffic import microseconds

HOUR = timedelta(hours=1)


def moves(book: LogBook, folder: Path) -> set[tuple[str, str, str]]:
    """(kind, giver, taker) of every handover."""
    evidence = book.evidence(folder)
    found, names = evidence.handovers, evidence.traffic.account_names
    return {
        (KINDS[k], str(names[g]), str(names[t]))
        for k, g, t in zip(found.kind, found.giver, found.taker, strict=True)
    }


def thinned(book: LogBook, folder: Path, *kinds: str) -> set[tuple[str, str]]:
    evidence = book.evidence(folder)
    passed, names = evidence.handovers.passed(*kinds), evidence.traffic.account_names
    pairs = zip(passed.giver, passed.taker, strict=True)
    return {(str(names[g]), str(names[t])) for g, t in pairs}


def test_a_block_moves_from_whom_it_was_issued_to(tmp_path: Path) -> None:
    """Directed, and only forward in time; one's own block is no handover."""
    book = LogBook()
    book.exchange("a", "first", START, reasoning_signature_issued="s")
    book.exchange("a", "again", START + HOUR, reasoning_signatures_presented=["s"])
    book.exchange("b", "taken", START + 2 * HOUR, reasoning_signatures_presented=["s", "unknown"])
    book.exchange("c", "before", START, reasoning_signatures_presented=["later"])
    book.exchange("a", "late", START + 3 * HOUR, reasoning_signature_issued="later")

    assert moves(book, tmp_path) == {("reasoning_block", "a", "b")}


def test_a_conversation_goes_on_by_its_id(tmp_path: Path) -> None:
    """Whose first turn in it is a later one; not who sends a like history, nor who begins anew."""
    book = LogBook()
    book.exchange("a", "hello", START, output_digest="answer", conversation_id="talk")
    book.exchange("b", "and then", START + HOUR, prefix_digests=["question", "answer"])
    book.exchange("c", "more", START + HOUR, conversation_id="talk", turn_index=1)
    book.exchange("d", "my own", START + HOUR, conversation_id="talk", turn_index=0)

    assert moves(book, tmp_path) == {("conversation", "a", "c")}


def test_exercises_that_begin_after_the_same_examples_are_nobodys_talks(tmp_path: Path) -> None:
    """Everybody's first request in the named conversation is its fourth turn."""
    book = LogBook()
    for hour, pupil in enumerate("abc"):
        at = START + hour * HOUR
        book.exchange(pupil, "solve", at, conversation_id="exercise 7", turn_index=3)

    assert moves(book, tmp_path) == set()


def test_each_block_each_giver_and_each_taker_speaks_once(tmp_path: Path) -> None:
    """A published block counts for its first reader, however many read it."""
    book = LogBook()
    book.exchange("author", "post", START, reasoning_signature_issued="published")
    for hour, reader in enumerate(("r1", "r2", "r3"), 1):
        book.exchange(
            reader, "read", START + hour * HOUR, reasoning_signatures_presented=["published"]
        )
    for number in range(3):
        book.exchange("g", "x", START + number * HOUR, reasoning_signature_issued=f"s{number}")
        book.exchange(
            f"t{number}",
            "y",
            START + (number + 5) * HOUR,
            reasoning_signatures_presented=[f"s{number}"],
        )

    assert thinned(book, tmp_path, "reasoning_block") == {("author", "r1"), ("g", "t0")}


def test_a_giver_whose_first_taker_has_taken_is_heard_by_its_next(tmp_path: Path) -> None:
    """Both g and h gave to t; h gave to u, too, and nobody else is left for it."""
    book = LogBook()
    for name in ("g", "h"):
        for number in range(2):
            signature = f"{name}{number}"
            book.exchange(name, "x", START, reasoning_signature_issued=signature)
    for hour, (taker, block) in enumerate([("t", "g0"), ("t", "h0"), ("u", "h1")], 1):
        at = START + hour * HOUR
        book.exchange(taker, "y", at, reasoning_signatures_presented=[block])

    assert thinned(book, tmp_path, "reasoning_block") == {("g", "t"), ("h", "u")}


def test_a_block_that_was_issued_twice_is_nobodys_own(tmp_path: Path) -> None:
    """A token that stands for several blocks, by a mistake of the record."""
    book = LogBook()
    book.exchange("a", "is it?", START, reasoning_signature_issued="s")
    book.exchange("x", "is this?", START + HOUR, reasoning_signature_issued="s")
    book.exchange("b", "so", START + 2 * HOUR, reasoning_signatures_presented=["s"])

    assert moves(book, tmp_path) == {("reasoning_block", "a", "b")}
    assert thinned(book, tmp_path / "again", "reasoning_block") == set()


def eventful() -> LogBook:
    """Three days on which blocks and conversations move."""
    book = LogBook(3)
    for day in range(3):
        at = START + DAY * day
        book.exchange(f"a{day}", "one", at, reasoning_signature_issued=f"s{day}")
        book.exchange(
            "g",
            "two",
            at,
            output_digest="common" if day else "own",
            reasoning_signature_issued="twice",
        )
        book.exchange(f"c{day}", "seven", at, conversation_id="talk", turn_index=day)
        book.exchange(
            "t", "three", at + HOUR, reasoning_signatures_presented=[f"s{day}"], turn_index=day
        )
        book.exchange("u", "four", at + 2 * HOUR, prefix_digests=["q", "own"])
        book.exchange(
            "v",
            "five",
            at + 3 * HOUR,
            prefix_digests=["q", "common"],
            reasoning_signatures_presented=["twice"],
        )
        book.exchange("w", "six", at + 3 * HOUR, prefix_digests=["q", "elsewhere", "r"])
    return book


@pytest.mark.parametrize("days", [1, 2])
def test_an_earlier_midnight_is_what_a_log_until_then_gives(tmp_path: Path, days: int) -> None:
    """Looking back and not looking ahead are the same."""
    book = eventful()
    midnight = START + DAY * days
    whole = book.evidence(tmp_path)
    back = whole.until(microseconds(midnight)).handovers
    fresh = book.evidence(tmp_path, midnight).handovers

    for field in fields(Handovers):
        if field.name != "history":
            np.testing.assert_array_equal(getattr(back, field.name), getattr(fresh, field.name))
    for field in fields(type(back.history)):
        np.testing.assert_array_equal(
            getattr(back.history, field.name), getattr(fresh.history, field.name), field.name
        )


def test_a_history_is_foreign_when_no_answer_in_it_is_ours(tmp_path: Path) -> None:
    """Two messages or more, the second or third one of our answers or not."""
    book = eventful()
    evidence = book.evidence(tmp_path)
    names = evidence.traffic.account_names.tolist()
    history = evidence.handovers.history

    assert history.total("carrying", len(names))[names.index("w")] == 3
    assert history.total("foreign_history", len(names))[names.index("w")] == 3
    assert history.total("foreign_history", len(names))[names.index("u")] == 0
    assert history.total("presenting", len(names))[names.index("t")] == 3
