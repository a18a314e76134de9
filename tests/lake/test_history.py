"""What was known at an earlier moment is kept, and `scan --until` sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from lake_rows import START, accounts, exchanges, new_lake, overtaken, stored

import stillwatch.lake.draft
from stillwatch.cli.main import run
from stillwatch.lake.history import files_known_at
from stillwatch.lake.manifest import HISTORIES
from stillwatch.lake.store import Lake
from stillwatch.records import CREDENTIALS, MODEL_RELEASES, TableSchema

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


def tell_again(lake: Lake, when: datetime, name: str, **values: Any) -> None:
    """A row with a column of the log's own, the day, so that it is not the same as any other."""
    _Clock.at = when
    day = pa.array([when.date().isoformat()])
    with lake.writer() as writer:
        writer.add("accounts", accounts(name, **values).append_column("told_on", day))


def tell_of(lake: Lake, when: datetime, schema: TableSchema, **values: Any) -> None:
    """A row of another small table, with only the columns that hold something."""
    _Clock.at = when
    row = schema.table([dict.fromkeys(schema.names) | values])
    with lake.writer() as writer:
        writer.add(schema.name, row.select(list(values)))


def known(
    lake: Lake, moment: datetime | None, table: str = "accounts", key: str = "account_id"
) -> dict[str, dict[str, Any]]:
    files = files_known_at(lake, table, moment)
    return {row[key]: row for path in files for row in pq.read_table(path).to_pylist()}


def credentials_known(lake: Lake, moment: datetime | None) -> dict[str, dict[str, Any]]:
    return known(lake, moment, "credentials", "credential_id")


def test_value_that_was_corrected_is_seen_as_it_was(lake: Lake) -> None:
    """An account that was active on Monday and is said to be banned on Tuesday, and active again."""
    tell(lake, MONDAY, "a", "b", status="active")
    tell(lake, TUESDAY, "a", status="banned")
    tell(lake, WEDNESDAY, "a", status="active", restored_at=WEDNESDAY)

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


@pytest.mark.parametrize(
    ("then", "today", "seen"),
    [
        ("none", "contract", "contract"),
        (None, "domain", "domain"),
        ("domain", "kyc", "kyc"),
        ("contract", "none", "contract"),
        ("kyc", "domain", "kyc"),
        ("none", "other", "other"),
        ("contract", "kyc", "kyc"),
        ("kyc", "contract", "contract"),
    ],
)
def test_stronger_declaration_protects(then: str | None, today: str, seen: str, lake: Lake) -> None:
    """Who turned out to be declared is protected in scans of then, and who was declared then is."""
    tell(lake, MONDAY, "a", organization_id="o", organization_verified=then, plan="free")
    tell(lake, MONDAY, "a", organization_since=MONDAY)
    tell(lake, TUESDAY, "a", organization_id="p", organization_verified=today, plan="team")

    row = known(lake, MONDAY + timedelta(hours=1))["a"]

    assert (row["organization_verified"], row["plan"]) == (seen, "free")
    assert row["organization_id"] == ("o" if seen == then else "p")
    assert known(lake, None)["a"]["organization_id"] == "p"


def test_mail_domain_is_shown_in_one_way(lake: Lake) -> None:
    """A domain that turned from a token into clear is the same domain for all accounts."""
    tell(lake, MONDAY, "a", email_domain="domain_1", plan="free")
    tell(lake, TUESDAY, "a", email_domain="mail.example", plan="team")
    tell(lake, TUESDAY, "b", email_domain="mail.example")

    rows = known(lake, MONDAY)

    assert {row["email_domain"] for row in rows.values()} == {"mail.example"}
    assert rows["a"]["plan"] == "free"


@pytest.mark.parametrize(
    ("then", "today"),
    [
        ("old.example", "new.example"),
        ("old.example", "domain_1"),
        ("domain_1", "domain_2"),
        ("domain_0", "new.example"),
    ],
)
def test_mail_domain_that_was_corrected_is_seen_as_it_was(
    then: str, today: str, lake: Lake
) -> None:
    """A token counts as long as it can be no other sight of what is in clear today."""
    tell(lake, MONDAY, "a", email_domain=then)
    tell(lake, MONDAY, "c", email_domain="domain_0")
    tell(lake, TUESDAY, "a", email_domain=today)

    assert known(lake, MONDAY + timedelta(hours=1))["a"]["email_domain"] == then
    assert known(lake, WEDNESDAY)["a"]["email_domain"] == today


