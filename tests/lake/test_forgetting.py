"""`stillwatch lake forget`: what is erased is nowhere, and all else is as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from killed_commands import KILLED, start_command
from lake_rows import stored

import stillwatch.lake.forgetting
from planted_logs import START, planted
from stillwatch.cli.main import run
from stillwatch.lake.check import check_lake
from stillwatch.lake.compaction import compact_lake
from stillwatch.lake.erasure_rules import Wanted, names_any
from stillwatch.lake.forgetting import forget
from stillwatch.lake.manifest import Manifest
from stillwatch.lake.store import Lake
from stillwatch.records import (
    ACCOUNTS,
    CREDENTIALS,
    EXCHANGES,
    TIMESTAMP,
    InputError,
    StillwatchError,
    read_findings,
)

ERASED = "gone-4711"
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
SECONDS = 300


def table(schema: Any, *rows: dict[str, Any]) -> pa.Table:
    return schema.table([dict.fromkeys(schema.names) | row for row in rows])


def told(account: str, number: int, day: datetime, **more: Any) -> dict[str, Any]:
    text = f"Explain tides, said {account}."
    return {
        "exchange_id": f"{account}-{day:%m%d}-{number}",
        "account_id": account,
        "started_at": day + timedelta(hours=number),
        "credential_id": f"cred-{account}",
        "system_text": text,
        "input_text": text,
        "output_text": text,
        **more,
    }


def seen(request_id: str, at: datetime) -> pa.Table:
    row = {"request_id": [request_id], "started_at": [at], "network_log": ["envoy"]}
    schema = pa.schema(
        [("request_id", pa.string()), ("started_at", TIMESTAMP), ("network_log", pa.string())]
    )
    return pa.table({**row}, schema=schema)


def refused(file: str, reason: str, at: datetime) -> pa.Table:
    row = {"file": [file], "line": [7], "reason": [reason], "quarantined_at": [at]}
    return pa.table(row).cast(
        pa.schema(
            [
                ("file", pa.string()),
                ("line", pa.int64()),
                ("reason", pa.string()),
                ("quarantined_at", TIMESTAMP),
            ]
        )
    )


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every table holds rows of `gone-4711` and of others, on an old day and on a young one."""
    path = tmp_path_factory.mktemp("lakes") / "lake"
    old, young = TODAY - timedelta(days=40), TODAY - timedelta(days=3)
    for day, plan in ((old, "free"), (young, "team")):
        with Lake.open_or_create(path, "key-1").writer() as writer:
            rows = [told(a, n, day) for a in (ERASED, "gone-47", "b") for n in range(3)]
            notes = pa.array([f"told by {row['account_id']}" for row in rows])
            asked = pa.array([f"r-{row['exchange_id']}" for row in rows])
            log = table(EXCHANGES, *rows).append_column("note", notes)
            writer.add("exchanges", log.append_column("request_id", asked))
            for account in (ERASED, "b"):
                writer.add("network", seen(f"r-{account}-{day:%m%d}-1", day + timedelta(hours=1)))
            # Of another request that had the same id, days before.
            writer.add("network", seen(f"r-{ERASED}-{day:%m%d}-1", day - timedelta(days=5)))
            people = [
                {"account_id": name, "plan": plan, "closed_at": closed}
                for name, closed in ((ERASED, None), ("b", None), ("left", old), ("old", old))
            ]
            writer.add("accounts", table(ACCOUNTS, *people))
            keys = [
                {"credential_id": f"cred-{p['account_id']}", "account_id": p["account_id"],
                 "revoked_at": day}
                for p in people
            ]  # fmt: skip
            writer.add("credentials", table(CREDENTIALS, *keys))
            writer.add("quarantine", refused(f"logs/{ERASED}.jsonl", f"no time, {plan}", day))
            writer.add("quarantine", refused("logs/b.jsonl", f"no time, {plan}", day))
            if day is young:
                writer.add("exchanges", table(EXCHANGES, told("left", 9, day)))
    return path


