"""An attacker who adapts, and one who wants honest accounts accused."""

from __future__ import annotations

from collections.abc import Sequence

from stillwatch.evaluation.suite.grids import GENEROUS
from stillwatch.evaluation.suite.page import pooling
from stillwatch.evaluation.suite.page.tables import (
    NOT_RUN,
    Section,
    Target,
    count,
    figure,
    share,
    table,
)
from stillwatch.evaluation.suite.running import Measured

__all__ = ["framers_section", "red_team_section"]

_AIM = 20.0
_SEAT = "SEAT reports 3.8 to 16"


def red_team_section(measured: Sequence[Measured]) -> Section:
    """Accounts that he needs for a million answers, against limits and against the scan."""
    mine = pooling.of_family(measured, "red-team")
    parts, targets = [], []
    for m in mine:
        name = f"{m.cell.about['half']}, seed {m.cell.world.seed}"
        wanted = f"red team ({name}): {_AIM:g} times the accounts ({_SEAT})"
        if not m.result:
            targets.append(Target(wanted, NOT_RUN, None))
            continue
        attack = m.result["attack"]
        ratio = attack["ratio"]
        needs = attack["needs_against_scan"]
        told = (
            f"{figure(ratio, digits=1)} times: {needs:,.0f} accounts for {attack['needs_against_limits']:,}"
            if ratio is not None
            else "no account brought home anything"
        )
        targets.append(Target(wanted, told, ratio is None or ratio >= _AIM))
        rows = [
            [
                " ".join(
                    f"{dial} {r[dial]}" for dial in ("identity", "wording", "timing", "cover")
                ),
                count(r["each"]),
                share(r["flagged"], r["accounts"]),
                count(r["answers"]),
                figure(r["per_account"], digits=1),
                figure(attack["limit"] / r["per_account"], digits=1) if r["per_account"] else "–",
            ]
            for r in attack["rounds"]
        ]
        parts.append(
            table(
                f"World {name}: a limit that one honest account in a thousand exceeds lets "
                f"{attack['limit']:,} exchanges pass. Rounds in the order he played them; answers are "
                "those collected before the account was flagged, all of them where it never was.",
                [
                    "dials",
                    "exchanges each",
                    "flagged",
                    "answers",
                    "an account",
                    "times the accounts",
                ],
                rows,
            )
        )
    text = (
        "He begins without any evasion and at the volume that a limit on single accounts lets pass, "
        "reads the findings, and turns the dial that they name most; a change that brings fewer answers "
        "an account is taken back. What he needs is that of his best round.\n\n" + "\n".join(parts)
    )
    return Section("Red team", text, targets)


def framers_section(measured: Sequence[Measured]) -> Section:
    """Honest accounts accused because somebody wanted them to be."""
    mine = pooling.of_family(measured, "framers")
    rows, wrong, ran = [], 0, 0
    for m in mine:
        name = f"{m.cell.about['what']}, {m.cell.about['half']}, seed {m.cell.world.seed}"
        found, generous = pooling.scans([m]), pooling.scans([m], GENEROUS)
        if not found:
            rows.append([name, NOT_RUN, "", ""])
            continue
        flagged, honest = pooling.honest_flags(found)
        wrong, ran = wrong + flagged, ran + 1
        campaigns = pooling.campaigns(found)
        rows.append(
            [
                name,
                share(flagged, honest),
                share(*pooling.honest_flags(generous)),
                share(sum(c["found"] for c in campaigns), len(campaigns)),
            ]
        )
    text = table(
        "*Copies*: half of what a campaign sends is taken from the largest honest group of no "
        "organisation, text, client, addresses and hours. *Reworded*: so, too, with one word in "
        "seven changed. *Template*: the same half takes the group's wording, client, addresses and "
        "hours, and fills the wording with the campaign's own list. *Poison*: one account in twenty "
        "is the attacker's; half of them ask the same few questions over and over, half send at an "
        "even pace round the clock. *Nobody*: the world of the first three without a framer. "
        "Scanned at the default rate, and at 5 %.",
        ["framer", "honest accounts flagged", "at a rate of 5 %", "campaigns found"],
        rows,
    )
    target = Target(
        "a framer gets no honest account accused, at the default rate",
        f"{wrong} honest accounts in {ran} of {len(mine)} worlds" if ran else NOT_RUN,
        wrong == 0 if ran else None,
    )
    return Section("Framers", text, [target] if mine else [])
