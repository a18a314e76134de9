"""The suite: what is run, what is kept, and what the page says of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stillwatch.cli.main import run
from stillwatch.evaluation.suite import cells as cells_module
from stillwatch.evaluation.suite import running
from stillwatch.evaluation.suite.cells import Cell, ScanOf, WorldOf, cell_key
from stillwatch.evaluation.suite.page.rendering import BEGIN, END, write_page
from stillwatch.evaluation.suite.running import read_results, run_cells
from stillwatch.evaluation.suite.suites import SUITES
from stillwatch.records import InputError, StillwatchError


def cell(name: str = "build-s1", seed: int = 1) -> Cell:
    return Cell(
        family="empty",
        name=name,
        world=WorldOf(world="empty-build", seed=seed),
        scans=(ScanOf(fdr=0.05),),
        about={"half": "build"},
    )


def result(*, rates: list[list[Any]], flagged: int = 0) -> dict[str, Any]:
    scan = {
        "figures": {"honest_flagged": flagged, "honest_accounts": 100, "findings": len(rates)},
        "rates": rates,
        "clauses": {"honest_groups_tested": 20, "at_least": [1, 0, 0]},
        "countries": {"DE": [flagged, 100, flagged, 100]},
        "groups": [[1, 0, 100 - flagged], [1, 1, flagged]],
        "campaigns": [],
        "populations": {},
        "baselines": [],
    }
    return {"world": {"exchanges": 5000, "accounts": 100}, "scans": {"scan": scan}}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cells that were measured, by a stand-in that takes no time."""
    names: list[str] = []

    def measure(one: Cell, scratch: Path) -> dict[str, Any]:
        assert scratch.is_dir()
        names.append(one.name)
        if one.name == "broken":
            raise StillwatchError("scan ended with status 1")
        return result(rates=[])

    monkeypatch.setattr(running, "measure_cell", measure)
    return names


@pytest.mark.parametrize("name", SUITES)
def test_cells_of_a_suite_have_files_of_their_own(name: str) -> None:
    """No two cells share a file of results, and each world is one that can be ordered."""
    files = [one.file for one in SUITES[name]()]

    assert len(files) == len(set(files))
    assert len(files) > 5


def test_what_is_there_is_not_run_again(measured: list[str], tmp_path: Path) -> None:
    """A second run measures the missing cell only."""
    run_cells([cell("a")], tmp_path)

    ran = run_cells([cell("a"), cell("b")], tmp_path)

    assert measured == ["a", "b"]
    assert (ran.run, ran.reused, ran.failed) == (1, 1, {})


