"""What no policy can go beyond. A policy may ask for less, never for more."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType

from stillwatch.records.actions import Step

__all__ = [
    "FEWEST_ALWAYS",
    "FEWEST_MEMBERS",
    "FRESH_FOR",
    "LARGEST_RATE",
    "LARGEST_SHARE_OF_ACCOUNTS",
    "LARGEST_SHARE_OF_TOKENS",
    "LARGE_STEP_ACCOUNTS",
    "LEAST_SPREAD",
    "LONGEST",
    "MOST_ACCOUNTS_AN_HOUR",
    "NOTICE",
]

LONGEST = MappingProxyType(
    {
        Step.OBSERVE: timedelta(days=90),
        Step.TAG: timedelta(days=90),
        Step.VERIFY: timedelta(days=30),
        Step.THROTTLE: timedelta(days=30),
        Step.WITHHOLD: timedelta(days=30),
        Step.BLOCK: timedelta(days=30),
    }
)
"""How long a step may last. What is still true then is found again, and decided anew."""

LARGEST_RATE = 0.05
"""False discovery rate above which nothing is a finding, whatever rate a scan was asked for."""

FEWEST_MEMBERS = 5
"""A campaign is linked accounts. Below as many the scan weighs no group."""

FRESH_FOR = timedelta(days=7)
"""A campaign whose last own exchange lies further back has ended, or the scan is an old one: either
way a step would only meet whoever has the account now."""

NOTICE = timedelta(days=30)
"""An organisation, or an account, that is not older than this at a campaign's first exchange may
have been made for it."""

MOST_ACCOUNTS_AN_HOUR = 200
"""New accounts beyond `tag` within one hour: a wrong finding is stopped by a person before it has
reached everybody. A campaign of ten thousand accounts takes two days."""

LARGEST_SHARE_OF_ACCOUNTS = 0.2
LARGEST_SHARE_OF_TOKENS = 0.3
"""Part of the log's accounts, and of its output tokens, that may be beyond `tag` at one time. If so
much were hostile, the provider would know without us."""

FEWEST_ALWAYS = 10
"""So many accounts are within every share: a part of a hundred accounts is less than a campaign."""

LARGE_STEP_ACCOUNTS = 100
"""So many accounts of one campaign beyond `tag` at once are a decision for two people."""

LEAST_SPREAD = timedelta(minutes=1)
"""Between the first and the last moment at which a campaign's steps may begin."""