@pytest.fixture
def lake(full: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(full, tmp_path / "lake"))


def command(lake: Path, *words: object, status: int = 0) -> dict[str, Any]:
    given = ["lake", "forget", "--lake", str(lake), "--json", *map(str, words)]
    result = CliRunner().invoke(run, given)
    assert result.exit_code == status, result.output
    return json.loads(result.stdout) if result.stdout else {}


def everything(lake: Path) -> dict[str, list[dict[str, Any]]]:
    """All rows; with each exchange, its sketch."""
    opened = Lake.open(lake)
    rows = {t: stored(opened, t) for t in opened.manifest.tables}
    pairs = zip(rows.pop("exchanges"), rows.pop("sketches"), strict=True)
    rows["exchanges"] = [exchange | {"sketch": sketch} for exchange, sketch in pairs]
    assert all(row["sketch"]["exchange_id"] == row["exchange_id"] for row in rows["exchanges"])
    return {t: sorted(some, key=str) for t, some in rows.items()}


def test_erased_account_is_in_no_file(lake: Path) -> None:
    """Not in a byte of the lake once replaced files are removed; rows of all others are the same."""
    before = everything(lake)

    report = command(lake, "--account", ERASED, "--now")

    after = everything(lake)
    assert report["rows"] == {
        "exchanges": 6, "network": 2, "accounts": 1, "credentials": 1, "account_history": 1,
        "credential_history": 1, "quarantine": 2,
    }  # fmt: skip
    for name, rows in before.items():
        gone = report["rows"].get(name, 0)
        assert len(after[name]) == len(rows) - gone
        assert [row for row in rows if row in after[name]] == after[name]
    texts = [pq.read_table(p).to_pylist() for p in lake.rglob("*.parquet")]
    strangers = [row["request_id"] for row in after["network"] if ERASED in row["request_id"]]
    assert len(strangers) == 2
    assert str(texts).count(ERASED) == 2
    assert (check_lake(lake).problems, check_lake(lake).leftovers) == ([], [])
    assert command(lake, "--account", ERASED)["rows"] == {}


def test_what_scans_remember_goes_with_rows(lake: Path) -> None:
    """Figures of accounts are kept beside the lake until somebody is erased."""
    looks = Lake.open(lake).looks_directory
    looks.mkdir()
    (looks / "0.npz").write_bytes(b"figures")

    forget(lake, Wanted(accounts=frozenset({ERASED})), dry_run=True)
    assert looks.exists()

    forget(lake, Wanted(accounts=frozenset({ERASED})))
    assert not looks.exists()


def test_text_goes_and_summaries_stay(lake: Path) -> None:
    """Of one account: texts and a source's own columns are null, sketches and figures as before."""
    before = everything(lake)

    report = command(lake, "--account", ERASED, "--text-only")

    assert (report["texts"], report["rows"]) == (6, {})
    after = everything(lake)
    emptied = dict.fromkeys(("system_text", "input_text", "output_text", "note"))
    wanted = [row | emptied if row["account_id"] == ERASED else row for row in before["exchanges"]]
    assert after["exchanges"] == sorted(wanted, key=str)
    assert {t: r for t, r in after.items() if t != "exchanges"} == {
        t: r for t, r in before.items() if t != "exchanges"
    }
    assert check_lake(lake).problems == []
    assert command(lake, "--account", ERASED, "--text-only")["files"] == 0


