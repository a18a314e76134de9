"""Do the members of a group repeat one another's values more than strangers of their stratum would?

An exact e-value for categorical values of any number: nothing is approximated, no value has to be
named beforehand, and rarity comes from the log itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

__all__ = ["UNKNOWN", "MostShared", "Population", "population", "together"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

UNKNOWN = -1
STAKE = 0.5  # of each bet, on a repetition; the rest is kept


@dataclass(frozen=True, slots=True)
class MostShared:
    """The commonest value of a group's members.

    Attributes:
        value: It, or `UNKNOWN`.
        holders: The members that show it.
        known: Members whose value is known.
        elsewhere: Part of the accounts of their strata, outside the group, that show it.
    """

    value: int
    holders: IntArray
    known: int
    elsewhere: float


@dataclass(frozen=True, slots=True)
class Population:
    """One value for each account, with how often each occurs in each stratum.

    Attributes:
        values: The account's value, or `UNKNOWN`.
        strata: The stratum that the account is compared in.
        codes: The values, numbered from 0.
        cells: Number of the account's (stratum, value); `UNKNOWN` where the value is.
        in_cell: Accounts in each cell.
        in_stratum: Accounts in each stratum whose value is known.
    """

    values: IntArray
    strata: IntArray
    codes: IntArray
    cells: IntArray
    in_cell: IntArray
    in_stratum: IntArray

    def log_e(self, members: IntArray) -> float:
        """Log of an e-value against "the members' values are those of strangers of their strata".

        Null: within each stratum, the values of the members are exchangeable with those of the
        accounts outside the group, given who has a known value. From the last member backwards,
        each stakes half on showing a value that members after it show, at their share of it,
        against the share that the value has in the multiset of the stratum's outsiders, the
        members before it, and itself. Given that multiset and all that comes after, the member's
        value is equally likely to be any of it, so each factor has mean at most 1 and so has the
        product (theorem 1 of `docs/statistics.md`, with bets that may depend on later members; a
        conformal test martingale, Vovk, Gammerman and Shafer 2005, chapter 7).
        """
        return self._bet(members, self.in_cell, self.cells, self.codes)

    def largest(self, members: IntArray) -> float:
        """Log of the e-value, had all members shown one value that nobody outside shows."""
        # A value of their own: its cells are the strata, and hold none but them.
        own = np.bincount(
            self.strata[members[self.values[members] != UNKNOWN]], minlength=len(self.in_stratum)
        )
        return self._bet(members, own, self.strata, np.zeros_like(self.codes))

    def _bet(self, members: IntArray, in_cell: IntArray, cells: IntArray, codes: IntArray) -> float:
        known = members[self.values[members] != UNKNOWN]
        return float(
            _bet_on_repetition(
                self.strata[known],
                cells[known],
                codes[known],
                self.in_stratum,
                in_cell,
                int(codes[known].max(initial=-1)) + 1,
            )
        )

    def most_shared(self, members: IntArray) -> MostShared:
        """What to say of a group: its commonest value, and how common it is among like accounts."""
        values = self.values[members]
        codes, counts = np.unique(values[values != UNKNOWN], return_counts=True)
        code = int(codes[counts.argmax()]) if len(codes) else UNKNOWN
        like = (self.values != UNKNOWN) & np.isin(self.strata, self.strata[members])
        like[members] = False
        return MostShared(
            value=code,
            holders=members[(values == code) & (values != UNKNOWN)],
            known=int(counts.sum()),
            elsewhere=float((self.values[like] == code).mean()) if like.any() else 0.0,
        )


@nb.njit(cache=True, nogil=True)
def _bet_on_repetition(strata, cells, codes, in_stratum, in_cell, values):  # type: ignore[no-untyped-def]
    """The log of the product of bets, from the last member backwards."""
    inside_stratum = np.zeros(len(in_stratum), np.int64)
    inside_cell = np.zeros(len(in_cell), np.int64)
    for member in range(len(codes)):
        inside_stratum[strata[member]] += 1
        inside_cell[cells[member]] += 1
    still_stratum, still_cell = inside_stratum.copy(), inside_cell.copy()
    seen = np.zeros(values, np.int64)
    logarithm = 0.0
    for member in range(len(codes) - 1, -1, -1):
        stratum, cell, code = strata[member], cells[member], codes[member]
        after = len(codes) - 1 - member
        if after > 0:
            size = in_stratum[stratum] - inside_stratum[stratum] + still_stratum[stratum]
            alike = in_cell[cell] - inside_cell[cell] + still_cell[cell]
            logarithm += np.log(1 - STAKE + STAKE * seen[code] / after * size / alike)
        still_stratum[stratum] -= 1
        still_cell[cell] -= 1
        seen[code] += 1
    return logarithm


def population(values: IntArray, strata: IntArray) -> Population:
    """Count the values of all accounts within their strata.

    Args:
        values: One an account; negative where it is unknown.
        strata: One an account, any numbers.
    """
    values = np.where(values < 0, UNKNOWN, values).astype(np.int64)
    _, stratum, in_stratum = np.unique(strata, return_inverse=True, return_counts=True)
    codes = together(values)
    cells = together(stratum, codes)
    return Population(
        values=values,
        strata=stratum.astype(np.int64),
        codes=codes,
        cells=cells,
        in_cell=np.bincount(cells[cells != UNKNOWN]),
        in_stratum=np.bincount(stratum[values != UNKNOWN], minlength=len(in_stratum)),
    )


def together(*columns: IntArray) -> IntArray:
    """One number for each combination of values; `UNKNOWN` where any of them is."""
    known = np.all([column >= 0 for column in columns], axis=0)
    combined = np.full(len(columns[0]), UNKNOWN)
    numbers = np.zeros(int(known.sum()), np.int64)
    for column in columns:
        _, codes = np.unique(column[known], return_inverse=True)
        _, numbers = np.unique(
            numbers * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True
        )
    combined[known] = numbers
    return combined
