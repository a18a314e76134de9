"""Whoever keeps to itself is not named with a queue whose wording it shares, and a queue stays whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_copied import DAYS, grouped

from planted_logs import JUDGE, TUTOR, VOCABULARY, LogBook

CLAUSE = "Answer in full, and show each step that you take on the way there, please. "


def worker(book: LogBook, name: str, wordings: list[str], sent: int = 36) -> str:
    book.account(name, payment_token="card")
    for number in range(sent):
        item = " ".join(book.rng.sample(VOCABULARY, 14))
        text = wordings[number % len(wordings)].format(item)
        book.exchange(name, text, book.moment(book.rng.randrange(DAYS)))
    return name


@pytest.mark.parametrize("seed", range(4))
def test_users_of_a_wording_that_a_campaign_fills_with_its_list(tmp_path: Path, seed: int) -> None:
    """They are linked with it and not named: each of them has subjects of its own."""
    book = LogBook(seed)
    book.people(60)
    victims = book.people(5, name="victim", wrapper=TUTOR)
    workers = [worker(book, f"w{i:03}", [JUDGE, TUTOR]) for i in range(12)]
    evidence = book.evidence(tmp_path)

    assert set(victims) & frozenset.union(*grouped(evidence, as_linked=True))
    assert grouped(evidence) == {frozenset(workers)}


def test_who_sends_one_prompt_again_and_again_is_not_named(tmp_path: Path) -> None:
    """A monitor whose one prompt is like a campaign's is linked with it, has no score, and goes."""
    book = LogBook(8)
    book.people(60)
    workers = book.campaign(12)
    book.account("monitor")
    item = " ".join(book.rng.sample(VOCABULARY, 14))
    for _ in range(36):
        book.exchange("monitor", JUDGE.format(item), book.moment(book.rng.randrange(DAYS)))
    evidence = book.evidence(tmp_path)

    assert "monitor" in frozenset.union(*grouped(evidence, as_linked=True))
    assert grouped(evidence) == {frozenset(workers)}


@pytest.mark.parametrize("seed", range(3))
def test_workers_who_were_each_given_a_wording_stay(tmp_path: Path, seed: int) -> None:
    """One list in two wordings, each worker with one of them, is one group; two of 12 may be lost."""
    book = LogBook(seed)
    book.people(60)
    workers = [worker(book, f"w{i:03}", [CLAUSE + (JUDGE if i % 2 else TUTOR)]) for i in range(12)]

    (named,) = grouped(book.evidence(tmp_path))
    assert named <= set(workers)
    assert len(named) >= 10


def test_a_queue_loses_nobody(tmp_path: Path) -> None:
    """At the level of the check one queue in a hundred would; of 12 at most one does."""
    whole = 0
    for seed in range(12):
        book = LogBook(100 + seed)
        book.people(40)
        workers = book.campaign(12)
        whole += grouped(book.evidence(tmp_path / str(seed))) == {frozenset(workers)}

    assert whole >= 11
