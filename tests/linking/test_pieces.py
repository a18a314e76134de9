"""Pieces of a community: a chain joins nobody, and every account settles where its wording is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from stillwatch.linking.group import LinkingParameters
from stillwatch.linking.likeness import Likeness
from stillwatch.linking.pieces import refine, settle

USUAL = LinkingParameters()
FloatArray = npt.NDArray[np.float64]


def likeness(use: FloatArray) -> Likeness:
    return Likeness(csr_matrix(use))


def blend(first: float) -> list[float]:
    """What an account uses of two operators' wording, in parts that add up to 1."""
    return [first, 1 - first]


def test_small_pieces_between_two_operators_do_not_join_them() -> None:
    """Each step of the chain is as like its neighbours as 0.7; its ends are strangers."""
    parts = [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]
    sizes = [20, 2, 2, 2, 2, 20]
    use = np.array(
        [blend(part) for part, size in zip(parts, sizes, strict=True) for _ in range(size)]
    )
    fine = np.repeat(np.arange(len(parts)), sizes)

    pieces = refine(np.zeros(len(use), np.int64), fine, likeness(use), USUAL)
    assert pieces[0] != pieces[-1]
    assert len(set(pieces[:20])) == len(set(pieces[-20:])) == 1


def test_what_is_left_over_does_not_join_the_pieces() -> None:
    """Accounts that the fine communities leave single stay together, between two operators."""
    use = np.array([blend(1.0)] * 12 + [blend(0.0)] * 12 + [blend(0.9)] * 4 + [blend(0.1)] * 4)
    fine = np.concatenate([np.zeros(12), np.ones(12), 2 + np.arange(8)]).astype(np.int64)

    pieces = refine(np.zeros(len(use), np.int64), fine, likeness(use), USUAL)
    assert pieces[0] != pieces[12]


def test_pieces_of_one_operator_are_one_again() -> None:
    use = np.array([[0.5, 0.5]] * 18 + [[0.0, 0.0]])
    fine = np.repeat([0, 1, 2, 3], [6, 6, 6, 1])

    assert len(set(refine(np.zeros(19, np.int64), fine, likeness(use), USUAL)[:18])) == 1


def test_every_account_settles_where_its_wording_is_at_home() -> None:
    """One of each is in the other's community at first, and one uses little of either."""
    use = np.array([[1.0, 0.1, 0.0]] * 10 + [[0.1, 1.0, 0.0]] * 10)
    use[0] *= 0.05  # most of its traffic is cover: what it shares is the same all the same
    begun = np.repeat([0, 1], 10)
    begun[[0, 19]] = [1, 0]

    settled = settle(begun, likeness(use), USUAL)
    assert np.array_equal(settled, np.repeat([0, 1], 10))


def test_no_account_moves_to_a_community_of_people_who_have_little_in_common() -> None:
    """Each of twelve strangers shares a phrase with the next; whoever shares one stays put."""
    strangers = np.eye(12) + np.eye(12, k=1)
    use = np.vstack([strangers, strangers[3]])
    begun = np.concatenate([np.zeros(12), [1]]).astype(np.int64)

    assert np.array_equal(settle(begun, likeness(use), LinkingParameters(coherent=0.2)), begun)
    assert settle(begun, likeness(use), LinkingParameters(coherent=0.0))[12] == 0


def test_accounts_without_wording_stay_where_facts_have_put_them() -> None:
    use = np.array([[1.0]] * 6 + [[0.0]] * 3)
    begun = np.array([0] * 6 + [1] * 3)

    assert np.array_equal(settle(begun, likeness(use), USUAL), begun)
    assert np.array_equal(settle(begun[:0], likeness(use[:0]), USUAL), begun[:0])
