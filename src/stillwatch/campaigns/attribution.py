"""Who may be behind a campaign: hypotheses with their rivals, never a name alone.

Each profile is compared with the campaign in up to three families: templates, infrastructure,
metadata. A family speaks once, by the mean over the members of each one's likelihood ratio: under
"it is this actor" a member shows what is known of it with chance `REUSED`, under "it is somebody
else" with the chance of an account of this log outside the campaign. Families are multiplied: a
stranger who copies the wording has no reason to sit on the same machines. Half of the belief
before anything is seen is "unknown", the other half is shared out evenly. What is reported is the
smallest set that holds `COVERED` of the belief after it, "unknown" always among them (a credible
set; Fellegi and Sunter 1969 for the ratios).

An attribution changes no finding: it is read after the decision, and convicts nobody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.lake.log import Log
from stillwatch.lake.sketch import sketch_exchanges
from stillwatch.records import ActorProfile
from stillwatch.signals.traffic import Traffic

__all__ = ["COVERED", "UNKNOWN", "Matches", "attribute", "match_profiles"]

Flags = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

UNKNOWN = "unknown"
COVERED = 0.95
REUSED = 0.5  # actors change what they use: assumed, for nobody has published how often
PRESENT = 0.5  # of a template's shingles: as in `templates.TemplateParameters`
FAMILIES = ("templates", "infrastructure", "metadata")

_SLOT = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Matches:
    """Which accounts of the log show what is known of each actor.

    Attributes:
        shown: For each profile, one flag an account for each family that the profile describes.
        active: Accounts with exchanges.
    """

    profiles: tuple[ActorProfile, ...]
    shown: tuple[dict[str, Flags], ...]
    active: Flags


def match_profiles(traffic: Traffic, log: Log, profiles: Sequence[ActorProfile]) -> Matches:
    """Compare every account with every profile, once a scan."""
    accounts = len(traffic.account_names)
    values = _accounts_with_values(traffic, log, profiles)
    shown = []
    for number, profile in enumerate(profiles):
        families: dict[str, Flags] = {}
        worded = _shingles_of(profile.templates)
        if worded:
            families["templates"] = _accounts_with_wording(traffic, worded)
        for family in FAMILIES[1:]:
            if getattr(profile, family):
                families[family] = values.get((number, family), np.zeros(accounts, np.bool_))
        shown.append(families)
    return Matches(tuple(profiles), tuple(shown), traffic.exchanges > 0)


def attribute(
    matches: Matches, accounts: IntArray, first: datetime, last: datetime
) -> list[dict[str, Any]]:
    """The hypotheses for one campaign, the likeliest first, each with the belief it holds.

    Args:
        accounts: The members' positions in the traffic's `account_names`.
        first, last: When the campaign was seen. Infrastructure changes hands: it is compared only
            with profiles that were active then.
    """
    outside = matches.active.copy()
    outside[accounts] = False
    logs = [0.0]
    for profile, families in zip(matches.profiles, matches.shown, strict=True):
        compared = [
            flags
            for family, flags in families.items()
            if family != "infrastructure" or profile.active_within(first, last)
        ]
        ratio = sum(_log_ratio(flags, accounts, outside) for flags in compared)
        logs.append(ratio - np.log(len(matches.profiles)))
    weights = np.exp(np.array(logs) - max(logs))
    beliefs = weights / weights.sum()
    names = [UNKNOWN, *(p.actor for p in matches.profiles)]
    order = np.argsort(-beliefs, kind="stable")
    needed = int(np.searchsorted(np.cumsum(beliefs[order]), COVERED)) + 1
    # Whoever the log made no likelier than before is no hypothesis.
    kept = [int(i) for i in order[:needed] if i == 0 or logs[i] + np.log(len(matches.profiles)) > 0]
    if 0 not in kept:
        kept.append(0)
    return [{"actor": names[i], "coverage": float(beliefs[i])} for i in kept]


def _log_ratio(flags: Flags, accounts: IntArray, outside: Flags) -> float:
    """Log of the mean likelihood ratio of the members for one family."""
    usual = (float(flags[outside].sum()) + 1.0) / (float(outside.sum()) + 2.0)
    share = float(flags[accounts].mean()) if len(accounts) else 0.0
    return float(np.log(share * REUSED / usual + (1 - share) * (1 - REUSED) / (1 - usual)))


def _shingles_of(templates: Sequence[str]) -> list[IntArray]:
    """The sampled shingles of each template's fixed parts; templates too short to tell drop out."""
    found = []
    for template in templates:
        parts = [p for p in _SLOT.split(template) if p.strip()]
        batch = pa.record_batch(
            {"exchange_id": pa.array([str(n) for n in range(len(parts))]), "input_text": parts},
            schema=pa.schema([("exchange_id", pa.string()), ("input_text", pa.string())]),
        )
        shingles = sketch_exchanges(batch).column("shingles").flatten().to_numpy()
        if len(shingles):
            found.append(np.unique(shingles))
    return found


def _accounts_with_wording(traffic: Traffic, templates: list[IntArray]) -> Flags:
    shown = np.zeros(len(traffic.account_names), np.bool_)
    rows = traffic.shingles.row_numbers()
    lengths = np.diff(traffic.shingles.starts)
    for template in templates:
        held = np.bincount(rows[np.isin(traffic.shingles.values, template)], minlength=len(traffic))
        carries = (held > 0) & (held >= PRESENT * np.minimum(len(template), lengths))
        shown[traffic.accounts[carries]] = True
    return shown


def _accounts_with_values(
    traffic: Traffic, log: Log, profiles: Sequence[ActorProfile]
) -> dict[tuple[int, str], Flags]:
    wanted = [
        {"profile": number, "family": family, "value": value}
        for number, profile in enumerate(profiles)
        for family in FAMILIES[1:]
        for value in getattr(profile, family)
    ]
    found: dict[tuple[int, str], Flags] = {}
    if not wanted:
        return found
    answer = log.ask("actor_values", tables={"actor_values": pa.Table.from_pylist(wanted)})
    names = traffic.account_names
    for account_id, profile, family in zip(*answer.to_pydict().values(), strict=True):
        at = int(np.searchsorted(names, account_id))
        if at < len(names) and names[at] == account_id:
            flags = found.setdefault((profile, family), np.zeros(len(names), np.bool_))
            flags[at] = True
    return found