def test_correction_of_a_credential_is_seen_as_it_was(lake: Lake) -> None:
    """A key reported as leaked on Monday, of which Tuesday says that it was another day."""
    told = {"credential_id": "k", "account_id": "a"}
    tell_of(lake, TUESDAY, CREDENTIALS, **told, reported_leaked_at=MONDAY)
    tell_of(lake, WEDNESDAY, CREDENTIALS, **told, reported_leaked_at=MONDAY - timedelta(days=9))

    seen = [
        credentials_known(lake, moment)["k"]["reported_leaked_at"]
        for moment in (TUESDAY + timedelta(hours=1), WEDNESDAY + timedelta(hours=1), None)
    ]
    assert seen == [MONDAY, MONDAY - timedelta(days=9), MONDAY - timedelta(days=9)]


def test_what_came_later_was_not_known_of_a_credential(lake: Lake) -> None:
    """A revocation and a report count from their own time on, whenever they were imported."""
    for name, made in (("k", MONDAY), ("l", WEDNESDAY)):
        told = {"credential_id": name, "account_id": "a", "created_at": made}
        tell_of(lake, WEDNESDAY, CREDENTIALS, **told, revoked_at=WEDNESDAY)
    tell_of(lake, WEDNESDAY, CREDENTIALS, credential_id="m", account_id="a")

    then = credentials_known(lake, TUESDAY)

    assert set(then) == {"k", "m"}, "l was not made yet, and nobody says when m was"
    assert then["k"]["revoked_at"] is None
    after = credentials_known(lake, WEDNESDAY + timedelta(seconds=1))
    assert after["k"]["revoked_at"] == after["l"]["revoked_at"] == WEDNESDAY
    assert credentials_known(lake, None)["l"]["revoked_at"] == WEDNESDAY


def test_correction_of_a_release_is_seen_as_it_was(lake: Lake) -> None:
    """A date of release that was corrected."""
    for when, released in ((MONDAY, MONDAY), (TUESDAY, MONDAY - timedelta(days=3))):
        tell_of(lake, when, MODEL_RELEASES, model="m", released_at=released)

    def released_known(moment: datetime | None) -> datetime:
        return known(lake, moment, "model_releases", "model")["m"]["released_at"]

    assert released_known(MONDAY + timedelta(hours=1)) == MONDAY
    assert released_known(None) == MONDAY - timedelta(days=3)


def test_table_that_nobody_told_of_has_no_files(lake: Lake) -> None:
    """Neither today nor then."""
    for table in HISTORIES:
        assert files_known_at(lake, table, None) == files_known_at(lake, table, MONDAY) == []


def test_same_rows_again_are_no_history(lake: Lake) -> None:
    """History grows with corrections, not with imports; new columns of other rows are none."""
    tell(lake, MONDAY, "a", plan="free")
    tell(lake, TUESDAY, "a", plan="free")
    tell(lake, WEDNESDAY, "b", country="NL")

    assert lake.rows(HISTORIES["accounts"]) == 0
    assert known(lake, MONDAY)["a"]["plan"] == "free"


def test_row_that_was_corrected_since_changes_nothing_when_it_comes_again(lake: Lake) -> None:
    """An older file by mistake, in whatever order; a row that says anything else is news."""
    tell(lake, MONDAY, "a", "b", status="active", plan="team", email_domain="domain_1")
    tell(lake, TUESDAY, "a", status="banned", closed_at=TUESDAY)
    tell(lake, TUESDAY, "a", country="NL")
    before = stored(lake, "accounts"), stored(lake, HISTORIES["accounts"])

    tell(lake, WEDNESDAY, "a", "b", status="active", plan="team", email_domain="domain_1")
    tell(lake, WEDNESDAY, "a", status="active")
    tell(lake, WEDNESDAY, "a", status="banned", closed_at=TUESDAY)

    assert (stored(lake, "accounts"), stored(lake, HISTORIES["accounts"])) == before

    tell_again(lake, WEDNESDAY, "a", status="active")
    assert known(lake, None)["a"]["status"] == "active"


def test_correction_is_recognised_where_its_domain_is_shown_in_clear_since(lake: Lake) -> None:
    """The row that comes again holds the token of a domain that the history shows in clear."""
    token = "domain_" + 32 * "0"

    def tell_all(**values: Any) -> None:
        with lake.writer() as writer:
            names = ["a", *(f"n{i}" for i in range(4))]
            writer.add("accounts", accounts(*names, email_domain=token, **values))
            writer.reveal_domains({token: "lab.example"}, shared_by=5)

    tell_all(plan="free")
    tell(lake, TUESDAY, "a", plan="team")
    tell_all(plan="free")

    assert known(lake, None)["a"]["plan"] == "team"
    assert known(lake, None)["a"]["email_domain"] == "lab.example"


