"""The suite's ablation links a log once; each row must be what the command says with `--without`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stillwatch.campaigns.tells import SIGNALS
from stillwatch.evaluation.suite.cells import Cell, ScanOf, WorldOf
from stillwatch.evaluation.suite.condensing import condense
from stillwatch.evaluation.suite.measuring import EACH_SIGNAL, measure_cell, stillwatch
from stillwatch.evaluation.suite.running import run_cells

# Nothing ties this world's accounts but the times at which the others take over.
WORLD = WorldOf(
    world="relayed",
    seed=61,
    accounts=900,
    days=5,
    exchanges=14_000,
    campaign_accounts=30,
    campaign_exchanges=60,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ablation")


@pytest.fixture(scope="module")
def scans(place: Path) -> dict[str, dict[str, object]]:
    cell = Cell(
        family="ablation",
        name="relayed",
        world=WORLD,
        scans=(ScanOf(), ScanOf(name=EACH_SIGNAL)),
    )
    found: dict[str, dict[str, object]] = measure_cell(cell, place)["scans"]
    return found


def test_there_is_a_scan_without_each_signal(scans: dict[str, dict[str, object]]) -> None:
    """One row a signal, beside the scan that asks them all."""
    assert scans.keys() == {"scan", *(f"without {name}" for name in SIGNALS)}


@pytest.mark.parametrize("signal", ["continuation", "credentials"])
def test_a_row_is_what_the_command_finds(
    signal: str, place: Path, scans: dict[str, dict[str, object]]
) -> None:
    """A signal that ties accounts, and one that is only shown."""
    shutil.rmtree(place / "alone", ignore_errors=True)
    stillwatch(
        [
            "scan",
            *("--exchanges", "world/exchanges", "--accounts", "world/accounts.parquet"),
            *("--credentials", "world/credentials.parquet"),
            *("--releases", "world/model_releases.parquet"),
            *("--no-timeline", "--without", signal, "--out", "alone"),
        ],
        place,
    )
    alone = condense(place / "world", place / "alone", baselines=False)

    assert scans[f"without {signal}"].items() >= alone.items()


def test_cells_measured_side_by_side_are_kept(tmp_path: Path) -> None:
    """Two processes, of which one fails: the other's result is there, the failure is told."""
    small = WorldOf(world="tiny", seed=5, accounts=300, days=3, exchanges=3000)
    broken = WorldOf(world="no such world", seed=5)
    cells = [Cell(family="empty", name=n, world=w) for n, w in (("a", small), ("b", broken))]

    ran = run_cells(cells, tmp_path, jobs=2)

    assert (ran.run, list(ran.failed)) == (1, ["empty--b"])
    assert "no such world" in ran.failed["empty--b"]
    assert [path.name for path in tmp_path.iterdir()] == ["empty--a.json"]
