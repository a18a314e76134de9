"""One cell, measured: simulate the world, scan it as often as asked, and score each scan.

Worlds and scans are made by the commands a user would type, each in a process of its own, so that
seconds and memory are what a user would see.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stillwatch.campaigns.scan import ScanSettings, link
from stillwatch.campaigns.scan import scan as run_scan
from stillwatch.campaigns.tells import SIGNALS
from stillwatch.evaluation.found import read_canonical_findings
from stillwatch.evaluation.framing import FRAMES, frame
from stillwatch.evaluation.matching import match_findings
from stillwatch.evaluation.score import accusations_of
from stillwatch.evaluation.suite.altering import alter
from stillwatch.evaluation.suite.cells import Cell, ScanOf
from stillwatch.evaluation.suite.condensing import condense
from stillwatch.evaluation.suite.playing import attack
from stillwatch.evaluation.truth_stages import replace_stages
from stillwatch.evaluation.world import log_of_world, open_world_log, read_truth
from stillwatch.records import StillwatchError, write_findings

__all__ = ["EACH_SIGNAL", "measure_cell", "stillwatch"]

EACH_SIGNAL = "each signal"
"""A scan of this name stands for one scan without each signal there is.

Linking asks none of them, so it is done once for all of these scans.
"""

_STEP = timedelta(hours=2)
_LARGE = 10_000
# `scan` says with 3 that it found something.
_EXPECTED = {"simulate": {0}, "scan": {0, 3}}


def measure_cell(cell: Cell, scratch: Path) -> dict[str, Any]:
    """All that is kept of a cell.

    Args:
        cell: Its definition.
        scratch: A folder of its own, which the caller removes.

    Raises:
        StillwatchError: A command failed.
    """
    commands = [["simulate", *cell.world.words()]]
    simulated = stillwatch([*commands[0], "--out", "world"], scratch)
    world = scratch / "world"
    result: dict[str, Any] = {
        "world": {
            k: simulated[k] for k in ("exchanges", "accounts", "campaign_accounts", "seconds")
        }
    }
    if cell.how == "stages":
        return result | {"commands": _in_words(commands), "stages": replace_stages(world)}
    if cell.how == "red_team":
        rounds = int(cell.about["rounds"])
        tool = cell.scans[0].tool

        def command(words: list[str], folder: Path) -> dict[str, Any]:
            return stillwatch(words, folder, tool=tool if words[0] == "scan" else "")

        attacked = attack(cell.world, scratch, command, _tables, rounds=rounds)
        return result | {"commands": _in_words(commands), "attack": attacked}
    scans: dict[str, Any] = {}
    for scan in cell.scans:
        if scan.name == EACH_SIGNAL:
            scans |= _without_each_signal(world, scratch / "findings", scan.fdr)
            continue
        log, truth = world, world
        if scan.altered:
            log = scratch / "altered"
            shutil.rmtree(log, ignore_errors=True)
            if scan.altered in FRAMES:
                truth = frame(world, log, scan.altered)
            else:
                alter(world, log, scan.altered)
        words = ["scan", *_tables(log.name), *scan.words()]
        commands.append(words)
        out = scratch / "findings"
        shutil.rmtree(out, ignore_errors=True)
        began = time.monotonic()
        told = stillwatch([*words, "--out", out.name], scratch, tool=scan.tool)
        scans[scan.name] = {
            "seconds": told.get("seconds", round(time.monotonic() - began, 3)),
            "peak_memory_bytes": told.get("peak_memory_bytes"),
            "missing_evidence": told.get("missing_evidence", []),
            "groups_tested": told.get("groups_tested", 0),
            **condense(truth, out, baselines=scan.baselines),
        }
        if cell.how == "until":
            scans[scan.name]["first_flags"] = _first_flags(scratch, world, out, scan)
    return result | {"commands": _in_words(commands), "scans": scans}


def _without_each_signal(world: Path, out: Path, rate: float) -> dict[str, Any]:
    """What `condense` keeps of a scan without each signal, by `without <signal>`."""
    log = log_of_world(world)
    linked = link(log)
    scans = {}
    for signal in sorted(SIGNALS):
        settings = ScanSettings(rate=rate, with_timeline=False, without=frozenset({signal}))
        findings = run_scan(log, settings, notes={"fdr": rate}, linked=linked)
        shutil.rmtree(out, ignore_errors=True)
        write_findings(findings, out)
        scans[f"without {signal}"] = {
            "missing_evidence": findings.notes["missing_evidence"],
            "groups_tested": findings.tested.num_rows,
            **condense(world, out, baselines=False),
        }
    return scans


def _tables(log: str) -> list[str]:
    return [
        *("--exchanges", f"{log}/exchanges"),
        *("--accounts", f"{log}/accounts.parquet"),
        *("--credentials", f"{log}/credentials.parquet"),
        *("--releases", f"{log}/model_releases.parquet"),
    ]


def stillwatch(words: Sequence[str], folder: Path, *, tool: str = "") -> dict[str, Any]:
    """Run a command in `folder`, and read the object it prints.

    Args:
        words: The command and its options.
        folder: Where it runs.
        tool: Runs in place of `stillwatch scan`, with the same options; it need not print anything.

    Raises:
        StillwatchError: It ended otherwise than it should.
    """
    ours = [sys.executable, "-m", "stillwatch", *words]
    done = subprocess.run(
        [*([*shlex.split(tool), *words[1:]] if tool else ours), "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in _EXPECTED[words[0]]:
        said = done.stderr.strip().splitlines()[-3:]
        raise StillwatchError(
            f"{tool or 'stillwatch ' + words[0]} ended with status {done.returncode}: {' '.join(said)}"
        )
    value: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() or not tool else {}
    return value


def _in_words(commands: Sequence[Sequence[str]]) -> list[str]:
    return ["stillwatch " + " ".join(words) for words in commands]


def _first_flags(scratch: Path, world: Path, findings: Path, scan: ScanOf) -> list[dict[str, Any]]:
    """Bisect, on a grid of two hours, the moment from which `--until` finds each large campaign.

    A campaign that is found at one moment is taken to be found at every later one; the scan of the
    whole log says whether it is found at all.
    """
    truth = read_truth(world)
    sent, begins, ends = _moments(world)
    grid = [begins + i * _STEP for i in range(1, int((ends - begins) / _STEP) + 2)]
    known: dict[int, Mapping[str, str]] = {len(grid) - 1: _found(world, findings)}

    def found_at(index: int) -> Mapping[str, str]:
        if index not in known:
            out = scratch / "until"
            shutil.rmtree(out, ignore_errors=True)
            until = grid[index].isoformat()
            words = ["scan", *_tables("world"), *scan.words(), "--until", until]
            stillwatch([*words, "--out", out.name], scratch, tool=scan.tool)
            known[index] = _found(world, out)
        return known[index]

    flags = []
    for campaign in truth.campaigns:
        moments = sent.get(campaign.name, {})
        total = sum(len(values) for values in moments.values())
        if total < _LARGE:
            continue
        flag: dict[str, Any] = {
            "campaign": campaign.kind,
            "accounts": len(campaign.roles),
            "exchanges": total,
            "found": campaign.name in known[len(grid) - 1],
        }
        if flag["found"]:
            low, high = -1, len(grid) - 1
            while high - low > 1:
                middle = (low + high) // 2
                if campaign.name in found_at(middle):
                    high = middle
                else:
                    low = middle
            before = sorted(sum(m < grid[high] for m in values) for values in moments.values())
            first = min(min(values) for values in moments.values())
            flag |= {
                "hours": round((grid[high] - first).total_seconds() / 3600, 1),
                "share_before": sum(before) / total,
                "median_member_sent": before[len(before) // 2],
            }
        flags.append(flag)
    return flags


def _found(world: Path, findings: Path) -> Mapping[str, str]:
    truth = read_truth(world)
    groups = {
        name: members.keys()
        for name, members in accusations_of(read_canonical_findings(findings)).items()
    }
    return match_findings({c.name: c.roles.keys() for c in truth.campaigns}, groups)


def _moments(
    world: Path,
) -> tuple[dict[str, dict[str, list[datetime]]], datetime, datetime]:
    """When each account of each campaign collected, and the log's first and last moments."""
    with open_world_log(world) as log:
        rows = log.execute(
            "SELECT t.campaign, t.account_id, list(e.started_at) FROM truth_exchanges t "
            "JOIN exchanges e USING (exchange_id) WHERE t.distill AND t.campaign IS NOT NULL "
            "GROUP BY 1, 2"
        ).fetchall()
        (extremes,) = log.execute(
            "SELECT min(started_at), max(started_at) FROM exchanges"
        ).fetchall()
    sent: dict[str, dict[str, list[datetime]]] = {}
    for campaign, account, moments in rows:
        sent.setdefault(campaign, {})[account] = [_utc(moment) for moment in moments]
    return sent, _utc(extremes[0]), _utc(extremes[1])


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
