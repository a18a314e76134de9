"""How a call failed, by the names that providers and gateways give their errors.

One table for all formats: a call that failed at a limit is `rate_limited` whoever logged it.
"""

from __future__ import annotations

import re

from stillwatch.records import ExchangeStatus

__all__ = ["is_refusal", "status_of_error"]

_REFUSALS = frozenset({"content_filter", "content_filtered", "error_toxic", "refusal", "safety"})

# Without case and dashes: RateLimitError, rate_limit_exceeded and rate-limit are one name.
_NO_LETTERS = re.compile(r"[^a-z0-9]+")
_BLOCKS = (
    *("accountdeactivated", "accountdisabled", "organizationdisabled", "userblocked"),
    *("guardrail", "rejectedrequest", "blockedpii"),
)
_LIMITS = (
    *("ratelimit", "toomanyrequests", "throttl", "quotaexceeded", "insufficientquota"),
    *("budgetexceeded", "billinghardlimit"),
)
_POLICIES = (
    *("contentpolicy", "contentfilter", "moderationblocked", "invalidprompt", "usagepolicy"),
    *("cyberpolicy", "responsibleai", "safetyviolation"),
)
_POLICY_WORDS = ("content filtering policy", "usage policy", "usage policies", "safety system")
_TOO_MANY_REQUESTS = 429


def is_refusal(stop_reason: str | None) -> bool:
    """Whether an answer that stopped for this reason is none: the model or a filter declined."""
    return (stop_reason or "").lower() in _REFUSALS


def status_of_error(*names: str | None, code: int | None = None, words: str = "") -> ExchangeStatus:
    """How a call ended that failed.

    Args:
        names: What the error is called: its code, its type, the class of the exception.
        code: Of HTTP.
        words: What the error says to people.
    """
    name = " ".join(_NO_LETTERS.sub("", known.lower()) for known in names if known)
    if any(block in name for block in _BLOCKS):
        return ExchangeStatus.BLOCKED
    if code == _TOO_MANY_REQUESTS or any(limit in name for limit in _LIMITS):
        return ExchangeStatus.RATE_LIMITED
    if any(policy in name for policy in _POLICIES):
        return ExchangeStatus.REFUSED
    refused = any(policy in words.lower() for policy in _POLICY_WORDS)
    return ExchangeStatus.REFUSED if refused else ExchangeStatus.ERROR
