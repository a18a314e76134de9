"""The page of measurements, rendered from what the commands printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from hand_made_worlds import findings_that_accuse, perfect_findings, two_rings_and_a_class

from stillwatch.cli.main import run
from stillwatch.evaluation.bounds import clopper_pearson_upper
from stillwatch.evaluation.report import MeasuredWorld, render_report
from stillwatch.records import Findings, write_findings


def evaluation_of(findings: Findings, directory: Path) -> dict[str, Any]:
    world = two_rings_and_a_class().write(directory / "world")
    write_findings(findings, directory / "findings")
    result = CliRunner().invoke(
        run, ["evaluate", str(world), str(directory / "findings"), "--json"]
    )
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def measured(seed: int, evaluation: dict[str, Any]) -> MeasuredWorld:
    return MeasuredWorld(
        world={"world": "hand-made", "seed": seed, "evasion": {"identity": 1}},
        simulated={"accounts": 27, "exchanges": 84, "campaign_accounts": 12},
        scanned={"seconds": 1.25},
        evaluation=evaluation,
        commands=[f"stillwatch simulate --world hand-made --seed {seed} --out w"],
    )


def row_of(page: str, name: str) -> list[str]:
    lines = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in lines[0].strip("|").split("|")]


def test_seeds_of_one_world_share_a_section_and_their_figures_are_pooled(tmp_path: Path) -> None:
    """Found campaigns are counted over seeds, and a missed one lowers the recall of its kind."""
    world = two_rings_and_a_class()
    missed = findings_that_accuse(world, {"f": [f"amber-{n}" for n in range(6)]})
    page = render_report(
        [
            measured(1, evaluation_of(perfect_findings(world), tmp_path / "1")),
            measured(2, evaluation_of(missed, tmp_path / "2")),
        ]
    )

    assert page.count("## World") == 1
    assert row_of(page, "judge_only")[1:4] == ["1 of 2", "6", "0.500"]
    assert row_of(page, "small_ring")[1:4] == ["2 of 2", "6", "1.000"]


def test_honest_populations_are_bounded_over_all_seeds(tmp_path: Path) -> None:
    """Groups of different seeds are independent, so that two seeds bound tighter than one."""
    result = evaluation_of(perfect_findings(two_rings_and_a_class()), tmp_path)
    page = render_report([measured(1, result), measured(2, result)])

    row = row_of(page, "people")

    assert row[1:3] == ["0 of 20", "0 of 20"]
    assert float(row[3]) >= (clopper_pearson_upper(0, 20) or 1.0) - 1e-9


def test_the_commands_that_made_a_figure_stand_beneath_it(tmp_path: Path) -> None:
    """A reader can run again what is claimed."""
    result = evaluation_of(perfect_findings(two_rings_and_a_class()), tmp_path)

    page = render_report([measured(7, result), measured(8, result)])

    assert "stillwatch simulate --world hand-made --seed 7 --out w" in page
    assert "Likewise with seed 8." in page


def test_nearly_perfect_is_not_printed_as_perfect(tmp_path: Path) -> None:
    """Figures are cut, never rounded up to 1."""
    result = evaluation_of(perfect_findings(two_rings_and_a_class()), tmp_path)
    result["account_precision"] = 0.99996

    page = render_report([measured(1, result)])

    assert row_of(page, "1")[6] == "0.999"


def test_a_world_without_campaigns_has_no_table_of_campaigns(tmp_path: Path) -> None:
    """The page of an empty world shows honest populations and nothing to find."""
    result = evaluation_of(findings_that_accuse(two_rings_and_a_class(), {}), tmp_path)
    result["campaigns"] = []

    page = render_report([measured(1, result)])

    assert "By kind of campaign" not in page
    assert "Honest populations" in page
