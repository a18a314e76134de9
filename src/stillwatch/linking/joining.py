"""Communities joined two by two, the most alike first: average linkage over sparse tables.

Only what was joined is measured anew, so that the cost is that of the communities that change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

from stillwatch.linking.likeness import MEETING, Likeness, components, row_products
from stillwatch.signals.places import Places

__all__ = ["joined"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def joined(of_account: IntArray, kind: IntArray, likeness: Likeness, least: float) -> IntArray:
    """Join communities of one kind, the most alike first, while any two are so alike.

    By reciprocal nearest neighbours (Murtagh 1983): in each round the pairs are joined each of which
    is most alike to the other, and what they make is measured anew.

    Args:
        of_account: The community of each account.
        kind: Of each account; all accounts of one community have one.
        least: How alike two communities must be.

    Returns:
        The community of each account, in the order of the first community of each.
    """
    names, of_account = np.unique(of_account, return_inverse=True)
    rows = _Rows.of(of_account, len(names), kind, likeness)
    pairs = rows.alike(rows.meeting_anybody(), least)
    while len(pairs.alike):
        a, b = _nearest_to_each_other(pairs, len(names))
        merged = components(a, b, len(names))
        first = np.full(len(names), len(names))
        np.minimum.at(first, merged, np.arange(len(names)))
        now = first[merged]  # a community keeps the number of its first part
        of_account = now[of_account]
        gone = np.flatnonzero(now != np.arange(len(names)))
        new = np.unique(now[gone])
        changed = np.zeros(len(names), np.bool_)
        changed[gone], changed[new] = True, True
        newly_rare = rows.replace(now, gone, new, of_account, likeness)
        candidates = rows.meeting(new, newly_rare)
        pairs = pairs.without(changed).with_others(rows.alike(candidates, least))
    return np.unique(of_account, return_inverse=True)[1]


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Communities that meet and are alike enough: a < b."""

    a: IntArray
    b: IntArray
    alike: FloatArray

    def without(self, changed: npt.NDArray[np.bool_]) -> _Pairs:
        kept = ~(changed[self.a] | changed[self.b])
        return _Pairs(self.a[kept], self.b[kept], self.alike[kept])

    def with_others(self, other: _Pairs) -> _Pairs:
        """Both, each pair once."""
        key = np.concatenate([self.a, other.a]) << 32 | np.concatenate([self.b, other.b])
        key, at = np.unique(key, return_index=True)
        return _Pairs(key >> 32, key & 0xFFFFFFFF, np.concatenate([self.alike, other.alike])[at])


