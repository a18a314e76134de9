"""Where each number stands in a column: what is asked of one group then costs what the group holds.

Looking a group up in a whole column costs what the log holds, and a log twice as long has twice as
many groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from stillwatch.lake.scratch import apart

__all__ = ["Numbering", "Places", "first_of_each", "numbered", "ranked"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Places:
    """The positions of each number in a column: of number k, `order[starts[k] : starts[k + 1]]`."""

    order: IntArray
    starts: IntArray

    @staticmethod
    def of_column(column: npt.NDArray[np.integer[Any]]) -> Places:
        """Of a column of numbers from 0 on. Cost: linear."""
        order, starts = _sorted_by_counting(column, int(column.max(initial=-1)) + 1)
        return Places(apart(order), starts)

    def each(self, numbers: IntArray) -> tuple[IntArray, IntArray]:
        """The positions of each of these numbers, ascending, number after number.

        Returns:
            The positions, and for each of them which of `numbers` stands there (its place).
        """
        known = np.minimum(numbers, len(self.starts) - 2)
        first = self.starts[known]
        sizes = np.where(known == numbers, self.starts[known + 1] - first, 0)
        which = np.repeat(np.arange(len(numbers)), sizes)
        begins = np.cumsum(sizes) - sizes
        return self.order[np.arange(len(which)) + (first - begins)[which]], which

    def of(self, numbers: IntArray) -> IntArray:
        """The positions of all of these numbers, ascending; each number is given once."""
        return np.sort(self.each(numbers)[0])


def ranked(values: IntArray) -> tuple[IntArray, IntArray]:
    """The distinct values, ascending, and the place of each value among them.

    As `np.unique(values, return_inverse=True)`, in linear time where few are distinct.
    """
    number = numbered(values)
    distinct = values[first_of_each(number)]
    order = np.argsort(distinct)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return distinct[order], rank[number]


class Numbering:
    """Distinct values numbered from 0 in order of appearance, piece after piece of a column."""

    def __init__(self) -> None:
        self._place = np.full(1 << 4, -1, np.int32)
        self._distinct = np.empty(1 << 3, np.int64)
        self.count = 0

    def of(self, hashes: IntArray) -> npt.NDArray[np.int32]:
        """The numbers of these values."""
        numbers = np.empty(len(hashes), np.int32)
        self._place, self._distinct, self.count = _number_on(
            hashes, numbers, self._place, self._distinct, self.count
        )
        return numbers

    @property
    def distinct(self) -> IntArray:
        """The values, by number."""
        return self._distinct[: self.count]


@nb.njit(cache=True, nogil=True)
def numbered(hashes):  # type: ignore[no-untyped-def]
    """The distinct values of an array numbered from 0 in order of appearance."""
    capacity = 16
    while capacity < 2 * len(hashes) and capacity < 1 << 17:
        capacity *= 2
    numbers = np.empty(len(hashes), np.int64)
    _number_on(
        hashes, numbers, np.full(capacity, -1, np.int32), np.empty(capacity // 2, np.int64), 0
    )
    return numbers


@nb.njit(cache=True, nogil=True)
def _number_on(hashes, numbers, place, distinct, count):  # type: ignore[no-untyped-def]
    """Number on; the table of numbers, the distinct values and their count, grown.

    Args:
        numbers: Room for the number of each.
        place, distinct: A hash table by open addressing, at most half full.
    """
    capacity = len(place)
    for i in range(len(hashes)):
        at = _spread(hashes[i], capacity)
        while place[at] >= 0 and distinct[place[at]] != hashes[i]:
            at = (at + 1) & (capacity - 1)
        if place[at] >= 0:
            numbers[i] = place[at]
            continue
        if count == len(distinct):
            capacity *= 2
            place = np.full(capacity, -1, np.int32)
            larger = np.empty(capacity // 2, np.int64)
            larger[:count] = distinct
            distinct = larger
            for k in range(count):
                free = _spread(distinct[k], capacity)
                while place[free] >= 0:
                    free = (free + 1) & (capacity - 1)
                place[free] = k
            at = _spread(hashes[i], capacity)
            while place[at] >= 0:
                at = (at + 1) & (capacity - 1)
        place[at] = count
        distinct[count] = hashes[i]
        numbers[i] = count
        count += 1
    return place, distinct, count


@nb.njit(cache=True, nogil=True, inline="always")
def _spread(value, capacity):  # type: ignore[no-untyped-def]
    """Fibonacci hashing (Knuth 1973): small integers spread as hashes do."""
    return ((np.int64(value) * np.int64(-7046029254386353131)) >> 24) & (capacity - 1)


@nb.njit(cache=True, nogil=True)
def first_of_each(numbers):  # type: ignore[no-untyped-def]
    """Where each of the values that `numbered` gave appears first."""
    found = np.empty(numbers.max() + 1 if len(numbers) else 0, np.int64)
    count = 0
    for i in range(len(numbers)):
        if numbers[i] == count:
            found[count] = i
            count += 1
    return found


@nb.njit(cache=True, nogil=True)
def _sorted_by_counting(column, size):  # type: ignore[no-untyped-def]
    starts = np.zeros(max(size, 1) + 1, np.int64)
    for number in column:
        starts[number + 1] += 1
    for number in range(max(size, 1)):
        starts[number + 1] += starts[number]
    place = starts[:-1].copy()
    order = np.empty(len(column), np.int64)
    for position in range(len(column)):
        order[place[column[position]]] = position
        place[column[position]] += 1
    return order, starts
