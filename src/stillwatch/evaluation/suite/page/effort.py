"""How soon campaigns are found, and what a scan costs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from stillwatch.evaluation.suite.page import pooling
from stillwatch.evaluation.suite.page.plots import lines
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

__all__ = ["cost_section", "time_section"]

_EARLY, _FEW = 0.01, 15
_SECONDS, _BYTES = 180, 3e9


def time_section(measured: Sequence[Measured]) -> Section:
    """Moments bisected with `--until`, on a grid of two hours."""
    mine = pooling.of_family(measured, "time")
    rows, early = [], []
    for m in mine:
        if not m.result:
            rows.append([f"{m.cell.about['half']}, seed {m.cell.world.seed}", NOT_RUN, *[""] * 5])
            continue
        for flag in m.result["scans"]["scan"]["first_flags"]:
            found = flag["found"]
            early.append(
                found and flag["share_before"] < _EARLY and flag["median_member_sent"] < _FEW
            )
            rows.append(
                [
                    f"{m.cell.about['half']}, seed {m.cell.world.seed}",
                    flag["campaign"],
                    count(flag["accounts"]),
                    count(flag["exchanges"]),
                    figure(flag["hours"], digits=1) if found else "missed",
                    f"{flag['share_before']:.2%}" if found else "–",
                    count(flag["median_member_sent"]) if found else "–",
                ]
            )
    flags = [f for m in mine if m.result for f in m.result["scans"]["scan"]["first_flags"]]
    shares = sorted(f["share_before"] if f["found"] else 1.0 for f in flags)
    plots = {}
    picture = ""
    if shares:
        plots["time.svg"] = lines(
            "Campaigns found before a part of their exchanges",
            {
                "campaigns": [
                    (part, sum(s <= part for s in shares) / len(shares))
                    for part in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
                ]
            },
            x="part of the exchanges sent before the flag",
            y="part of the campaigns",
            logarithmic=True,
        )
        picture = "\n![Campaigns found by the part of exchanges sent](suite/time.svg)\n"
    text = (
        table(
            "The first moment, every two hours, at which `scan --until` finds the campaign, bisected.",
            [
                "world",
                "campaign",
                "accounts",
                "exchanges",
                "hours",
                "sent before",
                "median member had sent",
            ],
            rows,
        )
        + picture
    )
    target = Target(
        "half of the campaigns of 10,000 exchanges or more flagged before 1 % of them, and before the "
        "median member has sent 15",
        f"{share(sum(early), len(early))}; median sent before the flag {median(shares):.1%}"
        if early
        else NOT_RUN,
        sum(early) * 2 >= len(early) if early else None,
    )
    return Section("Time to detection", text, [target] if mine else [], plots)


def cost_section(measured: Sequence[Measured]) -> Section:
    """Seconds and memory of a scan with its timeline, by the size of the log."""
    mine = pooling.of_family(measured, "cost")
    rows, points = [], []
    target = Target(
        "2 million exchanges and 24,000 accounts within 3 minutes and 3 GB on 2 cores",
        NOT_RUN,
        None,
    )
    for m in sorted(mine, key=lambda m: int(m.cell.about["exchanges"])):
        if not m.result:
            rows.append([count(m.cell.about["exchanges"]), NOT_RUN, "", ""])
            continue
        scan, world = m.result["scans"]["scan"], m.result["world"]
        points.append((float(world["exchanges"]), float(scan["seconds"])))
        used = scan["peak_memory_bytes"]
        gigabytes = None if used is None else used / 1e9
        rows.append(
            [
                count(world["exchanges"]),
                count(world["accounts"]),
                figure(scan["seconds"], digits=1),
                figure(gigabytes, digits=2),
            ]
        )
        if m.cell.about["exchanges"] == 2_000_000:
            target = Target(
                target.wanted,
                f"{scan['seconds']:.0f} s, {figure(gigabytes, digits=2)} GB",
                None if used is None else scan["seconds"] <= _SECONDS and used <= _BYTES,
            )
    plots = {}
    picture = ""
    if points:
        plots["cost.svg"] = lines(
            "Seconds of a scan by exchanges",
            {"scan": points},
            x="exchanges",
            y="seconds",
            top=max(seconds for _, seconds in points) * 1.1,
        )
        picture = "\n![Seconds by exchanges](suite/cost.svg)\n"
    text = (
        table(
            "A scan with its timeline, on the machine that ran the suite, with whatever else it did.",
            ["exchanges", "accounts", "seconds", "peak memory, GB"],
            rows,
        )
        + picture
    )
    return Section("Cost", text, [target] if mine else [], plots)