def test_account_that_is_active_again_keeps_no_date_of_a_closure(lake: Lake) -> None:
    """Unless a restoration is told; and what held at each moment is still seen."""
    tell(lake, MONDAY, "a", "b", status="active")
    tell(lake, TUESDAY, "a", "b", status="banned", closed_at=TUESDAY, closed_reason="abuse")
    tell_again(lake, WEDNESDAY, "a", status="active")
    tell(lake, WEDNESDAY, "b", status="active", restored_at=WEDNESDAY)

    today = known(lake, None)
    assert (today["a"]["closed_at"], today["a"]["closed_reason"]) == (None, None)
    assert (today["b"]["closed_at"], today["b"]["restored_at"]) == (TUESDAY, WEDNESDAY)
    then = known(lake, TUESDAY + timedelta(hours=1))["a"]
    assert (then["status"], then["closed_at"]) == ("banned", TUESDAY)
    assert known(lake, TUESDAY)["a"]["status"] == "active"


def test_closure_and_what_came_before_it_in_one_import(lake: Lake) -> None:
    """The last row that says a status says its dates, also of several that come at once."""
    with lake.writer() as writer:
        writer.add("accounts", accounts("a", status="active"))
        writer.add("accounts", accounts("a", status="closed", closed_at=MONDAY))
        writer.add("accounts", accounts("b", status="closed", closed_at=MONDAY))
        writer.add("accounts", accounts("b", status="active"))

    rows = known(lake, None)
    assert (rows["a"]["status"], rows["a"]["closed_at"]) == ("closed", MONDAY)
    assert (rows["b"]["status"], rows["b"]["closed_at"]) == ("active", None)
    assert (writer.added.imported, writer.added.duplicates, writer.added.corrected) == (2, 2, 2)


def test_history_is_of_the_commit_that_was_overtaken(lake: Lake) -> None:
    """Corrections that two imports bring at once are both in the history."""
    tell(lake, MONDAY, "a", plan="free")

    def other() -> None:
        tell(Lake.open(lake.path), TUESDAY, "a", plan="team")

    _Clock.at = TUESDAY + timedelta(hours=1)
    with overtaken(other), lake.writer() as writer:
        writer.add("accounts", accounts("a", plan="edu"))

    plans = [row["plan"] for row in stored(Lake.open(lake.path), HISTORIES["accounts"])]
    assert sorted(plans) == ["free", "team"]


def test_value_holds_until_the_commit_that_corrects_it(lake: Lake) -> None:
    """An import that is prepared on Monday evening and commits on Tuesday corrects on Tuesday."""
    tell(lake, MONDAY, "a", plan="free")

    def night_passes() -> None:
        _Clock.at = TUESDAY

    _Clock.at = MONDAY + timedelta(hours=1)
    with overtaken(night_passes), lake.writer() as writer:
        writer.add("accounts", accounts("a", plan="team"))

    assert known(lake, TUESDAY - timedelta(hours=1))["a"]["plan"] == "free"
    assert known(lake, TUESDAY + timedelta(hours=1))["a"]["plan"] == "team"


def test_scan_until_reads_the_tables_of_then(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """`scan --until` of a lake takes what each small table said before it was corrected."""
    for when, plan, day in ((MONDAY, "free", 1), (TUESDAY, "team", 2)):
        tell(lake, when, "a", plan=plan)
        told = {"credential_id": "k", "account_id": "a", "revoked_at": START + timedelta(days=day)}
        tell_of(lake, when, CREDENTIALS, **told)
        released = START + timedelta(days=day)
        tell_of(lake, when, MODEL_RELEASES, model="m", released_at=released)
    queries = (
        "select plan from accounts",
        "select day(revoked_at) from credentials",
        "select day(released_at) from model_releases",
    )
    read: list[Any] = []

    def scan(log: Any, *_: Any, **__: Any) -> None:
        read.append([log.connection.execute(query).fetchall()[0][0] for query in queries])
        raise KeyboardInterrupt

    monkeypatch.setattr("stillwatch.campaigns.scan.scan", scan)
    for words in (["--until", TUESDAY.isoformat()], []):
        CliRunner().invoke(run, ["scan", "--lake", str(lake.path), *words])

    assert read == [["free", 2, 2], ["team", 3, 3]]
