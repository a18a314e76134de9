"""What is lost without a column, and without a signal."""

from __future__ import annotations

from collections.abc import Sequence

from stillwatch.campaigns.tells import TYING
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

__all__ = ["ablation_section", "robustness_section"]

_REASONS = "signals.md#taken-out-of-the-decision-and-why"
_WORDS = {
    "scan": "the whole log",
    "no_text": "text removed",
    "no_network": "network removed",
    "no_identity": "identities removed",
    "metadata_only": "metadata only",
    "some_without_text": "30 % of accounts without text",
}


def robustness_section(measured: Sequence[Measured]) -> Section:
    """The same logs with columns taken away."""
    mine = pooling.of_family(measured, "robustness")
    ran = [m for m in mine if m.result]
    names = list(dict.fromkeys(scan.name for m in mine for scan in m.cell.scans))
    rows, wrong, silent = [], 0, 0
    for name in names:
        found = pooling.scans(ran, name)
        if not found:
            rows.append([_WORDS.get(name, name), NOT_RUN, "", "", "", ""])
            continue
        campaigns = pooling.campaigns(found)
        flagged, honest = pooling.honest_flags(found)
        wrong += flagged
        lost = {text.split(":")[0] for scan in found for text in scan["missing_evidence"]}
        silent += name != "scan" and not lost
        rows.append(
            [
                _WORDS.get(name, name),
                share(sum(c["found"] for c in campaigns), len(campaigns)),
                figure(pooling.recall(campaigns)),
                share(flagged, honest),
                count(sum(scan["figures"]["false_findings"] for scan in found)),
                "; ".join(sorted(lost)) or "nothing",
            ]
        )
    text = table(
        "What the scan finds, and what it says it had to do without.",
        [
            "log",
            "found",
            "account recall",
            "honest flagged",
            "false findings",
            "said to be missing",
        ],
        rows,
    )
    targets = [
        Target(
            "a log with columns removed still runs, says what it lost, and accuses nobody honest",
            f"{len(ran)} of {len(mine)} worlds; {wrong} honest accounts flagged, {silent} losses "
            "passed over in silence"
            if ran
            else NOT_RUN,
            None if not ran else wrong == 0 and silent == 0,
        )
    ]
    return Section("Columns removed", text, targets if mine else [])


def ablation_section(measured: Sequence[Measured]) -> Section:
    """Recall and errors without each signal; the target is of those that take part in the decision."""
    mine = [m for m in pooling.of_family(measured, "ablation") if m.result]
    cells = pooling.of_family(measured, "ablation")
    settings = list(dict.fromkeys((m.cell.about["half"], m.cell.about["level"]) for m in cells))
    names = list(dict.fromkeys(name for m in mine if m.result for name in m.result["scans"]))
    rows: list[list[str]] = []
    useful: dict[str, bool] = {}
    for name in names:
        row = ["all signals" if name == "scan" else name]
        for half, level in settings:
            runs = pooling.where(mine, half=half, level=level)
            found, whole = pooling.scans(runs, name), pooling.scans(runs)
            if not found:
                row += [NOT_RUN, ""]
                continue
            recall = pooling.recall(pooling.campaigns(found))
            row += [figure(recall), count(pooling.honest_flags(found)[0])]
            if name != "scan":
                gains = (pooling.recall(pooling.campaigns(whole)) or 0.0) > (recall or 0.0)
                free = pooling.honest_flags(whole)[0] <= pooling.honest_flags(found)[0]
                useful[name] = useful.get(name, False) or (gains and free)
        rows.append(row)
    headings = [""]
    for half, level in settings:
        headings += [f"{half}, evasion {level}: recall", "honest flagged"]
    text = table(
        "Account recall on the same logs without each signal in turn. The clauses themselves cannot "
        "be left out: without one of them nothing is a finding.",
        headings,
        rows,
    )
    raises = {name.removeprefix("without "): raised for name, raised in useful.items()}
    deciding = sorted(raises.keys() & TYING)
    idle = [name for name in deciding if not raises[name]]
    shown = sorted(raises.keys() - TYING)
    said = f"no gain here from: {', '.join(idle)}" if idle else f"{len(deciding)} signals"
    if shown:
        said += f"; taken out of the decision, [each for a reason]({_REASONS}): {', '.join(shown)}"
    targets = [
        Target(
            "each signal that takes part in the decision raises recall in some named world",
            said if deciding else NOT_RUN,
            not idle if deciding else None,
        )
    ]
    return Section("Without each signal", text, targets if cells else [])
