"""Which exchanges serve a campaign, when the wording that linked it is not all of its wording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from planted_logs import VOCABULARY, LogBook, planted
from stillwatch.campaigns.exchanges import WRONG, Attributed, attribute_exchanges
from stillwatch.linking.groups import Group
from stillwatch.signals.templates import mine_fragments
from stillwatch.signals.traffic import Traffic

SECOND = (
    "Rewrite the following worked solution so that a pupil could follow every single step of it, "
    "and leave nothing out: {}"
)


def with_a_second_template(seed: int) -> tuple[LogBook, list[str]]:
    """A third of the campaign's list goes out in a second wrapper; and each worker has a hobby."""
    book, workers = planted(seed)
    for number, row in enumerate([r for r in book.exchanges if r["account_id"] in workers]):
        row["target"] = True
        if number % 3 == 0:
            item = " ".join(book.rng.sample(VOCABULARY, 14))
            row["input_text"] = SECOND.format(item)
    for worker in workers:
        own = book.rng.sample(VOCABULARY, 20)
        for day in range(12):
            book.exchange(worker, " ".join(book.rng.choices(own, k=12)), book.moment(day % 6))
    return book, workers


def attributed(
    book: LogBook, workers: list[str], folder: Path, *, linked_by: str
) -> tuple[Attributed, Traffic, np.ndarray]:
    """Attribute with a group that was linked by one of the wrappers only."""
    served = {r["exchange_id"] for r in book.exchanges if r.pop("target", False)}
    texts = {r["exchange_id"]: r["input_text"] or "" for r in book.exchanges}
    traffic = book.traffic(folder)
    fragments = mine_fragments(traffic)
    ids = traffic.exchange_ids.to_pylist()
    accounts = np.flatnonzero(np.isin(traffic.account_names, workers))
    rows = np.array([i for i, x in enumerate(ids) if linked_by in texts[x]])
    inside = np.isin(fragments.use_rows, rows)
    group = Group(accounts, np.unique(fragments.use_fragments[inside]), rows, by_wording=True)
    nobody = np.zeros(len(traffic.account_names), np.bool_)
    truth = np.array([x in served for x in ids])
    return attribute_exchanges(traffic, fragments, group, nobody), traffic, truth


def test_a_second_template_is_attributed_and_the_hobby_is_not(tmp_path: Path) -> None:
    """Wording of the other members, whether or not it linked the group; nothing of one's own."""
    book, workers = with_a_second_template(51)
    found, _, truth = attributed(book, workers, tmp_path, linked_by="impartial judge")

    assert truth[found.rows].mean() >= 0.99
    assert truth[found.rows].sum() >= 0.98 * truth.sum()


def test_each_exchange_has_an_e_value_that_others_bound(tmp_path: Path) -> None:
    """As large as the false discovery rate needs, and never more than the exchanges compared with."""
    book, workers = with_a_second_template(52)
    found, traffic, _ = attributed(book, workers, tmp_path, linked_by="impartial judge")
    others = len(traffic) - int(np.isin(traffic.account_names[traffic.accounts], workers).sum())

    assert len(found.e_values) == len(found.rows)
    assert found.e_values.min() >= 1 / WRONG
    assert found.e_values.max() <= others + 1


@pytest.mark.parametrize("seed", range(4))
def test_a_random_group_of_strangers_is_attributed_next_to_nothing(
    tmp_path: Path, seed: int
) -> None:
    """Under the null the members are anybody: at most what the rate allows stands out."""
    book = LogBook(60 + seed)
    people = book.people(120, prompts=8)
    for person in people:
        for _ in range(2):
            shared = book.rng.choice(("first", "second", "third", "fourth"))
            words = f"a {shared} phrase that a good many people like to use when they ask for help"
            text = f"{words} {' '.join(book.rng.sample(VOCABULARY, 6))}"
            book.exchange(person, text, book.moment(book.rng.randrange(6)))
    chosen = book.rng.sample(people, 12)
    traffic = book.traffic(tmp_path)
    accounts = np.flatnonzero(np.isin(traffic.account_names, chosen))
    group = Group(accounts, np.zeros(0, np.int64), np.zeros(0, np.int64), by_wording=True)
    nobody = np.zeros(len(traffic.account_names), np.bool_)

    found = attribute_exchanges(traffic, mine_fragments(traffic), group, nobody)

    assert len(found.rows) == 0


def test_members_of_another_campaign_are_nobodys_reference(tmp_path: Path) -> None:
    """What two campaigns both say is not held to be everybody's."""
    book, workers = with_a_second_template(55)
    twins = book.campaign(wrapper=SECOND, name="z")
    for row in book.exchanges:
        row.pop("target", None)
    traffic = book.traffic(tmp_path)
    fragments = mine_fragments(traffic)
    accounts = np.flatnonzero(np.isin(traffic.account_names, workers))
    second = np.array(
        [SECOND[:30] in (r["input_text"] or "") for r in by_time(book, traffic)], np.bool_
    )
    mine = second & np.isin(traffic.accounts, accounts)
    group = Group(accounts, np.zeros(0, np.int64), np.flatnonzero(mine), by_wording=True)

    def recall(elsewhere: np.ndarray) -> float:
        found = attribute_exchanges(traffic, fragments, group, elsewhere)
        return float(np.isin(np.flatnonzero(mine), found.rows).mean())

    assert recall(np.isin(traffic.account_names, twins)) == 1.0


def by_time(book: LogBook, traffic: Traffic) -> list[dict]:
    rows = {r["exchange_id"]: r for r in book.exchanges}
    return [rows[x] for x in traffic.exchange_ids.to_pylist()]
