"""One scan without a timeline, with the seconds and the memory of each of its stages, as JSON.

    benchmarks/stages.py WORLD

A program of its own, so that its memory is its own, and so that another version's stages can be
measured with this version's program: PYTHONPATH says whose scan it is. Peaks are of resident memory,
what of mapped files is resident included; the kernel's mark is set back at the start of each stage.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

STAGES = (
    ("reading", "read_traffic", "read the log, sketch its texts"),
    ("reading", "read_sightings", "query: facts that accounts share"),
    ("reading", "read_handovers", "query: what moved between accounts"),
    ("weighing", "prepare", "count shared shingles"),
    ("weighing", "mine_fragments", "mine fragments of templates"),
    ("weighing", "group_accounts", "link: communities and members"),
    ("weighing", "take_out_declared", "declared organisations set apart"),
    ("weighing", "read_wording", "fixed wording of each account"),
    ("weighing", "score_accounts", "clause 1: scores"),
    ("weighing", "all_act_as_one", "clause 1: martingales"),
    ("weighing", "measure_tells", "signals"),
    ("weighing", "leave_out_copied", "who is named"),
    ("weighing", "log_e_of_crowds", "clause 3: crowds"),
    ("scan", "build_findings", "findings and reasons"),
)
"""Module of `stillwatch.campaigns` that calls it, function, and words; none is inside another."""

_peaks: list[int] = []  # of what came before each stage


def main(world: Path) -> None:
    began = time.perf_counter()
    spent: dict[str, list[float]] = {}
    for module, function, words in STAGES:
        _measured(import_module(f"stillwatch.campaigns.{module}"), function, words, spent)
    from stillwatch.campaigns.scan import ScanSettings, scan
    from stillwatch.lake.log import open_log

    log = open_log(
        exchanges=world / "exchanges",
        accounts=world / "accounts.parquet",
        credentials=world / "credentials.parquet",
        releases=world / "model_releases.parquet",
    )
    found = scan(log, ScanSettings(with_timeline=False), notes={})
    everything = time.perf_counter() - began
    stages = {words: spent.get(words, [0.0, 0.0]) for _, _, words in STAGES}
    rest = everything - sum(seconds for seconds, _ in stages.values())
    stages["everything else"] = [rest, float(_peak_bytes())]
    report = {
        "seconds": everything,
        "processor_seconds": time.process_time(),
        "peak_memory_bytes": max(_peaks + [peak for _, peak in stages.values()]),
        "campaigns": found.campaigns.num_rows,
        "stages": stages,
    }
    print(json.dumps(report))


def _measured(module: Any, function: str, words: str, spent: dict[str, list[float]]) -> None:
    """Replace a function by one that notes its wall clock and the peak of memory within it."""
    call: Callable[..., Any] = getattr(module, function)

    def noted(*arguments: Any, **named: Any) -> Any:
        _peaks.append(_peak_bytes())
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        began = time.perf_counter()
        try:
            return call(*arguments, **named)
        finally:
            entry = spent.setdefault(words, [0.0, 0.0])
            entry[0] += time.perf_counter() - began
            entry[1] = max(entry[1], float(_peak_bytes()))

    setattr(module, function, noted)


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]))
