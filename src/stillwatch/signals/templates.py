"""Prompt templates: the wording that several accounts share, mined from sampled shingles.

Shingles that occur together in most of their exchanges are one *fragment*, a piece of the fixed
part of a template. What fills the slots differs from exchange to exchange and is shared by nobody,
so it drops out before anything is compared. Card: `docs/signals/templates.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stillwatch.signals.traffic import Traffic

__all__ = ["Fragments", "TemplateParameters", "mine_fragments"]

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


@dataclass(frozen=True, slots=True)
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
    use_rows: IntArray
    use_fragments: IntArray
    pair_accounts: IntArray
    pair_fragments: IntArray
    pair_exchanges: IntArray
    keys: IntArray


def mine_fragments(
    traffic: Traffic, parameters: TemplateParameters = TemplateParameters()
) -> Fragments:
    """Find the wording that at least `minimum_accounts` accounts share.

    Cost: linear in the number of sampled shingles, plus sorting those that are shared.
    """
    rows, shingles = _shared(traffic, parameters.minimum_accounts)
    if len(rows) == 0:
        return _none()
    keys, codes = np.unique(shingles, return_inverse=True)
    member_of, count = _join(rows, codes, len(keys), parameters.together)
    return _uses(traffic, rows, codes, keys, member_of, count, parameters)


def _shared(traffic: Traffic, minimum: int) -> tuple[IntArray, IntArray]:
    """(exchange, shingle) for the shingles that at least `minimum` accounts used.

    A first pass counts accounts in hashed buckets, which can only count too many; so nothing is
    lost, and the exact count is left to do for few.
    """
    by_account = np.argsort(traffic.accounts, kind="stable")
    buckets = 1 << 24
    counts = np.zeros(buckets, np.uint8)
    last = np.full(buckets, -1, np.int32)
    _count_accounts(
        by_account, traffic.accounts, traffic.shingles.values, traffic.shingles.starts, counts, last
    )
    kept = counts[traffic.shingles.values & (buckets - 1)] >= minimum
    shingles = traffic.shingles.values[kept]
    rows = traffic.shingles.row_numbers()[kept]
    keys, codes = np.unique(shingles, return_inverse=True)
    pairs = np.unique(codes.astype(np.int64) << 32 | traffic.accounts[rows].astype(np.int64))
    accounts = np.bincount(pairs >> 32, minlength=len(keys))
    shared = (accounts >= minimum)[codes]
    return rows[shared], shingles[shared]


@nb.njit(cache=True, nogil=True)
def _count_accounts(order, accounts, values, starts, counts, last):  # type: ignore[no-untyped-def]
    mask = counts.shape[0] - 1
    for k in range(order.shape[0]):
        row = order[k]
        account = accounts[row]
        for i in range(starts[row], starts[row + 1]):
            bucket = values[i] & mask
            if last[bucket] != account:
                last[bucket] = account
                if counts[bucket] < 255:
                    counts[bucket] += 1


def _join(rows: IntArray, codes: IntArray, number: int, together: float) -> tuple[IntArray, int]:
    """The fragment of each shingle: components of neighbours that mostly occur together.

    Neighbours in hash order within an exchange are random pairs of its shingles, the same pairs in
    every exchange with the same fixed part: a sample of all pairs at linear cost.
    """
    occurrences = np.bincount(codes, minlength=number)
    same_exchange = rows[1:] == rows[:-1]
    first, second = codes[:-1][same_exchange], codes[1:][same_exchange]
    pairs, times = np.unique(
        np.minimum(first, second).astype(np.int64) << 32 | np.maximum(first, second),
        return_counts=True,
    )
    a, b = pairs >> 32, pairs & 0xFFFFFFFF
    joined = times >= together * np.maximum(occurrences[a], occurrences[b])
    graph = coo_matrix(
        (np.ones(int(joined.sum()), np.int8), (a[joined], b[joined])), shape=(number, number)
    )
    count, labels = connected_components(graph, directed=False)
    return labels.astype(np.int64), int(count)


def _uses(
    traffic: Traffic,
    rows: IntArray,
    codes: IntArray,
    keys: IntArray,
    member_of: IntArray,
    count: int,
    parameters: TemplateParameters,
) -> Fragments:
    sizes = np.bincount(member_of, minlength=count)
    fragment = member_of[codes]
    uses, held = np.unique(rows << 32 | fragment, return_counts=True)
    use_rows, use_fragments = uses >> 32, uses & 0xFFFFFFFF
    # Long texts keep only their smallest shingles: a large fragment can be cut off there.
    reachable = np.minimum(sizes[use_fragments], np.diff(traffic.shingles.starts)[use_rows])
    enough = held >= parameters.present * reachable
    use_rows, use_fragments = use_rows[enough], use_fragments[enough]
    pairs, exchanges = np.unique(
        traffic.accounts[use_rows].astype(np.int64) << 32 | use_fragments, return_counts=True
    )
    least = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(least, member_of, keys)
    return Fragments(
        count=count,
        shingles=sizes,
        accounts=np.bincount(pairs & 0xFFFFFFFF, minlength=count),
        use_rows=use_rows,
        use_fragments=use_fragments,
        pair_accounts=pairs >> 32,
        pair_fragments=pairs & 0xFFFFFFFF,
        pair_exchanges=exchanges,
        keys=least,
    )


def _none() -> Fragments:
    empty = np.zeros(0, np.int64)
    return Fragments(0, *([empty] * 8))
