"""`stillwatch evaluate`: findings against the truth of a simulated world."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from stillwatch.cli.output import emit_json, reports_errors, say

__all__ = ["command"]

_FOLDER = click.Path(path_type=Path)


@click.command("evaluate")
@click.argument("world", type=_FOLDER)
@click.argument("findings", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--baselines/--no-baselines",
    default=True,
    show_default=True,
    help="Also try what an afternoon's script would find.",
)
@reports_errors
def command(world: Path, findings: Path, as_json: bool, baselines: bool) -> None:
    """Compare FINDINGS, the folder of a scan, with the truth of the WORLD it scanned."""
    from stillwatch.evaluation.score import evaluate_findings
    from stillwatch.evaluation.world import open_world_log, read_truth
    from stillwatch.records import read_findings

    truth = read_truth(world)
    found = read_findings(findings)
    with open_world_log(world) as log:
        result = evaluate_findings(truth, log, found)
    if as_json:
        emit_json(result.as_json())
    say(f"{result.campaigns_found} of {result.campaigns_total} campaigns found.")
