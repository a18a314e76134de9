"""The same log gives the same findings on a cluster as on one machine."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from same_findings import assert_same_findings
from spark_cluster import Cluster

import stillwatch.lake.spark.log as spark_log
from planted_logs import planted
from small_worlds import found_world
from stillwatch.campaigns.scan import ScanSettings, scan
from stillwatch.lake.log import Log, open_log
from stillwatch.lake.spark.log import on_spark
from stillwatch.lake.store import Lake
from stillwatch.records import ACCOUNTS, EXCHANGES, Findings, read_findings

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated world with one campaign that is found."""
    return found_world(tmp_path_factory.mktemp("world") / "world", seed=3)


def opened(world: Path) -> Log:
    return open_log(
        exchanges=world / "exchanges",
        accounts=world / "accounts.parquet",
        credentials=world / "credentials.parquet",
        releases=world / "model_releases.parquet",
    )


def findings_of(log: Log, *, timeline: bool = False, **options: Any) -> Findings:
    return scan(log, ScanSettings(with_timeline=timeline), notes={}, **options)


def test_a_simulated_world_has_the_same_campaigns_members_roles_and_targets(
    session: Any, world: Path
) -> None:
    """Whatever a scan says of a world with a campaign, it says on both engines, timeline included."""
    here = findings_of(opened(world), timeline=True)
    there = findings_of(on_spark(opened(world), session), timeline=True)
    assert here.campaigns.num_rows > 0
    assert here.members.num_rows > 0
    assert_same_findings(here, there)


def test_repeated_late_and_contradicting_rows_are_treated_alike(
    session: Any, tmp_path: Path
) -> None:
    """Ids that come twice, exchanges of the future, and two rows of one account change nothing."""
    book, members = planted()
    first = dict(book.exchanges[0])
    book.exchanges += [
        dict(row) | {"started_at": row["started_at"] + timedelta(hours=7)}
        for row in book.exchanges[::9]
    ]
    book.exchanges.append(first | {"exchange_id": "late", "started_at": book.moment(90_000)})
    book.exchanges.append(first | {"exchange_id": ""})
    book.account(members[0], payment_token="another card", organization_id="b")
    book.account(members[0], organization_id="a", organization_verified="domain")
    here = book.scan(tmp_path)
    there = findings_of(on_spark(book.open(tmp_path), session))
    assert here.campaigns.num_rows > 0
    assert set(here.notes["left_out"]) == {
        "id, account or time is missing or no such value",
        "starts in the future",
        "the id was seen before",
    }
    assert any("contradicting rows" in text for text in here.notes["missing_evidence"])
    assert_same_findings(here, there)


def test_a_scan_as_of_an_earlier_moment_sees_the_same(session: Any, tmp_path: Path) -> None:
    """What was known at a moment is cut at the same microsecond."""
    book, _ = planted()
    book.account("later", created_at=book.moment(5))
    until = sorted(row["started_at"] for row in book.exchanges)[-400]
    here = book.scan(tmp_path, until)
    there = findings_of(on_spark(book.open(tmp_path, until), session))
    assert_same_findings(here, there)


def test_a_lake_gives_its_stored_sketches(session: Any, tmp_path: Path) -> None:
    """A lake is scanned by the sketches it holds, on both engines."""
    book, _ = planted()
    lake = Lake.create(tmp_path / "lake", "key-1")
    with lake.writer() as writer:
        writer.add("exchanges", EXCHANGES.table(book.exchanges))
        writer.add("accounts", ACCOUNTS.table(book.accounts))
    here = findings_of(_lake_log(lake.path))
    there = findings_of(on_spark(_lake_log(lake.path), session))
    assert here.campaigns.num_rows > 0
    assert_same_findings(here, there)


def _lake_log(lake: Path) -> Log:
    snapshot = Lake.open(lake)
    log = open_log(
        exchanges=snapshot.files("exchanges"),
        accounts=snapshot.files("accounts"),
        sketches=snapshot.files("sketches"),
    )
    assert log.sketch_files
    return log


def _stillwatch(*arguments: object, statuses: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "stillwatch", *(str(a) for a in arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in statuses, done.stderr[-2000:]
    return done.stdout


def test_the_command_scans_on_a_cluster(cluster: Cluster, world: Path, tmp_path: Path) -> None:
    """`scan --engine spark --master URL` writes findings and a dossier, and ends with 3."""
    said = _stillwatch(
        *("scan", "--engine", "spark", "--master", cluster.url, "--no-timeline", "--json"),
        *("--exchanges", world / "exchanges", "--accounts", world / "accounts.parquet"),
        *("--credentials", world / "credentials.parquet"),
        *("--releases", world / "model_releases.parquet", "--out", tmp_path / "findings"),
        statuses=(3,),
    )
    (campaign,) = json.loads(said)["campaigns"]
    assert (tmp_path / "findings" / "dossier" / f"{campaign['campaign_id']}.html").exists()
    assert_same_findings(findings_of(opened(world)), read_findings(tmp_path / "findings"))


def test_a_worker_that_is_killed_in_the_middle_changes_nothing(
    cluster: Cluster, session: Any, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the first exchanges have come, a worker dies with its executor; the run ends right."""
    here = findings_of(opened(world))
    cluster.add_worker()
    session.range(9).count()  # the executors are there
    dies = cluster.busy_worker()
    monkeypatch.setattr(spark_log, "_PIECE_ROWS", 1)  # a file a task, and a task a wave
    killed: list[int] = []

    def kill_at_first(step: str, done: int, _all: int) -> None:
        if step == "read" and done and not killed:
            killed.append(done)
            cluster.kill(dies)

    log = on_spark(opened(world), session)
    there = findings_of(log, progress=kill_at_first)
    assert 0 < killed[0] < len(pq.read_table(world / "exchanges", columns=["exchange_id"]))
    assert dies.poll() is not None
    assert_same_findings(here, there)
