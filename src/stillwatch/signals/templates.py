"""Prompt templates: the wording that several accounts share, mined from sampled shingles.

Shingles that occur together in most of their exchanges are one *fragment*, a piece of the fixed
part of a template. What fills the slots differs from exchange to exchange and is shared by nobody,
so it drops out before anything is compared. Card: `docs/signals/templates.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numba as nb
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stillwatch.lake.scratch import AT_ONCE, Growing, apart, rest
from stillwatch.signals.places import Numbering, Places
from stillwatch.signals.traffic import Traffic

__all__ = [
    "Fragments",
    "SharedShingles",
    "TemplateParameters",
    "mine_fragments",
    "share_shingles",
]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TemplateParameters:
    """What counts as shared wording.

    Attributes:
        minimum_accounts: Two accounts can quote each other; three or more share a source.
        together: Two shingles are one fragment when they occur together in this part of the
            exchanges of the commoner one: "in most", as in single-link text reuse.
        present: An exchange carries a fragment when it holds this part of its shingles; less would
            be a quotation, more would break on a reworded clause.
    """

    minimum_accounts: int = 3
    together: float = 0.5
    present: float = 0.5


@dataclass(frozen=True)
class Fragments:
    """Fragments, and who used them when.

    Attributes:
        count: Number of fragments.
        shingles: Number of sampled shingles of each fragment.
        accounts: Number of accounts that used each fragment.
        use_rows: Exchange of each use, ascending.
        use_fragments: Fragment of each use.
        pair_accounts, pair_fragments, pair_exchanges: How many exchanges of an account carry a
            fragment, one entry for each account and fragment, sorted by account.
        keys: A stable hash for each fragment: the least of its shingles.
    """

    count: int
    shingles: IntArray
    accounts: IntArray
    use_rows: npt.NDArray[np.int32]
    use_fragments: npt.NDArray[np.int32]
    pair_accounts: IntArray
    pair_fragments: IntArray
    pair_exchanges: IntArray
    keys: IntArray

    def uses_of(self, fragments: IntArray) -> IntArray:
        """The uses of these fragments, ascending; each fragment is given once."""
        return self._uses_by_fragment.of(fragments)

    def pairs_of(self, fragments: IntArray) -> IntArray:
        """The pairs of an account and one of these fragments, ascending; each is given once."""
        return self._pairs_by_fragment.of(fragments)

    @cached_property
    def _uses_by_fragment(self) -> Places:
        return Places.of_column(self.use_fragments)

    @cached_property
    def _pairs_by_fragment(self) -> Places:
        return Places.of_column(self.pair_fragments)


@dataclass(frozen=True, slots=True)
class SharedShingles:
    """Where the shingles that several accounts use occur, and since when they do.

    Counted once over a log, it holds what is shared at any earlier moment too: an account that has
    used a shingle has used it for ever.

    Attributes:
        rows, codes: Exchange and shingle of each occurrence, ascending in time, then in the order
            of the exchange's shingles.
        keys: The hash of each shingle, in order of first use.
        used_since, used_code: The first exchange of each account with each shingle, and the shingle.
        all_rows, minimum: Of how many exchanges these are, shared by so many accounts.
    """

    rows: npt.NDArray[np.int32]
    codes: npt.NDArray[np.int32]
    keys: IntArray
    used_since: IntArray
    used_code: npt.NDArray[np.int32]
    all_rows: int
    minimum: int

    def until(self, rows: int, minimum: int) -> SharedShingles:
        """What `minimum` accounts shared in the first `rows` exchanges."""
        if rows >= self.all_rows and minimum <= self.minimum:
            return self
        begun = int(np.searchsorted(self.used_since, rows))
        accounts = np.bincount(self.used_code[:begun], minlength=len(self.keys))
        shared = accounts >= minimum
        number = (np.cumsum(shared) - 1).astype(np.int32)
        here = int(np.searchsorted(self.rows, rows))
        kept = shared[self.codes[:here]]
        used = shared[self.used_code[:begun]]
        return SharedShingles(
            apart(self.rows[:here][kept]),
            apart(number[self.codes[:here][kept]]),
            self.keys[shared],
            apart(self.used_since[:begun][used]),
            apart(number[self.used_code[:begun][used]]),
            rows,
            minimum,
        )


def share_shingles(
    traffic: Traffic, parameters: TemplateParameters = TemplateParameters()
) -> SharedShingles:
    """Find the shingles that at least `minimum_accounts` accounts use.

    A first pass counts accounts in hashed buckets, which can only count too many; so nothing is
    lost, and the exact count is left to do for few.
    """
    values, starts = traffic.shingles.values, traffic.shingles.starts
    counts = np.zeros(_buckets(len(values)), np.uint8)
    last = np.full(len(counts), -1, np.int32)
    for begin, end in _stretches(len(traffic)):
        _count_accounts(traffic.accounts[begin:end], values, starts[begin : end + 1], counts, last)
        rest()
    del last
    numbering, rows, codes = Numbering(), Growing(np.int32), Growing(np.int32)
    for begin, end in _stretches(len(traffic)):
        often, kept = _often_used(
            starts[begin : end + 1], values, counts, parameters.minimum_accounts
        )
        rows.append(often + begin)
        codes.append(numbering.of(kept))
        rest()
    del counts
    everything = _with_first_uses(traffic, rows.whole(), codes.whole(), numbering.distinct)
    return everything.until(len(traffic), parameters.minimum_accounts)


def _with_first_uses(
    traffic: Traffic,
    rows: npt.NDArray[np.int32],
    codes: npt.NDArray[np.int32],
    keys: IntArray,
) -> SharedShingles:
    begins = np.searchsorted(rows, np.arange(len(traffic) + 1, dtype=np.int32))
    by_account = traffic.by_account.order
    used = np.sort(_first_uses(by_account, traffic.accounts, begins, codes, len(keys)))
    since = rows[used].astype(np.int64)
    return SharedShingles(rows, codes, keys, since, codes[used], len(traffic), 1)


def _buckets(values: int) -> int:
    """Few enough to fit in memory, and enough that most hold one shingle."""
    return 1 << min(max(values.bit_length() - 1, 24), 27)


def _stretches(rows: int) -> Iterator[tuple[int, int]]:
    """First and last of so many exchanges at a time as are held in memory."""
    for begin in range(0, rows, AT_ONCE):
        yield begin, min(begin + AT_ONCE, rows)


def mine_fragments(
    traffic: Traffic,
    shared: SharedShingles | None = None,
    parameters: TemplateParameters = TemplateParameters(),
) -> Fragments:
    """Find the wording that at least `minimum_accounts` accounts share.

    Cost: linear in the number of sampled shingles.

    Args:
        shared: Those of the traffic, if they were counted before, or of a longer one.
    """
    if shared is None:
        shared = share_shingles(traffic, parameters)
    else:
        shared = shared.until(len(traffic), parameters.minimum_accounts)
    if len(shared.rows) == 0:
        return _none()
    member_of, count = _join(shared, parameters.together)
    return _uses(traffic, shared, member_of, count, parameters)


@nb.njit(cache=True, nogil=True)
def _count_accounts(accounts, values, starts, counts, last):  # type: ignore[no-untyped-def]
    """Count how often the account changes that uses a bucket: no less than its accounts."""
    mask = counts.shape[0] - 1
    for row in range(accounts.shape[0]):
        for i in range(starts[row], starts[row + 1]):
            bucket = values[i] & mask
            if last[bucket] != accounts[row]:
                last[bucket] = accounts[row]
                if counts[bucket] < 255:
                    counts[bucket] += 1


@nb.njit(cache=True, nogil=True)
def _often_used(starts, values, counts, minimum):  # type: ignore[no-untyped-def]
    """Exchange and hash of each shingle whose bucket so many accounts use."""
    mask = counts.shape[0] - 1
    size = 0
    for i in range(starts[0], starts[-1]):
        size += counts[values[i] & mask] >= minimum
    rows, kept = np.empty(size, np.int32), np.empty(size, np.int64)
    at = 0
    for row in range(starts.shape[0] - 1):
        for k in range(starts[row], starts[row + 1]):
            if counts[values[k] & mask] >= minimum:
                rows[at], kept[at] = row, values[k]
                at += 1
    return rows, kept


@nb.njit(cache=True, nogil=True)
def _first_uses(by_account, accounts, begins, codes, distinct):  # type: ignore[no-untyped-def]
    """Where each account uses each shingle for the first time, account by account."""
    last = np.full(distinct, -1, np.int32)
    found = np.empty(1024, np.int64)
    size = 0
    for row in by_account:
        for k in range(begins[row], begins[row + 1]):
            if last[codes[k]] != accounts[row]:
                last[codes[k]] = accounts[row]
                if size == len(found):
                    found = np.concatenate((found, np.empty(len(found), np.int64)))
                found[size] = k
                size += 1
    return found[:size]


def _join(shared: SharedShingles, together: float) -> tuple[IntArray, int]:
    """The fragment of each shingle: components of neighbours that mostly occur together.

    Neighbours in hash order within an exchange are random pairs of its shingles, the same pairs in
    every exchange with the same fixed part: a sample of all pairs at linear cost.
    """
    rows, codes, number = shared.rows, shared.codes, len(shared.keys)
    occurrences = np.zeros(number, np.int64)
    numbering, times = Numbering(), np.zeros(0, np.int64)
    for begin, end in _stretches(len(rows)):
        occurrences += np.bincount(codes[begin:end], minlength=number)
        # The first of the next stretch is the neighbour of the last.
        row, code = rows[begin : end + 1], codes[begin : end + 1]
        same = row[1:] == row[:-1]
        first, second = code[:-1][same], code[1:][same]
        pair = np.minimum(first, second).astype(np.int64) << 32 | np.maximum(first, second)
        times = _added(times, numbering.of(pair), numbering.count)
        rest()
    pairs = numbering.distinct
    a, b = pairs >> 32, pairs & 0xFFFFFFFF
    joined = times >= together * np.maximum(occurrences[a], occurrences[b])
    graph = coo_matrix(
        (np.ones(int(joined.sum()), np.int8), (a[joined], b[joined])), shape=(number, number)
    )
    count, labels = connected_components(graph, directed=False)
    return labels.astype(np.int64), int(count)


def _uses(
    traffic: Traffic,
    shared: SharedShingles,
    member_of: IntArray,
    count: int,
    parameters: TemplateParameters,
) -> Fragments:
    sizes = np.bincount(member_of, minlength=count)
    lengths = np.diff(traffic.shingles.starts)
    use_rows, use_fragments = Growing(np.int32), Growing(np.int32)
    numbering, exchanges = Numbering(), np.zeros(0, np.int64)
    begins = np.searchsorted(shared.rows, np.arange(0, len(traffic) + AT_ONCE, AT_ONCE))
    fragment_of = member_of.astype(np.int32)
    for begin, end in pairwise(begins.tolist()):
        rows, fragments, held = _held(shared.rows[begin:end], fragment_of[shared.codes[begin:end]])
        # Long texts keep only their smallest shingles: a large fragment can be cut off there.
        enough = held >= parameters.present * np.minimum(sizes[fragments], lengths[rows])
        rows, fragments = rows[enough], fragments[enough]
        use_rows.append(rows)
        use_fragments.append(fragments)
        use = traffic.accounts[rows].astype(np.int64) << 32 | fragments
        exchanges = _added(exchanges, numbering.of(use), numbering.count)
        rest()
    pairs = numbering.distinct
    order = np.argsort(pairs)
    pairs, exchanges = pairs[order], exchanges[order]
    least = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(least, member_of, shared.keys)
    return Fragments(
        count=count,
        shingles=sizes,
        accounts=np.bincount(pairs & 0xFFFFFFFF, minlength=count),
        use_rows=use_rows.whole(),
        use_fragments=use_fragments.whole(),
        pair_accounts=apart(pairs >> 32),
        pair_fragments=apart(pairs & 0xFFFFFFFF),
        pair_exchanges=apart(exchanges),
        keys=least,
    )


def _added(counts: IntArray, numbers: npt.NDArray[np.int32], size: int) -> IntArray:
    """Counts of numbers with those of further ones."""
    more = np.bincount(numbers, minlength=size)
    more[: len(counts)] += counts
    return more


@nb.njit(cache=True, nogil=True)
def _held(rows, fragments):  # type: ignore[no-untyped-def]
    """How many shingles of each fragment each exchange holds, by exchange, then fragment."""
    use_rows = np.empty(len(rows), np.int32)
    use_fragments = np.empty(len(rows), np.int32)
    held = np.empty(len(rows), np.uint8)  # a text keeps fewer shingles than that
    size = 0
    begin = 0
    while begin < len(rows):
        end = begin
        while end < len(rows) and rows[end] == rows[begin]:
            end += 1
        some = np.sort(fragments[begin:end])
        for i in range(end - begin):
            if i == 0 or some[i] != some[i - 1]:
                use_rows[size] = rows[begin]
                use_fragments[size] = some[i]
                held[size] = 0
                size += 1
            held[size - 1] += 1
        begin = end
    return use_rows[:size].copy(), use_fragments[:size].copy(), held[:size].copy()


def _none() -> Fragments:
    empty = np.zeros(0, np.int64)
    nobody = np.zeros(0, np.int32)
    return Fragments(0, empty, empty, nobody, nobody, empty, empty, empty, empty)
