"""`stillwatch watch`: a lake is scanned when it has changed, and what is new is told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from planted_logs import START, planted
from stillwatch.cli.main import run
from stillwatch.lake.store import Lake
from stillwatch.records import ACCOUNTS, EXCHANGES

SPLIT = START + timedelta(days=2)


@pytest.fixture
def days(tmp_path: Path) -> tuple[Lake, list[dict[str, Any]]]:
    """A lake with the first two days of a log, and the rows of the other days."""
    book, _ = planted()
    lake = Lake.create(tmp_path / "lake", "key-1")
    add(lake, [row for row in book.exchanges if row["started_at"] < SPLIT], book.accounts)
    return lake, [row for row in book.exchanges if row["started_at"] >= SPLIT]


def add(
    lake: Lake, rows: list[dict[str, Any]], accounts: list[dict[str, Any]] | None = None
) -> None:
    with lake.writer() as writer:
        writer.add("exchanges", EXCHANGES.table(rows))
        if accounts:
            writer.add("accounts", ACCOUNTS.table(accounts))


def started(lake: Lake, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stillwatch", "watch", "--lake", str(lake.path), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_is_added_is_looked_at(days: tuple[Lake, list[dict[str, Any]]]) -> None:
    """A look at the start, one after an import, and none where nothing has changed."""
    lake, later = days
    with started(lake, "--every", "0.2") as watch:
        assert watch.stdout is not None
        first = json.loads(watch.stdout.readline())
        add(lake, later)
        second = json.loads(watch.stdout.readline())
        watch.send_signal(signal.SIGTERM)
        rest, words = watch.communicate(timeout=60)

    assert watch.returncode == 0, words
    assert first["new_exchanges"] == first["exchanges"] > 0
    assert first["campaigns"] == 0
    assert second["new_exchanges"] == len(later)
    (found,) = second["found"]
    assert found["new_accounts"] == found["accounts"] > 5
    assert found["seconds_since_last_exchange"] > 0
    assert rest == ""
    assert "flagged for the first time" in words


def test_one_look_ends_as_a_scan_does(days: tuple[Lake, list[dict[str, Any]]]) -> None:
    lake, later = days
    add(lake, later)

    statuses, told = [], []
    for _ in range(2):
        with started(lake, "--once") as watch:
            output, _ = watch.communicate(timeout=120)
        statuses.append(watch.returncode)
        told.append(json.loads(output))

    assert statuses == [3, 3]
    assert [len(one["found"]) for one in told] == [1, 0]
    assert told[1]["campaigns"] == 1


def test_a_folder_without_a_lake_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(run, ["watch", "--lake", str(tmp_path / "none"), "--once"])

    assert result.exit_code == 2
    assert "no lake" in result.output
