"""Both sides of the promise, on worlds of realistic size: campaigns found, look-alikes left alone.

Fixed seeds; the rates over many worlds, with their intervals, are in `docs/evaluation.md`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from stillwatch.cli.main import run
from stillwatch.simulation import POPULATIONS

pytestmark = pytest.mark.slow

LOOK_ALIKES = (
    "catalogue_vendor",
    "sharded_backfill",
    "niche_app",
    "class",
    "release_day_benchmarks",
    "agency",
    "reasoning_study",
)


def stillwatch(*words: object) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(run, [*map(str, words), "--json"])
    assert "Traceback" not in result.output, result.output
    return result.exit_code, json.loads(result.stdout)


def simulated(out: Path, **wishes: object) -> Path:
    options = [w for name, value in wishes.items() for w in (f"--{name}", value)]
    status, _ = stillwatch("simulate", *options, "--out", out)
    assert status == 0
    return out


def scanned(world: Path) -> tuple[int, Path]:
    tables = ("--exchanges", world / "exchanges", "--accounts", world / "accounts.parquet")
    out = world / "findings"
    return stillwatch("scan", *tables, "--out", out, "--no-timeline")[0], out


def accused(world: Path, findings: Path) -> dict[str, set[str]]:
    """Population of each accused account, for a message that says who was wronged."""
    truth = pq.read_table(world / "truth_accounts.parquet").to_pylist()
    population = {r["account_id"]: r["population"] for r in truth}
    found: dict[str, set[str]] = {}
    for row in pq.read_table(findings / "members.parquet").to_pylist():
        found.setdefault(population[row["account_id"]], set()).add(row["account_id"])
    return found


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_campaigns_of_the_demo_are_found_and_nobody_else(tmp_path: Path, seed: int) -> None:
    """Both campaigns, more than nine in ten of their accounts, and no honest account."""
    world = simulated(tmp_path / "world", world="demo", seed=seed)
    status, findings = scanned(world)
    _, report = stillwatch("evaluate", world, findings)

    assert status == 3
    assert report["honest_flagged"] == 0, accused(world, findings)
    assert [c["found"] for c in report["campaigns"]] == [True, True]
    assert pq.read_metadata(findings / "campaigns.parquet").num_rows == 2
    assert report["account_recall"] > 0.9


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_world_without_campaigns_has_no_finding(tmp_path: Path, seed: int) -> None:
    """All honest populations together, in the words and rhythms held out."""
    world = simulated(tmp_path / "world", world="empty", seed=seed, accounts=2000, days=8)
    status, findings = scanned(world)

    assert (status, accused(world, findings)) == (0, {})
    assert pq.read_metadata(findings / "tested.parquet").num_rows > 0


@pytest.mark.parametrize("seed", [21, 22])
@pytest.mark.parametrize("look_alike", LOOK_ALIKES)
def test_a_look_alike_among_ordinary_customers_is_left_alone(
    tmp_path: Path, look_alike: str, seed: int
) -> None:
    """With nobody worse in the log to stand before it, it is not reported either."""
    assert look_alike in POPULATIONS
    world = simulated(
        tmp_path / "world",
        world="empty",
        seed=seed,
        accounts=700,
        days=8,
        populations=f"people,developers,{look_alike}",
    )
    status, findings = scanned(world)

    assert (status, accused(world, findings)) == (0, {})


@pytest.mark.parametrize("seed", [21, 22])
def test_in_such_a_small_world_a_campaign_is_found(tmp_path: Path, seed: int) -> None:
    """The worlds of the look-alikes are large enough to accuse somebody: the tests above can fail."""
    world = simulated(
        tmp_path / "world",
        world="build",
        seed=seed,
        accounts=700,
        days=8,
        populations="people,developers,class",
        campaigns="synchronised",
    )
    status, findings = scanned(world)

    assert status == 3
    assert set(accused(world, findings)) == {"synchronised"}
