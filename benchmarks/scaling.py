"""How a full scan grows with the log, stage by stage, beside a plain scan of the same columns.

    benchmarks/scaling.py [--millions 1,2,4] [--before DIR] [--folder DIR]

Worlds of 17 accounts for every thousand exchanges, a tenth of them in campaigns: at 16 million it is
the case of 24,000 accounts among 250,000. With `--before`, another checkout's scan is measured on
the same worlds in the same run. The tables go to standard output and, with two
pictures, into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commands import plain, stillwatch
from measured import machine

from stillwatch.evaluation.suite.page.plots import lines

_ROOT = Path(__file__).resolve().parents[1]
_BEGIN, _END = "<!-- scaling: begin -->", "<!-- scaling: end -->"
_ACCOUNTS, _CAMPAIGN_ACCOUNTS = 17_125, 125  # for each million, the second in each of 12 campaigns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millions", default="1,2,4")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    millions = [float(number) for number in asked.millions.split(",")]
    load = os.getloadavg()[1]
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        measured = [_measure(number, folder, asked.before) for number in millions]
    page = "\n\n".join([_heading(load), _growth(measured), *map(_profile, measured)])
    print(page)
    docs = _ROOT / "docs" / "benchmarks.md"
    text = docs.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    docs.write_text(f"{before}{_BEGIN}\n{page}\n{_END}{rest.partition(_END)[2]}", encoding="utf-8")


def _measure(millions: float, folder: Path, before: Path | None) -> dict[str, Any]:
    world = folder / f"world-{millions:g}"
    if not world.exists():
        stillwatch(
            *("simulate", "--world", "full", "--seed", 201, "--days", 30, "--out", world),
            *("--accounts", round(_ACCOUNTS * millions), "--exchanges", round(1e6 * millions)),
            *("--campaign-accounts", round(_CAMPAIGN_ACCOUNTS * millions)),
        )
    plain("scan", world / "exchanges")  # so that nobody's first reading of the disk is measured
    found = {
        "millions": millions,
        "plain": plain("scan", world / "exchanges").report,
        "after": _stages(world, _ROOT),
        "before": _stages(world, before) if before else None,
    }
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def _stages(world: Path, source: Path) -> dict[str, Any] | str:
    """The stages of one checkout's scan, or why it did not end."""
    program = str(Path(__file__).with_name("stages.py"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STILLWATCH__")}
    done = subprocess.run(
        [sys.executable, program, str(world)],
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"PYTHONPATH": str(source / "src")},
    )
    if done.returncode:
        named = [
            line for line in done.stderr.splitlines() if "Error" in line or "Exception" in line
        ]
        return named[-1].rpartition(": ")[2][:80] if named else f"status {done.returncode}"
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _heading(load: float) -> str:
    today = datetime.now(UTC).date().isoformat()
    return (
        f"Measured on {today} on {machine()}.\n"
        f"The load average in the five minutes before was {load:.1f}: 0 is a quiet machine."
    )


def _growth(measured: list[dict[str, Any]]) -> str:
    rows = [
        "| million exchanges | scan, s | processor, s | s a million | peak, GB | plain scan, s | ratio "
        "| before, s | before, GB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in measured:
        after, old = one["after"], one["before"]
        older = ("", "")
        if isinstance(old, dict):
            older = (f"{old['seconds']:.0f}", f"{old['peak_memory_bytes'] / 1e9:.2f}")
        elif old:
            older = (f"did not end: {old}", "")
        rows.append(
            f"| {one['millions']:g} | {after['seconds']:.0f} | {after['processor_seconds']:.0f} "
            f"| {after['seconds'] / one['millions']:.1f} | {after['peak_memory_bytes'] / 1e9:.2f} "
            f"| {one['plain']['seconds']:.2f} | {after['seconds'] / one['plain']['seconds']:.0f} "
            f"| {older[0]} | {older[1]} |"
        )
    if len(measured) > 1:
        rows += ["", _extrapolated(measured), "", *_pictures(measured)]
    return "\n".join(rows)


def _pictures(measured: list[dict[str, Any]]) -> list[str]:
    """Draw time and memory by size; returns the lines that show them."""
    shown = []
    for name, title, field, scale, unit in (
        ("seconds", "Seconds of a full scan by millions of exchanges", "seconds", 1.0, "s"),
        ("memory", "Peak memory of a full scan", "peak_memory_bytes", 1e9, "GB"),
    ):
        points = [(one["millions"], one["after"][field] / scale) for one in measured]
        drawn = lines(
            title,
            {"scan": points},
            x="million exchanges",
            y=unit,
            top=5 * math.ceil(max(value for _, value in points) / 5),
        )
        path = _ROOT / "docs" / "images" / f"scaling-{name}.svg"
        path.write_text(drawn, encoding="utf-8")
        shown.append(f"![{title}](images/{path.name})")
    return shown


def _extrapolated(measured: list[dict[str, Any]]) -> str:
    """What 16 and 32 million would cost if the growth between the two largest goes on."""
    (few, some), (many, more) = (
        (one["millions"], one["after"]) for one in (measured[-2], measured[-1])
    )
    told = []
    for name, words, unit, scale in (
        ("seconds", "its time", "s", 1.0),
        ("peak_memory_bytes", "its peak of memory", "GB", 1e9),
    ):
        power = math.log(more[name] / some[name]) / math.log(many / few)
        at = [more[name] / scale * (size / many) ** power for size in (16, 32)]
        told.append(
            f"{words} grows with the power {power:.2f} of the log: "
            f"{at[0]:,.0f} {unit} for 16 million and {at[1]:,.0f} {unit} for 32, extrapolated"
        )
    return f"From {few:g} to {many:g} million exchanges, {', and '.join(told)}."


def _profile(one: dict[str, Any]) -> str:
    after, before = one["after"], one["before"]
    old = before["stages"] if isinstance(before, dict) else {}
    rows = [
        f"The stages of a scan of {one['millions']:g} million exchanges:",
        "",
        "| stage | s | of all | × plain scan | peak, GB | before, s |",
        "|---|---|---|---|---|---|",
    ]
    for words, (seconds, peak) in after["stages"].items():
        was = f"{old[words][0]:.1f}" if words in old else ""
        memory = f"{peak / 1e9:.2f}" if peak else ""
        rows.append(
            f"| {words} | {seconds:.1f} | {seconds / after['seconds']:.0%} "
            f"| {seconds / one['plain']['seconds']:.1f} | {memory} | {was} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
