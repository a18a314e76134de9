"""When what was known first sufficed: the scan replayed at every midnight of the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.campaigns.reading import Evidence
from stillwatch.campaigns.weighing import Prepared, Weighed, decide, weigh

__all__ = ["FirstFlags", "replay_midnights"]

IntArray = npt.NDArray[np.int64]
DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class FirstFlags:
    """For each reported account, the first midnight (UTC) at which it was reported.

    Microseconds since 1970; the moment of the scan for those no midnight had flagged yet.
    """

    moment_of: dict[int, int]
    scan: int

    def of(self, account: int) -> int:
        return self.moment_of.get(account, self.scan)


def replay_midnights(
    evidence: Evidence,
    accounts: IntArray,
    rate: float,
    scan: int,
    *,
    prepared: Prepared,
    without: frozenset[str] = frozenset(),
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> FirstFlags:
    """Repeat the whole scan with what was known at each midnight, and note who was reported.

    Equal to `scan --until` at those moments by construction: it is the same code on the same
    evidence. Stops as soon as all `accounts` have been flagged.

    Args:
        accounts: Accounts to look for.
        scan: The moment of the scan itself.
        prepared: Of the whole evidence.
        without: Names of signals that are not asked.
    """
    started = evidence.traffic.started
    flagged: dict[int, int] = {}
    if len(started) == 0 or len(accounts) == 0:
        return FirstFlags(flagged, scan)
    wanted = {int(a) for a in accounts}
    midnights = np.arange(started[0] // DAY + 1, started[-1] // DAY + 1) * DAY
    for number, midnight in enumerate(midnights.tolist()):
        if wanted <= flagged.keys():
            break
        for account in _reported_until(evidence, prepared, midnight, rate, without):
            flagged.setdefault(int(account), midnight)
        progress(number + 1, len(midnights))
    return FirstFlags(flagged, scan)


def _reported_until(
    evidence: Evidence, prepared: Prepared, midnight: int, rate: float, without: frozenset[str]
) -> IntArray:
    """Who would have been reported at a midnight, in today's numbering of accounts."""
    weighed = weigh_until(evidence, prepared, midnight, without)
    names = weighed.traffic.account_names[reported_accounts(weighed, rate)]
    return np.searchsorted(evidence.traffic.account_names, names)


def weigh_until(
    evidence: Evidence, prepared: Prepared, midnight: int, without: frozenset[str] = frozenset()
) -> Weighed:
    """Weigh what was known before a midnight; its accounts are numbered as they were then."""
    return weigh(evidence.until(midnight), without, only_deciding=True, prepared=prepared)


def reported_accounts(weighed: Weighed, rate: float) -> IntArray:
    """The accounts of all reported groups."""
    decision = decide(weighed, rate)
    parts = [g.group.accounts for g, r in zip(weighed.groups, decision.reported, strict=True) if r]
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
