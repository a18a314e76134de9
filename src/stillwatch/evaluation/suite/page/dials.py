"""Recall by evasion and by size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stillwatch.evaluation.suite.grids import DIALS, HALVES
from stillwatch.evaluation.suite.page import pooling
from stillwatch.evaluation.suite.page.plots import lines
from stillwatch.evaluation.suite.page.tables import (
    NOT_RUN,
    Section,
    Target,
    at_least,
    count,
    figure,
    share,
    table,
)
from stillwatch.evaluation.suite.running import Measured

__all__ = ["evasion_section", "size_section"]

_WANTED = {"50 or more": 0.95, "20–49": 0.80, "8–19": 0.80}
_BARE = "no_template"


def _setting(mine: Sequence[Measured], dial: str, level: int) -> list[Measured]:
    """The cells of one setting; level 1 is the same for every dial."""
    return pooling.where(mine, dial="all" if level == 1 else dial, level=level)


def evasion_section(measured: Sequence[Measured]) -> Section:
    """One dial at a time with the others at 1, and all four together."""
    mine = pooling.of_family(measured, "evasion")
    return Section("By evasion", _evasion_table(mine), _evasion_targets(mine), _evasion_plots(mine))


def _evasion_table(mine: Sequence[Measured]) -> str:
    halves = [half for half in HALVES if pooling.where(mine, half=half)]
    rows = []
    for dial in ("all", *DIALS):
        for level in range(4):
            cells = pooling.where(mine, dial=dial, level=level)
            if not cells:
                continue
            row = [f"{'all four' if dial == 'all' else dial} {level}"]
            for half in halves:
                runs = pooling.where(cells, half=half)
                found = pooling.scans(runs)
                if not found:
                    row += [NOT_RUN if runs else "–", *[""] * 4]
                    continue
                campaigns = pooling.campaigns(found)
                row.append(share(sum(c["found"] for c in campaigns), len(campaigns)))
                for name in pooling.CLASSES:
                    row.append(figure(pooling.recall(pooling.of_class(campaigns, name))))
                row.append(count(pooling.honest_flags(found)[0]))
            rows.append(row)
    headings = ["dial and level"]
    for half in halves:
        headings += [f"{half}: found", *pooling.CLASSES, "honest flagged"]
    pictures = "\n".join(
        f"![Recall by evasion, {half}](suite/evasion-{half}.svg)" for half in halves
    )
    return (
        table(
            "Account recall, campaigns that were missed as 0, by the number of a campaign's accounts. "
            "Level 1 of each dial is the row *all four 1*.",
            headings,
            rows,
        )
        + f"\n{pictures}\n"
    )


def _evasion_plots(mine: Sequence[Measured]) -> dict[str, str]:
    plots = {}
    for half in HALVES:
        cells = pooling.where(mine, half=half)
        if not cells:
            continue
        series = {}
        for dial in ("all", *DIALS):
            name = "all four" if dial == "all" else dial
            series[name] = [
                (
                    float(level),
                    pooling.recall(pooling.campaigns(pooling.scans(_setting(cells, dial, level)))),
                )
                for level in range(4)
            ]
        plots[f"evasion-{half}.svg"] = lines(
            f"Account recall by evasion, {half} half",
            series,
            x="level of the dial (the others at 1)",
            y="account recall, all campaigns",
        )
    return plots


def _evasion_targets(mine: Sequence[Measured]) -> list[Target]:
    targets = []
    for half in HALVES:
        cells = pooling.where(mine, half=half)
        if not cells:
            continue
        low = [m for m in cells if m.cell.about["level"] <= 2]
        lowest = [c for c in pooling.campaigns(pooling.scans(low)) if c["kind"] != _BARE]
        for name, wanted in _WANTED.items():
            runs = pooling.of_class(lowest, name)
            targets.append(
                at_least(
                    f"{half}, campaigns of {name}: recall {wanted:.2f} at evasion 0 to 2",
                    pooling.recall(runs),
                    wanted,
                    _of(runs),
                )
            )
        hard = [m for m in cells if m.cell.about["level"] == 3 and m.cell.about["dial"] != "all"]
        runs = pooling.campaigns(pooling.scans(hard))
        targets.append(
            at_least(
                f"{half}, one dial at 3: recall 0.6",
                pooling.recall(runs),
                0.6,
                _of(runs),
            )
        )
        bare = [c for c in pooling.campaigns(pooling.scans(low)) if c["kind"] == _BARE]
        if bare:
            targets.append(
                at_least(
                    "the campaign without any template: recall 0.6",
                    pooling.recall(bare),
                    0.6,
                    _of(bare),
                )
            )
    return targets


def size_section(measured: Sequence[Measured]) -> Section:
    """One campaign in a world of its own, by accounts and by exchanges an account."""
    mine = pooling.of_family(measured, "size")
    each = sorted({m.cell.about["exchanges"] for m in mine})
    members = sorted({m.cell.about["accounts"] for m in mine})
    parts, plots = [], {}
    for half in HALVES:
        cells = pooling.where(mine, half=half)
        if not cells:
            continue
        rows = []
        for size in members:
            row = [count(size)]
            for exchanges in each:
                runs = pooling.where(cells, accounts=size, exchanges=exchanges)
                found = pooling.campaigns(pooling.scans(runs))
                row.append(figure(pooling.recall(found)) if found else (NOT_RUN if runs else "·"))
            rows.append(row)
        parts.append(
            table(
                f"Account recall, {half} half: accounts of the campaign down, exchanges of each "
                "across, evasion 1. A point stands for a size that this suite leaves out for its "
                "cost.",
                ["accounts", *map(count, each)],
                rows,
            )
        )
        parts.append(f"![Recall by size, {half}](suite/size-{half}.svg)\n")
        plots[f"size-{half}.svg"] = lines(
            f"Account recall by size, {half} half",
            {
                f"{size:,} accounts": [
                    (
                        float(exchanges),
                        pooling.recall(
                            pooling.campaigns(
                                pooling.scans(
                                    pooling.where(cells, accounts=size, exchanges=exchanges)
                                )
                            )
                        ),
                    )
                    for exchanges in each
                ]
                for size in members
            },
            x="exchanges of each account",
            y="account recall",
            logarithmic=True,
        )
    return Section("By size", "\n".join(parts), [], plots)


def _of(campaigns: Sequence[Mapping[str, Any]]) -> str:
    number = len(campaigns)
    return f"{number} campaign{'s' if number != 1 else ''}" if number else ""
