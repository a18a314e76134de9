"""Joining and settling over sparse tables, against every pair of accounts compared by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.sparse import csr_matrix

from stillwatch.linking.group import LinkingParameters
from stillwatch.linking.likeness import Likeness
from stillwatch.linking.pieces import refine, reunite, settle

USUAL = LinkingParameters()
FloatArray = npt.NDArray[np.float64]
Communities = list[list[int]]


def wording(rng: np.random.Generator) -> FloatArray:
    """Sixty accounts of six makers, each with five phrases of six, and four of everybody's."""
    maker = np.repeat(np.arange(6), 10)
    use = np.zeros((60, 40))
    for account in range(60):
        own = 6 * maker[account] + rng.choice(6, 5, replace=False)
        use[account, own] = rng.random(5)
        use[account, 36 + rng.choice(4, 2)] = rng.random(2) * rng.choice([0.1, 1.0])
    use[rng.choice(60, 3, replace=False)] = 0.0
    return use


def mean_product(use: FloatArray, some: list[int], others: list[int]) -> float:
    """Over pairs of different accounts, one of each."""
    pairs = [float(use[i] @ use[j]) for i in some for j in others if i != j]
    return sum(pairs) / len(pairs) if pairs else 0.0


def alike(use: FloatArray, some: list[int], others: list[int]) -> float:
    within = mean_product(use, some, some), mean_product(use, others, others)
    if min(within) <= 0:
        return 0.0
    return mean_product(use, some, others) / float(np.sqrt(within[0] * within[1]))


def join_by_hand(
    use: FloatArray, pieces: Communities, kind: list[int], least: float
) -> Communities:
    """In each round, every two pieces of one kind each of which is most like the other."""
    while True:
        like = {
            (a, b): value
            for a, b in combinations(range(len(pieces)), 2)
            if kind[pieces[a][0]] == kind[pieces[b][0]]
            and (value := alike(use, pieces[a], pieces[b])) >= least
        }
        best: dict[int, tuple[float, int]] = {}
        for (a, b), value in like.items():
            best[a] = max(best.get(a, (0.0, -1)), (value, b))
            best[b] = max(best.get(b, (0.0, -1)), (value, a))
        mutual = [(a, b) for a, b in like if best[a][1] == b and best[b][1] == a]
        if not mutual:
            return pieces
        gone = {b for _, b in mutual}
        for a, b in mutual:
            pieces[a] = pieces[a] + pieces[b]
        pieces = [piece for number, piece in enumerate(pieces) if number not in gone]


def communities(labels: npt.NDArray[np.int64]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}


def as_sets(pieces: Communities) -> set[frozenset[int]]:
    return {frozenset(piece) for piece in pieces}


@pytest.mark.parametrize("seed", range(12))
def test_pieces_are_joined_as_by_comparing_every_pair(seed: int) -> None:
    rng = np.random.default_rng(seed)
    use = wording(rng)
    coarse, fine = rng.integers(0, 2, 60), rng.integers(0, 9, 60)
    fine[:4] = 100 + np.arange(4)  # single accounts, which stay together

    single = np.bincount(fine)[fine] == 1
    labels = (1000 * coarse + np.where(single, 0, 1 + fine)).tolist()
    pieces = [np.flatnonzero(np.array(labels) == label).tolist() for label in sorted(set(labels))]
    expected = join_by_hand(use, pieces, coarse.tolist(), USUAL.alike)

    found = refine(coarse, fine, Likeness(csr_matrix(use)), USUAL)
    assert communities(found) == as_sets(expected)
    assert len(expected) < len(set(labels))


@pytest.mark.parametrize("seed", range(12))
def test_communities_are_reunited_as_by_comparing_every_pair(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    use = wording(rng)
    begun = np.repeat(np.arange(12), 5)
    lengths = np.linalg.norm(use, axis=1, keepdims=True)
    directions = use / np.where(lengths > 0, lengths, 1.0)
    pieces = [np.flatnonzero(begun == label).tolist() for label in range(12)]
    expected = join_by_hand(directions, pieces, [0] * 60, USUAL.same_wording)

    found = reunite(begun, Likeness(csr_matrix(use)), USUAL)
    assert communities(found) == as_sets(expected)


def settle_once_by_hand(use: FloatArray, label: list[int]) -> list[int]:
    """Each account beside every community, by its mean cosine with the others there."""
    lengths = np.linalg.norm(use, axis=1, keepdims=True)
    cosine = use / np.where(lengths > 0, lengths, 1.0)
    speaks = [account for account in range(len(use)) if lengths[account] > 0]
    members = {c: [i for i in speaks if label[i] == c] for c in set(label)}
    within = {c: mean_product(cosine, own, own) for c, own in members.items()}
    settled = list(label)
    for account in speaks:
        best = 0.0
        for c, own in members.items():
            if len(own) < USUAL.minimum_accounts or within[c] < USUAL.coherent:
                continue
            mean = mean_product(cosine, [account], own)
            fits = label[account] == c or mean >= USUAL.alike * within[c]
            if fits and mean > best:
                best, settled[account] = mean, c
    return settled


@pytest.mark.parametrize("seed", range(12))
def test_accounts_settle_as_by_comparing_each_with_all(seed: int) -> None:
    rng = np.random.default_rng(200 + seed)
    use = wording(rng)
    begun = np.repeat(np.arange(6), 10)
    begun[rng.choice(60, 12, replace=False)] = rng.integers(0, 6, 12)
    expected = begun.tolist()
    for _ in range(USUAL.rounds):
        expected = settle_once_by_hand(use, expected)

    found = settle(begun, Likeness(csr_matrix(use)), LinkingParameters())
    assert found.tolist() == expected
    assert found.tolist() != begun.tolist()
