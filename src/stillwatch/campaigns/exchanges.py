"""Which exchanges of a campaign's accounts serve it, each with an e-value of its own.

A group is told by the wording it has to itself. Its work carries more wording than that: clauses that
other campaigns use too, a second template that few exchanges show, words that a reader quotes. So every
exchange of its accounts is weighed anew, by how much more common its wording is among the other members
than among everybody else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.campaigns.evalues import select_by_reference
from stillwatch.linking.groups import Group
from stillwatch.signals.templates import Fragments
from stillwatch.signals.traffic import Traffic

__all__ = ["Attributed", "attribute_exchanges"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

WRONG = 0.005  # part of the attributed exchanges that may be the accounts' other traffic


@dataclass(frozen=True, slots=True)
class Attributed:
    """Exchanges that serve a campaign, in time order, and their e-values."""

    rows: IntArray
    e_values: FloatArray


def attribute_exchanges(
    traffic: Traffic, fragments: Fragments, group: Group, elsewhere: BoolArray
) -> Attributed:
    """The exchanges of the group's accounts that serve it, at a false discovery rate of `WRONG`.

    Null: an exchange of a member is other traffic, exchangeable with the exchanges of accounts that
    act for themselves: its wording is no more the other members' than theirs is. Scores leave the exchange's own
    account out on both sides, so that nothing but the null's failure sets members apart. The e-values
    are conformal at one threshold (`select_by_reference`): the largest is one more than the exchanges
    compared with.

    A group without wording of its own is taken whole, and says nothing of single exchanges.

    Args:
        elsewhere: One flag an account: it acts as one with others, and so is nobody's reference.
    """
    if not group.by_wording:
        return Attributed(group.rows, np.ones(len(group.rows)))
    member = np.zeros(len(traffic.account_names), np.bool_)
    member[group.accounts] = True
    scores = _scores(traffic, fragments, member, elsewhere)
    candidates = np.flatnonzero(member[traffic.accounts])
    others = ~member & ~elsewhere
    selection = select_by_reference(scores[candidates], scores[others[traffic.accounts]], WRONG)
    if not np.isfinite(selection.threshold):
        # Nothing stands out: what linked the group stays, for what it is worth.
        own = np.isin(candidates, group.rows)
        return Attributed(candidates[own], selection.e_values[own])
    serves = scores[candidates] >= selection.threshold
    return Attributed(candidates[serves], selection.e_values[serves])


def _scores(
    traffic: Traffic, fragments: Fragments, member: BoolArray, elsewhere: BoolArray
) -> FloatArray:
    """Of each exchange, the most that any of its fragments is the members' rather than the others'.

    The log of the share of other members that use the fragment, over the share of others that do;
    0 where no other member does.
    """
    others = ~member & ~elsewhere
    users = fragments.pair_accounts
    inside, outside = (
        np.bincount(fragments.pair_fragments, side[users], minlength=fragments.count)
        for side in (member, others)
    )
    side = np.where(member, 0, np.where(others, 1, 2))  # of an account; it leaves itself out
    ours = inside - np.array([[1.0], [0.0], [0.0]])
    theirs = outside - np.array([[0.0], [1.0], [0.0]]) + 1.0
    size = max(int(member.sum()) - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # a side that uses none of a fragment
        worth = np.log(ours / size) - np.log(theirs / (others.sum() + 1.0))
    uses = fragments.uses_of(np.flatnonzero((worth > 0).any(axis=0)))
    rows = fragments.use_rows[uses]
    value = worth[side[traffic.accounts[rows]], fragments.use_fragments[uses]]
    scores = np.zeros(len(traffic))
    if len(value):
        firsts = np.flatnonzero(np.diff(rows, prepend=-1))  # uses run by exchange
        scores[rows[firsts]] = np.maximum(np.maximum.reduceat(value, firsts), 0.0)
    return scores
