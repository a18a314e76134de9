"""One clock: the members are busy together, beyond their hours of day and what their like do then.

Card: `docs/signals/synchrony.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

from stillwatch.signals.peers import AUTOMATED, LEAST_PEERS
from stillwatch.signals.traffic import Traffic

__all__ = ["BINS", "LikeTraffic", "bets", "bins_of", "common_clock", "kinds", "like_traffic"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

MINUTE = 60_000_000
DAY = 1_440 * MINUTE
STEP = 10  # minutes of one cell
CELLS = 1_440 // STEP  # a day
REACH = 3  # cells on either side in which accounts meet
DAYS = 28  # at most so many, the last ones, are looked at
MINIMUM_DAYS = 4  # fewer whole-day shifts than this say nothing
MINIMUM_EXCHANGES = 8
LEVEL = 3.0  # standard deviations of a count that make one level of the traffic of like accounts

BINS = np.array([-np.inf, -0.5, 0.5, 1.0, 1.5, 2.0, 2.5, np.inf])
"""Edges, in standard deviations over whole-day shifts of the account's own activity."""


@dataclass(frozen=True, slots=True)
class LikeTraffic:
    """What accounts of each kind send, cell by cell of `STEP` minutes.

    Attributes:
        since: Where the first day begins, microseconds since 1970.
        days: Whole or begun days.
        kinds: Number of each account's kind.
        counts: Exchanges; one row a kind, one column a cell.
    """

    since: int
    days: int
    kinds: IntArray
    counts: IntArray

    def cells(self, traffic: Traffic, rows: IntArray) -> IntArray:
        """The cell of each of these exchanges; those before the first day are left out."""
        cells = (traffic.started[rows] - self.since) // (STEP * MINUTE)
        return np.asarray(cells[cells >= 0])


def bets() -> FloatArray:
    """What a common clock expects in each bin; a wrong guess costs power, never validity."""
    chances = np.array([0.05, 0.10, 0.10, 0.12, 0.15, 0.18, 0.30])
    return np.asarray(chances / chances.sum())


def bins_of(scores: FloatArray) -> IntArray:
    return np.clip(np.searchsorted(BINS, scores, side="right") - 1, 0, len(BINS) - 2)


def kinds(traffic: Traffic, single_turn: npt.NDArray[np.bool_], plan: IntArray) -> IntArray:
    """Number the kinds of account: plan × automated or not; across plans where a plan has few."""
    accounts = len(traffic.account_names)
    exchanges = traffic.exchanges
    alone = np.bincount(traffic.accounts, single_turn, minlength=accounts)
    automated = (alone >= AUTOMATED * np.maximum(exchanges, 1)).astype(np.int64)
    of_plan = 2 * (plan + 2) + automated
    few = np.bincount(of_plan, minlength=1)[of_plan] < LEAST_PEERS
    of_plan = np.where(few, automated, of_plan)
    _, number = np.unique(of_plan, return_inverse=True)
    return np.asarray(number, np.int64)


