"""Whose prompts cannot have been dealt out to it works off no common list, whatever wording it shares.

An attacker can take an honest group's wording and fill it with a list of his own, or change some words
of what he copies. Then honest accounts share rare wording with his, in texts that nobody sent again. What
he cannot take is that each of them asks what concerns it, in the one wording that it has. Clause 1 asks
whether a group as a whole looks dealt out (`docs/signals/division.md`); here each member is asked.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln
from scipy.stats import false_discovery_control, norm

from stillwatch.lake.scratch import rest
from stillwatch.signals.division import DivisionParameters, own_subjects
from stillwatch.signals.traffic import Prompts, Traffic

__all__ = ["not_dealt_out"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

LEVEL = 0.01  # chance that a step leaves out any worker of a queue that deals at random
POOL = 48  # accounts that are compared with each other at once

_SUBJECTS = DivisionParameters()
# The wording's words count, too, and items that many sent: who has only one of a group's wordings, or
# only the items of some, shows by that what was not dealt to it.
_WHOLE_PROMPTS = DivisionParameters(common=1.0, shared_by=POOL)


def not_dealt_out(traffic: Traffic, rows: IntArray) -> IntArray:
    """The accounts of these rows whose prompts are more alike than random dealing allows.

    Null, for each account: its prompts were dealt out at random from those of its pool. Then its score
    has mean 0 and variance 1 (exact moments), and is taken as normal. Benjamini and Hochberg (1995) say
    which scores are too high for that. Workers among whom there are honest accounts differ from these,
    and so score above 0 themselves: the higher half of those found is left out first, and the others
    are scored anew without them, until none is found. Who has fewer than three different prompts has no
    score, and stays.

    Prompts are compared by all of their words. Where more than half of the accounts score too high by
    these, each worker may have been given a wording, and only subjects are compared, as in clause 1.

    Args:
        rows: A group's exchanges, ascending in time.
    """
    prompts = traffic.prompts_of(rows)
    rest()
    senders = traffic.accounts[rows].astype(np.int64)
    order = np.argsort(senders, kind="stable")
    accounts, starts = np.unique(senders[order], return_index=True)
    own = np.split(order, starts[1:])
    staying = np.setdiff1d(np.arange(len(accounts)), _same_again(traffic, [rows[o] for o in own]))
    apart = _too_high(_scores(prompts, own, _WHOLE_PROMPTS))
    read = _SUBJECTS if 2 * len(apart) > len(accounts) else _WHOLE_PROMPTS
    while True:
        found = _too_high(_scores(prompts, [own[i] for i in staying], read))
        if len(found) == 0:
            return np.setdiff1d(accounts, accounts[staying])
        staying = np.delete(staying, found[: -(-len(found) // 2)])


def _same_again(traffic: Traffic, own: list[IntArray]) -> IntArray:
    """Positions of accounts that send one prompt or two again and again, as monitors do.

    Null: the prompts of all were dealt out at random. That all n of an account's are among some d items
    has at most the chance that n draws without replacement meet the rows of these alone, times the
    ways to choose d of the items; Bonferroni over accounts.
    """
    sent = [traffic.input_hashes[rows[traffic.input_words[rows] > 0]] for rows in own]
    items, counts = np.unique(np.concatenate(sent), return_counts=True)
    everything = int(counts.sum())
    found = []
    for position, mine in enumerate(sent):
        different = np.unique(mine)
        if not 0 < len(different) < 3 or len(different) == len(mine):
            continue
        these = int(counts[np.searchsorted(items, different)].sum())
        chance = _log_choose(these, len(mine)) - _log_choose(everything, len(mine))
        if chance + len(different) * np.log(len(items)) <= np.log(LEVEL / len(own)):
            found.append(position)
    return np.array(found, np.int64)


def _log_choose(of: int, taken: int) -> float:
    return float(gammaln(of + 1) - gammaln(taken + 1) - gammaln(of - taken + 1))


def _scores(prompts: Prompts, own: list[IntArray], read: DivisionParameters) -> FloatArray:
    """How much each account keeps to itself, in pools that are spread over all of them."""
    scores = np.full(len(own), np.nan)
    pools = -(-len(own) // POOL)
    for pool in range(pools):
        scores[pool::pools] = own_subjects(prompts, own[pool::pools], read)[0]
    return scores


def _too_high(scores: FloatArray) -> IntArray:
    """Positions of the scores that so many standard normal ones would not reach, the highest first."""
    known = np.flatnonzero(~np.isnan(scores))
    if len(known) == 0:
        return known
    found = known[np.asarray(false_discovery_control(norm.sf(scores[known]))) <= LEVEL]
    return np.asarray(found[np.argsort(-scores[found])])
