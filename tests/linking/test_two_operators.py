"""Operators who share phrases, resellers or public templates stay apart; one operator stays one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from planted_logs import JUDGE, TUTOR, VOCABULARY, LogBook
from stillwatch.campaigns.reading import Evidence
from stillwatch.linking.groups import Group, group_accounts
from stillwatch.signals.templates import mine_fragments

NORTH = "From the archive of the northern observatory, resolve the entry completely: {}"
STAGES = "Compose a patient walkthrough in seven numbered stages about this matter: {}"


def grouped(evidence: Evidence) -> list[Group]:
    return group_accounts(evidence.traffic, mine_fragments(evidence.traffic), evidence.facts)


def names_of(evidence: Evidence, groups: list[Group]) -> set[frozenset[str]]:
    return {frozenset(evidence.traffic.account_names[g.accounts].tolist()) for g in groups}


def operator(
    book: LogBook,
    wrappers: Sequence[str],
    *,
    workers: int,
    name: str,
    days: Iterable[int] = range(6),
    daily: int = 6,
    **changes: Any,
) -> list[str]:
    """One list dealt to whoever is free, its wrappers in turn; each five accounts share a card."""
    names = [f"{name}{i:03}" for i in range(workers)]
    for number, worker in enumerate(names):
        book.account(worker, payment_token=f"{name}-card-{number // 5}")
    for day in days:
        for number in range(daily * workers):
            item = " ".join(book.rng.sample(VOCABULARY, 14))
            text = wrappers[book.rng.randrange(len(wrappers))].format(item)
            book.exchange(names[number % workers], text, book.moment(day), **changes)
    return names


def phrasings(book: LogBook, number: int) -> list[str]:
    return [" ".join(book.rng.sample(VOCABULARY, 16)) + ": {}" for _ in range(number)]


def test_two_operators_with_a_wrapper_and_a_reseller_in_common_stay_two(tmp_path: Path) -> None:
    """Half of the work of both is in the same words, and one gateway sends it all."""
    book = LogBook(31)
    book.people(80)
    through = {"client_net_token": "gateway", "user_agent": "router/2"}
    large = operator(book, [JUDGE, NORTH], workers=40, name="large", **through)
    small = operator(book, [JUDGE, STAGES], workers=10, name="small", **through)
    evidence = book.evidence(tmp_path)

    assert names_of(evidence, grouped(evidence)) == {frozenset(large), frozenset(small)}


def test_what_two_operators_share_is_the_work_of_both(tmp_path: Path) -> None:
    """The common wrapper says nothing of who belongs where, but all of it is a member's work."""
    book = LogBook(32)
    book.people(80)
    operator(book, [JUDGE, NORTH], workers=40, name="large")
    operator(book, [JUDGE, STAGES], workers=10, name="small")
    evidence = book.evidence(tmp_path)

    rows = {len(g.accounts): len(g.rows) for g in grouped(evidence)}
    assert rows == {40: 40 * 36, 10: 10 * 36}


def test_a_public_template_glues_no_operators_and_no_strangers(tmp_path: Path) -> None:
    """A third of the strangers use it, and so do two operators for a part of their work."""
    book = LogBook(33)
    book.people(60)
    book.people(40, name="reader", wrapper=TUTOR)
    one = operator(book, [TUTOR, NORTH, JUDGE], workers=20, name="one")
    two = operator(book, [TUTOR, STAGES], workers=12, name="two")
    evidence = book.evidence(tmp_path)
    found = names_of(evidence, grouped(evidence))

    assert {frozenset(one), frozenset(two)} <= found
    assert all(not group & {*one, *two} for group in found - {frozenset(one), frozenset(two)})


def test_many_phrasings_in_small_shares_are_one_operator(tmp_path: Path) -> None:
    """Forty wordings in turn: none is in more than a few of anybody's prompts, all are one list."""
    book = LogBook(34)
    book.people(80)
    workers = operator(book, phrasings(book, 40), workers=15, daily=14, name="w")
    for worker in workers:
        for _ in range(30):
            book.exchange(worker, " ".join(book.rng.sample(VOCABULARY, 12)), book.moment(3))
    evidence = book.evidence(tmp_path)
    (group,) = grouped(evidence)

    assert names_of(evidence, [group]) == {frozenset(workers)}
    # A wording too short for the sample of shingles is not seen.
    assert 0.95 * 15 * 14 * 6 <= len(group.rows) <= 15 * 14 * 6


def test_the_pool_that_follows_a_banned_one_is_the_same_operator(tmp_path: Path) -> None:
    """Other accounts and cards from the day of the ban; the wordings are the operator's."""
    book = LogBook(35)
    book.people(80)
    wrappers = phrasings(book, 6)
    first = operator(book, wrappers, workers=12, days=range(3), name="first")
    second = operator(book, wrappers, workers=12, days=range(3, 6), name="second")
    evidence = book.evidence(tmp_path)

    assert names_of(evidence, grouped(evidence)) == {frozenset(first + second)}


def test_the_names_of_accounts_do_not_decide_who_is_whose(tmp_path: Path) -> None:
    """Members are those whose wording is most alike, whichever name comes first."""
    found = []
    for number, (one, two) in enumerate((("a", "z"), ("z", "a"))):
        book = LogBook(36)
        book.people(80)
        operator(book, [JUDGE, NORTH], workers=20, name=one)
        operator(book, [JUDGE, STAGES], workers=8, name=two)
        evidence = book.evidence(tmp_path / str(number))
        found.append(sorted(len(g) for g in names_of(evidence, grouped(evidence))))

    assert found == [[8, 20], [8, 20]]
