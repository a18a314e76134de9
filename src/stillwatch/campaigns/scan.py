"""The main job: a log in, findings out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from stillwatch.campaigns.declared import Declarations
from stillwatch.campaigns.evalues import SELECTION
from stillwatch.campaigns.looks import FIRST_LOOK, FIRST_STAGE
from stillwatch.campaigns.reading import Evidence, read_evidence
from stillwatch.campaigns.remembered import RememberedLooks
from stillwatch.campaigns.report import build_findings
from stillwatch.campaigns.timeline import DAY_HOURS, FirstFlags, Replay, reported_accounts
from stillwatch.campaigns.weighing import (
    Decision,
    Prepared,
    Raised,
    Weighed,
    decide,
    prepare,
    raise_groups,
    weigh_raised,
)
from stillwatch.lake.log import Log
from stillwatch.records import ActorProfile, Findings
from stillwatch.signals.traffic import Traffic, microseconds

__all__ = ["Linked", "Progress", "ScanSettings", "link", "missing_evidence", "scan"]

Progress = Callable[[str, int, int], None]

_EVIDENCE_OF: dict[str, str] = {
    "input_text": "no prompt text: templates, division and what is collected cannot be seen",
    "output_text": "no answers: whether they are new words cannot be seen",
    "conversation_id": "no conversations: whether anybody follows up cannot be seen",
    "client_net_token": "no client network: shared addresses and stolen keys cannot be seen",
    "user_agent": "no client software: fingerprints of clients cannot be seen",
    "tls_fingerprint": "no TLS fingerprints",
    "credential_id": "no credentials: which key served a campaign cannot be said",
    "reasoning_signatures_presented": "no reasoning signatures: replay cannot be seen",
    "output_tokens": "no billed tokens: the harvest cannot be estimated",
}
_ACCOUNT_EVIDENCE: dict[str, str] = {
    "payment_token": "no payment tokens: shared cards cannot be seen",
    "created_at": "no sign-up times",
}


_DECLARING = {"organization_id", "organization_verified"}
_TYING_FACTS = {"payment_token", "phone_token", "email_token"}


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """What a scan is asked for.

    Attributes:
        rate: The false discovery rate.
        with_timeline: Look at every midnight of the log, to date each account.
        joint: With the timeline, the rate is that of all looks together, not of each.
        grid_hours: Accounts are dated on a grid of so many hours, a divisor of 24.
        without: Names of signals that are not asked, to see what they add.
        profiles: Known actors to compare campaigns with; None asks for no comparison.
        looks: A folder that keeps what midnights were weighed to be, so that those whose log has not
            changed are not weighed again; None keeps nothing.
    """

    rate: float = 0.01
    with_timeline: bool = True
    joint: bool = False
    grid_hours: int = DAY_HOURS
    without: frozenset[str] = frozenset()
    profiles: tuple[ActorProfile, ...] | None = None
    looks: Path | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """A log that was read, and its accounts linked: what no signal left out can change."""

    evidence: Evidence
    prepared: Prepared
    raised: Raised


def _tell_nobody(_step: str, _done: int, _all: int) -> None:
    """The progress of a scan that nobody watches."""


def link(log: Log, *, grid_hours: int = DAY_HOURS, progress: Progress = _tell_nobody) -> Linked:
    """Read a log and link its accounts; several scans of it may begin with that.

    Args:
        grid_hours, progress: As in `scan`.
    """
    evidence = read_evidence(
        log, grid_hours=grid_hours, progress=lambda rows: progress("read", rows, 0)
    )
    progress("weigh", 0, 0)
    prepared = prepare(evidence.traffic)
    return Linked(evidence, prepared, raise_groups(evidence, prepared))


def scan(
    log: Log,
    settings: ScanSettings,
    *,
    notes: dict[str, Any],
    progress: Progress = _tell_nobody,
    linked: Linked | None = None,
) -> Findings:
    """Find the campaigns of a log.

    Args:
        notes: Kept with the findings: the command, the version, the rate, when it was given.
        progress: Called with the step's name, how much is done, and of how much (0: unknown).
        linked: Of this log, with the grid of these settings; it is read if absent.
    """
    if linked is None:
        linked = link(log, grid_hours=settings.grid_hours, progress=progress)
    evidence, raised = linked.evidence, linked.raised
    prepared = linked.prepared if settings.with_timeline else None
    del linked  # without a timeline nothing is counted anew, and what was counted may go
    weighed = weigh_raised(
        evidence,
        raised,
        settings.without,
        of_all=settings.with_timeline and settings.joint,
    )
    last = int(evidence.traffic.started[-1]) + 1 if len(evidence.traffic) else 0
    moment = min(microseconds(log.as_of), last)
    flags = FirstFlags(moment)
    if prepared is not None:
        remembered = (
            RememberedLooks(settings.looks, evidence, settings.without)
            if settings.looks is not None and len(evidence.traffic)
            else None
        )
        replay = Replay(
            evidence,
            prepared,
            settings.rate,
            settings.grid_hours,
            settings.without,
            settings.joint,
            remembered,
        )
        flags = replay.run(moment, lambda done, of: progress("replay", done, of))
        weighed = replay.with_past(weighed)
    decision = decide(weighed, settings.rate)
    if prepared is not None:
        replay.date_the_rest(flags, reported_accounts(weighed, decision.reported))
        if remembered is not None:
            remembered.forget_old()
    missing = [
        *_where_sketches_remain(missing_evidence(log), evidence.traffic),
        *_silent_accounts(evidence.traffic, log),
        *_accounts_without_a_row(evidence.declarations, log),
    ]
    needed = _owners_needed(weighed, decision, settings.rate)
    if len(decision.reference) + 1 < needed:
        missing.append(
            f"few owners: with {len(decision.reference)} owners to compare with, one campaign alone may "
            f"not reach a false discovery rate of {settings.rate:g} by groups and by accounts, the "
            f"smallest least: {needed:,.0f} owners would do; give a longer log or a higher --fdr"
        )
    mute = sum(
        g.acts.largest < decision.bounds[i]
        and not decision.passed[i, 0]
        and not g.togetherness.openly
        for i, g in enumerate(weighed.groups)
    )
    if mute:
        missing.append(
            f"few accounts to compare with: {mute} group{'s' if mute != 1 else ''} could not be "
            "shown to act as one whatever they did, for too few other accounts say as much"
        )
    return build_findings(
        evidence,
        weighed,
        decision,
        log,
        flags,
        rate=settings.rate,
        as_of=datetime.fromtimestamp(moment / 1e6, tz=log.as_of.tzinfo),
        notes={
            **notes,
            "as_of": (log.until or _last_exchange(evidence.traffic)).isoformat(timespec="seconds"),
            "missing_evidence": missing,
            "left_out": dict(log.left_out),
        },
        profiles=settings.profiles,
    )


def _last_exchange(traffic: Traffic) -> datetime:
    return datetime.fromtimestamp(int(traffic.started[-1]) / 1e6, tz=UTC)


def _where_sketches_remain(missing: list[str], traffic: Traffic) -> list[str]:
    """Erased texts leave their sketches in a lake: what rests on these is seen still."""
    if not ((traffic.input_words > 0) | (traffic.system_words > 0)).any():
        return missing
    erased = (
        "no prompt text any longer: templates and division are seen by the sketches that remain, but "
        "no prompt can be read again or shown"
    )
    return [erased if text == _EVIDENCE_OF["input_text"] else text for text in missing]


def _silent_accounts(traffic: Traffic, log: Log) -> list[str]:
    """Accounts whose text alone is missing, as under a contract that keeps it out of the log."""
    if "input_text" in {*log.absent["exchanges"], *log.empty["exchanges"]}:
        return []
    heard = np.zeros(len(traffic.account_names), np.bool_)
    heard[traffic.accounts[(traffic.input_words > 0) | (traffic.system_words > 0)]] = True
    silent = int((~heard).sum())
    if not silent:
        return []
    return [
        f"no prompt text of {silent:,} account{'s' if silent != 1 else ''} "
        f"({silent / len(heard):.1%}): what they ask cannot be seen"
    ]


def _accounts_without_a_row(declarations: Declarations, log: Log) -> list[str]:
    """Accounts of which nothing is known, though there is a table of accounts that could say it."""
    without, accounts = int((~declarations.said).sum()), len(declarations.said)
    columns = {"account_id", "organization_id", "organization_verified"}
    if not without or {*log.absent["accounts"], *log.empty["accounts"]} & columns:
        return []
    rest = ", so nobody is reported" if without == accounts else ""
    return [
        f"no row of {without:,} account{'s' if without != 1 else ''} ({without / accounts:.1%}) in "
        f"the accounts table: whether they declare an owner cannot be seen{rest}"
    ]


def _owners_needed(weighed: Weighed, decision: Decision, rate: float) -> float:
    """How many owners to compare with let any one group be reported alone, at its first test."""
    accounts = np.array([len(g.group.accounts) for g in weighed.groups])[decision.reached]
    single = 1 / (rate * (1 - FIRST_STAGE) * SELECTION)
    if weighed.past is not None:
        return single / FIRST_LOOK
    if len(accounts) == 0:
        return single
    return single * float(np.maximum(len(accounts), accounts.sum() / accounts).max())


def missing_evidence(log: Log) -> list[str]:
    """Which evidence the log could not give, in words: columns that are not there, or are empty."""
    lacking = {name: {*log.absent[name], *log.empty[name]} for name in log.absent}
    found = [text for name, text in _EVIDENCE_OF.items() if name in lacking["exchanges"]]
    if lacking["accounts"] >= _TYING_FACTS:
        found.append(
            "no payment or contact: hardly anything but wording and places can tie accounts, and "
            "groups that nothing else ties are not reported"
        )
    if "client_net_token" in lacking["exchanges"] and "signup_net_token" in lacking["accounts"]:
        found.append("no networks: a shared device may be a machine of one place, and ties nobody")
    if "account_id" in lacking["accounts"]:
        found.append(
            "no accounts table: payments, devices and organisations cannot be seen; that a group "
            "leaves a common owner undeclared cannot be shown, so nobody is reported until the "
            "accounts are given"
        )
    else:
        found += [t for n, t in _ACCOUNT_EVIDENCE.items() if n in lacking["accounts"]]
        if lacking["accounts"] >= _DECLARING:
            found.append(
                "no organisations: that a group leaves a common owner undeclared cannot be shown, "
                "so nobody is reported; where customers have no way to declare one, say so with "
                "organization_verified: none"
            )
        elif "organization_verified" in log.absent["accounts"]:
            found.append(
                "no verification of organisations: those of plan enterprise or partner were taken "
                "as declared"
            )
        if log.contradicting:
            found.append(_contradictions(log.contradicting))
    return found


def _contradictions(columns_of: Mapping[str, tuple[str, ...]]) -> str:
    """That rows of one account differ, in how many accounts, and what was made of them."""
    columns = sorted({name for names in columns_of.values() for name in names})
    number = len(columns_of)
    return (
        f"contradicting rows of {number:,} account{'s' if number != 1 else ''} "
        f"({', '.join(columns)}): what they differ in counts as unknown, sign-up as the earliest, "
        "and an organisation that one of them declares as declared; give one row an account"
    )
