"""Campaigns of many accounts with few prompts each: what joins their desks, and what does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from planted_logs import VOCABULARY, LogBook
from stillwatch.linking.communities import _held_alike, _reunite
from stillwatch.linking.group import LinkingParameters
from stillwatch.linking.groups import group_accounts
from stillwatch.signals.templates import Fragments, mine_fragments


def desks(book: LogBook, workers: int, wrappers: list[str], name: str) -> list[str]:
    """Each prompt in a wrapper drawn by lot; five accounts have one card, device and network."""
    names = [f"{name}{i:03}" for i in range(workers)]
    for number, worker in enumerate(names):
        kinds = ("payment_token", "device_token", "signup_net_token")
        book.account(worker, **{kind: f"{name}-{kind}-{number // 5}" for kind in kinds})
        for _ in range(4):
            item = " ".join(book.rng.sample(VOCABULARY, 14))
            text = book.rng.choice(wrappers).format(item)
            book.exchange(worker, text, book.moment(book.rng.randrange(6)))
    return names


def wordings(book: LogBook, number: int) -> list[str]:
    return [" ".join(book.rng.sample(VOCABULARY, 18)) + ": {}" for _ in range(number)]


def test_desks_of_one_campaign_are_one_group_and_another_stays_apart(tmp_path: Path) -> None:
    """Two operators with wrappers of their own; each is found as one, and nobody with it."""
    book = LogBook(61)
    book.people(700, prompts=5)
    mine = desks(book, 120, wordings(book, 5), "m")
    theirs = desks(book, 60, wordings(book, 5), "t")
    evidence = book.evidence(tmp_path)

    groups = group_accounts(evidence.traffic, mine_fragments(evidence.traffic), evidence.facts)

    found = [set(evidence.traffic.account_names[g.accounts].tolist()) for g in groups]
    assert len(found) == 2
    for names in (set(mine), set(theirs)):
        largest = max(found, key=lambda group: len(group & names))
        assert largest <= names
        assert len(largest) >= 0.95 * len(names)


@pytest.mark.parametrize(("whole", "pieces"), [("one", 1), ("two", 2)])
def test_pieces_with_few_uses_are_joined_within_one_whole_only(whole: str, pieces: int) -> None:
    """Ten accounts a piece draw three of twelve fragments each: unlike by lot, and of one kind."""
    rng = np.random.default_rng(0)
    accounts = np.repeat(np.arange(20), 3)
    used = np.concatenate([rng.choice(12, 3, replace=False) for _ in range(20)])
    fragments = Fragments(
        count=12,
        shingles=np.ones(12, np.int64),
        accounts=np.bincount(used, minlength=12),
        use_rows=np.zeros(0, np.int64),
        use_fragments=np.zeros(0, np.int64),
        pair_accounts=accounts,
        pair_fragments=used,
        pair_exchanges=np.ones(60, np.int64),
        keys=np.arange(12),
    )
    half = np.repeat([0, 1], 10)
    profiles = np.zeros((2, 12))
    np.add.at(profiles, (half[accounts], used), np.log(1_000 / fragments.accounts[used]))
    cosine = profiles[0] @ profiles[1] / np.prod(np.linalg.norm(profiles, axis=1))
    assert LinkingParameters().alike < cosine < LinkingParameters().same_wording

    labels = _reunite(
        half,
        half if whole == "two" else np.zeros(20, np.int64),
        fragments,
        (accounts, used, np.ones(60)),
        1_000,
        LinkingParameters(),
    )

    assert len(np.unique(labels)) == pieces


def test_values_with_the_same_holders_are_counted_as_one() -> None:
    """Card and device of one desk; a network that a stranger shares is another fact."""
    accounts = np.array([0, 1, 0, 1, 0, 1, 2])
    value = np.array([0, 0, 1, 1, 2, 2, 2])

    assert _held_alike(accounts, value, 3).tolist() == [2, 2, 1]
