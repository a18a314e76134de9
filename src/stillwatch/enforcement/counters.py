"""Budgets of linked groups: all accounts of a group share one, so that more accounts buy nothing.

A budget is so many requests a minute. It is counted as one moment (GCRA): the whole minute's budget
may be used at once, and comes back evenly. A counter that fails never refuses anybody.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import Lock
from typing import Protocol

from stillwatch.enforcement.clocks import since_boot

__all__ = ["PERIOD_SECONDS", "Counters", "ProcessCounters", "after_request"]

PERIOD_SECONDS = 60.0
# More groups than these are not throttled at once; those that are idle are forgotten first.
_MOST_GROUPS = 100_000


class Counters(Protocol):
    """Counts requests of groups."""

    def wait_of(self, group: str, requests_per_minute: int) -> int:
        """0 where a request fits into the group's budget, and was counted; else seconds to wait."""
        ...


def after_request(used_until: float, now: float, requests_per_minute: int) -> tuple[float, int]:
    """The generic cell rate algorithm: what one request makes of a group's counter.

    Args:
        used_until: Until when the budget is used up at its even rate; what is written for a group.
        now: On the clock of `used_until`.

    Returns:
        The new `used_until`, and 0; or the old one, and the whole seconds until there is room.
    """
    if requests_per_minute < 1:
        return used_until, int(PERIOD_SECONDS)
    each = PERIOD_SECONDS / requests_per_minute
    # A moment further ahead than a whole budget was counted by another clock, such as before a boot.
    used_until = now if used_until < now or used_until > now + PERIOD_SECONDS + each else used_until
    wait = used_until + each - PERIOD_SECONDS - now
    # Sums of fractions of a minute miss a whole one by less than this.
    if wait <= 1e-6:
        return used_until + each, 0
    return used_until, max(1, math.ceil(wait))


class ProcessCounters:
    """Counts in this process; each worker of a gateway has counters of its own."""

    def __init__(self, clock: Callable[[], float] = since_boot) -> None:
        self._clock = clock
        self._used_until: dict[str, float] = {}
        self._lock = Lock()

    def wait_of(self, group: str, requests_per_minute: int) -> int:
        """See `Counters`."""
        with self._lock:
            now = self._clock()
            used_until, wait = after_request(
                self._used_until.get(group, 0.0), now, requests_per_minute
            )
            if not wait:
                self._forget_idle(now)
                self._used_until[group] = used_until
        return wait

    def _forget_idle(self, now: float) -> None:
        if len(self._used_until) >= _MOST_GROUPS:
            busy = {group: until for group, until in self._used_until.items() if until > now}
            self._used_until = busy if len(busy) < _MOST_GROUPS else {}
