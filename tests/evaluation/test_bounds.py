"""Upper bounds of the share of honest accounts flagged."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from stillwatch.evaluation.bounds import (
    bootstrap_upper,
    clopper_pearson_upper,
    honest_upper,
    nested_upper,
)

flagged_groups = st.lists(
    st.integers(1, 30).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size))),
    min_size=1,
    max_size=40,
)


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_clopper_pearson_agrees_with_scipy(counts: tuple[int, int]) -> None:
    """The exact bound is the one that scipy's binomial test gives for the same side."""
    flagged, trials = counts
    witness = binomtest(flagged, trials, alternative="less").proportion_ci(0.95, method="exact")

    assert clopper_pearson_upper(flagged, trials) == pytest.approx(witness.high, rel=1e-6)


def test_none_flagged_of_2995_groups_bounds_the_share_at_one_in_a_thousand() -> None:
    """The rule of three holds: zero of 2,995 independent groups says at most 0.1 %."""
    assert clopper_pearson_upper(0, 2995) == pytest.approx(0.001, rel=0.001)


def test_groups_flagged_whole_bound_less_tightly_than_scattered_accounts() -> None:
    """Ten accounts of one group are one accident: the bound must be wider than for ten people."""
    one_group = [(10, 10)] + [(10, 0)] * 99
    scattered = [(1, 1)] * 10 + [(1, 0)] * 990

    whole, apart = bootstrap_upper(one_group), bootstrap_upper(scattered)

    assert whole is not None
    assert apart is not None
    assert whole > apart


@given(flagged_groups)
def test_the_bound_is_never_below_either_of_its_parts(groups: list[tuple[int, int]]) -> None:
    """It is the larger of the exact bound over groups and the bootstrap over accounts."""
    touched = sum(flagged > 0 for _, flagged in groups)

    bound = honest_upper(groups)

    assert bound is not None
    assert bound >= (clopper_pearson_upper(touched, len(groups)) or 0.0)
    assert bound >= (bootstrap_upper(groups) or 0.0)


@given(flagged_groups, st.randoms())
def test_the_order_of_groups_does_not_matter(groups: list[tuple[int, int]], random: Random) -> None:
    """The same groups give the same bound in any order."""
    shuffled = list(groups)
    random.shuffle(shuffled)

    assert honest_upper(shuffled) == honest_upper(groups)


def test_the_bootstrap_agrees_with_resampling_group_by_group() -> None:
    """Drawing how many of each kind is the same as drawing the groups one after another."""
    groups = [(5, 5)] * 3 + [(1, 0)] * 60 + [(2, 1)] * 7
    rng = np.random.default_rng(5)
    sizes, flagged = np.array(groups).T
    chosen = rng.integers(0, len(groups), size=(20_000, len(groups)))
    plain = np.quantile(flagged[chosen].sum(axis=1) / sizes[chosen].sum(axis=1), 0.95)

    assert bootstrap_upper(groups) == pytest.approx(plain, rel=0.05)


def test_without_groups_there_is_no_bound() -> None:
    """No honest group means nothing to bound, not a bound of 0."""
    assert honest_upper([]) is None


def test_the_bound_covers_the_true_share_in_nearly_all_worlds() -> None:
    """Over simulated worlds with a known rate, at least 93 in 100 bounds lie above it."""
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(300):
        sizes = rng.integers(1, 12, size=120)
        hit = rng.random(120) < 0.03
        bound = honest_upper([(int(s), int(s * h)) for s, h in zip(sizes, hit, strict=True)])
        covered += bound is not None and bound >= 0.03

    assert covered >= 279


def test_worlds_that_differ_widen_the_bound() -> None:
    """Ten groups flagged in one world of ten say less than one flagged in each."""
    spread = [[(1, 1, 1), (1, 0, 99)] for _ in range(10)]
    clumped = [[(1, 1, 10), (1, 0, 90)], *([[(1, 0, 100)]] * 9)]

    even, uneven = nested_upper(spread), nested_upper(clumped)

    assert even is not None
    assert uneven is not None
    assert 0.01 < even < uneven


def test_nothing_flagged_still_has_a_bound_over_groups() -> None:
    """Members of a group count once: three groups bound less than three hundred people."""
    assert nested_upper([[(100, 0, 3)]]) == clopper_pearson_upper(0, 3)
    assert nested_upper([[(1, 0, 300)]]) == clopper_pearson_upper(0, 300)
    assert nested_upper([]) is None
