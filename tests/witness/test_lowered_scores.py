"""Theorem 2b: a group's score may be lowered by its own work, and clause 3 stays valid.

Means of e-values by simulation, under rules of lowering made to break the proof if it could be
broken; and the same rules that raise scores, which do break it, so that the test can fail.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from stillwatch.campaigns.evalues import select_by_reference

DRAWS = 20_000
OWNERS = 60
RATE = 0.1
SIZES = np.array([8.0, 30.0, 300.0, 20.0])

Rule = Callable[[np.ndarray, np.random.Generator], np.ndarray]

LOWERING: dict[str, Rule] = {
    "by a constant": lambda scores, _: scores - 0.7,
    "by chance": lambda scores, rng: scores - rng.exponential(size=scores.shape),
    "unless high": lambda scores, _: np.where(scores > 1.5, scores, -9.0),
    "if high": lambda scores, _: np.minimum(scores, 1.5),
    "all but the smallest group": lambda scores, _: np.append(scores[:1], scores[1:] - 2.0),
}


def mean_and_error(rule: Rule, strong: int, weights: np.ndarray | None) -> tuple[float, float]:
    """Mean e-value of the first group, which is like the owners; `strong` others are not."""
    rng = np.random.default_rng([31, strong])
    found = np.empty(DRAWS)
    for i in range(DRAWS):
        scores = rng.normal(size=4)
        scores[4 - strong :] += 4.0
        lowered = rule(scores, rng)
        selection = select_by_reference(lowered, rng.normal(size=OWNERS), RATE, weights)
        found[i] = selection.e_values[0]
    return float(found.mean()), float(found.std() / np.sqrt(DRAWS))


@pytest.mark.parametrize("weights", [None, SIZES], ids=["by groups", "by accounts too"])
@pytest.mark.parametrize("strong", [0, 2])
@pytest.mark.parametrize("rule", LOWERING)
def test_lowered_scores_earn_nothing_on_average(
    rule: str, strong: int, weights: np.ndarray | None
) -> None:
    """Whatever the rule, and whether or not campaigns set the threshold."""
    mean, error = mean_and_error(LOWERING[rule], strong, weights)

    assert mean <= 1.0 + 4 * error


def test_raised_scores_do_earn() -> None:
    """The mean of a group whose score is raised is above one: the tests above can fail."""
    mean, error = mean_and_error(lambda scores, _: scores + 0.7, 2, None)

    assert mean > 1.0 + 4 * error
