"""The three clauses, each an e-value against its own null.

1. *Acts as one.* Null: the members are exchangeable with accounts that are linked to nobody.
2. *Undeclared.* Null: the group is openly together.
3. *Collects.* Null: the work is some owner's own use, exchangeable with the owners of this log.

What links a group (wording and facts it shares) is not what tests it: clause 1 looks at how items
were dealt out and when, on words that are not the template's; clause 3 at what is asked and what
becomes of the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.campaigns.evalues import conformal_martingale, largest_martingale
from stillwatch.linking.groups import Group
from stillwatch.signals import division, synchrony
from stillwatch.signals.collection import describe_owner
from stillwatch.signals.owners import Wording, evenly, rows_by_account
from stillwatch.signals.traffic import Traffic

__all__ = ["ActsAsOne", "Reference", "acts_as_one", "build_reference", "describe_group"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Binning = Callable[[FloatArray], IntArray]

POOL = 24  # accounts compared with each other in the reference, as in a group of middling size
LARGEST_POOL = 48  # members of a group that are looked at
MINIMUM_WORK = 8  # exchanges below which an owner says too little to be compared
SEED = 20_26


@dataclass(frozen=True, slots=True)
class Reference:
    """Owners that are linked to nobody, and how they look.

    Attributes:
        accounts: Accounts in no group, with enough exchanges.
        figures: One row an owner (accounts first, then declared organisations).
        division_counts, synchrony_counts: Accounts in each bin of the two scores.
        background: Exchanges of the log in each hour.
    """

    accounts: IntArray
    figures: FloatArray
    division_counts: IntArray
    synchrony_counts: IntArray
    background: FloatArray


@dataclass(frozen=True, slots=True)
class ActsAsOne:
    """Clause 1 for one group: logs of e-values, and the scores behind them.

    The scores are those of the `sampled` members, in that order.
    `log_e` is the log of the mean of the two e-values: they are not independent, so they may be
    averaged and never multiplied.
    """

    log_e: float
    largest: float
    log_e_division: float
    log_e_synchrony: float
    division_scores: FloatArray
    synchrony_scores: FloatArray
    sampled: IntArray


def build_reference(
    traffic: Traffic, wording: Wording, linked: IntArray, openly: list[IntArray]
) -> Reference:
    """Describe the owners that no group holds.

    Args:
        linked: Accounts in any group.
        openly: The rows of each declared organisation found as a group: one owner each.
    """
    order, starts = rows_by_account(traffic)
    counts = np.diff(starts)
    unlinked = np.setdiff1d(np.flatnonzero(counts >= MINIMUM_WORK), linked)
    work = [own_work(wording, order[starts[a] : starts[a + 1]]) for a in unlinked]
    background = synchrony.hourly_background(traffic)
    division_scores, synchrony_scores = _score_pools(traffic, work, background)
    owners = [*work, *openly]
    figures = (
        np.stack([describe_owner(traffic, wording, rows) for rows in owners])
        if owners
        else np.zeros((0, 0))
    )
    return Reference(
        accounts=unlinked,
        figures=figures,
        division_counts=_histogram(division.bins_of, division_scores, len(division.BINS) - 1),
        synchrony_counts=_histogram(synchrony.bins_of, synchrony_scores, len(synchrony.BINS) - 1),
        background=background,
    )


def own_work(wording: Wording, rows: IntArray) -> IntArray:
    """The templated part of an account's exchanges, if it has one; else all of them.

    A group is judged on the exchanges that carry its templates; so is an account.
    """
    templated = rows[wording.fixed_share[rows] >= 0.3]
    return templated if len(templated) >= MINIMUM_WORK else rows


def describe_group(traffic: Traffic, wording: Wording, group: Group) -> FloatArray:
    """The figures of clause 3 for a group, pooled as one owner."""
    return describe_owner(traffic, wording, group.rows)


def acts_as_one(traffic: Traffic, group: Group, reference: Reference) -> ActsAsOne:
    """Clause 1: conformal test martingales over the members, in the order of their names."""
    accounts = traffic.accounts[group.rows].astype(np.int64)
    chosen = evenly(group.accounts, LARGEST_POOL)
    by_account = np.argsort(accounts, kind="stable")
    first = np.searchsorted(accounts[by_account], chosen, side="left")
    last = np.searchsorted(accounts[by_account], chosen, side="right")
    pool = [group.rows[by_account[a:b]] for a, b in zip(first, last, strict=True)]
    generator = np.random.default_rng([SEED, len(group.rows)])
    divided = division.own_subjects(traffic, pool, generator)
    together = synchrony.common_clock(traffic, pool, reference.background)
    log_division, most_division = _martingale(
        reference.division_counts, divided, division.bins_of, division.bets()
    )
    log_synchrony, most_synchrony = _martingale(
        reference.synchrony_counts, together, synchrony.bins_of, synchrony.bets()
    )
    return ActsAsOne(
        log_e=float(np.logaddexp(log_division, log_synchrony) - np.log(2)),
        largest=float(np.logaddexp(most_division, most_synchrony) - np.log(2)),
        log_e_division=log_division,
        log_e_synchrony=log_synchrony,
        division_scores=divided,
        synchrony_scores=together,
        sampled=chosen,
    )


def _martingale(
    counts: IntArray, scores: FloatArray, bins_of: Binning, bets: FloatArray
) -> tuple[float, float]:
    known = scores[~np.isnan(scores)]
    return (
        conformal_martingale(counts, bins_of(known), bets),
        largest_martingale(counts, len(known), bets),
    )


def _score_pools(
    traffic: Traffic, work: list[IntArray], background: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Score every unlinked account against a pool of others with prompts of like length."""
    length = np.array([np.median(traffic.input_words[rows]) for rows in work])
    order = np.argsort(length, kind="stable")
    divided = np.full(len(work), np.nan)
    together = np.full(len(work), np.nan)
    generator = np.random.default_rng(SEED)
    # Neighbours in length, but not the same stretch of names: shuffle within strata.
    strata = max(len(work) // (POOL * 8), 1)
    for stratum in np.array_split(order, strata):
        shuffled = generator.permutation(stratum)
        for pool in np.array_split(shuffled, max(len(shuffled) // POOL, 1)):
            rows = [work[i] for i in pool]
            divided[pool] = division.own_subjects(traffic, rows, generator)
            together[pool] = synchrony.common_clock(traffic, rows, background)
    return divided, together


def _histogram(bins_of: Binning, scores: FloatArray, bins: int) -> IntArray:
    known = scores[~np.isnan(scores)]
    return np.bincount(bins_of(known), minlength=bins)
