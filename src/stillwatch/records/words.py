"""The closed vocabularies and the ids that must not be mixed up."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

__all__ = [
    "NOT_COLLECTING",
    "AccountId",
    "CampaignId",
    "CampaignStatus",
    "ExchangeId",
    "ExchangeStatus",
    "Role",
    "Target",
]

NOT_COLLECTING = "Not shown to collect"
"""How `why_not_reported` begins of a group that claim 3 holds back, and of no other."""

AccountId = NewType("AccountId", str)
ExchangeId = NewType("ExchangeId", str)
CampaignId = NewType("CampaignId", str)


class Target(StrEnum):
    """What is being collected, in order of precedence: the first that fits is named."""

    GRADING = "grading"
    SAFETY_REWRITES = "safety_rewrites"
    TOOL_USE = "tool_use"
    REASONING = "reasoning"
    CODE = "code"
    DATA_ANALYSIS = "data_analysis"
    EXPLANATIONS = "explanations"
    ANSWERS = "answers"


class Role(StrEnum):
    """How an account takes part in a campaign."""

    OPERATOR = "operator"
    MIXED = "mixed"
    COMPROMISED = "compromised"


class CampaignStatus(StrEnum):
    """`ended` after seven days without exchanges of its own, as of the scan."""

    ACTIVE = "active"
    ENDED = "ended"


class ExchangeStatus(StrEnum):
    """How a request ended."""

    OK = "ok"
    REFUSED = "refused"
    RATE_LIMITED = "rate_limited"
    BLOCKED = "blocked"
    ERROR = "error"
