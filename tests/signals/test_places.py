"""Positions of numbers in a column, beside looking them up one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.signals.places import Numbering, Places, ranked

COLUMNS = st.lists(st.integers(0, 12), max_size=60)


@given(COLUMNS, st.sets(st.integers(0, 15)))
def test_positions_are_those_of_a_search(column: list[int], asked: set[int]) -> None:
    places = Places.of_column(np.array(column, np.int32))
    numbers = np.array(sorted(asked), np.int64)

    assert places.of(numbers).tolist() == np.flatnonzero(np.isin(column, numbers)).tolist()

    positions, which = places.each(numbers)
    expected = [(p, w) for w, n in enumerate(numbers) for p, c in enumerate(column) if c == n]
    assert list(zip(positions.tolist(), which.tolist(), strict=True)) == expected


@given(st.lists(st.integers(-(2**62), 2**62) | st.integers(0, 3), max_size=60))
def test_ranks_are_those_of_sorting(values: list[int]) -> None:
    distinct, rank = ranked(np.array(values, np.int64))
    expected, places = np.unique(np.array(values, np.int64), return_inverse=True)

    assert distinct.tolist() == expected.tolist()
    assert rank.tolist() == places.tolist()


@pytest.mark.parametrize("column", [[], [3]])
def test_nothing_is_found_in_nothing(column: list[int]) -> None:
    assert Places.of_column(np.array(column, np.int64)).of(np.array([0, 7])).tolist() == []


@given(
    st.lists(st.lists(st.integers(-(2**62), 2**62) | st.integers(0, 40), max_size=40), max_size=8)
)
def test_numbers_go_on_from_piece_to_piece(pieces: list[list[int]]) -> None:
    numbering, known = Numbering(), dict[int, int]()
    for piece in pieces:
        expected = [known.setdefault(value, len(known)) for value in piece]
        assert numbering.of(np.array(piece, np.int64)).tolist() == expected
    assert numbering.distinct.tolist() == list(known)
    assert numbering.count == len(known)
