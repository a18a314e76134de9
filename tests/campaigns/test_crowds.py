"""Crowds drawn at random: a group of strangers stands first no more often than chance has it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from tests.campaigns.test_looks import look

from stillwatch.campaigns.crowds import STRATA, log_e_of_crowds
from stillwatch.campaigns.looks import one_look
from stillwatch.signals.collection import harvest_score

ACCOUNTS, GROUPS = 2_400, 600


def population(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Most ask for little that trains, a few for much; volumes differ a hundredfold."""
    rng = np.random.default_rng(seed)
    exchanges = np.exp(rng.normal(3.0, 1.0, ACCOUNTS)).astype(np.int64) + 5
    base = rng.uniform(0.25, 0.4, ACCOUNTS)
    purpose = np.where(rng.random(ACCOUNTS) < 0.03, rng.uniform(0.5, 1.0, ACCOUNTS), base)
    unused = rng.uniform(0.2, 1.0, ACCOUNTS)
    return np.column_stack([unused, purpose, np.log1p(0.9 * exchanges)]), exchanges


def pooled_score(figures: np.ndarray, exchanges: np.ndarray, members: np.ndarray) -> float:
    """The score of the members' work as one owner's, written out."""
    weights = exchanges[members] / exchanges[members].sum()
    items = np.expm1(figures[members, 2]).sum()
    means = weights @ figures[members, :2]
    return float(harvest_score(np.array([*means, np.log1p(items)])))


@pytest.mark.parametrize("heavy", [False, True])
def test_strangers_stand_first_as_seldom_as_stated(heavy: bool) -> None:
    """Also where all of them are among the eighth that asks most; beside owners they do not."""
    figures, exchanges = population(1)
    rng = np.random.default_rng(2)
    choice = np.argsort(exchanges, kind="stable")
    choice = choice[-ACCOUNTS // STRATA :] if heavy else choice
    groups = [rng.choice(choice, 12, replace=False) for _ in range(GROUPS)]
    first = np.isfinite(log_e_of_crowds(groups, harvest_score(figures), exchanges, draws=19))

    assert binom.sf(first.sum() - 1, GROUPS, 1 / 20) > 0.001  # not above one in twenty
    assert binom.cdf(first.sum(), GROUPS, 1 / 20) > 0.001  # and no more careful than it says
    scores = np.array([pooled_score(figures, exchanges, g) for g in groups])
    among_owners = (scores[:, None] <= harvest_score(figures)).mean(axis=1) <= 1 / 20
    assert binom.sf(among_owners.sum() - 1, GROUPS, 1 / 20) < 1e-6


def test_a_harvest_outdoes_every_crowd() -> None:
    """Even one whose accounts ask the most of all, and fill their eighth by half."""
    figures, exchanges = population(3)
    by_volume = np.argsort(exchanges, kind="stable")
    groups = [by_volume[1000:1010], by_volume[-ACCOUNTS // STRATA // 2 :]]
    for members in groups:
        figures[members, :2] = 1.0

    assert log_e_of_crowds(groups, harvest_score(figures), exchanges, draws=99) == pytest.approx(
        np.log(100.0)
    )


def test_members_of_other_groups_that_act_as_one_are_no_crowd() -> None:
    """A third of those who ask as much collect as three accounts do: crowds of three match them."""
    _, exchanges = population(6)
    eighth = np.argsort(exchanges, kind="stable")[-ACCOUNTS // STRATA :]
    group, others = eighth[:3], eighth[3 : 3 + len(eighth) // 3]
    scores, acting = np.zeros(ACCOUNTS), np.full(ACCOUNTS, -1)
    scores[np.concatenate([group, others])] = 1.0
    acting[others] = 1

    assert np.isneginf(log_e_of_crowds([group], scores, exchanges, draws=999)).all()
    assert np.isfinite(log_e_of_crowds([group], scores, exchanges, acting, draws=999)).all()


def test_ties_are_not_first() -> None:
    """Where all accounts are alike, and where the group is all there is, nothing can be shown."""
    figures, exchanges = np.full((40, 3), [1.0, 1.0, 3.0]), np.full(40, 20)
    groups = [np.arange(10), np.arange(40)]

    assert np.isneginf(log_e_of_crowds(groups, harvest_score(figures), exchanges, draws=19)).all()


def test_accounts_without_work_are_left_out() -> None:
    """They change nothing for the others."""
    figures, exchanges = population(5)
    group = [np.arange(20)]
    figures[group[0], :2] = 1.0
    more = np.vstack([np.full((50, 3), np.nan), figures])
    more_exchanges = np.concatenate([np.zeros(50, np.int64), exchanges])
    same = log_e_of_crowds(
        [np.concatenate([np.arange(50), group[0] + 50])], harvest_score(more), more_exchanges
    )

    assert same.tolist() == log_e_of_crowds(group, harvest_score(figures), exchanges).tolist()
    assert np.isfinite(same).all()


def test_a_group_that_is_no_more_than_a_crowd_is_not_reported() -> None:
    """However high it scores beside single owners."""
    unlike = look([range(10), range(20, 30)], [2.0, 2.0])
    like = look([range(10), range(20, 30)], [2.0, 2.0], log_e_crowds=np.array([9.2, -np.inf]))

    assert one_look(unlike, 0.01).reported.all()
    assert one_look(like, 0.01).reported.tolist() == [True, False]
    assert one_look(like, 0.01).e_collects[1] == 0.0
