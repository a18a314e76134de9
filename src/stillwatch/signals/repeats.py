"""Do the members of a group repeat one another's values more than strangers of their stratum would?

An exact e-value for categorical values of any number: nothing is approximated, no value has to be
named beforehand, and rarity comes from the log itself.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        cells: Number of the account's (stratum, value); `UNKNOWN` where the value is.
        in_cell: Accounts in each cell.
        in_stratum: Accounts in each stratum whose value is known.
    """

    values: IntArray
    strata: IntArray
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
        known = members[self.values[members] != UNKNOWN]
        if len(known) < 2:
            return 0.0
        before_stratum = _times_before(self.strata[known]) + 1
        before_cell = _times_before(self.cells[known]) + 1
        outside = self.in_stratum[self.strata[known]] - _times(self.strata[known])
        outside_cell = self.in_cell[self.cells[known]] - _times(self.cells[known])
        after = np.arange(len(known) - 1, -1, -1)
        alike_after = _times(self.values[known]) - _times_before(self.values[known]) - 1
        share = np.divide(alike_after, after, where=after > 0, out=np.zeros(len(known)))
        odds = (outside + before_stratum) / (outside_cell + before_cell)
        factors = 1 - STAKE + STAKE * share * odds
        return float(np.log(factors[:-1]).sum())

    def largest(self, members: IntArray) -> float:
        """Log of the e-value, had all members shown one value that nobody outside shows."""
        known = members[self.values[members] != UNKNOWN]
        if len(known) < 2:
            return 0.0
        before = _times_before(self.strata[known]) + 1
        outside = self.in_stratum[self.strata[known]] - _times(self.strata[known])
        factors = 1 - STAKE + STAKE * (outside + before) / before
        return float(np.log(factors[:-1]).sum())

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


def population(values: IntArray, strata: IntArray) -> Population:
    """Count the values of all accounts within their strata.

    Args:
        values: One an account; negative where it is unknown.
        strata: One an account, any numbers.
    """
    values = np.where(values < 0, UNKNOWN, values).astype(np.int64)
    _, stratum = np.unique(strata, return_inverse=True)
    known = values != UNKNOWN
    cells = np.full(len(values), UNKNOWN)
    pairs = np.stack([stratum[known], values[known]])
    _, cells[known] = np.unique(pairs, axis=1, return_inverse=True)
    return Population(
        values=values,
        strata=stratum.astype(np.int64),
        cells=cells.astype(np.int64),
        in_cell=np.bincount(cells[known]),
        in_stratum=np.bincount(stratum[known], minlength=int(stratum.max(initial=0)) + 1),
    )


def together(*columns: IntArray) -> IntArray:
    """One number for each combination of values; `UNKNOWN` where any of them is."""
    known = np.all([column >= 0 for column in columns], axis=0)
    combined = np.full(len(columns[0]), UNKNOWN)
    rows = np.stack([column[known] for column in columns])
    _, combined[known] = np.unique(rows, axis=1, return_inverse=True)
    return combined.astype(np.int64)


def _times(values: IntArray) -> IntArray:
    """For each entry, how often its value occurs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse], np.int64)


def _times_before(values: IntArray) -> IntArray:
    """For each entry, how often its value occurs before it."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=np.nan) != 0)
    lengths = np.diff(np.append(starts, len(values)))
    before = np.empty(len(values), np.int64)
    before[order] = np.arange(len(values)) - np.repeat(starts, lengths)
    return before
