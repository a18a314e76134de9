"""When what was known first sufficed: the scan replayed at every midnight of the log."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from stillwatch.campaigns.looks import History, Look, one_look
from stillwatch.campaigns.reading import Evidence
from stillwatch.campaigns.remembered import RememberedLooks
from stillwatch.campaigns.weighing import Prepared, Weighed, as_look, weigh

__all__ = ["DAY_HOURS", "FirstFlags", "Replay", "reported_accounts"]

IntArray = npt.NDArray[np.int64]
HOUR = 3_600_000_000
DAY_HOURS = 24
DAY = DAY_HOURS * HOUR
AT_ONCE = 2  # looks that are weighed beside each other; each holds a part of the log once more


@dataclass(slots=True)
class FirstFlags:
    """For each reported account, the first moment (UTC) of the grid at which it was reported.

    Microseconds since 1970; the moment of the scan for those that none had flagged yet.
    """

    scan: int
    moment_of: dict[int, int] = field(default_factory=dict)

    def of(self, account: int) -> int:
        return self.moment_of.get(account, self.scan)


@dataclass(slots=True)
class Replay:
    """The looks at a log before the present one, on the midnights of its own days.

    Equal to `scan --until` at those moments by construction: it is the same code on the same
    evidence, with the same looks before it.

    Attributes:
        prepared: Of the whole evidence.
        grid_hours: Accounts are dated on a grid of so many hours; looks stay daily.
        without: Names of signals that are not asked.
        joint: The rate is that of all looks together, not of each.
        remembered: Looks that need not be weighed again.
    """

    evidence: Evidence
    prepared: Prepared
    rate: float
    grid_hours: int = DAY_HOURS
    without: frozenset[str] = frozenset()
    joint: bool = False
    remembered: RememberedLooks | None = None
    history: History = field(init=False)

    def __post_init__(self) -> None:
        self.history = History(len(self.evidence.traffic.account_names))

    def run(
        self, scan: int, progress: Callable[[int, int], None] = lambda _done, _all: None
    ) -> FirstFlags:
        """Look at every midnight before the last exchange, in order.

        Args:
            scan: The moment of the scan itself.
        """
        started = self.evidence.traffic.started
        flags = FirstFlags(scan)
        midnights = self._midnights(started)
        # What was weighed at a midnight depends on no look before it; what was decided does.
        with ThreadPoolExecutor(AT_ONCE) as threads:
            looks = threads.map(self.look_at, midnights)
            for number, (midnight, look) in enumerate(zip(midnights, looks, strict=True)):
                found = self._reported(look) - flags.moment_of.keys()
                self._date(flags, found, midnight - DAY, midnight)
                self.history.add(look)
                progress(number + 1, len(midnights))
        return flags

    def date_the_rest(self, flags: FirstFlags, accounts: IntArray) -> None:
        """Date those that only the scan itself reports, on the grid since the last midnight."""
        started = self.evidence.traffic.started
        if len(started):
            found = {int(a) for a in accounts} - flags.moment_of.keys()
            self._date(flags, found, int(started[-1]) // DAY * DAY, flags.scan)

    def weigh_until(self, moment: int) -> Weighed:
        """Weigh what was known before a moment; its accounts are numbered as they were then."""
        cut = self.evidence.until(moment)
        return weigh(cut, self.without, only_deciding=True, prepared=self.prepared)

    def look_at(self, moment: int) -> Look:
        """What was weighed before a moment, accounts numbered as in the whole log."""
        key = ""
        if self.remembered is not None:
            key, look = self.remembered.recall(moment)
            if look is not None:
                return look
        weighed = self.weigh_until(moment)
        names = self.evidence.traffic.account_names
        look = as_look(weighed, np.searchsorted(names, weighed.traffic.account_names))
        if self.remembered is not None:
            self.remembered.keep(key, moment, look)
        return look

    def with_past(self, weighed: Weighed) -> Weighed:
        """The weighing of the whole evidence, to be decided after all looks before it if joint."""
        return replace(weighed, past=self.history) if self.joint else weighed

    def _midnights(self, started: IntArray) -> list[int]:
        """Those after which there is an exchange; a day without news brings no look."""
        days = np.unique(started // DAY)
        return [int(day + 1) * DAY for day in days[:-1]]

    def _reported(self, look: Look) -> set[int]:
        decide = self.history.decide if self.joint else one_look
        reported = decide(look, self.rate).reported
        parts = [a for a, r in zip(look.named, reported, strict=True) if r]
        return {int(a) for a in np.concatenate(parts)} if parts else set()

    def _date(self, flags: FirstFlags, found: set[int], before: int, after: int) -> None:
        """Bisect between a moment that had not flagged these accounts and one that did."""
        step = self.grid_hours * HOUR
        moments = list(range(before + step, after, step))
        if not found:
            return
        if not moments:
            flags.moment_of |= dict.fromkeys(found, after)
            return
        middle = moments[len(moments) // 2]
        early = self._reported(self.look_at(middle)) & found
        self._date(flags, early, before, middle)
        self._date(flags, found - early, middle, after)


def reported_accounts(weighed: Weighed, reported: npt.NDArray[np.bool_]) -> IntArray:
    """The accounts of all reported groups."""
    parts = [g.named.accounts for g, r in zip(weighed.groups, reported, strict=True) if r]
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
