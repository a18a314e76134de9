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
from stillwatch.records import InputError, StillwatchError

if TYPE_CHECKING:
    from stillwatch.evaluation.accusations import PopulationFlags
    from stillwatch.evaluation.comparison import BaselineScore
    from stillwatch.evaluation.score import Evaluation

__all__ = ["command"]

_FOLDER = click.Path(path_type=Path)


@click.command("evaluate")
@click.argument("world", type=_FOLDER, required=False)
@click.argument("findings", type=_FOLDER, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--baselines/--no-baselines",
    default=True,
    show_default=True,
    help="Also try what the baselines would find.",
)
@click.option("--suite", metavar="NAME", help="Measure a suite of worlds: smoke, standard or full.")
@click.option("--out", type=_FOLDER, help="With --suite: folder of results, one file a cell.")
@click.option("--jobs", type=int, default=1, show_default=True, help="Cells at the same time.")
@click.option("--cells", metavar="PATTERN", default="*", help="Run only these cells: 'evasion--*'.")
@click.option(
    "--page", type=click.Path(path_type=Path), help="Page to write; OUT/evaluation.md if absent."
)
@click.option(
    "--tool",
    metavar="COMMAND",
    default="",
    help="With --suite: measure this in place of `stillwatch scan`; same options, same tables.",
)
@click.option("--render", is_flag=True, help="Run nothing: write the page from what is there.")
@reports_errors
def command(
    world: Path | None,
    findings: Path | None,
    as_json: bool,
    baselines: bool,
    suite: str | None,
    out: Path | None,
    jobs: int,
    cells: str,
    page: Path | None,
    tool: str,
    render: bool,
) -> None:
    """Compare FINDINGS, the folder of a scan, with the truth of the WORLD it scanned.

    With --suite, measure a whole grid of worlds instead, and write a page of what came of it. A
    cell whose result is there is not run again, unless the source that made it has changed.
    """
    if suite is not None:
        if world is not None or out is None:
            raise InputError(
                "a suite makes its own worlds and needs a place for its results.",
                remedy="stillwatch evaluate --suite standard --out DIR",
            )
        _run_suite(suite, out, page or out / "evaluation.md", jobs, cells, tool, render, as_json)
        return
    if world is None or findings is None:
        raise InputError(
            "there is nothing to compare.",
            remedy="stillwatch evaluate WORLD FINDINGS, or --suite NAME --out DIR.",
        )
    _compare(world, findings, as_json=as_json, baselines=baselines)


def _run_suite(
    name: str,
    out: Path,
    page: Path,
    jobs: int,
    cells: str,
    tool: str,
    render: bool,
    as_json: bool,
) -> None:
    from stillwatch.evaluation.suite.cells import with_tool
    from stillwatch.evaluation.suite.page.rendering import write_page
    from stillwatch.evaluation.suite.running import Ran, read_results, run_cells
    from stillwatch.evaluation.suite.suites import SUITES

    if name not in SUITES:
        raise InputError(
            f"there is no suite {name!r}.", where="--suite", remedy=f"Known: {', '.join(SUITES)}."
        )
    wanted = with_tool(SUITES[name](), tool)
    ran = Ran(0, 0, {}) if render else run_cells(wanted, out, jobs=jobs, only=cells, tell=say)
    measured = read_results(wanted, out)
    write_page(page, name, measured)
    done = sum(1 for m in measured if m.result)
    say(f"{done} of {len(measured)} cells of {name} are there. Page: {page}")
    if as_json:
        emit_json(
            {
                "suite": name,
                "cells": len(measured),
                "there": done,
                "run": ran.run,
                "reused": ran.reused,
                "failed": ran.failed,
                "page": str(page),
            }
        )
    if ran.failed:
        raise StillwatchError(
            f"{len(ran.failed)} cells failed: {', '.join(sorted(ran.failed))}.",
            remedy="Run the same command again; what is done is kept.",
        )


def _compare(world: Path, findings: Path, *, as_json: bool, baselines: bool) -> None:
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
        "Beside baselines, each at its best setting",
        "",
        right=("precision", "recall", "scan, same recall", "pairs", "honest accused"),
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
