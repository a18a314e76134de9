"""How a finding would change without each signal: decided again, with that signal taken away.

Division and collection are clauses: without either nothing is shown. The other signals tie the
accounts together, and a finding may do without any one of them. Linking is not repeated: the group
stays as it was found, and only what is said of it changes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stillwatch.campaigns.tells import TYING, tying_evidence
from stillwatch.campaigns.weighing import Decision, Weighed, decide
from stillwatch.signals.shared_facts import FAMILIES, Facts

__all__ = ["without_each_signal"]


def without_each_signal(
    weighed: Weighed, facts: Facts, decision: Decision, rate: float
) -> dict[int, dict[str, str]]:
    """For each reported group: signal → what the finding would be without it."""
    reported = [int(i) for i in np.flatnonzero(decision.reported)]
    if not reported:
        return {}
    found: dict[int, dict[str, str]] = {i: _clauses() for i in reported}
    members = [g.group.accounts for g in weighed.groups]
    allied = [g.surely_one for g in weighed.groups]
    for family in dict.fromkeys(FAMILIES.values()):
        less = facts.without([k for k, f in FAMILIES.items() if f == family])
        tied = less.tied_shares(members, len(weighed.traffic.account_names), allied)
        before = [g.tied for g in weighed.groups]
        if tied == before:
            continue
        changed = replace(
            weighed,
            groups=[replace(g, tied=t) for g, t in zip(weighed.groups, tied, strict=True)],
        )
        _note(found, family, before, tied, decide(changed, rate))
    for tell in weighed.tells:
        if tell.signal not in TYING:
            for index in reported:
                if len(tell.members[index]):
                    found[index][tell.signal] = "still reported: it is shown, and decides nothing"
            continue
        silenced = [t for t in weighed.tells if t is not tell]
        logs = tying_evidence(silenced, len(weighed.groups))
        changed = replace(
            weighed,
            groups=[
                replace(g, log_e_tied=float(e)) for g, e in zip(weighed.groups, logs, strict=True)
            ],
        )
        after = decide(changed, rate)
        for index in reported:
            if tell.log_e[index] > 0:
                found[index][tell.signal] = _outcome(bool(after.reported[index]))
    return found


def _clauses() -> dict[str, str]:
    return {
        "division": "not reported: nothing else shows that the accounts act as one",
        "collection": "not reported: nothing else shows what the work is wanted for",
    }


def _note(
    found: dict[int, dict[str, str]],
    family: str,
    before: list[float],
    after: list[float],
    decision: Decision,
) -> None:
    for index, notes in found.items():
        if after[index] < before[index]:
            notes[family] = (
                f"{_outcome(bool(decision.reported[index]))}; accounts tied by rare facts: "
                f"{after[index]:.0%} instead of {before[index]:.0%}"
            )


def _outcome(reported: bool) -> str:
    return "still reported" if reported else "not reported: wording alone would tie the accounts"
