"""What was known of accounts at an earlier moment is kept, and `scan --until` sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from lake_rows import accounts, exchanges, new_lake, overtaken, stored

import stillwatch.lake.draft
from stillwatch.cli.main import run
from stillwatch.lake.history import accounts_known_at
from stillwatch.lake.manifest import ACCOUNT_HISTORY
from stillwatch.lake.store import Lake

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)


class _Clock(datetime):
    at = MONDAY

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return cls.at


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake, empty but for an exchange, in which imports happen when `_Clock` says."""
    monkeypatch.setattr(stillwatch.lake.draft, "datetime", _Clock)
    return new_lake(tmp_path / "lake", exchanges(1))


def tell(lake: Lake, when: datetime, *names: str, **values: Any) -> None:
    _Clock.at = when
    with lake.writer() as writer:
        writer.add("accounts", accounts(*names, **values))


def known(lake: Lake, moment: datetime | None) -> dict[str, dict[str, Any]]:
    files = accounts_known_at(lake, moment)
    return {row["account_id"]: row for path in files for row in pq.read_table(path).to_pylist()}


def test_value_that_was_corrected_is_seen_as_it_was(lake: Lake) -> None:
    """An account that was active on Monday and is said to be banned on Tuesday, and active again."""
    tell(lake, MONDAY, "a", "b", status="active")
    tell(lake, TUESDAY, "a", status="banned")
    tell(lake, WEDNESDAY, "a", status="active")

    seen = [
        known(lake, moment)["a"]["status"]
        for moment in (MONDAY + timedelta(hours=1), TUESDAY, TUESDAY + timedelta(hours=1))
    ]
    assert seen == ["active", "active", "banned"]
    assert known(lake, WEDNESDAY + timedelta(hours=1))["a"]["status"] == "active"
    assert known(lake, None)["a"]["status"] == "active"
    assert {row["status"] for row in known(lake, TUESDAY).values()} == {"active"}


def test_log_that_is_older_than_its_import_is_seen_as_first_told(lake: Lake) -> None:
    """Before anything was imported, what was imported first holds; a whole account never goes."""
    tell(lake, TUESDAY, "a", plan="free")
    tell(lake, WEDNESDAY, "a", "b", plan="team")

    rows = known(lake, MONDAY - timedelta(days=90))

    assert {name: row["plan"] for name, row in rows.items()} == {"a": "free", "b": "team"}


def test_value_that_comes_late_counts_from_the_start(lake: Lake) -> None:
    """A gap that is filled is no correction: a declaration that comes late protects all the same."""
    tell(lake, MONDAY, "a", plan="free")
    tell(lake, TUESDAY, "a", organization_id="o", closed_at=TUESDAY)

    row = known(lake, MONDAY + timedelta(hours=1))["a"]

    assert (row["organization_id"], row["closed_at"], row["plan"]) == ("o", TUESDAY, "free")


def test_declaration_is_that_of_today(lake: Lake) -> None:
    """Who turned out to be declared is protected in scans of earlier moments, too."""
    tell(lake, MONDAY, "a", organization_id="o", organization_verified="none", plan="free")
    tell(lake, TUESDAY, "a", organization_verified="contract", plan="team")

    row = known(lake, MONDAY)["a"]

    assert (row["organization_verified"], row["plan"]) == ("contract", "free")


def test_mail_domain_is_shown_in_one_way(lake: Lake) -> None:
    """A domain that turned from a token into clear is the same domain for all accounts."""
    tell(lake, MONDAY, "a", email_domain="token", plan="free")
    tell(lake, TUESDAY, "a", email_domain="mail.example", plan="team")
    tell(lake, TUESDAY, "b", email_domain="mail.example")

    rows = known(lake, MONDAY)

    assert {row["email_domain"] for row in rows.values()} == {"mail.example"}
    assert rows["a"]["plan"] == "free"


def test_same_rows_again_are_no_history(lake: Lake) -> None:
    """History grows with corrections, not with imports; new columns of other rows are none."""
    tell(lake, MONDAY, "a", plan="free")
    tell(lake, TUESDAY, "a", plan="free")
    tell(lake, WEDNESDAY, "b", country="NL")

    assert lake.rows(ACCOUNT_HISTORY) == 0
    assert known(lake, MONDAY)["a"]["plan"] == "free"


def test_history_is_of_the_commit_that_was_overtaken(lake: Lake) -> None:
    """Corrections that two imports bring at once are both in the history."""
    tell(lake, MONDAY, "a", plan="free")

    def other() -> None:
        tell(Lake.open(lake.path), TUESDAY, "a", plan="team")

    _Clock.at = TUESDAY + timedelta(hours=1)
    with overtaken(other), lake.writer() as writer:
        writer.add("accounts", accounts("a", plan="edu"))

    plans = [row["plan"] for row in stored(Lake.open(lake.path), ACCOUNT_HISTORY)]
    assert sorted(plans) == ["free", "team"]


def test_scan_until_reads_the_accounts_of_then(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """`scan --until` of a lake takes the plan that an account had before it was corrected."""
    tell(lake, MONDAY, "a", plan="free")
    tell(lake, TUESDAY, "a", plan="team")
    read: list[str] = []

    def scan(log: Any, *_: Any, **__: Any) -> None:
        read.extend(
            row[0] for row in log.connection.execute("select plan from accounts").fetchall()
        )
        raise KeyboardInterrupt

    monkeypatch.setattr("stillwatch.campaigns.scan.scan", scan)
    for words in (["--until", MONDAY.isoformat()], []):
        CliRunner().invoke(run, ["scan", "--lake", str(lake.path), *words])

    assert read == ["free", "team"]
