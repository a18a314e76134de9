"""`stillwatch evaluate`: findings against the truth of a simulated world."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from stillwatch.cli.output import emit_json, people, reports_errors, say

if TYPE_CHECKING:
    from stillwatch.evaluation.accusations import PopulationFlags
    from stillwatch.evaluation.comparison import BaselineScore
    from stillwatch.evaluation.score import Evaluation

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
    from stillwatch.evaluation.comparison import compare_with_baselines
    from stillwatch.evaluation.found import read_canonical_findings
    from stillwatch.evaluation.score import evaluate_findings
    from stillwatch.evaluation.world import open_world_log, read_truth

    truth = read_truth(world)
    found = read_canonical_findings(findings)
    with open_world_log(world) as log:
        result = evaluate_findings(truth, log, found)
        rivals = compare_with_baselines(truth, log, found) if baselines else ()
    _show(result, rivals)
    if as_json:
        emit_json(
            result.as_json()
            | ({"baselines": [rival.as_json() for rival in rivals]} if baselines else {})
        )
    else:
        say(f"For every figure: stillwatch evaluate {world} {findings} --json")


def _show(result: Evaluation, rivals: tuple[BaselineScore, ...]) -> None:
    people.print(_campaigns(result))
    people.print(_populations(result))
    if rivals:
        people.print(_rivals(result, rivals))
    say(
        f"{result.campaigns_found} of {result.campaigns_total} campaigns found; "
        f"{result.false_findings} of {result.findings} findings false; "
        f"account precision {_figure(result.account_precision)}, "
        f"recall {_figure(result.account_recall)}."
    )


def _campaigns(result: Evaluation) -> Table:
    table = _table(
        "Campaigns",
        "campaign",
        right=("accounts", "recall", "precision", "exchanges", "whole", "pure", "hours"),
    )
    for campaign in result.campaigns:
        table.add_row(
            escape(campaign.campaign),
            str(campaign.accounts),
            _figure(campaign.account_recall) if campaign.found else "missed",
            _figure(campaign.account_precision),
            _figure(campaign.exchange_recall),
            _figure(campaign.wholeness),
            _figure(campaign.purity),
            _hours(campaign.time_to_detection_hours),
        )
    return table


def _populations(result: Evaluation) -> Table:
    table = _table(
        "Honest accounts accused",
        "population",
        right=("accused", "accounts", "groups accused", "groups", "at most (95 %)"),
    )
    populations = result.honest_flagged_by_population
    accused = {name: flags for name, flags in populations.items() if flags.flagged}
    for name, flags in accused.items():
        _add_flags(table, name, flags)
    if accused:
        table.add_section()
    _add_flags(table, f"all {len(populations)} populations", result.everyone)
    return table


def _add_flags(table: Table, name: str, flags: PopulationFlags) -> None:
    table.add_row(
        escape(name),
        str(flags.flagged),
        str(flags.accounts),
        str(flags.groups_flagged),
        str(flags.groups),
        _at_most(flags.upper95),
    )


def _rivals(result: Evaluation, rivals: tuple[BaselineScore, ...]) -> Table:
    table = _table(
        "Beside an afternoon's scripts, each at its best setting",
        "",
        right=("precision", "recall", "scan there", "pairs", "honest accused"),
    )
    for rival in rivals:
        table.add_row(
            escape(rival.description),
            _figure(rival.ranked_precision),
            _figure(rival.account_recall),
            _figure(rival.scan_precision_at_recall),
            _figure(rival.pair_precision),
            str(rival.honest_flagged),
        )
    table.add_section()
    table.add_row(
        "this scan",
        _figure(result.account_precision),
        _figure(result.account_recall_pooled),
        "",
        _figure(result.pair_precision),
        str(result.honest_flagged),
    )
    return table


def _table(title: str, *words: str, right: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for name in words:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right")
    return table


def _figure(value: float | None) -> str:
    """Three decimals, cut and not rounded up: 0.9996 must not read as perfect."""
    if value is None:
        return "-"
    return "1" if value == 1 else f"{math.floor(value * 1000 + 1e-9) / 1000:.3f}"


def _at_most(bound: float | None) -> str:
    """Four decimals, rounded up: a bound must not shrink by being printed."""
    return "-" if bound is None else f"{math.ceil(bound * 10_000 - 1e-9) / 10_000:.4f}"


def _hours(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