@dataclass(slots=True)
class _Rows:
    """What each community uses, and by whom each fragment is used.

    Attributes:
        columns, values: The fragments of all communities, past ones included; of community i those
            from `begins[i]` to `ends[i]`, ascending.
        sizes, within: Accounts, and how alike two of them are.
        kind: Of each community; -1 where no two accounts are alike: it meets nobody.
        part_of: The present community of each of the first ones.
        users: By which of the first communities each fragment is used.
        used_by: How many of the present communities use each fragment.
        filled: How much of `columns` is in use.
    """

    columns: IntArray
    values: FloatArray
    begins: IntArray
    ends: IntArray
    sizes: IntArray
    within: FloatArray
    own_kind: IntArray
    part_of: IntArray
    users: Places
    user: IntArray
    used_by: IntArray
    filled: int

    @staticmethod
    def of(of_account: IntArray, count: int, kind: IntArray, likeness: Likeness) -> _Rows:
        use, sizes, within = likeness.of_communities(of_account)
        use.sort_indices()
        own_kind = np.zeros(count, np.int64)
        own_kind[of_account] = kind
        columns = use.indices.astype(np.int64)
        return _Rows(
            columns=columns,
            values=use.data,
            begins=use.indptr[:-1].astype(np.int64),
            ends=use.indptr[1:].astype(np.int64),
            sizes=sizes,
            within=within,
            own_kind=own_kind,
            part_of=np.arange(count),
            users=Places.of_column(columns),
            user=np.repeat(np.arange(count), np.diff(use.indptr)),
            used_by=np.bincount(columns, minlength=use.shape[1]),
            filled=len(columns),
        )

    @property
    def kind(self) -> IntArray:
        return np.where(self.within > 0, self.own_kind, -1)

    def alike(self, pairs: tuple[IntArray, IntArray], least: float) -> _Pairs:
        """Those of these pairs that are alike enough."""
        a, b = pairs
        width = len(self.used_by)
        products = row_products(self.columns, self.values, (self.begins, self.ends), width, a, b)
        alike = (
            products / (self.sizes[a] * self.sizes[b]) / np.sqrt(self.within[a] * self.within[b])
        )
        enough = alike >= least
        return _Pairs(a[enough], b[enough], alike[enough])

    def meeting_anybody(self) -> tuple[IntArray, IntArray]:
        """All pairs of one kind that meet in a fragment which few use."""
        return self.meeting(np.arange(len(self.sizes)), np.zeros(0, np.int64))

    def meeting(self, some: IntArray, fragments: IntArray) -> tuple[IntArray, IntArray]:
        """Pairs of one kind of which one is in `some`, or that meet in one of these fragments."""
        keys = _meeting(
            some,
            fragments,
            self.begins,
            self.ends,
            self.columns,
            self.kind,
            self.used_by,
            self.users.order,
            self.users.starts,
            self.user,
            self.part_of,
        )
        keys = np.unique(keys)
        return keys >> 32, keys & 0xFFFFFFFF

    def replace(
        self, now: IntArray, gone: IntArray, new: IntArray, of_account: IntArray, likeness: Likeness
    ) -> IntArray:
        """Put joined communities in place of their parts.

        Args:
            now: What each community is part of now.
            gone, new: Those that are part of another, and those that grew.
            of_account: The present community of each account.

        Returns:
            Fragments that were used by too many to meet in, and are no longer.
        """
        before = self.used_by.copy()
        for community in (gone, new):
            self._count(community, -1)
        self.part_of = now[self.part_of]
        is_new = np.zeros(len(now), np.bool_)
        is_new[new] = True
        accounts = np.flatnonzero(is_new[of_account])
        place = np.searchsorted(new, of_account[accounts])
        use, sizes, within = likeness.only(accounts).of_communities(place)
        use.sort_indices()
        self.sizes[new], self.within[new] = sizes, within
        self._append(new, use.indptr.astype(np.int64), use.indices.astype(np.int64), use.data)
        self._count(new, 1)
        self.ends[gone] = self.begins[gone]
        return np.flatnonzero((before > MEETING) & (self.used_by <= MEETING))

    def _count(self, communities: IntArray, by: int) -> None:
        _count(communities, self.begins, self.ends, self.columns, self.used_by, by)

    def _append(
        self, new: IntArray, starts: IntArray, columns: IntArray, values: FloatArray
    ) -> None:
        needed = self.filled + len(columns)
        if needed > len(self.columns):
            spare = np.zeros(needed, np.int64)
            self.columns = np.concatenate([self.columns[: self.filled], spare])
            self.values = np.concatenate([self.values[: self.filled], spare.astype(np.float64)])
        self.columns[self.filled : needed] = columns
        self.values[self.filled : needed] = values
        self.begins[new] = self.filled + starts[:-1]
        self.ends[new] = self.filled + starts[1:]
        self.filled = needed


def _nearest_to_each_other(pairs: _Pairs, count: int) -> tuple[IntArray, IntArray]:
    """The pairs each of which is most alike to the other; of equals, the first."""
    own = np.concatenate([pairs.a, pairs.b])
    other = np.concatenate([pairs.b, pairs.a])
    order = np.lexsort((-other, np.tile(pairs.alike, 2)))
    nearest = np.full(count, -1)
    nearest[own[order]] = other[order]
    mutual = (nearest[pairs.a] == pairs.b) & (nearest[pairs.b] == pairs.a)
    return pairs.a[mutual], pairs.b[mutual]


@nb.njit(cache=True, nogil=True)
def _count(communities, begins, ends, columns, used_by, by):  # type: ignore[no-untyped-def]
    for community in communities:
        for k in range(begins[community], ends[community]):
            used_by[columns[k]] += by


@nb.njit(cache=True, nogil=True)
def _meeting(  # type: ignore[no-untyped-def]
    some, fragments, begins, ends, columns, kind, used_by, order, starts, user, part_of
):
    """Pairs (a << 32 | b, a < b) that meet in a fragment which at most `MEETING` use."""
    found = np.empty(1024, np.int64)
    size = 0
    seen = np.full(len(part_of), -1)
    for community in some:
        if kind[community] < 0:
            continue
        for k in range(begins[community], ends[community]):
            fragment = columns[k]
            if used_by[fragment] > MEETING:
                continue
            for p in range(starts[fragment], starts[fragment + 1]):
                other = part_of[user[order[p]]]
                if other == community or seen[other] == community:
                    continue
                seen[other] = community
                if kind[other] == kind[community]:
                    if size == len(found):
                        found = np.concatenate((found, np.empty(len(found), np.int64)))
                    found[size] = min(community, other) << 32 | max(community, other)
                    size += 1
    here = np.empty(MEETING, np.int64)
    seen[:] = -1
    for fragment in fragments:
        number = 0
        for p in range(starts[fragment], starts[fragment + 1]):
            other = part_of[user[order[p]]]
            if seen[other] != fragment:
                seen[other] = fragment
                here[number] = other
                number += 1
        for i in range(number):
            for j in range(i):
                a, b = min(here[i], here[j]), max(here[i], here[j])
                if kind[a] >= 0 and kind[a] == kind[b]:
                    if size == len(found):
                        found = np.concatenate((found, np.empty(len(found), np.int64)))
                    found[size] = a << 32 | b
                    size += 1
    return found[:size]
