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

__all__ = ["Places"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Places:
    """The positions of each number in a column: of number k, `order[starts[k] : starts[k + 1]]`."""

    order: IntArray
    starts: IntArray

    @staticmethod
    def of_column(column: npt.NDArray[np.integer[Any]]) -> Places:
        """Of a column of numbers from 0 on. Cost: linear."""
        return Places(*_sorted_by_counting(column, int(column.max(initial=-1)) + 1))

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
