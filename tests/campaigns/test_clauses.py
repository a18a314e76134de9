"""Who acts as one: what the clause gives to queues, crowds and mixtures of both."""

from __future__ import annotations

from math import comb
from pathlib import Path

import numpy as np
import pytest

from planted_logs import TUTOR, LogBook
from stillwatch.campaigns.clauses import (
    LEAN,
    Scores,
    _log_stake,
    acts_as_one,
    all_act_as_one,
    own_work,
    score_accounts,
)
from stillwatch.linking.groups import Group
from stillwatch.signals.owners import read_wording


def scores_of(members: np.ndarray, others: np.ndarray, number: int = 0) -> Scores:
    """One group and accounts outside it, all with many prompts and no clock."""
    divided = np.concatenate([members, others])
    size = len(divided)
    return Scores(
        accounts=np.arange(size),
        group=np.where(np.arange(size) < len(members), number, -1),
        division=divided,
        prompts=np.full(size, 40),
        synchrony=np.full(size, np.nan),
        exchanges=np.full(size, 40),
    )


def log_e(members: np.ndarray, others: np.ndarray) -> float:
    scores = scores_of(members, others)
    return acts_as_one(scores, 0, np.ones(len(scores.accounts), np.bool_)).log_e


def test_a_queue_among_people_earns_much() -> None:
    """Twenty standard normal scores where all others keep to themselves."""
    rng = np.random.default_rng(1)

    assert log_e(rng.normal(size=20), rng.uniform(5, 20, size=200)) > np.log(1e6)


def test_a_crowd_that_leans_to_its_own_subjects_earns_nothing() -> None:
    """However rare so small a lean is elsewhere, a mean that one list cannot have is a crowd's."""
    rng = np.random.default_rng(2)
    crowd = rng.normal(LEAN / np.sqrt(20) + 1.0, 0.3, size=20)

    assert log_e(crowd, rng.uniform(5, 20, size=200)) == -np.inf


def test_two_strangers_among_twenty_workers_do_not_acquit_the_twenty() -> None:
    """Whom the queue's items drew in has subjects all his own; each costs what his bin costs."""
    rng = np.random.default_rng(7)
    others, workers = rng.uniform(5, 20, size=200), rng.normal(0, 0.7, size=20)
    with_strangers = log_e(np.concatenate([workers, [26.0, 18.0]]), others)

    assert np.log(1e6) < with_strangers < log_e(workers, others)


def test_stolen_keys_do_not_acquit_those_who_work_beside_them() -> None:
    """Five of 25 carry their owners' subjects; the others are shown, at the price of the choice."""
    rng = np.random.default_rng(8)
    others, workers = rng.uniform(5, 20, size=400), rng.normal(0, 0.7, size=20)
    keys = rng.uniform(8, 20, size=5)
    scores = scores_of(np.concatenate([workers, keys]), others)
    acts = acts_as_one(scores, 0, np.ones(len(scores.accounts), np.bool_))

    assert set(acts.left_out) <= set(range(20, 25))
    assert len(acts.left_out) > 0
    assert np.log(1e6) < acts.log_e < log_e(workers, others) - 5


def test_whoever_is_left_out_is_paid_for() -> None:
    """The stakes on all choices add up to 1, so that none is free."""
    rng = np.random.default_rng(9)
    members, others = rng.uniform(-2, 12, size=(400, 8)), rng.uniform(-2, 12, size=(400, 60))
    values = [np.exp(log_e(m, o)) for m, o in zip(members, others, strict=True)]
    stakes = [_log_stake(7, n) + np.log(comb(7, n)) for n in range(4)]

    assert np.exp(stakes).sum() == pytest.approx(1.0)
    assert np.mean(values) <= 1


def test_members_like_the_others_earn_nothing() -> None:
    """Exchangeable scores have an e-value of mean at most one."""
    rng = np.random.default_rng(3)
    values = []
    for _ in range(300):
        drawn = rng.uniform(-2, 12, size=140)
        values.append(np.exp(log_e(drawn[:12], drawn[12:])))

    assert np.mean(values) <= 1 + 4 * np.std(values) / np.sqrt(len(values))


def test_without_comparable_accounts_nothing_is_shown() -> None:
    """Members with many prompts say nothing where all others have few."""
    rng = np.random.default_rng(4)
    scores = scores_of(rng.normal(size=20), rng.uniform(5, 20, size=200))
    scores.prompts[20:] = 5

    assert acts_as_one(scores, 0, np.ones(220, np.bool_)).log_e <= 0.1


def test_a_shown_campaign_leaves_the_reference_of_the_next() -> None:
    """A log full of campaigns does not hide one more."""
    rng = np.random.default_rng(5)
    sizes = (60, 60, 12)
    group = np.concatenate([np.full(n, g) for g, n in enumerate(sizes)] + [np.full(200, -1)])
    divided = np.concatenate([rng.normal(0, 0.9, size=132), rng.uniform(5, 20, size=200)])
    scores = Scores(
        np.arange(332), group, divided, np.full(332, 40), np.full(332, np.nan), np.full(332, 40)
    )
    alone = acts_as_one(scores, 2, np.ones(332, np.bool_)).log_e

    assert all_act_as_one(scores, 3)[2].log_e > alone + 3


@pytest.mark.parametrize("dealt", [True, False], ids=["one list", "own subjects"])
def test_accounts_are_scored_among_those_they_are_linked_to(tmp_path: Path, dealt: bool) -> None:
    """Workers low, users of an app high, and strangers beside them in pools of their own."""
    book = LogBook(6)
    book.people(60)
    names = book.campaign(10) if dealt else book.people(10, wrapper=TUTOR, name="w", prompts=20)
    traffic = book.traffic(tmp_path)
    members = np.flatnonzero(np.isin(traffic.account_names, names))
    rows = np.flatnonzero(np.isin(traffic.accounts, members))
    group = Group(members, np.zeros(0, np.int64), rows, by_wording=True)

    scores = score_accounts(traffic, own_work(traffic, read_wording(traffic)), [group])

    assert scores.accounts.tolist() == list(range(70))
    assert (scores.group == 0).sum() == 10
    assert bool(np.median(scores.division[scores.group == 0]) < 1.0) is dealt
    assert np.median(scores.division[scores.group == -1]) > 4.5
