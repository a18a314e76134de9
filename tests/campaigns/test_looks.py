"""Looking daily: what a history of looks may report, against its proof and by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stillwatch.campaigns.evalues import e_bh
from stillwatch.campaigns.looks import History, Look, least_bound, one_look

ACCOUNTS = 4_000
OWNERS = np.arange(1_000, ACCOUNTS)


def look(
    groups: list[range],
    scores: list[float],
    *,
    owners: np.ndarray | None = None,
    log_e: float = 20.0,
    **changes: Any,
) -> Look:
    """Groups that pass clauses 1 and 2 at every rate in use here, unless told otherwise."""
    number = len(groups)
    owners = np.linspace(0, 1, len(OWNERS)) if owners is None else np.sort(owners)
    columns = {
        "accounts": [np.array(g) for g in groups],
        "named": [np.array(g) for g in groups],
        "openly": np.zeros(number, np.bool_),
        "log_e": np.full((number, 2), log_e),
        "tied": np.ones(number),
        "log_e_tied": np.zeros(number),
        "log_e_crowds": np.full(number, np.log(10_000.0)),
        "scores": np.array(scores),
        "owners": OWNERS[: len(owners)],
        "owner_scores": owners,
    }
    return Look(**(columns | changes))


def test_a_group_that_grows_stays_one_hypothesis() -> None:
    """It goes on where most of its accounts went; a merger goes on with the larger or older."""
    history = History(ACCOUNTS)
    history.add(look([range(10), range(20, 26)], [2.0, 2.0]))
    grown = look([range(100, 110), range(4, 40)], [2.0, 2.0])
    assert history.hypotheses(grown).tolist() == [2, 0]
    history.add(look([range(30)], [2.0]))

    assert history.hypotheses(look([range(30)], [2.0])).tolist() == [0]
    assert history.hypotheses(look([range(20), range(20, 26)], [2.0, 2.0])).tolist() == [0, 1]
    assert history.hypotheses(look([range(200, 210)], [2.0])).tolist() == [2]


def test_one_look_needs_less_than_the_first_of_many() -> None:
    """The price of looking again: a first test has never all of the weight, nor of the budget."""
    owners = np.linspace(0, 1, 120)  # the largest e-value is 121: more than 106, less than 131
    once = look([range(10)], [2.0], owners=owners)

    assert one_look(once, 0.01).reported.all()
    assert not History(ACCOUNTS).decide(once, 0.01).reported.any()
    assert History(ACCOUNTS).decide(look([range(10)], [2.0]), 0.01).reported.all()


def test_weights_wait_until_the_log_can_prove_something() -> None:
    """Looks at which no score could suffice cost a campaign nothing."""
    few, many = np.linspace(0, 1, 100), np.linspace(0, 1, 250)
    history = History(ACCOUNTS)
    for _ in range(10):
        history.add(look([range(10)], [2.0], owners=few))

    assert history.decide(look([range(10)], [2.0], owners=many), 0.01).reported.all()


def test_many_owners_let_campaigns_come_one_after_another() -> None:
    """With 3,000 owners a newcomer needs a seventh of the budget: the sixth is reported at once."""
    history = History(ACCOUNTS)
    groups: list[range] = []
    for day in range(6):
        groups.append(range(20 * day, 20 * day + 20))
        # Those before it look like any owner by now: their number does not help the newcomer.
        now = look(list(groups), [0.5] * day + [2.0])
        assert history.decide(now, 0.01).reported[day]
        history.add(look(list(groups), [0.5] * (day + 1)))


def test_the_budget_of_clause_3_is_never_overspent() -> None:
    """However many come and however few owners there are: the parts add up to less than 1."""
    history = History(ACCOUNTS)
    for day in range(40):
        owners = np.linspace(0, 1, 120 + 40 * (day % 7))
        groups = [range(20 * g, 20 * g + 20) for g in range(3 * day + 1)]
        history.add(look(groups, [0.5] * len(groups), owners=owners))
    history.decide(look([range(10)], [2.0]), 0.01)

    _, state = history._states[0.01]
    assert 0 < state.left < 1
    assert state.part.sum() + state.left == pytest.approx(1.0)


def test_what_was_shown_once_stands() -> None:
    """A campaign that looks like any owner later on is still reported on its past evidence."""
    history = History(ACCOUNTS)
    history.add(look([range(10)], [2.0]))

    later = history.decide(look([range(10)], [0.5]), 0.01)

    assert later.reported.all()
    assert not one_look(look([range(10)], [0.5]), 0.01).reported.any()


def test_what_is_openly_together_now_is_not_reported_on_its_past() -> None:
    """A declaration, or the loss of what tied the accounts, holds at once."""
    history = History(ACCOUNTS)
    history.add(look([range(10)], [2.0]))

    openly = look([range(10)], [2.0], openly=np.ones(1, np.bool_))
    untied = look([range(10)], [2.0], tied=np.zeros(1))

    assert not history.decide(openly, 0.01).reported.any()
    assert not history.decide(untied, 0.01).reported.any()


def test_a_decision_leaves_no_trace() -> None:
    """Looks that are decided but not taken in, at any rate, change nothing."""
    history, other = History(ACCOUNTS), History(ACCOUNTS)
    for h in (history, other):
        h.add(look([range(10), range(50, 60)], [2.0, 0.99]))
    for rate in (0.5, 0.01, 0.001):
        history.decide(look([range(10), range(90, 99)], [0.9, 2.0]), rate)

    now = look([range(10), range(50, 60), range(70, 80)], [2.0, 2.0, 2.0])
    one, same = history.decide(now, 0.01), other.decide(now, 0.01)
    assert np.array_equal(one.e_collects, same.e_collects)
    assert np.array_equal(one.reported, same.reported)


@pytest.mark.parametrize("taken_in", [True, False])
def test_a_look_that_was_decided_counts_once_if_it_is_taken_in(taken_in: bool) -> None:
    """And not at all if another is taken in instead."""
    history, other = History(ACCOUNTS), History(ACCOUNTS)
    for day in range(4):
        now = look([range(10), range(50, 60 + day)], [2.0, 0.99])
        history.decide(now, 0.01)
        then = now if taken_in else look([range(10), range(50, 60)], [0.9, 0.5])
        history.add(then)
        other.add(then)

    now = look([range(10), range(50, 70)], [0.9, 1.1])
    one, same = history.decide(now, 0.01), other.decide(now, 0.01)
    assert np.array_equal(one.e_collects, same.e_collects)
    assert np.array_equal(one.bounds, same.bounds)
    assert one.e_collects.any()


def test_parts_of_a_budget_that_are_equal_make_plain_weighted_e_bh() -> None:
    """With one part each, by number and by weight, the largest set is that of e-BH."""
    rng = np.random.default_rng(5)
    rejections = 0
    for _ in range(300):
        number = int(rng.integers(1, 12))
        e_values, weights = rng.pareto(0.6, number) * 9, rng.integers(1, 60, number).astype(float)
        parts = np.stack([np.full(number, 1 / number), weights / weights.sum()])
        kept = e_bh(e_values, 0.1, weights=weights, parts=parts)
        assert np.array_equal(kept, e_bh(e_values, 0.1, weights=weights))
        rejections += int(kept.sum())
    assert rejections > 100


def test_the_first_stage_alone_lets_hardly_anyone_through_over_thirty_looks() -> None:
    """Groups whose e-values jump anew at each look pass a clause no more often than promised."""
    rng = np.random.default_rng(6)
    rate, passed, trials = 0.9, 0, 1_500
    for _ in range(trials):
        history = History(ACCOUNTS)
        somebody = False
        for day in range(30):
            # Two-point e-values of mean 1: the largest jumps that Markov's inequality allows.
            groups = [range(10 * g, 10 * g + 10) for g in range(3 + day // 10)]
            large = np.exp(least_bound(len(groups), rate)) * 40
            e = np.where(rng.random(len(groups)) < 1 / large, large, 1e-9)
            log_e = np.stack([np.log(e), np.full(len(groups), 20.0)], axis=1)
            now = look(groups, [0.1] * len(groups), log_e=log_e)
            somebody |= bool(history.decide(now, rate).passed[:, 0].any())
            history.add(now)
        passed += somebody
    # Each clause has a fortieth of the rate.
    assert passed / trials <= rate / 40 + 3 * np.sqrt(rate / 40 / trials)


@pytest.mark.parametrize("persistence", [0.0, 0.9, 1.0])
def test_thirty_looks_at_honest_groups_err_no_more_often_than_the_rate(persistence: float) -> None:
    """Honest groups score like the owners, anew each day or as ever: few trials report any."""
    rng = np.random.default_rng(7)
    rate, wrong, trials = 0.2, 0, 400
    spread = np.sqrt(1 - persistence**2)
    for _ in range(trials):
        history = History(ACCOUNTS)
        score = rng.normal(size=204)
        reported = False
        for _ in range(30):
            score = persistence * score + spread * rng.normal(size=204)
            groups = [range(10 * g, 10 * g + 10) for g in range(4)]
            now = look(groups, score[:4].tolist(), owners=score[4:])
            reported |= bool(history.decide(now, rate).reported.any())
            history.add(now)
        wrong += reported
    assert wrong / trials <= rate + 3 * np.sqrt(rate / trials)
