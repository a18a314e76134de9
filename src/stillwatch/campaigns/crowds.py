"""Is a group's work more of a harvest than that of as many accounts drawn at random?

Owners are compared with owners in `weighing`. But a group pools the work of many accounts, and a
pool has more items than one account, and some of everything: beside single owners, a crowd of
strangers may look more like a harvest than it should. So a group is also compared with crowds of
its own size, whose accounts ask as much as its own, account by account.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

__all__ = ["DRAWS", "log_e_of_crowds"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DRAWS = 9_999
STRATA = 8  # of like numbers of exchanges, at most
LEAST_STRATUM = 256  # accounts: a group must not fill one
SEED = 20_26
_ROUNDING = 1e-9  # a tie that adding up in another order breaks is a tie


def log_e_of_crowds(
    groups: list[IntArray],
    scores: FloatArray,
    exchanges: IntArray,
    acting: IntArray | None = None,
    draws: int = DRAWS,
) -> FloatArray:
    """Log of `draws` + 1 for each group that outdoes all crowds drawn for it; else of 0.

    Null: given how much each account asks, the group's members are drawn at random from the
    accounts of this log. Each is exchanged for one of the same eighth of all accounts (or larger
    part, where they are few), by number of exchanges, members among them; the members of other
    groups that were shown to act as one are no crowd, and stay out. A crowd's figure is the sum of
    its accounts' scores, so that one giant does not make a harvest of all the others. By symmetry
    the group stands first among itself and the draws with a chance of at most 1 / (draws + 1)
    (Phipson and Smyth 2010), so that the e-value has a mean of at most 1. Cost: members times draws.

    Args:
        groups: The accounts of each.
        scores: How much each account's own work looks like a harvest, for every account.
        exchanges: How many its own work has; accounts without any are left out.
        acting: For every account, the group in which it was shown to act as one, by its place in
            `groups`, or -1; none if absent.
    """
    everyone = np.random.default_rng(SEED).permutation(np.flatnonzero(exchanges > 0))
    everyone = everyone[np.argsort(exchanges[everyone], kind="stable")]
    acting = np.full(len(exchanges), -1) if acting is None else acting
    found = np.full(len(groups), -np.inf)
    for number, accounts in enumerate(groups):
        order = everyone[(acting[everyone] < 0) | (acting[everyone] == number)]
        strata = min(max(len(order) // LEAST_STRATUM, 1), STRATA)
        starts = np.linspace(0, len(order), strata + 1).astype(np.int64)
        stratum = np.full(len(exchanges), -1)
        stratum[order] = np.searchsorted(starts, np.arange(len(order)), side="right") - 1
        members = accounts[stratum[accounts] >= 0]
        wanted = np.bincount(stratum[members], minlength=strata)
        highest = _highest(scores[order], starts, wanted, draws, SEED + number)
        if len(members) and scores[members].sum() > highest + _ROUNDING * len(members):
            found[number] = np.log(draws + 1.0)
    return found


@nb.njit(cache=True, nogil=True)
def _highest(scores, starts, wanted, draws, seed):  # type: ignore[no-untyped-def]
    """The highest sum of any crowd: so many of each stratum, without replacement."""
    np.random.seed(seed)
    urn = scores.copy()
    highest = -np.inf
    for _ in range(draws):
        total = 0.0
        for stratum in range(len(wanted)):
            begin, end = starts[stratum], starts[stratum + 1]
            for i in range(begin, begin + wanted[stratum]):
                other = np.random.randint(i, end)
                urn[i], urn[other] = urn[other], urn[i]
                total += urn[i]
        highest = max(highest, total)
    return highest
