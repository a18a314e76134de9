"""One list, divided: exact moments against enumeration, and what each story scores."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planted_logs import JUDGE, TUTOR, VOCABULARY, LogBook, rows_of
from stillwatch.signals.division import (
    BINS,
    _contrast_weights,
    _reallotment_moments,
    bets,
    bins_of,
    own_subjects,
)


def contrast(similarity: np.ndarray, drawn: list[int]) -> float:
    """Mean similarity within the drawn prompts minus mean similarity to the rest."""
    rest = [i for i in range(len(similarity)) if i not in drawn]
    within = [similarity[i, j] for i in drawn for j in drawn if i != j]
    across = [similarity[i, j] for i in drawn for j in rest]
    return float(np.mean(within) - np.mean(across))


def random_similarity(seed: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    half = np.triu(rng.random((size, size)) * (rng.random((size, size)) < 0.5), 1)
    return half + half.T


def sums_over_pairs(similarity: np.ndarray) -> tuple[float, float, float]:
    rows = similarity.sum(axis=1)
    return float(rows.sum()), float((rows**2).sum()), float((similarity**2).sum())


def cosines(prompts: list[set[int]], common: float = 0.25) -> np.ndarray:
    """Every pair of prompts, word by word: rare words heavy, those of a quarter of prompts out."""
    size = len(prompts)
    used = Counter(word for prompt in prompts for word in prompt)
    worth = {w: np.log(size / k) if k <= common * size else 0.0 for w, k in used.items()}
    norms = [np.sqrt(sum(worth[w] ** 2 for w in prompt)) for prompt in prompts]
    found = np.zeros((size, size))
    for i, j in combinations(range(size), 2):
        shared = sum(worth[w] ** 2 for w in prompts[i] & prompts[j])
        found[i, j] = found[j, i] = shared / (norms[i] * norms[j]) if shared else 0.0
    return found


def test_the_scores_are_those_of_the_similarity_of_every_pair(tmp_path: Path) -> None:
    """The kernel meets pairs through their words; brute force meets each pair."""
    book = LogBook(6)
    names = book.people(7, prompts=9) + book.campaign(5, days=range(3), daily=3)
    traffic = book.traffic(tmp_path)
    pool = rows_of(traffic, names)
    scores, prompts = own_subjects(traffic.prompts, pool)

    starts, values = traffic.terms.starts, traffic.terms.values
    chosen = np.concatenate(pool)
    similarity = cosines([set(values[starts[r] : starts[r + 1]].tolist()) for r in chosen])
    last = np.cumsum([len(rows) for rows in pool])
    for i, own in enumerate(prompts.tolist()):
        drawn = list(range(last[i] - own, last[i]))
        mean, variance = _reallotment_moments(len(chosen), *sums_over_pairs(similarity), own)
        expected = (contrast(similarity, drawn) - mean) / np.sqrt(variance)
        assert scores[i] == pytest.approx(expected, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 9), st.data())
def test_the_moments_are_those_of_all_reallotments(
    seed: int, size: int, data: st.DataObject
) -> None:
    """Mean and variance are exact: every way to draw the prompts is counted."""
    own = data.draw(st.integers(2, size - 1))
    similarity = random_similarity(seed, size)
    everything = [contrast(similarity, list(d)) for d in combinations(range(size), own)]

    mean, variance = _reallotment_moments(size, *sums_over_pairs(similarity), own)

    assert mean == pytest.approx(np.mean(everything), abs=1e-9)
    assert variance == pytest.approx(np.var(everything), abs=1e-9)


def test_the_moments_hold_in_a_pool_too_large_to_enumerate() -> None:
    """Random reallotments of ninety prompts have the mean and the spread that are computed."""
    similarity = random_similarity(7, 90)
    rng = np.random.default_rng(8)
    drawn = [contrast(similarity, rng.choice(90, 20, replace=False).tolist()) for _ in range(3000)]

    mean, variance = _reallotment_moments(90, *sums_over_pairs(similarity), 20)

    assert mean == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / np.sqrt(3000))
    assert np.sqrt(variance) == pytest.approx(np.std(drawn), rel=0.06)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(6, 9))
def test_the_weights_make_the_contrast(seed: int, own: int, size: int) -> None:
    """W and R, weighed, are the mean within minus the mean to the rest."""
    similarity = random_similarity(seed, size)
    drawn = list(range(own))
    within, row_sum = similarity[:own, :own].sum(), similarity[:own].sum()
    of_within, of_rows = _contrast_weights(own, size)

    assert of_within * within - of_rows * row_sum == pytest.approx(contrast(similarity, drawn))


def test_workers_on_one_queue_score_like_a_standard_normal(tmp_path: Path) -> None:
    """Whoever is free takes the next item: no worker keeps to subjects of its own."""
    scores = []
    for seed in range(6):
        book = LogBook(seed)
        workers = book.campaign(16, wrapper=JUDGE)
        traffic = book.traffic(tmp_path / str(seed))
        scores.append(own_subjects(traffic.prompts, rows_of(traffic, workers))[0])
    pooled = np.concatenate(scores)

    assert len(pooled) == 96
    assert abs(pooled.mean()) < 4 / np.sqrt(len(pooled))
    assert 0.75 < pooled.std() < 1.3


@pytest.mark.parametrize("wrapper", ["{}", TUTOR], ids=["strangers", "users of an app"])
def test_people_with_subjects_of_their_own_score_high(tmp_path: Path, wrapper: str) -> None:
    """A shared wrapper does not make them one list: its words are taken out."""
    book = LogBook(1)
    people = book.people(16, prompts=20, wrapper=wrapper)
    traffic = book.traffic(tmp_path)
    scores, prompts = own_subjects(traffic.prompts, rows_of(traffic, people))

    assert (scores > 4.5).all()
    assert (prompts == 20).all()


def test_a_worker_among_people_stands_out_low(tmp_path: Path) -> None:
    """Of a pool, only those who draw from everywhere score low."""
    book = LogBook(2)
    people, workers = book.people(12, prompts=36), book.campaign(4, wrapper="{}")
    traffic = book.traffic(tmp_path)
    scores, _ = own_subjects(traffic.prompts, rows_of(traffic, people + workers))

    assert scores[:12].min() > scores[12:].max()


def test_a_common_assignment_says_nothing(tmp_path: Path) -> None:
    """What more than three accounts asked word for word is a worksheet, not a division of work."""
    book = LogBook(3)
    rng = random.Random(3)
    worksheet = [" ".join(rng.sample(VOCABULARY, 14)) for _ in range(30)]
    pupils = [f"pupil{i}" for i in range(10)]
    for pupil in pupils:
        for item in worksheet:
            book.exchange(pupil, item, book.moment(0))
    traffic = book.traffic(tmp_path)
    scores, prompts = own_subjects(traffic.prompts, rows_of(traffic, pupils))

    assert np.isnan(scores).all()
    assert (prompts == 0).all()


def test_an_assignment_beside_ones_own_work_is_taken_out(tmp_path: Path) -> None:
    """Pupils who also ask for themselves are judged by that alone."""
    alone, with_worksheet = (LogBook(4) for _ in range(2))
    people = alone.people(10, prompts=12)
    with_worksheet.people(10, prompts=12)
    for person in people:
        for number in range(5):
            text = " ".join(VOCABULARY[20 * number : 20 * number + 14])
            with_worksheet.exchange(person, text, with_worksheet.moment(0))
    one, other = (
        own_subjects(traffic.prompts, rows_of(traffic, people))
        for traffic in (alone.traffic(tmp_path / "a"), with_worksheet.traffic(tmp_path / "b"))
    )

    assert np.allclose(one[0], other[0])
    assert (one[1] == other[1]).all()


def test_the_order_of_the_pool_does_not_matter(tmp_path: Path) -> None:
    """An account's score is the same wherever it stands."""
    book = LogBook(5)
    people = book.people(8) + book.campaign(4)
    traffic = book.traffic(tmp_path)
    pool = rows_of(traffic, people)
    scores, _ = own_subjects(traffic.prompts, pool)
    backwards, _ = own_subjects(traffic.prompts, pool[::-1])

    assert np.allclose(scores, backwards[::-1])


def test_too_few_prompts_say_nothing(tmp_path: Path) -> None:
    """Two prompts have one pair: no score, and no error."""
    book = LogBook(6)
    people = book.people(4, prompts=2)
    traffic = book.traffic(tmp_path)

    assert np.isnan(own_subjects(traffic.prompts, rows_of(traffic, people))[0]).all()
    assert len(own_subjects(traffic.prompts, [])[0]) == 0


def test_bets_are_a_distribution_over_the_bins() -> None:
    """They sum to one, as the proof of the martingale needs."""
    assert bets().sum() == pytest.approx(1.0)
    assert (bets() > 0).all()
    assert len(bets()) == len(BINS) - 1


@given(st.floats(-50, 50))
def test_each_score_falls_in_the_bin_around_it(score: float) -> None:
    """Bins are closed below and open above."""
    (number,) = bins_of(np.array([score]))

    assert BINS[number] <= score < BINS[number + 1]