def test_what_is_old_goes_with_its_whole_days(lake: Path) -> None:
    """Exchanges, proxies' rows, what was superseded or quarantined; and who is closed and silent."""
    report = command(lake, "--older-than", 30)

    after = everything(lake)
    assert report["rows"]["exchanges"] == 9
    assert len(after["exchanges"]) == 10
    moments = [row["started_at"] for row in (*after["exchanges"], *after["network"])]
    assert min(moments) >= TODAY - timedelta(days=30)
    # "left" was closed long ago, and has an exchange of three days ago.
    assert {row["account_id"] for row in after["accounts"]} == {ERASED, "b", "left"}
    assert {row["account_id"] for row in after["credentials"]} == {ERASED, "b", "left"}
    assert len(after["quarantine"]) == 2
    assert {row["account_id"] for row in after["account_history"]} == {ERASED, "b", "left"}
    assert check_lake(lake).problems == []
    assert command(lake, "--older-than", 30)["files"] == 0


def test_old_text_goes_first(lake: Path) -> None:
    """Texts of old days are null and their sketches stay; young ones are as they were."""
    before = everything(lake)

    report = command(lake, "--older-than", 30, "--text-only")

    assert report["texts"] == 9
    for row in everything(lake)["exchanges"]:
        assert (row["input_text"] is None) == (row["started_at"] < TODAY - timedelta(days=30))
    sketches = [row["sketch"] for row in before["exchanges"]]
    assert sorted(map(str, sketches)) == sorted(
        str(row["sketch"]) for row in everything(lake)["exchanges"]
    )
    assert command(lake, "--older-than", 30, "--text-only")["files"] == 0


def test_dry_run_counts_and_changes_nothing(lake: Path) -> None:
    """It reports what the run itself reports, whatever is asked."""
    files = {p: p.read_bytes() for p in lake.rglob("*") if p.is_file() and p.name != ".readers"}
    asked = (["--account", ERASED], ["--older-than", 30], ["--account", ERASED, "--text-only"])

    reports = [command(lake, *words, "--dry-run") for words in asked]

    now = {p: p.read_bytes() for p in lake.rglob("*") if p.is_file() and p.name != ".readers"}
    assert now == files
    for words, report in zip(asked, reports, strict=True):
        copy = Path(shutil.copytree(lake, lake.parent / f"copy{asked.index(words)}"))
        assert command(copy, *words) == report | {"dry_run": False}


