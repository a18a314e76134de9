"""Where missed campaigns are lost: each stage of the scan replaced by the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stillwatch.evaluation.suite.page import pooling
from stillwatch.evaluation.suite.page.tables import NOT_RUN, Section, count, figure, share, table
from stillwatch.evaluation.suite.running import Measured
from stillwatch.evaluation.truth_stages import STAGES

__all__ = ["stages_section"]

Campaign = Mapping[str, Any]


def stages_section(measured: Sequence[Measured]) -> Section:
    """Campaigns found with one stage replaced, and with all but one; and the missed one by one."""
    mine = pooling.of_family(measured, "stages")
    if not mine:
        return Section("Each stage replaced by the truth", "")
    meaning = "\n".join(f"- *{name}*: {means}." for name, means in STAGES.items())
    text = (
        "Campaigns found by the scan as it is, and with one stage's answer about the campaigns "
        "replaced by the truth; everything after it is computed anew, and honest groups are left "
        f"as they are.\n\n{meaning}\n\n"
    )
    return Section(
        "Each stage replaced by the truth",
        text + "\n".join([_counts(mine, "with"), _counts(mine, "without"), _missed(mine)]),
    )


def _setting(cell: Measured) -> str:
    about = cell.cell.about
    dial = "all four" if about["dial"] == "all" else about["dial"]
    return f"{about['half']}, {dial} {about['level']}"


def _counts(mine: Sequence[Measured], which: str) -> str:
    """How many campaigns are found, by setting and stage."""
    rows, everyone = [], []
    for setting in dict.fromkeys(_setting(m) for m in mine):
        runs = [m for m in mine if _setting(m) == setting]
        campaigns = [c for m in runs if m.result for c in m.result["stages"]]
        everyone += campaigns
        row = _row(campaigns, which) if campaigns else [NOT_RUN, *[""] * len(STAGES)]
        rows.append([setting, *row])
    rows.append(["together", *(_row(everyone, which) if everyone else [NOT_RUN])])
    caption = {
        "with": "Found with one stage replaced.",
        "without": "Found with all stages replaced but the one that heads the column.",
    }
    return table(caption[which], ["half, dial and level", "as it is", *STAGES], rows)


def _row(campaigns: Sequence[Campaign], which: str) -> list[str]:
    found = [share(sum(c["found"] for c in campaigns), len(campaigns))]
    return found + [count(sum(c[which][stage] for c in campaigns)) for stage in STAGES]


def _missed(mine: Sequence[Measured]) -> str:
    """Each missed campaign, its largest group, and that group's evidence."""
    rows = []
    for m in mine:
        for campaign in m.result["stages"] if m.result else ():
            if campaign["found"]:
                continue
            lost = campaign["lost"]
            rows.append(
                [
                    f"{_setting(m)}, seed {m.cell.world.seed}: {campaign['kind']}",
                    lost["stage"],
                    ", ".join(s for s, found in campaign["with"].items() if found) or "no one",
                    count(campaign["accounts"]),
                    ", ".join(f"{own} of {all_}" for own, all_ in lost["pieces"]) or "none",
                    *(_evidence(lost) if lost["pieces"] else ["–"] * 6),
                ]
            )
    return table(
        "Missed campaigns: the first stage that lets them go; each replacement that recovers them alone; "
        "their accounts in the groups that hold most of them, of all accounts there; and of the first "
        "of these, logs to base 10 of the e-values of clause 1 (beside its largest), of clause 2 and of "
        "what ties it where no rare fact does, beside what each needs; the part of its accounts that "
        "share a rare fact; and what clause 3's comparison with owners gives, beside what it would need "
        "to be reported alone. A dash: nothing, for the members' mean score is more than dealing allows or "
        "too few are named; in the last column, for the group does not outdo its crowds or, where clause "
        "1 says nothing, is not asked.",
        [
            "campaign",
            "lost at",
            "recovered by",
            "accounts",
            "in groups",
            "acts as one",
            "undeclared",
            "ties",
            "needed",
            "rare fact",
            "collects",
        ],
        rows,
    )


def _evidence(lost: Mapping[str, Any]) -> list[str]:
    collects = f"{lost['collects']:,.0f}" if lost["outdoes_crowds"] else "–"
    return [
        f"{figure(lost['acts'], digits=1)} ({figure(lost['acts_largest'], digits=1)})",
        figure(lost["undeclared"], digits=1),
        figure(lost["ties"], digits=1),
        figure(lost["bound"], digits=1),
        figure(lost["tied"], digits=2),
        f"{collects} ({lost['needs']:,.0f})",
    ]
