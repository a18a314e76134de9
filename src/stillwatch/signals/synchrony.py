"""One clock: the members are busy and idle together, beyond what their hours of day explain.

Card: `docs/signals/synchrony.md`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stillwatch.signals.traffic import Traffic

__all__ = ["BINS", "bets", "bins_of", "common_clock", "hourly_background"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

HOUR = 3_600_000_000
DAY_HOURS = 24
MINIMUM_DAYS = 4  # fewer whole-day shifts than this say nothing
MINIMUM_EXCHANGES = 8

BINS = np.array([-np.inf, -0.5, 0.5, 1.0, 1.5, 2.0, 2.5, np.inf])
"""Edges, in standard deviations over whole-day shifts of the account's own activity."""


def bets() -> FloatArray:
    """What a common clock expects in each bin; a wrong guess costs power, never validity."""
    chances = np.array([0.05, 0.10, 0.10, 0.12, 0.15, 0.18, 0.30])
    return np.asarray(chances / chances.sum())


def bins_of(scores: FloatArray) -> IntArray:
    return np.clip(np.searchsorted(BINS, scores, side="right") - 1, 0, len(BINS) - 2)


def common_clock(
    traffic: Traffic, pool: list[IntArray], background: FloatArray
) -> tuple[FloatArray, IntArray]:
    """How much each account of a pool moves with the others, hour by hour.

    Activity is the number of exchanges an hour, less the account's mean for that hour of day and
    less what the log as a whole does in that hour (an outage, a release or an exam moves honest
    crowds too). The score is the covariance with the sum of the others, in standard deviations
    over the circular shifts of the account by whole days, which keep its hours of day.

    Args:
        pool: The rows of each account's own work.
        background: Exchanges of the whole log in each hour since its first full day.

    Returns:
        One score an account, NaN with too few exchanges or days, and the number of exchanges: few
        say little, so like is compared with like.
    """
    scores = np.full(len(pool), np.nan)
    counts = np.array([len(rows) for rows in pool], np.int64)
    days = len(background) // DAY_HOURS
    if days < MINIMUM_DAYS or len(pool) < 2 or len(traffic) == 0:
        return scores, counts
    hours = days * DAY_HOURS
    start = int(traffic.started[0]) // (HOUR * DAY_HOURS) * (HOUR * DAY_HOURS)
    activity = np.zeros((len(pool), hours))
    for i, rows in enumerate(pool):
        at = (traffic.started[rows] - start) // HOUR
        activity[i] = np.bincount(at[at < hours], minlength=hours)
    enough = activity.sum(axis=1) >= MINIMUM_EXCHANGES
    residual = _without_hours_of_day(np.sqrt(activity), days)
    common = _without_hours_of_day(np.sqrt(background[None, :hours]), days)[0]
    norm = float(common @ common)
    if norm > 0:
        residual = residual - np.outer(residual @ common / norm, common)
    norms = np.linalg.norm(residual, axis=1, keepdims=True)
    residual = residual / np.maximum(norms, 1e-9)
    total = residual[enough].sum(axis=0)
    day = np.arange(days)
    for i in (int(k) for k in np.flatnonzero(enough)):
        others = (total - residual[i]).reshape(days, DAY_HOURS)
        own = residual[i].reshape(days, DAY_HOURS)
        # Entry (d, e): the others on day d with the account's own day e; a shift is a diagonal.
        together = others @ own.T
        covariance = together[day[None, :], (day[None, :] - day[:, None]) % days].sum(axis=1)
        spread = covariance[1:].std()
        if spread > 0:
            scores[i] = (covariance[0] - covariance[1:].mean()) / spread
    return scores, counts


def hourly_background(traffic: Traffic) -> FloatArray:
    """Exchanges of the whole log in each hour since the beginning of its first day."""
    if len(traffic) == 0:
        return np.zeros(0)
    start = int(traffic.started[0]) // (HOUR * DAY_HOURS) * (HOUR * DAY_HOURS)
    hours = (traffic.started - start) // HOUR
    days = int(hours[-1]) // DAY_HOURS + 1
    return np.bincount(hours, minlength=days * DAY_HOURS).astype(np.float64)


def _without_hours_of_day(activity: FloatArray, days: int) -> FloatArray:
    shaped = activity.reshape(len(activity), days, DAY_HOURS)
    return np.asarray((shaped - shaped.mean(axis=1, keepdims=True)).reshape(len(activity), -1))
