"""The statistics, against brute force and against simulation under their nulls."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.evalues import (
    SELECTION,
    conformal_martingale,
    e_bh,
    largest_martingale,
    select_by_reference,
)

e_value_lists = st.lists(st.floats(0, 1e6), min_size=1, max_size=12)


@given(e_value_lists, st.floats(0.001, 0.5))
def test_e_bh_agrees_with_its_definition(values: list[float], alpha: float) -> None:
    """The k largest are rejected, for the largest k that meets the bound, and no other."""
    e_values = np.array(values)
    m = len(values)
    ordered = sorted(values, reverse=True)
    ks = [k for k in range(1, m + 1) if ordered[k - 1] >= m / (alpha * k)]

    rejected = e_bh(e_values, alpha)

    if not ks:
        assert not rejected.any()
    else:
        assert rejected.tolist() == [v >= m / (alpha * max(ks)) for v in values]


@given(e_value_lists, st.floats(0.001, 0.2))
def test_more_evidence_never_loses_a_rejection(values: list[float], alpha: float) -> None:
    """Raising one e-value keeps every rejection."""
    before = e_bh(np.array(values), alpha)
    values[0] *= 2

    after = e_bh(np.array(values), alpha)

    assert (after | ~before).all()


@given(
    st.lists(
        st.tuples(st.floats(0, 1e4), st.sampled_from([5.0, 20.0, 300.0])), min_size=1, max_size=9
    ),
    st.floats(0.001, 0.5),
)
def test_weighted_e_bh_is_the_largest_set_that_meets_both_bounds(
    hypotheses: list[tuple[float, float]], alpha: float
) -> None:
    """Against every subset: the largest of which each meets the bound by number and by weight."""
    e_values, weights = (np.array(c) for c in zip(*hypotheses, strict=True))
    meeting = set()
    for picked in product([False, True], repeat=len(e_values)):
        chosen = np.array(picked)
        if not chosen.any():
            continue
        needed = max(len(e_values) / chosen.sum(), weights.sum() / weights[chosen].sum()) / alpha
        if (e_values[chosen] >= needed * (1 + 1e-12)).all():
            meeting |= set(np.flatnonzero(chosen).tolist())

    rejected = e_bh(e_values, alpha, weights=weights)

    assert set(np.flatnonzero(rejected).tolist()) >= meeting
    if rejected.any():
        needed = max(len(e_values) / rejected.sum(), weights.sum() / weights[rejected].sum())
        assert e_values[rejected].min() >= needed / alpha * (1 - 1e-12)


def test_equal_weights_change_nothing() -> None:
    rng = np.random.default_rng(11)
    for _ in range(50):
        e_values = np.exp(rng.normal(3, 3, size=8))
        plain = e_bh(e_values, 0.05)
        assert (e_bh(e_values, 0.05, weights=np.full(8, 7.0)) == plain).all()
        reference, tested = rng.normal(size=90), rng.normal(2, 1, size=8)
        alike = select_by_reference(tested, reference, 0.2, np.full(8, 7.0))
        assert (alike.e_values == select_by_reference(tested, reference, 0.2).e_values).all()


def test_hypotheses_that_were_raised_count_even_if_not_listed() -> None:
    """Leaving out the weak candidates buys nothing: the others keep their parts of the budget."""
    assert e_bh(np.array([150.0]), 0.01).all()
    assert not e_bh(np.array([150.0]), 0.01, parts=np.array([[0.5], [0.5]])).any()


@pytest.mark.parametrize("concentration", [0.3, 1.0, 5.0])
def test_the_martingale_has_mean_at_most_one_under_exchangeability(concentration: float) -> None:
    """Whatever common law the accounts have, honest groups earn nothing on average."""
    rng = np.random.default_rng(5)
    bets = np.array([0.6, 0.3, 0.1])
    outcomes = []
    for _ in range(20_000):
        law = rng.dirichlet(np.full(3, concentration))
        values = rng.choice(3, size=16, p=law)
        reference = np.bincount(values[:12], minlength=3)
        outcomes.append(np.exp(conformal_martingale(reference, values[12:], bets)))
    mean, error = np.mean(outcomes), np.std(outcomes) / np.sqrt(len(outcomes))

    assert mean <= 1.0 + 4 * error


def test_the_martingale_is_not_needlessly_timid() -> None:
    """Where every bin is filled, the mean is one and not less."""
    rng = np.random.default_rng(15)
    bets = np.array([0.5, 0.3, 0.2])
    outcomes = []
    for _ in range(20_000):
        values = rng.choice(3, size=64, p=[0.3, 0.3, 0.4])
        reference = np.bincount(values[:60], minlength=3)
        outcomes.append(np.exp(conformal_martingale(reference, values[60:], bets)))
    error = np.std(outcomes) / np.sqrt(len(outcomes))

    assert abs(np.mean(outcomes) - 1.0) <= 4 * error


def test_the_martingale_never_exceeds_its_stated_maximum() -> None:
    """The printed bound is a bound."""
    rng = np.random.default_rng(6)
    bets = np.array([0.5, 0.3, 0.2])
    for _ in range(300):
        reference = rng.integers(0, 30, size=3)
        members = rng.integers(0, 3, size=6)
        value = conformal_martingale(reference, members, bets)
        assert value <= largest_martingale(reference, 6, bets) + 1e-9


@pytest.mark.parametrize("kind", ["distinct", "ties", "nothing to report"])
def test_the_threshold_is_the_least_score_that_meets_both_bounds(kind: str) -> None:
    """Against every score tried one by one, as the docstring defines it."""
    rng = np.random.default_rng(16)
    chosen = 0
    for _ in range(200):
        tested, reference = rng.normal(3, 1, int(rng.integers(1, 9))), rng.normal(size=60)
        if kind == "ties":
            tested, reference = tested.round(1), reference.round(1)
        elif kind == "nothing to report":
            tested[rng.random(len(tested)) < 0.3] = -np.inf
        weights = rng.integers(1, 50, len(tested)).astype(float)
        expected = np.inf
        for score in sorted({*tested.tolist(), *reference.tolist()}, reverse=True):
            above, reached = (reference >= score).sum(), tested >= score
            part = min(reached.mean(), weights[reached].sum() / weights.sum())
            if part > 0 and (1 + above) / (61 * part) <= 0.2 * SELECTION:
                expected = score

        selection = select_by_reference(tested, reference, 0.2, weights)

        assert selection.threshold == expected
        chosen += bool(np.isfinite(expected))
        assert selection.above == ((reference >= expected).sum() if np.isfinite(expected) else 0)
    assert chosen > 20


def test_selected_e_values_have_mean_at_most_one_under_the_null() -> None:
    """A tested owner that is like the reference earns nothing on average."""
    rng = np.random.default_rng(7)
    totals = [
        select_by_reference(rng.normal(size=4), rng.normal(size=200), 0.1).e_values.mean()
        for _ in range(20_000)
    ]

    assert np.mean(totals) <= 1.0 + 4 * np.std(totals) / np.sqrt(len(totals))


def test_the_realised_false_discovery_rate_is_not_above_nominal() -> None:
    """With five strong and fifteen null groups, false reports stay within the promised rate."""
    rng = np.random.default_rng(8)
    alpha = 0.1
    proportions = []
    for _ in range(3_000):
        tested = np.concatenate([rng.normal(4, 1, size=5), rng.normal(size=15)])
        selection = select_by_reference(tested, rng.normal(size=500), alpha)
        rejected = e_bh(selection.e_values, alpha)
        proportions.append(rejected[5:].sum() / max(rejected.sum(), 1))

    assert np.mean(proportions) <= alpha + 4 * np.std(proportions) / np.sqrt(len(proportions))


def test_hostile_owners_in_the_reference_only_cost_power() -> None:
    """Contamination can hide a campaign, never make one."""
    rng = np.random.default_rng(9)
    clean = rng.normal(size=1_000)
    tested = np.array([6.0, 0.0])
    before = select_by_reference(tested, clean, 0.01).e_values
    after = select_by_reference(tested, np.concatenate([clean, np.full(50, 7.0)]), 0.01).e_values

    assert before[0] >= 100.0
    assert (after <= before).all()
    assert after[0] < 1.0


def test_no_tail_is_extrapolated() -> None:
    """However far a score lies beyond the reference, the e-value is at most its size plus one."""
    selection = select_by_reference(np.array([1e9]), np.zeros(300), 0.01)

    assert 0.99 * 301 <= selection.e_values[0] <= selection.largest == 301.0


def test_what_was_not_selected_keeps_its_order() -> None:
    """Evidence below the threshold is small, and more for the higher score."""
    rng = np.random.default_rng(10)
    selection = select_by_reference(np.array([1.5, 0.5]), rng.normal(size=400), 0.01)

    assert selection.threshold == float("inf")
    assert 0 < selection.e_values[1] < selection.e_values[0] < 1
