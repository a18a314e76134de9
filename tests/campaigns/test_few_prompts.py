"""Many accounts with three to five prompts each: one list, and the crowds that look like it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from planted_logs import TUTOR, VOCABULARY, LogBook
from stillwatch.campaigns.clauses import ActsAsOne, acts_as_one, own_work, score_accounts
from stillwatch.linking.groups import Group
from stillwatch.signals.owners import read_wording
from stillwatch.signals.traffic import Traffic

BOUND = np.log(1e5)  # what clause 1 asks of one group among fifty, at 1 %


def strangers(book: LogBook, number: int = 400) -> None:
    """People of whom nobody asks more than a few things."""
    for prompts in (3, 4, 5, 7):
        book.people(number // 4, prompts=prompts, name=f"s{prompts}-")


def assigned(
    book: LogBook, workers: int, prompts: int, questions: int, wrapper: str = TUTOR
) -> list[str]:
    """Each asks some of the questions of one public list, in an order of their own."""
    items = [" ".join(book.rng.sample(VOCABULARY, 1400)) for _ in range(questions)]
    names = [f"a{i:04}" for i in range(workers)]
    for name in names:
        book.account(name)
        for item in book.rng.sample(items, prompts):
            book.exchange(name, wrapper.format(item), book.moment(book.rng.randrange(6)))
    return names


def weighed(traffic: Traffic, names: list[str]) -> ActsAsOne:
    members = np.flatnonzero(np.isin(traffic.account_names, names))
    rows = np.flatnonzero(np.isin(traffic.accounts, members))
    group = Group(members, np.zeros(0, np.int64), rows, by_wording=True)
    work = own_work(traffic, read_wording(traffic))
    scores = score_accounts(traffic, work, [group], with_clock=False)
    return acts_as_one(scores, 0, np.ones(len(scores.accounts), np.bool_))


@pytest.mark.parametrize("prompts", [3, 4, 5])
def test_one_list_over_many_accounts_is_told(tmp_path: Path, prompts: int) -> None:
    """Two hundred accounts that share out one list, a handful each."""
    book = LogBook(51)
    strangers(book)
    names = book.campaign(200, days=range(1), daily=prompts)

    acts = weighed(book.traffic(tmp_path), names)

    assert acts.log_e > BOUND
    assert len(acts.sampled) == 200


@pytest.mark.parametrize(
    ("workers", "prompts", "questions"),
    [(300, 4, 40), (1000, 3, 12), (120, 5, 60)],
    ids=["class", "viral prompt with its examples", "benchmark on release day"],
)
def test_a_public_list_is_no_queue(
    tmp_path: Path, workers: int, prompts: int, questions: int
) -> None:
    """Independent users of one list collide: what they have in common says nothing of a worker."""
    book = LogBook(52)
    strangers(book)

    assert weighed(book.traffic(tmp_path), assigned(book, workers, prompts, questions)).log_e <= 0


@pytest.mark.parametrize(("users", "prompts"), [(1000, 3), (150, 4)], ids=["viral prompt", "app"])
def test_users_with_subjects_of_their_own_are_no_queue(
    tmp_path: Path, users: int, prompts: int
) -> None:
    """One wording, and everybody's own things in it."""
    book = LogBook(53)
    strangers(book)
    names = book.people(users, prompts=prompts, wrapper=TUTOR, name="u")

    assert weighed(book.traffic(tmp_path), names).log_e <= 0


def test_more_users_show_a_lean_that_few_would_hide(tmp_path: Path) -> None:
    """Users who keep to their own subjects a little: forty may be one worker's, all are not."""
    book = LogBook(54)
    strangers(book)
    names = [f"u{i:03}" for i in range(400)]
    for name in names:
        book.account(name)
        own = book.rng.sample(VOCABULARY, 1400)
        for _ in range(4):
            item = " ".join(book.rng.sample(own, 14))
            book.exchange(name, TUTOR.format(item), book.moment(book.rng.randrange(6)))
    traffic = book.traffic(tmp_path)

    assert weighed(traffic, names[:40]).log_e > 0
    assert weighed(traffic, names).log_e == -np.inf


def test_people_grouped_by_chance_earn_at_most_one_on_average(tmp_path: Path) -> None:
    """The null, end to end: groups drawn by lot from people with three to seven prompts."""
    book = LogBook(55)
    strangers(book, 600)
    traffic = book.traffic(tmp_path)
    rng = np.random.default_rng(55)

    values = [
        float(np.exp(weighed(traffic, rng.permutation(traffic.account_names)[:100].tolist()).log_e))
        for _ in range(60)
    ]

    assert np.mean(values) <= 1 + 4 * np.std(values) / np.sqrt(len(values))
    assert max(values) < 1e3
