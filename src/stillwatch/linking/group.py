"""A group of accounts that share rare things, and what may link accounts at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.signals.traffic import Traffic

__all__ = ["Group", "LinkingParameters"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LinkingParameters:
    """What may link accounts.

    Attributes:
        minimum_accounts: Smaller groups are not raised: a handful of accounts can always be a
            family, and no clause could tell.
        private: A fragment says who belongs to a community when at least this part of its users are
            in it, and this part of their uses is beyond what everybody else's rate explains.
        several, surely: A fragment that several groups share marks a member's exchange as work for
            its group when at least so many members use it, and so much more than accounts in no
            group do that this part of the uses, at least, is the group's.
        part_of_median: A member's own exchanges are at least this part of the median member's, and
            their share of its traffic at least twice this part of the median share: who quotes the
            wording now and then is no member.
        cohesive, fine: Accounts up to which a community holds together on one shared wording alone,
            at first and when it is looked at closely. They set the resolution of Leiden's
            modularity to N / cohesive: at a fixed resolution, small communities of a large log
            would be merged (Fortunato and Barthélemy 2007).
        alike: Pieces of one community stay together when their accounts are at least so alike
            across the pieces as within them.
        same_wording: Communities whose accounts are so alike across, beside within, are one group: a
            resolution that keeps small groups apart cuts large ones up.
        coherent: Mean cosine of the wording of two accounts from which on a community draws others.
            People who chat about the same things are at 0.01 to 0.1.
        rounds: How often each account may move to the community it is most like.
        seed: Leiden visits nodes in random order; the result must not depend on when it ran.
    """

    minimum_accounts: int = 5
    private: float = 0.5
    several: int = 3
    surely: float = 0.99
    part_of_median: float = 0.1
    cohesive: int = 1_000
    fine: int = 100
    alike: float = 0.7
    same_wording: float = 0.85
    coherent: float = 0.1
    rounds: int = 3
    seed: int = 20_26


@dataclass(frozen=True, slots=True)
class Group:
    """Accounts that share rare things.

    Attributes:
        accounts: Positions in `account_names`, ascending.
        fragments: Fragments mostly used by them.
        rows: Their own exchanges, ascending in time: those that carry such a fragment, or all
            exchanges of the accounts if the group shares no wording.
        by_wording: The group shares wording.
    """

    accounts: IntArray
    fragments: IntArray
    rows: IntArray
    by_wording: bool

    def only(self, accounts: IntArray, traffic: Traffic) -> Group:
        """The part of the group that these accounts are."""
        rows = self.rows[np.isin(traffic.accounts[self.rows], accounts)]
        return Group(np.intersect1d(self.accounts, accounts), self.fragments, rows, self.by_wording)
