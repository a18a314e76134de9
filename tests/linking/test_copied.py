"""Whoever is copied is no member, and a queue that repeats its items keeps its workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from planted_logs import JUDGE, VOCABULARY, LogBook
from stillwatch.campaigns.reading import Evidence
from stillwatch.linking.copied import leave_out_copied
from stillwatch.linking.groups import group_accounts
from stillwatch.signals.templates import mine_fragments

DAYS = 6


def grouped(evidence: Evidence, *, as_linked: bool = False) -> set[frozenset[str]]:
    """The accounts of each group that are in it on their own evidence, or all that are linked."""
    traffic, fragments = evidence.traffic, mine_fragments(evidence.traffic)
    found = group_accounts(traffic, fragments, evidence.facts)
    if not as_linked:
        found = leave_out_copied(found, traffic, fragments)
    return {frozenset(traffic.account_names[g.accounts].tolist()) for g in found}


def framed(seed: int, *, copies: int, victims: int = 4, after: bool = True) -> tuple[LogBook, ...]:
    """A campaign whose workers also send what some honest accounts sent, word for word.

    Args:
        copies: What each worker copies.
        after: The copies come after the originals; otherwise whenever it suits.
    """
    book = LogBook(seed)
    book.people(60)
    names = book.people(victims, name="victim", days=2, prompts=7)
    texts = [r["input_text"] for r in book.exchanges if r["account_id"] in names]
    workers = book.campaign(12)
    for worker in workers:
        for text in book.rng.choices(texts, k=copies):
            day = book.rng.randrange(2 if after else 0, DAYS)
            book.exchange(worker, text, book.moment(day))
    return book, names, workers


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_copied_accounts_are_in_no_group(tmp_path: Path, seed: int, after: bool) -> None:
    """The campaign is a group of its own workers; without this step its victims would be in it."""
    book, victims, workers = framed(seed, copies=30, after=after)
    evidence = book.evidence(tmp_path)

    assert grouped(evidence) == {frozenset(workers)}
    assert set(victims) & frozenset.union(*grouped(evidence, as_linked=True))


def test_copying_everything_makes_nobody_a_member(tmp_path: Path) -> None:
    """Workers without a list of their own leave no victim in a group: each was first with its text."""
    book = LogBook(4)
    book.people(60)
    victims = book.people(4, name="victim", days=2, prompts=7)
    texts = [r["input_text"] for r in book.exchanges if r["account_id"] in victims]
    for number in range(12):
        book.account(worker := f"w{number:03}")
        for text in book.rng.choices(texts, k=30):
            book.exchange(worker, text, book.moment(book.rng.randrange(2, DAYS)))

    assert not set(victims) & frozenset().union(*grouped(book.evidence(tmp_path)))


def test_users_of_a_copied_phrase_are_in_no_group(tmp_path: Path) -> None:
    """What is common among few honest accounts is not the group's because many copied it."""
    phrase = "explain it to my younger brother who has never heard of such things, please: {}"
    book = LogBook(5)
    book.people(60)
    victims = book.people(3, name="victim", days=2, prompts=7, wrapper=phrase)
    bystander = book.people(1, name="bystander", prompts=9, wrapper=phrase)
    texts = [r["input_text"] for r in book.exchanges if r["account_id"] in victims]
    workers = book.campaign(12)
    for worker in workers:
        for text in book.rng.choices(texts, k=25):
            book.exchange(worker, text, book.moment(book.rng.randrange(2, DAYS)))
    evidence = book.evidence(tmp_path)

    assert grouped(evidence) == {frozenset(workers)}
    assert set(bystander) & frozenset.union(*grouped(evidence, as_linked=True))


@pytest.mark.parametrize("times", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_a_queue_that_repeats_each_item_keeps_its_workers(
    tmp_path: Path, seed: int, times: int
) -> None:
    """Each item goes to so many workers, whoever is free."""
    book = LogBook(seed)
    book.people(60)
    names = [f"w{i:03}" for i in range(12)]
    for name in names:
        book.account(name)
    for _ in range(12 * 24 // times):
        text = JUDGE.format(" ".join(book.rng.sample(VOCABULARY, 14)))
        day = book.rng.randrange(DAYS)
        for worker in book.rng.sample(names, times):
            book.exchange(worker, text, book.moment(day))

    assert grouped(book.evidence(tmp_path)) == {frozenset(names)}


@pytest.mark.parametrize("seed", range(3))
def test_a_queue_that_repeats_some_items_keeps_its_workers(tmp_path: Path, seed: int) -> None:
    """One item in four is sent again by another worker, as after a failure or for a check."""
    book = LogBook(seed)
    book.people(60)
    workers = book.campaign(12)
    for row in book.rng.sample(book.exchanges[-12 * 36 :], 12 * 9):
        worker = book.rng.choice([w for w in workers if w != row["account_id"]])
        book.exchange(worker, row["input_text"], book.moment(DAYS - 1))

    assert grouped(book.evidence(tmp_path)) == {frozenset(workers)}
