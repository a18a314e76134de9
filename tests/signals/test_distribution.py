"""A window against its stratum: exact e-values, an e-process under its null, and what is found."""

from __future__ import annotations

import random
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import binom

from planted_logs import JUDGE, VOCABULARY, LogBook
from stillwatch.signals.distribution import (
    DistributionParameters,
    Usual,
    excess_log_e,
    learn_witness,
    marks_log_e,
    marks_of,
    wealth,
    witness_log_e,
)

SMALL = DistributionParameters(buckets=64, rare=1)
WORDS = 64
WEIGHTS = 1.0 / np.arange(1, WORDS + 1)


def prompts(rng: np.random.Generator, size: int, tilt: float = 0.0) -> csr_matrix:
    """Prompts of a stratum with common and rare words; a tilted part of them holds three runs of their own."""
    marks = np.zeros((size, 2 * SMALL.buckets))
    marks[:, :WORDS] = rng.random((size, WORDS)) < 0.5 * WEIGHTS
    marks[: round(tilt * size), 100:103] = 1.0
    return csr_matrix(marks)


@pytest.mark.parametrize(("held", "window", "everything"), [(3, 4, 10), (7, 3, 9), (1, 5, 8)])
def test_an_e_value_has_mean_exactly_one_over_all_windows(
    held: int, window: int, everything: int
) -> None:
    """Every way to draw the window, by enumeration."""
    counts = [sum(i < held for i in drawn) for drawn in combinations(range(everything), window)]
    totals = np.full(len(counts), held)

    e_values = np.exp(excess_log_e(np.array(counts), totals, window, everything, (0.05, 0.3)))

    assert e_values.mean() == pytest.approx(1.0, abs=1e-9)


def test_no_mark_earns_more_than_the_chance_of_its_best_count_allows() -> None:
    """All three holders among 30 of 300 prompts: at most one over the chance of that."""
    best = excess_log_e(np.array([3]), np.array([3]), 30, 300, (0.3, 0.99))[0]

    assert 0 < best <= np.log(300 * 299 * 298 / (30 * 29 * 28))


def test_the_whole_window_has_mean_at_most_one_over_all_windows() -> None:
    """Marks, and a fixed witness with ties: by enumeration over all windows of ten prompts."""
    rng = np.random.default_rng(1)
    everyone = prompts(rng, 10)
    witness = rng.integers(-1, 2, size=everyone.shape[1]).astype(float)
    of_marks, of_witness = [], []
    for drawn in combinations(range(10), 4):
        rest = Usual.of(everyone[[i for i in range(10) if i not in drawn]])
        window = everyone[list(drawn)]
        of_marks.append(np.exp(marks_log_e(window, rest, SMALL)))
        of_witness.append(np.exp(witness_log_e(window, rest, witness, SMALL)))

    assert np.mean(of_marks) <= 1.0 + 1e-9
    assert np.mean(of_witness) == pytest.approx(1.0, abs=1e-9)


def test_a_stream_of_its_stratum_stays_below_villes_bound() -> None:
    """Whenever one looks: 300 honest streams of four windows. A rate of twice the bound would be
    found with a chance above 0.95 at 0.1 (one-sided exact test at level 0.001)."""
    rng = np.random.default_rng(2)
    highest = []
    for _ in range(300):
        windows = [prompts(rng, 60) for _ in range(4)]
        usual = [Usual.of(prompts(rng, 120)) for _ in range(4)]
        highest.append(max(wealth(windows, usual, SMALL)))

    for rate in (0.2, 0.1):
        assert (np.array(highest) >= np.log(1 / rate)).sum() <= binom.isf(0.001, 300, rate)
    assert binom.sf(binom.isf(0.001, 300, 0.1), 300, 0.2) > 0.95


def test_evidence_falls_with_the_part_not_with_its_square() -> None:
    """Halving the mixed part leaves at least two fifths of what is earned: a square leaves a quarter."""
    rng = np.random.default_rng(3)
    logs = []
    for part in (0.2, 0.1):
        earned = [
            marks_log_e(prompts(rng, 300, part), Usual.of(prompts(rng, 2_000)), SMALL)
            for _ in range(10)
        ]
        logs.append(np.mean(earned))

    assert logs[0] > 5
    assert logs[1] > 0.4 * logs[0]


def test_a_witness_learned_before_finds_what_one_window_cannot() -> None:
    """Many marks each a little more often: none stands out alone, their sum does."""
    rng = np.random.default_rng(4)
    parameters = DistributionParameters(buckets=512, rare=1)

    def window(size: int, part: float) -> csr_matrix:
        marks = np.zeros((size, 1024))
        marks[:, :512] = rng.random((size, 512)) < 0.03
        mixed = round(part * size)
        marks[:mixed, :200] = rng.random((mixed, 200)) < 0.15
        return csr_matrix(marks)

    usual = [Usual.of(window(1_000, 0.0)) for _ in range(5)]
    stream = [window(300, 0.06) for _ in range(5)]
    alone = [marks_log_e(w, u, parameters) for w, u in zip(stream, usual, strict=True)]
    learned = list(wealth(stream, usual, parameters))

    assert max(alone) < np.log(20)
    assert learned[-1] > np.log(1_000)
    assert all(later > earlier for earlier, later in pairwise(learned[2:]))


@pytest.mark.parametrize("mixed", [True, False], ids=["one account in twenty", "people alone"])
def test_a_template_in_a_window_of_people_is_found(tmp_path: Path, mixed: bool) -> None:
    """From the texts of a log: 5 % of a judge's prompts among people's, and people alike without."""
    book, rng = LogBook(5), random.Random(5)
    for number in range(900):
        name = f"p{number:03}"
        book.account(name)
        text = " ".join(rng.choices(VOCABULARY[:300], k=12))
        if mixed and number < 15:
            text = JUDGE.format(text)
        book.exchange(name, text, book.moment(number % 6))
    traffic = book.traffic(tmp_path)
    names = traffic.account_names[traffic.accounts]
    window = np.flatnonzero(names < "p300")
    usual = Usual.of(marks_of(traffic.terms, traffic.shingles, np.flatnonzero(names >= "p300")))

    found = marks_log_e(marks_of(traffic.terms, traffic.shingles, window), usual)

    assert bool(found > np.log(1_000)) is mixed
    assert mixed or found < np.log(20)


def test_the_witness_is_the_difference_of_means_over_variances() -> None:
    earlier, usual = csr_matrix([[1.0, 0.0], [1.0, 1.0]]), csr_matrix([[0.0, 1.0]] * 3)
    parameters = DistributionParameters(ridge=0.5)

    weights = learn_witness(earlier, usual, parameters)

    base = np.array([0.5, 3.5]) / 4
    assert weights == pytest.approx((np.array([1.0, 0.5]) - base) / (base * (1 - base) + 0.5))