def test_another_source_or_definition_is_run_again(
    measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result stands only for the source and the definition that made it."""
    run_cells([cell("a")], tmp_path)
    run_cells([cell("a", seed=2)], tmp_path)
    monkeypatch.setattr(cells_module, "sources_hash", lambda: "changed")

    (stale,) = read_results([cell("a", seed=2)], tmp_path)
    run_cells([cell("a", seed=2)], tmp_path)

    assert not stale.current
    assert stale.result is not None
    assert measured == ["a", "a", "a"]


def test_a_result_of_another_version_is_none(
    measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its world was another one, so its figures stand beside no others."""
    run_cells([cell("a")], tmp_path)
    monkeypatch.setattr(running, "VERSION", running.VERSION + 1)

    (other,) = read_results([cell("a")], tmp_path)
    run_cells([cell("a")], tmp_path)

    assert other.result is None
    assert measured == ["a", "a"]


def test_a_cell_that_fails_is_run_next_time(measured: list[str], tmp_path: Path) -> None:
    """It leaves no result, and the other cells are measured all the same."""
    ran = run_cells([cell("broken"), cell("a")], tmp_path)

    assert list(ran.failed) == ["empty--broken"]
    assert [m.result is not None for m in read_results([cell("broken"), cell("a")], tmp_path)] == [
        False,
        True,
    ]


def test_half_a_result_is_no_result(measured: list[str], tmp_path: Path) -> None:
    """A file that was cut off is measured again."""
    (tmp_path / cell("a").file).write_text('{"key": "1234')

    run_cells([cell("a")], tmp_path)

    assert json.loads((tmp_path / cell("a").file).read_text())["key"] == cell_key(cell("a"))


def test_only_the_cells_asked_for_are_run(measured: list[str], tmp_path: Path) -> None:
    """A pattern chooses among family and name."""
    run_cells([cell("a"), cell("b")], tmp_path, only="empty--b")

    assert measured == ["b"]


def test_the_page_says_what_was_not_run(measured: list[str], tmp_path: Path) -> None:
    """A suite that is half done renders, and no target is met that was not measured."""
    cells = SUITES["standard"]()
    page = tmp_path / "evaluation.md"

    write_page(page, "standard", read_results(cells, tmp_path))

    text = page.read_text()
    assert f"0 of {len(cells)} cells" in text
    assert "not run yet" in text
    assert "| met |" not in text


def test_a_false_finding_misses_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One finding in a world without a campaign, at 1 %, is said to be one too many."""
    found = result(rates=[[0.004, True]], flagged=3)
    monkeypatch.setattr(running, "measure_cell", lambda _cell, _scratch: found)
    run_cells([cell("a"), cell("b")], tmp_path)

    write_page(tmp_path / "page.md", "smoke", read_results([cell("a"), cell("b")], tmp_path))

    row = next(
        line for line in (tmp_path / "page.md").read_text().splitlines() if "none reported" in line
    )
    assert "2 of 2 worlds" in row
    assert "**missed**" in row


def test_nothing_is_met_for_good_while_cells_are_not_run(
    measured: list[str], tmp_path: Path
) -> None:
    """The verdict is a provisional one until the last cell of the family is there."""
    page = tmp_path / "page.md"
    run_cells([cell("a")], tmp_path)
    write_page(page, "smoke", read_results([cell("a"), cell("b")], tmp_path))
    half = page.read_text()
    run_cells([cell("b")], tmp_path)
    write_page(page, "smoke", read_results([cell("a"), cell("b")], tmp_path))

    assert "| met so far |" in half
    assert "| met |" not in half
    assert "| met |" in page.read_text()
    assert "met so far" not in page.read_text().split("### Worlds")[0].replace("*so far*", "")


def test_the_page_keeps_what_people_wrote_around_the_figures(tmp_path: Path) -> None:
    """Only what lies between the markers is replaced, however often it is rendered."""
    page = tmp_path / "evaluation.md"
    page.write_text(f"Before.\n{BEGIN}\nstale figures\n{END}\nAfter.\n")
    results = read_results([cell("a")], tmp_path)
    write_page(page, "smoke", results)
    once = page.read_text()

    write_page(page, "smoke", results)

    assert page.read_text() == once
    assert once.startswith("Before.\n")
    assert once.endswith("After.\n")
    assert "stale figures" not in once


def test_a_page_without_a_place_for_figures_is_left_alone(tmp_path: Path) -> None:
    """Nobody's page is overwritten."""
    page = tmp_path / "mine.md"
    page.write_text("My notes.\n")

    with pytest.raises(InputError, match="markers"):
        write_page(page, "smoke", [])

    assert page.read_text() == "My notes.\n"


def test_a_cell_is_measured_with_the_real_commands(tmp_path: Path) -> None:
    """One cell of the smoke suite, from the command line to the page; the others are not run yet."""
    words = [
        "evaluate",
        "--suite",
        "smoke",
        "--out",
        str(tmp_path),
        "--cells",
        "alone--*",
        "--json",
    ]

    done = CliRunner().invoke(run, words, catch_exceptions=False)

    told = json.loads(done.stdout)
    assert (told["run"], told["there"], told["failed"]) == (1, 1, {})
    (file,) = tmp_path.glob("alone--*.json")
    kept = json.loads(file.read_text())
    assert kept["result"]["scans"]["scan"]["populations"]["class"][1] >= 150
    assert (
        "none reported, even at a rate of 5 % | 0 findings in 1 of 1"
        in Path(told["page"]).read_text()
    )


def test_an_unknown_suite_is_named(tmp_path: Path) -> None:
    """The message lists the suites there are."""
    done = CliRunner().invoke(run, ["evaluate", "--suite", "huge", "--out", str(tmp_path)])

    assert done.exit_code == 2
    assert "smoke, standard, full" in done.stderr


_TOOL = """\
import pathlib, sys
import pyarrow as pa, pyarrow.parquet as pq
from stillwatch.evaluation.baselines.as_findings import as_findings
from stillwatch.evaluation.world import open_world_log
from stillwatch.records import write_findings
place, out = (pathlib.Path(sys.argv[sys.argv.index(o) + 1]) for o in ("--accounts", "--out"))
everyone = set(pq.read_table(place)["account_id"].to_pylist())
with open_world_log(place.parent) as log:
    write_findings(as_findings({"everyone": everyone}, log), out)
sys.exit(3)
"""


def test_any_tool_is_scored_by_the_same_scorer(tmp_path: Path) -> None:
    """A tool that accuses everybody is run in place of the scan, and is wrong about everybody."""
    script = tmp_path / "accuse.py"
    script.write_text(_TOOL)
    words = ["--suite", "smoke", "--out", str(tmp_path / "out"), "--cells", "alone--*"]
    tool = f"{sys.executable} {script}"

    done = CliRunner().invoke(run, ["evaluate", *words, "--tool", tool, "--json"])

    assert json.loads(done.stdout)["run"] == 1, done.stderr
    (file,) = (tmp_path / "out").glob("alone--*.json")
    figures = json.loads(file.read_text())["result"]["scans"]["scan"]["figures"]
    assert figures["honest_flagged"] == figures["honest_accounts"] > 0
