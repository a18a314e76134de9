"""What the shipped policy would have done in a world with all populations, against the truth."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from stillwatch.cli.main import run
from stillwatch.simulation import POPULATIONS

pytestmark = pytest.mark.slow


def stillwatch(*words: object) -> dict[str, Any]:
    result = CliRunner().invoke(run, [*map(str, words), "--json"])
    assert "Traceback" not in result.output, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("world")
    # A seed with which the scan finds the stolen keys, too: else no robbed customer would be at stake.
    wishes = ("--world", "full", "--seed", 7, "--accounts", 3000, "--days", 14)
    stillwatch("simulate", *wishes, "--out", place)
    tables = ("exchanges", "accounts", "credentials", "releases")
    names = ("exchanges", "accounts.parquet", "credentials.parquet", "model_releases.parquet")
    given = [w for t, n in zip(tables, names, strict=True) for w in (f"--{t}", place / n)]
    stillwatch("scan", *given, "--out", place / "findings")
    return place


@pytest.fixture(scope="module")
def replay(world: Path) -> dict[str, Any]:
    return stillwatch("policy", "replay", "--findings", world / "findings", "--days", 30)


@pytest.fixture(scope="module")
def roles(world: Path) -> dict[str, set[str | None]]:
    """What each account truly is; honest is None."""
    truth = pq.read_table(world / "truth_accounts.parquet").to_pylist()
    assert {row["population"] for row in truth} >= set(POPULATIONS)
    found: dict[str, set[str | None]] = defaultdict(set)
    for row in truth:
        found[row["account_id"]].add(row["role"])
    return found


def beyond(replay: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for step in replay["steps"] if step["step"] not in ("observe", "tag")]


def test_no_honest_account_meets_a_step_beyond_tag(
    replay: dict[str, Any], roles: dict[str, set[str | None]]
) -> None:
    """Of a declared organisation, of an undeclared one, or of none; while campaigns do."""
    wronged = {step["account_id"] for step in beyond(replay) if roles[step["account_id"]] == {None}}
    assert wronged == set()
    assert replay["honest_organisations_touched"] == 0
    met = {step["account_id"] for step in beyond(replay)}
    assert len(met) > 100  # else nobody was met for want of steps


def test_a_robbed_customer_keeps_the_account(
    replay: dict[str, Any], roles: dict[str, set[str | None]]
) -> None:
    """Only the credential that was stolen is acted on."""
    robbed = [s for s in beyond(replay) if roles[s["account_id"]] == {"compromised"}]
    assert robbed
    assert {step["scope"] for step in robbed} <= {"credential", "conversation", "shape"}


def test_the_campaigns_would_have_lost_by_it(replay: dict[str, Any]) -> None:
    """Exchanges are refused after the first step, and other traffic of theirs far less."""
    refused = sum(campaign["refused"] for campaign in replay["campaigns"])
    exchanges = sum(campaign["exchanges"] for campaign in replay["campaigns"])
    others = sum(campaign["others_refused"] for campaign in replay["campaigns"])
    assert 0.2 < refused / exchanges < 1
    assert others < refused