def test_hold_on_an_account_is_respected(lake: Path, tmp_path: Path) -> None:
    """Naming it is refused; by age its rows stay; once the hold is over, they go."""

    def hold(*words: str) -> dict[str, Any]:
        result = CliRunner().invoke(run, ["lake", "hold", *words, "--lake", str(lake), "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    before = everything(lake)
    opened = hold("add", "--account", ERASED, "--reason", "A dispute is open.")
    hold("add", "--account", "b", "--reason", "Over.", "--until", "2026-01-01T00:00:00Z")
    named = tmp_path / "accounts.txt"
    named.write_text(f"b\n\n{ERASED}\n")

    command(lake, "--account-file", named, status=2)
    assert everything(lake) == before
    report = command(lake, "--older-than", 30)

    assert (report["held"], report["rows"]["exchanges"]) == (3, 6)
    kept = [row for row in everything(lake)["exchanges"] if row["account_id"] == ERASED]
    assert kept == [row for row in before["exchanges"] if row["account_id"] == ERASED]
    assert {r["account_id"] for r in everything(lake)["account_history"]} >= {ERASED}
    assert [one["account"] for one in hold("list")["holds"]] == [ERASED, "b"]
    shown = CliRunner().invoke(run, ["lake", "hold", "list", "--lake", str(lake)])
    assert f"{opened['id']}: account {ERASED}" in shown.stdout
    hold("release", opened["id"])
    assert command(lake, "--account-file", named)["rows"]["exchanges"] == 9


def test_hold_on_everything_refuses_all(lake: Path) -> None:
    """Its id is named, and nothing is erased."""
    words = ["--everything", "--reason", "A court has asked.", "--lake", str(lake)]
    assert CliRunner().invoke(run, ["lake", "hold", "add", *words]).exit_code == 0
    before = Manifest.read(lake)

    for asked in (["--older-than", 30], ["--account", "b", "--text-only"]):
        command(lake, *asked, status=2)

    assert Manifest.read(lake) == before


def test_holds_that_cannot_be_read_refuse_all(lake: Path) -> None:
    """Nobody knows what they hold."""
    (lake / "holds.json").write_text("{")

    with pytest.raises(InputError, match="cannot be read"):
        forget(lake, Wanted(frozenset({"b"})))


@contextmanager
def before_the_commit(act: Callable[[], object]) -> Iterator[None]:
    waiting = [act]
    take_lock = stillwatch.lake.forgetting.locked

    def locked(lake: Path) -> Any:
        if waiting:
            waiting.pop()()
        return take_lock(lake)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stillwatch.lake.forgetting, "locked", locked)
        yield


def test_what_is_imported_or_compacted_meanwhile_is_reached(lake: Path) -> None:
    """Files that came after the erasure was prepared are looked through before its commit."""

    def first() -> None:
        with Lake.open(lake).writer() as writer:
            writer.add("exchanges", table(EXCHANGES, told(ERASED, 20, TODAY), told("b", 20, TODAY)))
        compact_lake(lake)

    with before_the_commit(first):
        done = forget(lake, Wanted(frozenset({ERASED})))

    assert done.rows["exchanges"] == 7
    ids = {row["exchange_id"] for row in everything(lake)["exchanges"]}
    assert f"b-{TODAY:%m%d}-20" in ids
    assert not {i for i in ids if i.startswith(ERASED)}
    assert check_lake(lake).problems == []


def test_hold_that_is_opened_meanwhile_stops_it(lake: Path) -> None:
    """Even in the last moment."""
    words = ["lake", "hold", "add", "--account", "b", "--reason", "Late.", "--lake", str(lake)]

    with (
        before_the_commit(lambda: CliRunner().invoke(run, words)),
        pytest.raises(InputError, match="meanwhile"),
    ):
        forget(lake, Wanted(before=TODAY - timedelta(days=30)))

    assert check_lake(lake).leftovers == []


def test_scan_that_read_erased_rows_leaves_no_findings(lake: Path) -> None:
    """Its findings would name what is gone."""
    snapshot = Lake.open(lake)

    with pytest.raises(StillwatchError, match="erased"), snapshot.new_findings():
        forget(lake, Wanted(frozenset({ERASED})))

    assert not snapshot.findings_directory.exists()


def test_damaged_file_stops_it(lake: Path) -> None:
    """Whether it holds what is to be erased cannot be known."""
    file = Lake.open(lake).files("sketches")[0]
    file.write_bytes(file.read_bytes()[:-9])

    command(lake, "--account", ERASED, status=2)


@pytest.mark.parametrize("every", [41, pytest.param(1, marks=pytest.mark.faults)])
def test_killed_at_every_step_it_has_erased_all_or_nothing(lake: Path, every: int) -> None:
    """And the next run ends what was begun."""
    kills = 0
    for step in range(1, 1000, every):
        words = ["lake", "forget", "--lake", str(lake), "--account", ERASED, "--now"]
        process = start_command(words, lake=lake, die_at=step, output=lake.parent / "out.txt")
        process.join(SECONDS)
        rows = everything(lake)["exchanges"]
        assert sum(row["account_id"] == ERASED for row in rows) in (0, 6)
        assert len(rows) == 13 + sum(row["account_id"] == ERASED for row in rows)
        assert check_lake(lake).problems == []
        if process.exitcode == 0:
            break
        assert process.exitcode == KILLED, (lake.parent / "out.txt").read_text()
        kills += 1
    assert kills > 60 / every
    assert check_lake(lake).leftovers == []


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake in which a scan has found a campaign."""
    book, _ = planted()
    lake = Lake.create(tmp_path_factory.mktemp("scanned") / "lake", "key-1")
    with lake.writer() as writer:
        writer.add("exchanges", EXCHANGES.table(book.exchanges))
        writer.add("accounts", ACCOUNTS.table(book.accounts))
    words = ["scan", "--lake", str(lake.path), "--no-timeline"]
    assert CliRunner().invoke(run, words).exit_code == 3
    return lake.path


def test_campaign_is_found_by_the_sketches_of_erased_texts(scanned: Path, tmp_path: Path) -> None:
    """And the scan says what it no longer sees, not that nothing can be seen."""
    lake = Path(shutil.copytree(scanned, tmp_path / "lake"))
    command(lake, "--older-than", 1, "--text-only")

    words = ["scan", "--lake", str(lake), "--no-timeline", "--json"]
    result = CliRunner().invoke(run, words)

    assert result.exit_code == 3
    missing = json.loads(result.stdout)["missing_evidence"]
    assert [t for t in missing if t.startswith("no prompt text any longer: ")]
    assert not [t for t in missing if "what is collected cannot be seen" in t]


def test_findings_and_pages_do_not_name_it(scanned: Path, tmp_path: Path) -> None:
    """Its rows, links and groups go, and the page that quotes it; what stays is marked as stale."""
    lake = Path(shutil.copytree(scanned, tmp_path / "lake"))
    before = read_findings(lake / "findings")
    member = before.members["account_id"][0].as_py()
    campaign = before.members["campaign_id"][0].as_py()
    notes = lake / "findings" / "notes.txt"
    notes.write_text(f"We wrote to {member}.")
    assert (lake / "findings" / "dossier" / f"{campaign}.html").is_file()

    report = command(lake, "--account", member, "--now")

    after = read_findings(lake / "findings")
    assert after.members.num_rows == before.members.num_rows - 1
    assert after.exchanges.num_rows < before.exchanges.num_rows
    for path in (p for p in lake.rglob("*") if p.is_file() and p != notes):
        said = str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else ""
        assert not names_any(said or path.read_text(errors="replace"), frozenset({member})), path
    assert (report["findings"]["scans"], report["findings"]["dossiers"]) == (1, 1)
    assert report["not_reached"] == [str(notes)]
    explained = CliRunner().invoke(run, ["explain", campaign, "--lake", str(lake)])
    assert "stale" in explained.output
    assert CliRunner().invoke(run, ["explain", member, "--lake", str(lake)]).exit_code == 2


def test_findings_of_what_is_old_go_with_it(scanned: Path, tmp_path: Path) -> None:
    """A campaign of which nothing is left is found no more; with texts alone, its page goes."""
    days = (TODAY - START.replace(hour=0)).days - 20
    texts = Path(shutil.copytree(scanned, tmp_path / "texts"))
    before = read_findings(texts / "findings")

    report = command(texts, "--older-than", days, "--text-only")

    after = read_findings(texts / "findings")
    assert after.members.equals(before.members)
    assert report["findings"] == {"scans": 1, "rows": 0, "dossiers": before.campaigns.num_rows}
    assert not list((texts / "findings" / "dossier").glob("*.html"))
    words = ["scan", "--lake", str(texts), "--no-timeline"]
    assert CliRunner().invoke(run, words).exit_code == 3
    again = read_findings(texts / "findings")
    assert "stale" not in again.notes
    for name in ("campaigns", "exchanges", "members"):
        assert again.table(name).equals(before.table(name)), "sketches tell what texts told"
    rows = Path(shutil.copytree(scanned, tmp_path / "rows"))
    foreseen = command(rows, "--older-than", days, "--dry-run")["findings"]
    assert command(rows, "--older-than", days)["findings"] == foreseen
    after = read_findings(rows / "findings")
    assert [after.table(t).num_rows for t in ("campaigns", "members", "exchanges")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("logs/acme.jsonl.gz", True),
        ("account acme: no time", True),
        ("acme", True),
        ("acme-2", False),
        ("pacme", False),
        ("(acme)", True),
    ],
)
def test_account_is_named_by_a_word_of_its_own(text: str, named: bool) -> None:
    """And not by a part of another's name."""
    assert names_any(text, frozenset({"acme"})) is named
