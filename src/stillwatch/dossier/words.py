"""Figures in words: what an e-value, a rate or a link means to someone who reads no statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

__all__ = [
    "CLAUSES",
    "LINK_KINDS",
    "ROLES",
    "TARGETS",
    "amount",
    "compact",
    "day",
    "e_value_in_words",
    "figure",
    "joined",
    "link_kind",
    "moment",
    "odds",
    "percent",
    "power_of_ten",
    "rate_in_words",
]

# Clause -> (what is claimed, its honest opposite as a clause that follows "if").
CLAUSES: dict[str, tuple[str, str]] = {
    "acts_as_one": (
        "The accounts act as one",
        "these accounts belong to independent users who are alike only for the usual reasons",
    ),
    "undeclared": (
        "They are of no declared organisation",
        "these accounts belong together openly, as members of one declared organisation",
    ),
    "collects": (
        "What they ask for is collection",
        "the work is some owner's own use, like that of the other owners of this log",
    ),
}

ROLES: dict[str, tuple[str, str]] = {
    "operator": ("Operator", "serves the campaign"),
    "mixed": ("Mixed", "serves the campaign and unrelated customers"),
    "compromised": ("Compromised", "an honest account whose credential was used"),
}

TARGETS: dict[str, str] = {
    "grading": "grades of others' answers",
    "safety_rewrites": "rewrites that pass a policy",
    "tool_use": "tool use: plans, calls and trajectories",
    "reasoning": "reasoning",
    "code": "code",
    "data_analysis": "analyses of data",
    "explanations": "explanations",
    "answers": "finished answers",
}

# What the kinds of link and the signals of reasons are called on a page.
LINK_KINDS: dict[str, str] = {
    "payment": "same card or bank account",
    "device": "same device",
    "client": "same rare client software",
    "metadata": "same request metadata",
    "phone": "same phone",
    "email": "same e-mail address",
    "signup_network": "same network at sign-up",
    "network": "same network",
    "credential": "same credential",
    "end_user": "same end user",
    "cache_key": "same prompt cache key",
    "conversation": "one conversation in both accounts",
    "continuation": "one continues what the other was answered",
    "reasoning_block": "one account's reasoning presented by the other",
    "template": "same wording of prompts",
    "templates": "wording of prompts",
    "shared_facts": "shared facts",
    "role": "a life of its own",
    "division": "one list of work",
    "synchrony": "one clock",
    "collection": "what is collected",
    "contact": "shared telephone or e-mail",
    "history": "shared history",
    "cohorts": "opened alike",
    "queue_clock": "sent in turn",
    "failover": "work moves on when one stops",
    "replay": "signed reasoning of another account",
    "foreign_history": "answers that were never ours",
    "given_name": "the model under another name",
    "credentials": "a credential put to other work",
    "release_pivot": "turned to a new model at once",
    "round_the_clock": "no idle hours",
    "no_person": "no person there",
    "probing": "one idea tried in many wordings",
    "repeated_checks": "the same checks again and again",
    "distribution": "unlike its peers",
    "clients": "client software and settings",
    "level_volumes": "as much a day as the others",
    "after_closure": "begins when another is closed",
}


def link_kind(kind: str) -> str:
    """What a kind of link says, or the kind itself in spaced words."""
    return LINK_KINDS.get(kind, kind.replace("_", " ").strip() or "unnamed")


def figure(value: float) -> str:
    """A number with the digits that matter: 0.042, 3.1, 870, 12,000 or 3 × 10¹²."""
    if value is None or math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "beyond measure"
    if value == 0:
        return "0"
    if abs(value) >= 1e7 or abs(value) < 1e-4:
        exponent = math.floor(math.log10(abs(value)))
        mantissa = value / 10.0**exponent
        head = f"{mantissa:.1f}".removesuffix(".0")
        if head == "1":
            return power_of_ten(exponent)
        return f"{head}\u00a0×\u00a010{str(exponent).translate(_SUPERSCRIPTS)}"
    if abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if abs(value) >= 1 else f"{value:.2g}"


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_of_ten(exponent: int) -> str:
    """A power of ten for an axis: 1, 10, 100, 1,000, then 10⁴ and so on."""
    if 0 <= exponent <= 3:
        return f"{10**exponent:,}"
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def compact(value: float) -> str:
    """A count short enough for an axis: 950, 12k, 3.4M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f}".removesuffix(".0") + unit
    return f"{value:g}"


def amount(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun: "1 account", "1,200 accounts"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """A share as a percentage that never rounds something to nothing or to all."""
    if 0 < share < 0.01:
        return "under 1\u00a0%"
    if 0.99 < share < 1:
        return "over 99\u00a0%"
    return f"{100 * share:.0f}\u00a0%"


def e_value_in_words(e_value: float, null: str, *, of: str = "groups") -> str:
    """What evidence of this strength means (Markov: an e-value of E has chance 1/E at most).

    Args:
        null: The honest opposite, as a clause that follows "if".
        of: What has such an e-value each, in the plural.
    """
    if e_value <= 1:
        return f"This gives no evidence against it: chance alone explains it if {null}."
    return (
        f"If {null}, evidence this strong would turn up by chance "
        f"at most once in {figure(e_value)} such {of}."
    )


def rate_in_words(fdr_q: float) -> str:
    """What the smallest false discovery rate means."""
    if fdr_q <= 0:
        return "It would be reported at any false discovery rate."
    return (
        f"It would still be reported if no more than {_expected(fdr_q)} of all reported campaigns "
        "were allowed to be false, on average."
    )


def odds(log_lr: float) -> str:
    """A log-likelihood ratio in nats as "× 150"."""
    if log_lr > 700:
        return "beyond measure"
    return f"×\u00a0{figure(math.exp(log_lr))}"


def _expected(rate: float) -> str:
    return f"one in {figure(1 / rate)}" if rate < 1 else "all"


def joined(words: Sequence[str]) -> str:
    """A list as prose: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def day(when: datetime) -> str:
    return f"{when.day} {when:%b %Y}"


def moment(when: datetime) -> str:
    return f"{day(when)}, {when:%H:%M} UTC"
