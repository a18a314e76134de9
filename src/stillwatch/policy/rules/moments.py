"""When steps begin: later than the finding, in waves, and on round moments."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime, timedelta

from stillwatch.policy.rules.ceilings import LEAST_SPREAD
from stillwatch.policy.rules.policy import Delay
from stillwatch.records.words import AccountId, CampaignId

__all__ = ["moment_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_of(campaign: CampaignId, account: AccountId, *, now: datetime, delay: Delay) -> datetime:
    """When a step on this account begins, if it is decided now: never at once.

    Every account of a campaign belongs to one of its waves, and every wave has a delay of its own.
    Both follow from the ids, so that who asks twice is told the same.
    """
    wave = _drawn("wave", campaign, account) * max(delay.waves, 1)
    drawn = _drawn("moment", campaign, str(int(wave)))
    spread = max(delay.at_most - delay.at_least, LEAST_SPREAD)
    # 1 - drawn is never 0: no step begins at the moment of the finding.
    begins = now + max(delay.at_least, timedelta(0)) + (1 - drawn) * spread
    return _rounded_up(begins, delay.together)


def _drawn(*words: str) -> float:
    """A number from 0 to below 1 that looks like chance and is always the same."""
    digest = hashlib.sha256("\x00".join(words).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _rounded_up(moment: datetime, grid: timedelta) -> datetime:
    if grid <= timedelta(0):
        return moment
    return _EPOCH + math.ceil((moment - _EPOCH) / grid) * grid
