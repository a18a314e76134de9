"""Round the clock: use without idle hours, and full use from the first day.

Card: `docs/signals/round_the_clock.md`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stillwatch.signals.peers import Figure, like_accounts, tell_of
from stillwatch.signals.tell import Scene, Tell

__all__ = ["NAME", "busy_hours", "full_at_once", "measure"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

NAME = "round_the_clock"
HOUR = 3_600_000_000
DAY = 24 * HOUR
MINIMUM_EXCHANGES = 16  # fewer leave idle hours whatever the rhythm
FIRST_USE = 7  # days after sign-up: whoever begins later had the account for another reason
MINIMUM_DAYS = 3  # of life, to compare the first day with the others


def measure(scene: Scene) -> Tell:
    """Ask of each group whether its members never rest, and start at full use.

    Null: a member rests and starts as the reference accounts of like plan, volume and automation
    do. Nightly jobs, builds and back-fills never rest either: they are what it is compared with.
    """
    strata = like_accounts(scene)
    figures = [
        Figure("hours of the day in use, of 24:", busy_hours(scene), strata),
        Figure("use on the first day, in later days' mean:", full_at_once(scene), strata),
    ]
    text = "It is in use round the clock, or at full use from the first day, more than its like."
    return tell_of(scene, NAME, text, figures)


def busy_hours(scene: Scene) -> FloatArray:
    """24 less the longest spell of hours of the day without an exchange; NaN with too few."""
    accounts = len(scene.traffic.account_names)
    hour = (scene.traffic.started // HOUR) % 24
    used = np.zeros((accounts, 24), np.bool_)
    used[scene.traffic.accounts, hour] = True
    spell = np.zeros(accounts, np.int64)
    longest = np.zeros(accounts, np.int64)
    for h in range(48):  # twice round the clock, for spells over midnight
        spell = np.where(used[:, h % 24], 0, spell + 1)
        longest = np.maximum(longest, spell)
    exchanges = np.bincount(scene.traffic.accounts, minlength=accounts)
    return np.where(exchanges >= MINIMUM_EXCHANGES, 24.0 - np.minimum(longest, 24), np.nan)


def full_at_once(scene: Scene) -> FloatArray:
    """Exchanges of the first 24 hours over the mean of the later days of the account's use.

    Only for accounts opened at most `FIRST_USE` days before their first exchange, and after the log
    began; at most 1, for more than the usual is a burst and no full use.
    """
    traffic = scene.traffic
    accounts = len(traffic.account_names)
    if len(traffic) == 0:
        return np.full(accounts, np.nan)
    exchanges = traffic.exchanges
    first = np.full(accounts, np.iinfo(np.int64).max)
    last = np.zeros(accounts, np.int64)
    np.minimum.at(first, traffic.accounts, traffic.started)
    np.maximum.at(last, traffic.accounts, traffic.started)
    early = np.bincount(
        traffic.accounts, traffic.started < first[traffic.accounts] + DAY, minlength=accounts
    )
    days = (last - first) / DAY
    new = (scene.attributes.created > 0) & (first - scene.attributes.created <= FIRST_USE * DAY)
    new &= (days >= MINIMUM_DAYS) & (exchanges >= MINIMUM_EXCHANGES)
    later = (exchanges - early) / np.maximum(days - 1, 1e-9)
    return np.where(new, np.minimum(early / np.maximum(later, 1e-9), 1.0), np.nan)
