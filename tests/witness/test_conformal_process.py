"""The e-process of clause 1 under its null, by simulation: its mean, and Markov's and Ville's bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from stillwatch.campaigns.clauses import PROMPTS, Scores, acts_as_one
from stillwatch.campaigns.evalues import conformal_martingale
from stillwatch.signals.division import bets, bins_of

DRAWS = 6_000
LEVELS = (0.2, 0.1, 0.05, 0.01)
PRESENT = np.ones(140, np.bool_)


def most_allowed(rate: float) -> int:
    """The largest count a one-sided exact test at 0.001 takes for `rate`; twice the rate is found
    with a chance above 0.999 at all of `LEVELS` but the last, and 0.99 there."""
    return int(binom.isf(0.001, DRAWS, rate))


@pytest.mark.parametrize("rate", LEVELS)
def test_twice_the_rate_would_be_found(rate: float) -> None:
    assert binom.sf(most_allowed(rate), DRAWS, 2 * rate) > 0.99


@pytest.mark.parametrize("law", ["people", "one urn"])
def test_a_stratified_reference_bounds_the_whole_clause(law: str) -> None:
    """Four strata with laws of their own: mean at most 1, and Markov's bound at every level.

    Members differ from the reference in how much they say, never in law given that.
    """
    rng = np.random.default_rng([31, law == "people"])
    values = np.empty(DRAWS)
    for draw in range(DRAWS):
        prompts = np.concatenate([rng.choice([5, 12, 24, 40], 12, p=[0.1, 0.2, 0.3, 0.4])])
        prompts = np.concatenate([prompts, rng.choice([5, 12, 24, 40], 128)])
        center = np.searchsorted(PROMPTS, prompts, side="right") * (1.5 if law == "people" else 0)
        scores = Scores(
            accounts=np.arange(140),
            group=np.where(np.arange(140) < 12, 0, -1),
            division=center + rng.normal(0.0, 1.2, size=140),
            prompts=prompts,
            synchrony=np.full(140, np.nan),
            exchanges=prompts,
        )
        values[draw] = np.exp(acts_as_one(scores, 0, PRESENT).log_e)

    assert values.mean() <= 1.0 + 4 * values.std() / np.sqrt(DRAWS)
    for rate in LEVELS:
        assert (values >= 1 / rate).sum() <= most_allowed(rate)


def test_read_backwards_it_meets_villes_bound() -> None:
    """From the last member to the first, the running product is a martingale: its maximum, too, exceeds
    1/a with a chance of at most a."""
    rng = np.random.default_rng(32)
    stakes = bets()
    maxima = np.empty(DRAWS)
    for draw in range(DRAWS):
        bins = bins_of(rng.normal(1.0, 2.0, size=72))
        counts = np.bincount(bins[:60], minlength=len(stakes))
        products = [conformal_martingale(counts, bins[60 : 60 + k], stakes) for k in range(13)]
        maxima[draw] = np.exp(products[12] - np.minimum.accumulate(products)[-1])

    for rate in LEVELS:
        assert (maxima >= 1 / rate).sum() <= most_allowed(rate)
    assert (maxima >= 10).any()
