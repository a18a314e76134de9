"""Ordinary users of a campaign's wording are not told apart from it, and its workers are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from planted_logs import JUDGE, VOCABULARY, LogBook
from stillwatch.linking.copied import leave_out_copied
from stillwatch.linking.group import Group
from stillwatch.linking.ordinary import LEVEL, ordinary_users
from stillwatch.signals.templates import Fragments, mine_fragments
from stillwatch.signals.traffic import Traffic


def sends(book: LogBook, name: str, *, wording: int, else_: int) -> str:
    """An account that sends so many prompts in the wording and so many of its own."""
    book.account(name)
    for wrapper in [JUDGE] * wording + ["{}"] * else_:
        text = wrapper.format(" ".join(book.rng.sample(VOCABULARY, 14)))
        book.exchange(name, text, book.moment(book.rng.randrange(6)))
    return name


def many(book: LogBook, prefix: str, number: int, *, wording: int, else_: int) -> list[str]:
    """So many accounts that each send as much."""
    return [sends(book, f"{prefix}{n:03}", wording=wording, else_=else_) for n in range(number)]


def read(book: LogBook, folder: Path) -> tuple[Traffic, Fragments]:
    traffic = book.evidence(folder).traffic
    return traffic, mine_fragments(traffic)


def group_of(names: Sequence[str], traffic: Traffic, fragments: Fragments) -> Group:
    """These accounts, with all wording that is shared in the log."""
    members = np.flatnonzero(np.isin(traffic.account_names, names))
    rows = np.unique(fragments.use_rows)
    rows = rows[np.isin(traffic.accounts[rows], members)]
    return Group(members, np.arange(fragments.count), rows, by_wording=True)


def unnamed(book: LogBook, names: Sequence[str], folder: Path) -> set[str]:
    """Who of these is an ordinary user of the wording beside all others in the log."""
    traffic, fragments = read(book, folder)
    group = group_of(names, traffic, fragments)
    exchanges = np.bincount(traffic.accounts, minlength=len(traffic.account_names))
    grouped = np.zeros(len(exchanges), np.bool_)
    grouped[group.accounts] = True
    found = ordinary_users(group, traffic, fragments, exchanges, grouped)
    return set(traffic.account_names[found].tolist())


def outsiders(book: LogBook, number: int = 60) -> None:
    """People who took one to three prompts from a public list, of about forty that they sent."""
    for n in range(number):
        sends(book, f"o{n:03}", wording=1 + n % 3, else_=38)


def test_a_member_like_the_outsiders_is_not_named(tmp_path: Path) -> None:
    """With three prompts of 43 from a list that sixty others take from, nobody is a worker."""
    book = LogBook(1)
    outsiders(book)
    workers = many(book, "w", 12, wording=30, else_=10)
    stranger = sends(book, "stranger", wording=3, else_=40)
    traffic, fragments = read(book, tmp_path)
    group = group_of([*workers, stranger], traffic, fragments)

    (named,) = leave_out_copied([group], traffic, fragments)

    assert set(traffic.account_names[named.accounts].tolist()) == set(workers)
    assert unnamed(book, [*workers, stranger], tmp_path) == {stranger}


@pytest.mark.parametrize(
    ("wording", "else_"),
    [(6, 2), (6, 54), (30, 270)],
    ids=["few prompts in all", "few under cover", "nine in ten are cover"],
)
def test_workers_that_send_little_of_the_wording_are_named(
    tmp_path: Path, wording: int, else_: int
) -> None:
    book = LogBook(2)
    outsiders(book)
    workers = many(book, "w", 12, wording=wording, else_=else_)

    assert not unnamed(book, workers, tmp_path)


def test_customers_who_ask_much_hide_no_worker(tmp_path: Path) -> None:
    """They send as many prompts in the wording, but among two hundred others."""
    book = LogBook(3)
    many(book, "o", 45, wording=10, else_=200)
    workers = many(book, "w", 12, wording=8, else_=8)

    assert not unnamed(book, workers, tmp_path)


def test_accounts_that_send_two_prompts_hide_no_worker(tmp_path: Path) -> None:
    """All that they send is in the wording; a collector may open such accounts on purpose."""
    book = LogBook(4)
    many(book, "o", 80, wording=2, else_=0)
    workers = many(book, "w", 12, wording=20, else_=5)

    assert not unnamed(book, workers, tmp_path)


def test_workers_that_linking_missed_hide_no_other(tmp_path: Path) -> None:
    book = LogBook(5)
    many(book, "missed", 6, wording=30, else_=10)
    workers = many(book, "w", 12, wording=20, else_=20)

    assert not unnamed(book, workers, tmp_path)


def test_wording_that_nobody_else_has_is_evidence_by_itself(tmp_path: Path) -> None:
    book = LogBook(6)
    book.people(60)
    workers = many(book, "w", 12, wording=2, else_=20)

    assert not unnamed(book, workers, tmp_path)


def test_level_holds_for_ordinary_users(tmp_path: Path) -> None:
    """Each of some hundred users of a wording, taken for a member, is rarely told from the rest."""
    book = LogBook(7)
    for n in range(300):
        asked = book.rng.randrange(5, 60)
        own = sum(book.rng.random() < 0.03 for _ in range(asked))
        sends(book, f"p{n:03}", wording=own, else_=asked - own)
    traffic, fragments = read(book, tmp_path)
    exchanges = np.bincount(traffic.accounts, minlength=len(traffic.account_names))
    users = np.unique(traffic.accounts[fragments.use_rows])
    apart = 0
    for user in users:
        group = group_of([traffic.account_names[user]], traffic, fragments)
        grouped = np.arange(len(exchanges)) == user
        apart += len(ordinary_users(group, traffic, fragments, exchanges, grouped)) == 0

    assert len(users) > 100
    assert apart / len(users) <= LEVEL + 2 * np.sqrt(LEVEL / len(users))
