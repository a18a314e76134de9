"""Communities looked at closely: cut where their accounts differ, and every account where it fits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stillwatch.linking.group import LinkingParameters
from stillwatch.linking.joining import joined
from stillwatch.linking.likeness import Likeness

__all__ = ["refine", "reunite", "settle"]

IntArray = npt.NDArray[np.int64]

AT_ONCE = 8_192  # accounts that are compared with communities at once: a bound on memory


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
    return joined(pieces.astype(np.int64), coarse, likeness, parameters.alike)


def reunite(of_account: IntArray, likeness: Likeness, parameters: LinkingParameters) -> IntArray:
    """Join communities whose accounts are as alike across as within, wherever they were found.

    A resolution that keeps small communities apart cuts large ones up. Two operators can draw on one
    public list of tasks and be far alike, so more is asked than of pieces (`same_wording`).
    """
    everywhere = np.zeros(len(of_account), np.int64)
    return joined(of_account, everywhere, likeness.directions(), parameters.same_wording)


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
        users = use.T.tocsr()
        settled = of_account.copy()
        for first in range(0, len(of_account), AT_ONCE):
            alike = (directions.use[first : first + AT_ONCE] @ users).tocoo()
            account, community = alike.row + first, alike.col
            own = apart[account] == community
            mean = (alike.data - own) / np.maximum(sizes[community] - own, 1)
            fits = own | (mean >= parameters.alike * within[community])
            order = np.flatnonzero(fits)[np.argsort(mean[fits], kind="stable")]
            settled[account[order]] = community[order]
        if (settled == of_account).all():
            break
        of_account = settled
    return of_account
