"""Exact counts: an e-value in truth, and never larger than it says."""

from __future__ import annotations

from itertools import combinations
from math import comb, exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from stillwatch.signals.exact_counts import Outcome, compare_counts


def mean_over_exponents(p: float) -> float:
    """The mean of a p^(a - 1) over a in (0, 1), by quadrature."""
    return float(quad(lambda a: a * p ** (a - 1), 0, 1)[0])


@given(
    members=st.integers(1, 8),
    size=st.integers(1, 12),
    shown=st.integers(0, 8),
    r=st.integers(0, 12),
)
@settings(max_examples=80, deadline=None)
def test_one_stratum_is_fishers_exact_test(members: int, size: int, shown: int, r: int) -> None:
    """The tail of the hypergeometric, by counting every draw."""
    shown, r = min(shown, members), min(r, size)
    marked = shown + r
    tail = sum(
        comb(marked, k) * comb(size + members - marked, members - k)
        for k in range(shown, min(marked, members) + 1)
        if members - k <= size + members - marked
    ) / comb(size + members, members)

    outcome = Outcome([(members, shown, size, r)])

    assert outcome.log_e == pytest.approx(log(mean_over_exponents(tail)))


def test_two_strata_are_counted_together() -> None:
    """Every way to draw the members of both strata, one by one."""
    strata = [(2, 2, 4, 1), (3, 1, 5, 2)]
    totals = []
    for members, shown, size, usual in strata:
        flags = [1] * (shown + usual) + [0] * (size + members - shown - usual)
        totals.append([sum(draw) for draw in combinations(flags, members)])
    draws = [a + b for a in totals[0] for b in totals[1]]
    tail = sum(total >= 3 for total in draws) / len(draws)

    assert exp(Outcome(strata).log_e) == pytest.approx(mean_over_exponents(tail))


@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_its_mean_is_at_most_one_under_its_null(rate: float) -> None:
    """Members drawn like the others, in strata that differ: the mean stays below 1."""
    rng = np.random.default_rng(7)
    values = []
    for _ in range(3_000):
        drawn = [
            (m, int(rng.binomial(m, p)), n, int(rng.binomial(n, p)))
            for m, n, p in ((6, 60, rate), (4, 25, min(2 * rate, 1.0)))
        ]
        values.append(exp(Outcome(drawn).log_e))
    error = np.std(values) / sqrt(len(values))

    assert np.mean(values) <= 1.0 + 2 * error
    assert max(values) > 2.0


def test_nothing_exceeds_the_declared_largest() -> None:
    """All members showing it, whatever the reference does."""
    for usual in range(6):
        seen = [Outcome([(7, k, 30, usual), (3, min(k, 3), 9, 0)]) for k in range(8)]
        assert all(o.log_e <= o.largest + 1e-9 for o in seen)
        assert seen[-1].log_e == pytest.approx(seen[-1].largest)


def test_enormous_evidence_is_bounded() -> None:
    """What underflows is not taken for infinite."""
    assert Outcome([(20_000, 20_000, 20_000, 0)]).log_e <= 700.0


def test_who_had_no_opportunity_says_nothing() -> None:
    """A stratum of -1, and a stratum without a reference, are left out."""
    shows = np.array([True, True, True, False, False, False])
    stratum = np.array([0, -1, 1, 0, 0, 0])
    reference = np.array([False, False, False, True, True, True])

    outcome = compare_counts(shows, np.arange(3), shows[:3], stratum, reference)

    assert (outcome.members, outcome.shown, outcome.reference, outcome.usual) == (1, 1, 3, 0)
