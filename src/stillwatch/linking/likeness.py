"""How alike accounts are in the wording they use, singly and as communities.

Nothing compares all pairs: products are of sparse tables, of accounts or communities by fragments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from stillwatch.signals.templates import Fragments

__all__ = ["MEETING", "Likeness", "components", "row_products", "row_squares", "table"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_ROUNDING = 1e-9  # of a sum of squares
MEETING = 64  # communities that a fragment may bring together; what more use is no meeting


@dataclass(frozen=True, slots=True)
class Likeness:
    """What each account uses: rarity of the wording × its share of the account's traffic.

    Attributes:
        use: Accounts by fragments.
    """

    use: csr_matrix

    @staticmethod
    def of(fragments: Fragments, exchanges: IntArray) -> Likeness:
        """Of a log's accounts.

        Args:
            exchanges: Number of exchanges of each account.
        """
        users, used = fragments.pair_accounts, fragments.pair_fragments
        active = int((exchanges > 0).sum())
        share = fragments.pair_exchanges / np.maximum(exchanges[users], 1)
        rarity = np.maximum(np.log(active / np.maximum(fragments.accounts[used], 1)), 0)
        kept = rarity > 0
        shape = (len(exchanges), fragments.count)
        return Likeness(table(users[kept], used[kept], (share * rarity)[kept], shape))

    def directions(self) -> Likeness:
        """What each account uses, however much it is: rows of length 1, or 0 for one without."""
        lengths = np.sqrt(row_squares(self.use))
        return Likeness(scaled(self.use, 1 / np.where(lengths > 0, lengths, 1.0)))

    def only(self, accounts: IntArray) -> Likeness:
        """Of these accounts alone, in their order."""
        return Likeness(self.use[accounts])

    def of_communities(self, of_account: IntArray) -> tuple[csr_matrix, IntArray, FloatArray]:
        """What each community uses, how many accounts it has, and how alike two of them are.

        Likeness is taken between different accounts only, so that neither an account's own phrases
        nor small numbers decide (as in Morisita's index, 1959).
        """
        sizes = np.bincount(of_account)
        accounts = np.arange(len(of_account))
        shape = (len(sizes), len(accounts))
        use = (table(of_account, accounts, np.ones(len(accounts)), shape) @ self.use).tocsr()
        alone = np.bincount(of_account, row_squares(self.use), minlength=len(sizes))
        across = row_squares(use) - alone
        # Rounding is no likeness: whoever is alone, or shares nothing, is like nobody.
        across[across <= _ROUNDING * alone] = 0.0
        return use, sizes, across / np.maximum(sizes * (sizes - 1.0), 1.0)


def table(
    rows: IntArray, columns: IntArray, values: FloatArray, shape: tuple[int, int]
) -> csr_matrix:
    return coo_matrix((values, (rows, columns)), shape=shape).tocsr()


def row_squares(use: csr_matrix) -> FloatArray:
    rows = np.repeat(np.arange(use.shape[0]), np.diff(use.indptr))
    squares = np.bincount(rows, use.data * use.data, minlength=use.shape[0])
    return np.asarray(squares, np.float64)


def row_products(
    columns: IntArray,
    values: FloatArray,
    bounds: tuple[IntArray, IntArray],
    width: int,
    a: IntArray,
    b: IntArray,
) -> FloatArray:
    """The products of rows a with rows b, one by one.

    Args:
        columns, values: Of all rows, ascending in each.
        bounds: Where each row begins in them, and where it ends.
        width: How many columns there are.
    """
    lengths = bounds[1] - bounds[0]
    a_is_long = lengths[a] > lengths[b]
    long, short = np.where(a_is_long, a, b), np.where(a_is_long, b, a)
    order = np.argsort(long, kind="stable")
    found = np.empty(len(a))
    found[order] = _products(*bounds, columns, values, long[order], short[order], np.zeros(width))
    return found


@nb.njit(cache=True, nogil=True)
def _products(begins, ends, columns, values, long, short, laid_out):  # type: ignore[no-untyped-def]
    """Products of two rows at a time; pairs with one long row stand together, which is laid out once.

    Args:
        laid_out: Room for a row, zeros.
    """
    found = np.zeros(len(long))
    before = -1
    for pair in range(len(long)):
        row = long[pair]
        if row != before:
            if before >= 0:
                for k in range(begins[before], ends[before]):
                    laid_out[columns[k]] = 0.0
            for k in range(begins[row], ends[row]):
                laid_out[columns[k]] = values[k]
            before = row
        total = 0.0
        for k in range(begins[short[pair]], ends[short[pair]]):
            total += laid_out[columns[k]] * values[k]
        found[pair] = total
    return found


def components(a: IntArray, b: IntArray, count: int) -> IntArray:
    graph = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def scaled(use: csr_matrix, by: FloatArray) -> csr_matrix:
    """Each row times a number."""
    return csr_matrix(
        (use.data * np.repeat(by, np.diff(use.indptr)), use.indices, use.indptr), use.shape
    )
