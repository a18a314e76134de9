"""Division, end to end, against dealing out the prompts in every way there is."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from planted_logs import VOCABULARY, LogBook, rows_of
from stillwatch.signals.division import BINS, bets, bins_of, own_subjects


def likeness(texts: list[str]) -> np.ndarray:
    """Cosines of bags of words, written anew from the card: rare words heavy, template words out."""
    bags = [set(text.split()) for text in texts]
    frequency = Counter(word for bag in bags for word in bag)
    weight = {
        w: math.log(len(texts) / n) if n <= 0.25 * len(texts) else 0.0 for w, n in frequency.items()
    }
    norms = [math.sqrt(sum(weight[w] ** 2 for w in bag)) for bag in bags]
    return np.array(
        [
            [
                0.0 if i == j else sum(weight[w] ** 2 for w in a & b) / (norms[i] * norms[j])
                for j, b in enumerate(bags)
            ]
            for i, a in enumerate(bags)
        ]
    )


def contrasts(similar: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """For each set of prompts (one row of `drawn`): mean within it minus mean to the rest."""
    inside = np.zeros((len(drawn), len(similar)))
    np.put_along_axis(inside, drawn, 1.0, axis=1)
    own, rest = drawn.shape[1], len(similar) - drawn.shape[1]
    within = np.einsum("di,ij,dj->d", inside, similar, inside) / (own * (own - 1))
    across = np.einsum("di,ij,dj->d", inside, similar, 1.0 - inside) / (own * rest)
    return np.asarray(within - across)


@pytest.mark.parametrize("seed", range(4))
def test_scores_are_those_of_all_dealings(tmp_path: Path, seed: int) -> None:
    """Four accounts with four prompts each: all 1,820 hands, from the raw texts."""
    book, rng = LogBook(seed), random.Random(seed)
    texts: dict[str, list[str]] = {f"a{i}": [] for i in range(4)}
    for number, name in enumerate(texts):
        book.account(name)
        own = VOCABULARY[40 * number : 40 * number + 60]  # neighbours overlap
        for day in range(4):
            texts[name].append(" ".join(rng.sample(own, 9)))
            book.exchange(name, texts[name][-1], book.moment(day))
    traffic = book.traffic(tmp_path)

    scores, used = own_subjects(traffic.prompts, rows_of(traffic, list(texts)))

    similar = likeness([text for own in texts.values() for text in own])
    everything = contrasts(similar, np.array(list(combinations(range(16), 4))))
    hands = contrasts(similar, np.arange(16).reshape(4, 4))
    assert used.tolist() == [4] * 4
    assert scores == pytest.approx((hands - everything.mean()) / everything.std(), abs=1e-6)


def test_dealt_hands_fill_the_bins_as_the_bets_expect() -> None:
    """The bets are normal; 20,000 random hands of a pool show how far that is from the truth.

    No bin of a queue's score may hold a tenth more of the hands than the bets stake on it, and
    its tail beyond 3 standard deviations stays below a hundredth: power lost, never validity.
    """
    rng, words = np.random.default_rng(41), np.array(VOCABULARY[:400])
    similar = likeness([" ".join(rng.choice(words, 12, replace=False)) for _ in range(96)])
    hands = np.argsort(rng.random((20_000, 96)), axis=1)[:, :8]
    drawn = contrasts(similar, hands)
    scores = (drawn - drawn.mean()) / drawn.std()

    shares = np.bincount(bins_of(scores), minlength=len(BINS) - 1) / len(scores)

    assert np.abs(shares - bets()).max() < 0.1
    assert shares[bins_of(np.array([3.5]))[0] :].sum() < 0.01