def like_traffic(traffic: Traffic, of_accounts: IntArray) -> LikeTraffic:
    """Count the exchanges of each kind of account in each cell of the last `DAYS` days.

    Args:
        of_accounts: As of `kinds`, one an account.
    """
    width = int(of_accounts.max(initial=0)) + 1
    if len(traffic) == 0:
        return LikeTraffic(0, 0, of_accounts, np.zeros((width, 0), np.int64))
    last = int(traffic.started[-1]) // DAY + 1
    first = max(int(traffic.started[0]) // DAY, last - DAYS)
    like = LikeTraffic(first * DAY, last - first, of_accounts, np.zeros((width, 0), np.int64))
    cells = like.cells(traffic, np.arange(len(traffic)))
    kind = of_accounts[traffic.accounts[len(traffic) - len(cells) :]]  # rows run in time
    total = like.days * CELLS
    counts = np.bincount(kind * total + cells, minlength=width * total).reshape(width, total)
    return LikeTraffic(like.since, like.days, of_accounts, counts)


def common_clock(
    traffic: Traffic,
    accounts: IntArray,
    pool: list[IntArray],
    apart: IntArray,
    like: LikeTraffic,
) -> tuple[FloatArray, IntArray]:
    """How much each account of a pool moves with the others, conditional on what its like do.

    An account is active in a cell of ten minutes if it sends anything. In each such cell it meets
    the others that are active, each counted by one over the root of its active cells. Its day is
    moved onto every other day, but only where the accounts of its kind outside the pool sent as
    much in the same ten minutes of that day (a stratified time shift: Amarasingham, Harrison,
    Hatsopoulos and Geman 2012): an outage, the rush after it, an exam, a release or a timer is
    compared with its like, or with nothing. The score is the meetings beyond the mean of the
    compared days, in standard deviations over the shifts.

    Args:
        accounts: The accounts of the pool.
        pool: The rows of each account's own work.
        apart: Rows that are no traffic of others: all that the pool or its group sent.

    Returns:
        One score an account, NaN with too few exchanges or days, and the number of exchanges: few
        say little, so like is compared with like.
    """
    scores = np.full(len(pool), np.nan)
    counts = np.array([len(rows) for rows in pool], np.int64)
    if like.days < MINIMUM_DAYS or len(pool) < 2:
        return scores, counts
    active = [np.unique(like.cells(traffic, rows)) for rows in pool]
    enough = [i for i in range(len(pool)) if counts[i] >= MINIMUM_EXCHANGES and len(active[i]) > 1]
    total = np.zeros(like.days * CELLS)
    for i in enough:
        total[active[i]] += 1 / np.sqrt(len(active[i]))
    levels = _levels(traffic, np.unique(like.kinds[accounts]), apart, like)
    for i in enough:
        others = total.copy()
        others[active[i]] -= 1 / np.sqrt(len(active[i]))
        kind = levels[int(like.kinds[accounts[i]])]
        beyond = _shifted(active[i], _within_reach(others), kind, like.days)
        spread = beyond[1:].std()
        if spread > 0:
            scores[i] = (beyond[0] - beyond[1:].mean()) / spread
    return scores, counts


def _levels(
    traffic: Traffic, numbers: IntArray, apart: IntArray, like: LikeTraffic
) -> dict[int, IntArray]:
    """The level of each cell's traffic, of each kind: twice its root has a deviation of about 1."""
    recent = apart[traffic.started[apart] >= like.since]
    cells, of = like.cells(traffic, recent), like.kinds[traffic.accounts[recent]]
    levels = {}
    for kind in numbers.tolist():
        own = np.bincount(cells[of == kind], minlength=like.days * CELLS)
        others = np.maximum(like.counts[kind] - own, 0)
        around = _within_reach(others.astype(np.float64))
        fine, coarse = ((2 * np.sqrt(n) / LEVEL).astype(np.int64) for n in (others, around))
        levels[kind] = coarse << 32 | fine
    return levels


def _within_reach(counts: FloatArray) -> FloatArray:
    """The sum over each cell and the `REACH` cells on either side of it."""
    running = np.concatenate([[0.0], np.cumsum(np.pad(counts, REACH))])
    width = 2 * REACH + 1
    return np.asarray(running[width:] - running[:-width])


@nb.njit(cache=True, nogil=True)
def _shifted(active, total, levels, days):  # type: ignore[no-untyped-def]
    """Meetings beyond the mean of the days compared, by shift in days; 0 is the true one."""
    beyond = np.zeros(days)
    for cell in active:
        day, at = cell // CELLS, cell % CELLS
        mean, compared = 0.0, 0
        for other in range(days):
            if levels[other * CELLS + at] == levels[cell]:
                mean += total[other * CELLS + at]
                compared += 1
        mean /= compared
        for other in range(days):
            if levels[other * CELLS + at] == levels[cell]:
                beyond[(other - day) % days] += total[other * CELLS + at] - mean
    return beyond
