"""Simulated error rates of clause 3 and the decision: realised against promised, by exact tests.

Every simulation counts events of a chance that the theory bounds by the nominal rate, and rejects
with a one-sided exact binomial test at level 0.001. Power: with 4,000 draws, a realised rate of
twice the nominal is found with a chance above 0.999 at 0.05, 0.98 at 0.01, and one of five times
the nominal with 0.97 at 0.001 (`test_the_tests_have_the_power_they_state` computes them).
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from stillwatch.campaigns.evalues import e_bh, select_by_reference

DRAWS = 4_000
LEVEL = 0.001
POWER = {0.05: (2, 0.999), 0.01: (2, 0.98), 0.001: (5, 0.97)}
"""For each nominal rate: the factor by which it is exceeded, and the chance to see it."""

OWNERS = {0.05: 150, 0.01: 700, 0.001: 2_200}
"""Enough that a group alone could be reported: the test would be empty otherwise."""

HOSTILE = (0.0, 0.01, 0.05, 0.10)


def most_allowed(rate: float, draws: int = DRAWS) -> int:
    """The largest count that a one-sided exact test at `LEVEL` still takes for `rate`."""
    return int(binom.isf(LEVEL, draws, rate))


def owners(rng: np.random.Generator, size: int, hostile: float) -> np.ndarray:
    """Scores of owners; a part of them are campaigns nobody linked, with high scores."""
    scores = rng.normal(size=size)
    bad = rng.random(size) < hostile
    scores[bad] += 3.0
    return scores


@pytest.mark.parametrize("rate", POWER)
def test_the_tests_have_the_power_they_state(rate: float) -> None:
    """A rate so many times the nominal is found with the chance that the docstring states."""
    factor, power = POWER[rate]

    assert binom.sf(most_allowed(rate), DRAWS, factor * rate) >= power


@pytest.mark.parametrize("rate", POWER)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_honest_groups_alone_are_reported_no_more_often_than_promised(
    rate: float, hostile: float
) -> None:
    """With no campaign among those tested, any report is wrong: its chance is the rate."""
    rng = np.random.default_rng([17, int(1e4 * rate), int(100 * hostile)])
    wrong = 0
    for _ in range(DRAWS):
        sizes = rng.choice([8.0, 30.0, 300.0], size=2)
        reference = owners(rng, OWNERS[rate], hostile)
        selection = select_by_reference(rng.normal(size=2), reference, rate, sizes)
        wrong += bool(e_bh(selection.e_values, rate, weights=sizes).any())

    assert wrong <= most_allowed(rate)
    if hostile == 0.0:  # not so timid that nothing could ever be seen
        assert wrong > 0


@pytest.mark.parametrize("hostile", HOSTILE)
def test_beside_campaigns_both_rates_hold(hostile: float) -> None:
    """Groups and accounts: the wrong part of a report, as a coin of that chance, so that the test is exact."""
    rate, draws = 0.05, DRAWS
    rng = np.random.default_rng([18, int(100 * hostile)])
    by_groups = by_accounts = found = 0
    for _ in range(draws):
        sizes = np.concatenate([np.full(4, 20.0), [300.0, 300.0, 40.0, 20.0]])
        tested = np.concatenate([rng.normal(5.0, 1.0, size=4), rng.normal(size=4)])
        selection = select_by_reference(tested, owners(rng, 300, hostile), rate, sizes)
        reported = e_bh(selection.e_values, rate, weights=sizes)
        if reported.any():
            by_groups += rng.random() < reported[4:].sum() / reported.sum()
            by_accounts += rng.random() < sizes[4:][reported[4:]].sum() / sizes[reported].sum()
            found += bool(reported[:4].any())

    assert max(by_groups, by_accounts) <= most_allowed(rate, draws)
    if hostile == 0.0:
        assert found > draws / 2


def test_counting_groups_alone_would_accuse_too_many_accounts() -> None:
    """What the weights are for: large honest groups beside as many small campaigns."""
    rate, draws, rng = 0.05, 1_000, np.random.default_rng(19)
    sizes = np.repeat([8.0, 300.0], 12)
    plain = weighted = 0.0
    for _ in range(draws):
        tested = np.concatenate([rng.normal(6.0, 0.5, size=12), rng.normal(size=12)])
        reference = rng.normal(size=100)
        for weights in (None, sizes):
            e_values = select_by_reference(tested, reference, rate, weights).e_values
            reported = e_bh(e_values, rate, weights=weights)
            share = sizes[12:][reported[12:]].sum() / max(float(sizes[reported].sum()), 1.0)
            if weights is None:
                plain += share / draws
            else:
                weighted += share / draws

    assert plain > 2 * rate
    assert weighted <= rate


def test_each_e_value_has_mean_at_most_one_whatever_its_size() -> None:
    """The largest group of a threshold that depends on sizes earns no more than the smallest."""
    rng = np.random.default_rng(20)
    sizes = np.array([300.0, 30.0, 8.0])
    values = np.array(
        [
            select_by_reference(rng.normal(size=3), rng.normal(size=60), 0.2, sizes).e_values
            for _ in range(20_000)
        ]
    )
    mean, error = values.mean(axis=0), values.std(axis=0) / np.sqrt(len(values))

    assert (mean <= 1.0 + 4 * error).all()
    assert mean[0] > 0.1
