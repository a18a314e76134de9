"""Communities looked at closely: cut where their accounts differ, and every account where it fits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numba as nb
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from stillwatch.linking.group import LinkingParameters
from stillwatch.linking.joining import joined
from stillwatch.linking.likeness import Likeness

__all__ = ["refine", "reunite", "settle"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

AT_ONCE = 8_192  # accounts that a thread compares with communities at once
OFTEN = 16  # a fragment is looked up whole if more than one in so many communities uses it
_THREADS = 2


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
        settled = _settled(
            of_account, apart, directions, use, sizes, parameters.alike * within, draws
        )
        if (settled == of_account).all():
            break
        of_account = settled
    return of_account


def _settled(
    of_account: IntArray,
    apart: IntArray,
    directions: Likeness,
    use: csr_matrix,
    sizes: IntArray,
    least: FloatArray,
    draws: npt.NDArray[np.bool_],
) -> IntArray:
    """The community that each account is most like; its own where it is like none.

    Args:
        apart: The community of each account that uses anything.
        use, sizes: Of the communities.
        least: How like an account must be to the others of a community that is not its own.
        draws: Which communities are compared with.
    """
    drawing = np.flatnonzero(draws)
    users = use[drawing].T.tocsr()
    often = np.flatnonzero(OFTEN * np.diff(users.indptr) > len(drawing))
    whole_row = np.full(users.shape[0], -1)
    whole_row[often] = np.arange(len(often))
    rows = users[often].toarray()
    own = np.where(draws, np.cumsum(draws) - 1, -1)[apart]
    home = np.full(len(of_account), -1)
    together = np.argsort(of_account, kind="stable")  # neighbours use the same fragments

    def settle(first: int) -> None:
        _most_alike(
            together[first : first + AT_ONCE],
            (directions.use.indptr, directions.use.indices, directions.use.data),
            (users.indptr, users.indices, users.data),
            (whole_row, rows),
            own,
            sizes[drawing],
            least[drawing],
            home,
        )

    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(settle, range(0, len(of_account), AT_ONCE)))
    settled = of_account.copy()
    settled[home >= 0] = drawing[home[home >= 0]]
    return settled


@nb.njit(cache=True, nogil=True)
def _most_alike(accounts, use, users, whole, own, sizes, least, home):  # type: ignore[no-untyped-def]
    """For each account the community whose other accounts it is most like, of equals the first.

    Args:
        use: Fragments of the accounts, as a sparse table.
        users: Communities that use each fragment, as a sparse table.
        whole: For each fragment its place in the table beside, or -1: fragments that many communities
            use, with a number for each community. It is quicker to add a whole row than many entries.
        own, home: Communities by their place; -1 is none.
    """
    use_starts, fragments, weights = use
    user_starts, communities, values = users
    whole_row, rows = whole
    products = np.empty(len(sizes))
    for account in accounts:
        products[:] = 0.0
        for k in range(use_starts[account], use_starts[account + 1]):
            fragment, weight = fragments[k], weights[k]
            if whole_row[fragment] >= 0:
                row = rows[whole_row[fragment]]
                for community in range(len(products)):
                    products[community] += weight * row[community]
            else:
                for p in range(user_starts[fragment], user_starts[fragment + 1]):
                    products[communities[p]] += weight * values[p]
        most = -np.inf
        for community in range(len(products)):
            if products[community] == 0.0:
                continue
            itself = 1 if community == own[account] else 0
            mean = (products[community] - itself) / max(sizes[community] - itself, 1)
            if (itself or mean >= least[community]) and mean > most:
                most, home[account] = mean, community
