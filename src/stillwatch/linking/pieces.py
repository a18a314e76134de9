"""Communities looked at closely: cut where their accounts differ, and every account where it fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from stillwatch.linking.group import LinkingParameters
from stillwatch.linking.likeness import Likeness, components, meeting, row_products

__all__ = ["refine", "reunite", "settle"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def refine(
    coarse: IntArray, fine: IntArray, likeness: Likeness, parameters: LinkingParameters
) -> IntArray:
    """Cut each coarse community along the fine ones, and rejoin the pieces that are alike.

    Two operators may meet in a phrase, a gateway or a cited answer. Pieces are joined when their
    accounts are as alike across as within, the most alike first and two by two, and what they make
    is measured anew: average linkage by reciprocal nearest neighbours (Murtagh 1983), so that a
    chain of small pieces joins nobody.
    """
    # What a phrase alone holds together falls apart into single accounts: they stay as they were.
    fine = np.where(np.bincount(fine)[fine] == 1, -1, fine)
    _, pieces = np.unique(coarse << 32 | (fine + 1), return_inverse=True)
    return _joined(pieces.astype(np.int64), coarse, likeness, parameters.alike)


def reunite(of_account: IntArray, likeness: Likeness, parameters: LinkingParameters) -> IntArray:
    """Join communities whose accounts are as alike across as within, wherever they were found.

    A resolution that keeps small communities apart cuts large ones up. Two operators can draw on one
    public list of tasks and be far alike, so more is asked than of pieces (`same_wording`).
    """
    everywhere = np.zeros(len(of_account), np.int64)
    return _joined(of_account, everywhere, likeness.directions(), parameters.same_wording)


def _joined(of_account: IntArray, coarse: IntArray, likeness: Likeness, least: float) -> IntArray:
    """Join pieces of one coarse community, the most alike first, while any two are so alike."""
    known = _KnownProducts(np.zeros(0, np.int64), np.zeros(0))
    name = np.arange(int(of_account.max(initial=-1)) + 1)
    while True:
        use, sizes, within = likeness.of_communities(of_account)
        community = np.zeros(len(sizes), np.int64)
        community[of_account] = coarse
        a, b = meeting(use, np.where(within > 0, community, -1))
        products, known = known.with_those_of(use, a, b, name)
        alike = products / (sizes[a] * sizes[b]) / np.sqrt(within[a] * within[b])
        enough = alike >= least
        if not enough.any():
            return of_account
        a, b = _nearest_to_each_other(a[enough], b[enough], alike[enough], len(sizes))
        joined = components(a, b, len(sizes))
        parts = np.bincount(joined)
        kept = np.flatnonzero(parts[joined] == 1)
        name, older = int(name.max()) + 1 + np.arange(len(parts)), name
        name[joined[kept]] = older[kept]
        of_account = joined[of_account]


@dataclass(frozen=True, slots=True)
class _KnownProducts:
    """Products of pairs of pieces by their names: a piece that is joined to another has a new name.

    Attributes:
        pairs: Both names of each pair, the smaller first, in one number; ascending.
        products: Of each pair.
    """

    pairs: IntArray
    products: FloatArray

    def with_those_of(
        self, use: csr_matrix, a: IntArray, b: IntArray, name: IntArray
    ) -> tuple[FloatArray, _KnownProducts]:
        """The products of rows a with rows b, where those that are known are not counted anew."""
        pairs = np.minimum(name[a], name[b]) << 32 | np.maximum(name[a], name[b])
        place = np.minimum(np.searchsorted(self.pairs, pairs), max(len(self.pairs) - 1, 0))
        new = self.pairs[place] != pairs if len(self.pairs) else np.ones(len(pairs), np.bool_)
        products = np.empty(len(pairs))
        products[~new] = self.products[place[~new]]
        products[new] = row_products(use, a[new], b[new])
        order = np.argsort(pairs)
        return products, _KnownProducts(pairs[order], products[order])


def _nearest_to_each_other(
    a: IntArray, b: IntArray, alike: FloatArray, count: int
) -> tuple[IntArray, IntArray]:
    """The pairs each of which is most alike to the other; of equals, the first."""
    own, other = np.concatenate([a, b]), np.concatenate([b, a])
    order = np.lexsort((-other, np.tile(alike, 2)))
    nearest = np.full(count, -1)
    nearest[own[order]] = other[order]
    mutual = (nearest[a] == b) & (nearest[b] == a)
    return a[mutual], b[mutual]


def settle(of_account: IntArray, likeness: Likeness, parameters: LinkingParameters) -> IntArray:
    """Each account goes to the community whose accounts it is most like.

    Cover, sign-up facts and chance put some accounts of a campaign elsewhere. An account is compared
    with the other accounts of each community by the mean cosine of what they use (spherical k-means,
    Dhillon and Modha 2001, each account left out of its own community's mean), whatever the number
    of communities. It moves only to one of at least `minimum_accounts`, alike enough to be one at all
    (`coherent`), whose accounts it is nearly as like (`alike`) as they are each other.
    """
    directions = likeness.directions()
    speaks = np.diff(directions.use.indptr) > 0
    for _ in range(parameters.rounds):
        # Whoever uses nothing that others use is nowhere, so that means are of those who do.
        apart = np.where(speaks, of_account, int(of_account.max(initial=-1)) + 1)
        use, sizes, within = directions.of_communities(apart)
        draws = (sizes >= parameters.minimum_accounts) & (within >= parameters.coherent)
        use.data *= np.repeat(draws, np.diff(use.indptr))
        use.eliminate_zeros()
        alike = (directions.use @ use.T).tocoo()
        account, community = alike.row, alike.col
        own = apart[account] == community
        mean = (alike.data - own) / np.maximum(sizes[community] - own, 1)
        fits = own | (mean >= parameters.alike * within[community])
        order = np.flatnonzero(fits)[np.argsort(mean[fits], kind="stable")]
        settled = of_account.copy()
        settled[account[order]] = community[order]
        if (settled == of_account).all():
            break
        of_account = settled
    return of_account
