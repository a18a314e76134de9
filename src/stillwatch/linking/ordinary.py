"""Who uses a group's wording no more than accounts outside it do is not told apart from these.

A public list of prompts may stand in a campaign's queue, and whoever takes a few prompts from the list
shares wording with the campaign. Most who do are in no group, for they send little of it. One of them
may look like a member by chance, so each member is compared with those outside.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import hypergeom

from stillwatch.linking.group import Group
from stillwatch.signals.templates import Fragments
from stillwatch.signals.traffic import Traffic

__all__ = ["ordinary_users"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LEVEL = 0.05  # chance that an ordinary user of the wording is told apart, over both tests


def ordinary_users(
    group: Group,
    traffic: Traffic,
    fragments: Fragments,
    exchanges: IntArray,
    grouped: BoolArray,
) -> IntArray:
    """The members of a group that its outsiders equal, ascending.

    Outsiders are the accounts in none of these groups that sent the group's wording. Null, for each
    member: it is an account like them. A member is told apart by either of two tests, each at half
    the level:

    - number: its exchanges with the wording, by their rank among the outsiders' (conformal, Vovk,
      Gammerman and Shafer 2005). So accounts that send two prompts and nothing else, both in the
      wording, hide nobody who sends forty.
    - part: its exchanges with the wording among all of its own, beside those of the outsiders together
      (Fisher's exact test, one-sided). So a member that asks little is told from a customer who asks
      much of everything. It takes the outsiders' exchanges as independent. A rank would not need that,
      but a few workers that linking missed would then hide all others.

    Where outsiders are too few for a rank at that level, nobody is asked: wording that hardly anybody
    else has is evidence by itself, and one worker that linking missed proves nothing.

    Args:
        exchanges: Number of exchanges of each account.
        grouped: Which accounts are in some group that may act as one.
    """
    rows = np.unique(fragments.use_rows[fragments.uses_of(group.fragments)])
    sent = np.bincount(traffic.accounts[rows], minlength=len(exchanges))
    outside = np.flatnonzero((sent > 0) & ~grouped)
    if LEVEL / 2 * (len(outside) + 1) < 1:
        return np.zeros(0, np.int64)
    members = group.accounts
    as_many = len(outside) - np.searchsorted(np.sort(sent[outside]), sent[members])
    in_number = (as_many + 1) / (len(outside) + 1)
    with_it, everything = int(sent[outside].sum()), int(exchanges[outside].sum())
    own, all_own = sent[members], exchanges[members]
    in_part = hypergeom.sf(own - 1, everything + all_own, with_it + own, all_own)
    return np.asarray(members[np.minimum(in_number, in_part) > LEVEL / 2], np.int64)
