"""How a lake does, told without reading its rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from stillwatch.cli.main import run
from stillwatch.lake.condition import Condition, condition_of
from stillwatch.records import EXCHANGES, Exchange, InputError, write_parquet

START = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)


def _lake(folder: Path, *, agents_from_day: int = 0, days: int = 4) -> Path:
    """A log of a thousand exchanges a day; the user agent is there from some day on."""
    rows = [
        Exchange(
            exchange_id=f"x-{day}-{n}",
            account_id=f"acct-{n % 50}",
            started_at=START + timedelta(days=day, seconds=60 * n),
            model="mirror",
            user_agent="client/1" if day >= agents_from_day else None,
        )
        for day in range(days)
        for n in range(1_000)
    ]
    write_parquet(EXCHANGES.table(rows), folder / "log.parquet")
    (folder / "wrong.parquet").write_bytes(b"no parquet")
    for name in ("log.parquet", "wrong.parquet"):
        command = ["import", "--format", "canonical", str(folder / name), "--lake"]
        CliRunner().invoke(run, [*command, str(folder / "lake")])
    return folder / "lake"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STILLWATCH__KEYS__FILE", str(tmp_path / "key"))
    CliRunner().invoke(run, ["keys", "init"])
    return tmp_path


def test_a_lake_that_is_well_changes_in_nothing(home: Path) -> None:
    """Every column as often as before."""
    told = condition_of(_lake(home))
    assert isinstance(told, Condition)
    assert told.exchanges == 4_000
    assert {change for _, change in told.column_changes} == {0.0}
    assert told.missing == ()
    assert told.last_scan_at is None
    assert datetime.now(UTC) - told.last_commit_at < timedelta(hours=1)


def test_a_column_that_fills_is_seen(home: Path) -> None:
    """By as much of the rows as have it now and had it not before."""
    told = condition_of(_lake(home, agents_from_day=2))
    assert dict(told.column_changes)["user_agent"] == 1.0


def test_what_could_not_be_read_is_a_share(home: Path) -> None:
    """One file that is none, beside the thousand rows of the last day."""
    told = condition_of(_lake(home))
    assert told.quarantine_share == pytest.approx(1 / 1_001)


def test_files_that_are_gone_are_named(home: Path) -> None:
    """And nothing else is asked of them."""
    lake = _lake(home)
    gone = next((lake / "exchanges").rglob("*.parquet"))
    gone.unlink()
    told = condition_of(lake)
    assert told.missing == (gone.relative_to(lake).as_posix(),)


def test_no_lake_is_an_error(tmp_path: Path) -> None:
    """As everywhere."""
    with pytest.raises(InputError):
        condition_of(tmp_path)
