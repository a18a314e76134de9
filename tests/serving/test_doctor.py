"""What the doctor says of a deployment, part by part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from appeals_server import KEY
from click.testing import CliRunner
from served_decisions import HARVESTER, Deployment, ask, until

from stillwatch.cli.main import run
from stillwatch.identity import Key, store_key
from stillwatch.lake.manifest import Manifest
from stillwatch.records import Step

AWAY = "postgresql+psycopg://nobody@127.0.0.1:9/none"


class Doctor:
    """Asks about one deployment."""

    def __init__(self, deployment: Deployment, key: Path) -> None:
        self.deployment, self.key = deployment, key

    def says(self, *words: object, exits: int = 0) -> dict[str, Any]:
        given = ["doctor", "--lake", self.deployment.lake, "--key-file", self.key, "--json", *words]
        result = CliRunner().invoke(run, [str(word) for word in given])
        assert result.exit_code == exits, result.output
        told = json.loads(result.stdout)
        assert told["ok"] is (exits == 0)
        return {check["name"]: check for check in told["checks"]}


@pytest.fixture
def doctor(deployment: Deployment, tmp_path: Path) -> Doctor:
    store_key(KEY, tmp_path / "key")
    return Doctor(deployment, tmp_path / "key")


def test_a_deployment_that_runs_is_well(doctor: Doctor) -> None:
    """Every part is named; only the scan is worth a look, for there was none."""
    doctor.deployment.act(Step.BLOCK)
    with doctor.deployment.served() as url:
        until(lambda: ask(url, "POST", "/envoy/v1/messages", key=HARVESTER).status == 403)
        checks = doctor.says("--server", url)
    health = {name: check["health"] for name, check in checks.items()}
    assert health.pop("scan") == "look"
    assert set(health) >= {"program", "key", "lake", "store", "people", "record", "snapshot", "server"}  # fmt: skip
    assert set(health.values()) == {"ok"}
    assert "1 step in force, 0 steps waiting" in checks["store"]["says"]


def test_a_snapshot_that_stays_behind_its_store_is_wrong(doctor: Doctor) -> None:
    """Nobody serves, and something was put in force since."""
    doctor.deployment.act(Step.BLOCK)
    with doctor.deployment.served() as url:
        until(lambda: ask(url, "POST", "/envoy/v1/messages", key=HARVESTER).status == 403)
    assert doctor.says()["snapshot"]["health"] == "ok"
    doctor.deployment.office.block("acct-0002")
    assert doctor.says(exits=1)["snapshot"]["health"] == "wrong"
    (doctor.deployment.state / "snapshot").write_bytes(b"x" * 4_096)
    assert "signature" in doctor.says(exits=1)["snapshot"]["says"]


def test_a_record_that_was_touched_is_wrong(doctor: Doctor) -> None:
    """And the other parts are told all the same."""
    with doctor.deployment.office.store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_no_update")
        connection.exec_driver_sql("UPDATE audit SET by_name = 'eve' WHERE sequence = 2")
    checks = doctor.says(exits=1)
    assert "record 2 is wrong" in checks["record"]["says"]
    assert checks["store"]["health"] == "ok"


def test_a_store_or_a_server_that_does_not_answer_is_wrong(doctor: Doctor) -> None:
    """With what to do; one without a snapshot lets everything pass."""
    checks = doctor.says("--store", AWAY, "--server", "http://127.0.0.1:9", exits=1)
    assert "does not answer" in checks["store"]["says"]
    assert "does not answer" in checks["server"]["says"]
    assert checks["server"]["remedy"]
    with doctor.deployment.served(doctor.deployment.source(AWAY)) as url:
        checks = doctor.says("--server", url, exits=1)
    assert "every request passes" in checks["server"]["says"]


def test_what_is_missing_from_the_lake_is_told(doctor: Doctor) -> None:
    """A file that is gone, and a key that is not the lake's."""
    lake = doctor.deployment.lake
    part = next(p for parts in Manifest.read(lake).tables.values() for p in parts)
    (lake / part.path).unlink()
    assert part.path in doctor.says(exits=1)["lake"]["says"]
    doctor.key = doctor.key.with_name("another")
    store_key(Key(b"x" * 32), doctor.key)
    assert doctor.says(exits=1)["key"]["health"] == "wrong"


def test_without_people_nobody_can_approve(tmp_path: Path) -> None:
    """A store is not made by looking for it."""
    result = CliRunner().invoke(run, ["doctor", "--lake", str(tmp_path / "none"), "--json"])
    assert result.exit_code == 1
    assert not (tmp_path / "none").exists()
    result = CliRunner().invoke(run, ["doctor", "--json"])
    names = [check["name"] for check in json.loads(result.stdout)["checks"]]
    assert names == ["program", "key"]
