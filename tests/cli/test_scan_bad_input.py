"""Bad input to a scan: what was wrong, where, what to do; never a traceback, nothing half-written."""

from __future__ import annotations

import errno
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from stillwatch.campaigns.tells import SIGNALS
from stillwatch.cli.main import run
from stillwatch.records import ACCOUNTS, EXCHANGES

START = datetime(2026, 5, 4, tzinfo=UTC)


def exchange(number: int, **changes: Any) -> dict[str, Any]:
    row = dict.fromkeys(EXCHANGES.names)
    row |= {
        "exchange_id": f"x{number}",
        "account_id": f"a{number % 7}",
        "started_at": START + timedelta(minutes=17 * number),
        "input_text": f"How do I prune an apple tree number {number} before winter comes?",
        "output_text": "Cut dead wood first.",
        "status": "ok",
    }
    return row | changes


def write_log(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    pq.write_table(EXCHANGES.table(rows), folder / "2026-05-04.parquet")
    return folder


@pytest.fixture
def quiet_log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "exchanges", [exchange(i) for i in range(60)])


def scan(*arguments: object) -> Result:
    return CliRunner().invoke(run, ["scan", *(str(a) for a in arguments)])


def scan_into(out: Path, exchanges: Path, *more: object) -> Result:
    return scan("--exchanges", exchanges, "--out", out, *more)


def assert_refused(result: Result, out: Path, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.output.replace("\n", " ")
    assert not out.exists() or not list(out.iterdir())


def test_a_quiet_log_ends_with_zero(quiet_log: Path, tmp_path: Path) -> None:
    """Nothing found is exit status 0, with all five tables written."""
    result = scan_into(tmp_path / "out", quiet_log)

    assert result.exit_code == 0, result.output
    names = {p.name for p in (tmp_path / "out").glob("*.parquet")}
    assert names == {
        f"{n}.parquet" for n in ("campaigns", "members", "exchanges", "tested", "links")
    }


def test_a_missing_required_column_is_named_with_its_near_miss(tmp_path: Path) -> None:
    """The message says which column, in which file, and what to rename."""
    folder = write_log(tmp_path / "exchanges", [exchange(1)])
    table = pq.read_table(next(folder.iterdir()))
    pq.write_table(
        table.rename_columns(["account" if n == "account_id" else n for n in table.column_names]),
        next(folder.iterdir()),
    )

    assert_refused(
        scan_into(tmp_path / "out", folder),
        tmp_path / "out",
        "account_id",
        "2026-05-04.parquet",
        "rename 'account' to 'account_id'",
    )


def test_a_column_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    """A list where a time should be cannot be guessed at."""
    folder = tmp_path / "exchanges"
    folder.mkdir()
    pq.write_table(
        pa.table({"exchange_id": ["x"], "account_id": ["a"], "started_at": [[1, 2]]}),
        folder / "bad.parquet",
    )

    assert_refused(scan_into(tmp_path / "out", folder), tmp_path / "out", "started_at", "timestamp")


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    """Zero bytes are no Parquet file."""
    folder = tmp_path / "exchanges"
    folder.mkdir()
    (folder / "empty.parquet").touch()

    assert_refused(scan_into(tmp_path / "out", folder), tmp_path / "out", "empty.parquet", "empty")


def test_a_truncated_file_is_named(quiet_log: Path, tmp_path: Path) -> None:
    """Half a file is not read as if it were whole."""
    file = next(quiet_log.iterdir())
    file.write_bytes(file.read_bytes()[:-200])

    assert_refused(
        scan_into(tmp_path / "out", quiet_log), tmp_path / "out", file.name, "no whole Parquet file"
    )


def test_one_bad_file_among_thirty_is_left_out_and_named(tmp_path: Path) -> None:
    """The other twenty-nine are scanned."""
    folder = tmp_path / "exchanges"
    folder.mkdir()
    for day in range(30):
        rows = [exchange(100 * day + i) for i in range(3)]
        pq.write_table(EXCHANGES.table(rows), folder / f"day-{day:02}.parquet")
    (folder / "day-17.parquet").write_bytes(b"PAR1 this is not one")

    result = scan_into(tmp_path / "out", folder)

    assert result.exit_code == 0, result.output
    assert "day-17.parquet" in result.output.replace("\n", "")


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """A slip of the pen is exit status 2."""
    assert_refused(scan_into(tmp_path / "out", tmp_path / "nowhere"), tmp_path / "out", "nowhere")


def test_repeated_ids_are_counted_once_and_said(tmp_path: Path) -> None:
    """A log shipped twice does not count twice."""
    rows = [exchange(i) for i in range(20)]
    folder = write_log(tmp_path / "exchanges", rows + rows[:5])

    result = scan_into(tmp_path / "out", folder)

    assert result.exit_code == 0, result.output
    assert "5 exchanges: the id was seen before" in result.output


def test_clocks_in_the_future_are_left_out_and_counted(tmp_path: Path) -> None:
    """A sender whose clock is years ahead does not move the log's end."""
    late = exchange(99, started_at=datetime.now(UTC) + timedelta(days=400))
    folder = write_log(tmp_path / "exchanges", [exchange(i) for i in range(20)] + [late])

    result = scan_into(tmp_path / "out", folder)

    assert result.exit_code == 0, result.output
    assert "1 exchange: starts in the future" in result.output


def test_rows_without_account_are_left_out_and_counted(tmp_path: Path) -> None:
    """A row that names nobody accuses nobody."""
    folder = write_log(
        tmp_path / "exchanges", [exchange(i) for i in range(20)] + [exchange(50, account_id=None)]
    )

    result = scan_into(tmp_path / "out", folder)

    assert result.exit_code == 0, result.output
    assert "1 exchange: id, account or time is missing" in result.output


def test_accounts_without_a_row_are_scanned_all_the_same(quiet_log: Path, tmp_path: Path) -> None:
    """An accounts table that knows only some of the accounts costs evidence, not the run."""
    accounts = tmp_path / "accounts.parquet"
    row = dict.fromkeys(ACCOUNTS.names) | {"account_id": "a1"}
    pq.write_table(ACCOUNTS.table([row]), accounts)

    assert scan_into(tmp_path / "out", quiet_log, "--accounts", accounts).exit_code == 0


def test_a_log_of_required_columns_only_runs_and_says_what_it_missed(tmp_path: Path) -> None:
    """Missing columns cost power and never break a run."""
    folder = tmp_path / "exchanges"
    folder.mkdir()
    table = EXCHANGES.table([exchange(i) for i in range(40)])
    pq.write_table(table.select(list(EXCHANGES.required)), folder / "bare.parquet")

    result = scan_into(tmp_path / "out", folder)

    assert result.exit_code == 0, result.output
    assert "no prompt text" in result.output
    said = " ".join(result.output.split())
    assert "Missing evidence: no accounts table" in said
    assert "nobody is reported until the accounts are given" in said


@pytest.mark.parametrize("rate", ["0", "1", "-3"])
def test_a_rate_that_is_none_is_refused(quiet_log: Path, tmp_path: Path, rate: str) -> None:
    """--fdr is a number between 0 and 1."""
    assert_refused(scan_into(tmp_path / "out", quiet_log, "--fdr", rate), tmp_path / "out", "--fdr")


def test_an_until_that_is_no_time_is_refused(quiet_log: Path, tmp_path: Path) -> None:
    """The message shows how to write one."""
    assert_refused(
        scan_into(tmp_path / "out", quiet_log, "--until", "yesterday"),
        tmp_path / "out",
        "2026-01-31T12:00:00Z",
    )


def test_a_full_disk_leaves_the_earlier_findings_whole(
    quiet_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 1, a message, and what was there before is still there."""
    out = tmp_path / "out"
    assert scan_into(out, quiet_log).exit_code == 0
    before = {p.name: p.read_bytes() for p in out.glob("*.parquet")}

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("stillwatch.records.files.pq.write_table", full)
    result = scan_into(out, quiet_log)

    assert result.exit_code == 1
    assert "disk is full" in result.output
    assert {p.name: p.read_bytes() for p in out.glob("*.parquet")} == before
    assert not [p for p in out.rglob("*") if "partial" in p.name or "staging" in p.name]


def test_an_interruption_ends_with_130_and_leaves_nothing(
    quiet_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle of a scan writes no findings."""

    def interrupted(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stillwatch.campaigns.scan.raise_groups", interrupted)
    result = scan_into(tmp_path / "out", quiet_log)

    assert result.exit_code == 130
    assert "Interrupted" in result.output
    assert not (tmp_path / "out").exists()


def test_findings_are_for_their_owner_only(quiet_log: Path, tmp_path: Path) -> None:
    """Every file a scan writes has mode 0600."""
    scan_into(tmp_path / "out", quiet_log)

    modes = {p.stat().st_mode & 0o777 for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert modes == {0o600}


def test_findings_know_their_log(
    quiet_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`explain` tells an account of the log from one that does not exist, from another folder."""
    monkeypatch.chdir(tmp_path)
    assert scan_into(Path("findings"), Path("exchanges")).exit_code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    answers = [
        CliRunner().invoke(run, ["explain", wanted, "--findings", "../findings"])
        for wanted in ("a3", "nope")
    ]

    assert [answer.exit_code for answer in answers] == [0, 2]
    assert "know 'nope'" in answers[1].stderr


@pytest.mark.parametrize("damaged", [(), (1, 4)], ids=["whole", "damaged"])
def test_an_unknown_account_is_looked_up_at_once(
    damaged: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One query asks all files of the log; those that cannot be read hide none of the others."""
    log = tmp_path / "exchanges"
    log.mkdir()
    for number in range(6):
        row = exchange(number, account_id=f"of-{number}")
        pq.write_table(EXCHANGES.table([row]), log / f"{number}.parquet")
    assert scan_into(tmp_path / "findings", log).exit_code == 0
    for number in damaged:
        (log / f"{number}.parquet").write_bytes(b"PAR1, and no more")
    asked: list[str] = []
    execute = duckdb.execute

    def counted(query: str, *values: Any) -> Any:
        asked.append(query)
        return execute(query, *values)

    monkeypatch.setattr(duckdb, "execute", counted)
    words = ["--findings", str(tmp_path / "findings")]
    known = [
        n
        for n in range(6)
        if CliRunner().invoke(run, ["explain", f"of-{n}", *words]).exit_code == 0
    ]
    queries = len(asked)

    assert CliRunner().invoke(run, ["explain", "nope", *words]).exit_code == 2
    assert known == [n for n in range(6) if n not in damaged]
    assert damaged or (queries, len(asked)) == (6, 7)


def test_the_disk_is_left_as_it_was_found(quiet_log: Path, tmp_path: Path) -> None:
    """Two scans of the same log leave the same files with the same findings."""
    scan_into(tmp_path / "one", quiet_log)
    scan_into(tmp_path / "two", quiet_log)

    for path in (tmp_path / "one").glob("*.parquet"):
        assert pq.read_table(path).equals(pq.read_table(tmp_path / "two" / path.name))
    shutil.rmtree(tmp_path / "one")


def test_a_signal_that_is_not_there_cannot_be_left_out(tmp_path: Path) -> None:
    """`--without` names the signals there are, and nothing is written."""
    rows = write_log(tmp_path / "log", [exchange(1)])
    words = ["scan", "--exchanges", str(rows), "--out", str(tmp_path / "out"), "--without", "nose"]

    done = CliRunner().invoke(run, words)

    assert done.exit_code == 2
    assert "no signal 'nose'" in done.output
    assert not (tmp_path / "out").exists()


def noted(out: Path) -> dict[str, Any]:
    return json.loads((out / "scan.json").read_text())


def test_the_findings_are_as_of_the_last_exchange(quiet_log: Path, tmp_path: Path) -> None:
    """Not as of the moment of the scan, which is noted beside it."""
    before = datetime.now(UTC).replace(microsecond=0)
    scan_into(tmp_path / "out", quiet_log)
    notes = noted(tmp_path / "out")

    assert datetime.fromisoformat(notes["as_of"]) == START + timedelta(minutes=17 * 59)
    assert before <= datetime.fromisoformat(notes["scanned_at"]) <= datetime.now(UTC)


def test_the_findings_are_as_of_the_moment_asked_for(quiet_log: Path, tmp_path: Path) -> None:
    """`--until` says how much of the log was known."""
    scan_into(tmp_path / "out", quiet_log, "--until", "2026-05-04T06:00:00Z")

    assert noted(tmp_path / "out")["as_of"] == "2026-05-04T06:00:00+00:00"


def test_help_lists_the_signals_that_can_be_left_out() -> None:
    """Nobody has to guess wrong first."""
    shown = " ".join(scan("--help").output.split())

    assert f"Known: {', '.join(sorted(SIGNALS))}." in shown


@pytest.mark.parametrize("hours", ["0", "5", "48"])
def test_a_grid_that_does_not_divide_a_day_is_refused(
    quiet_log: Path, tmp_path: Path, hours: str
) -> None:
    """--grid is a number of hours that fits a day."""
    out = tmp_path / "out"
    assert_refused(scan_into(out, quiet_log, "--grid", hours), out, "--grid")


def test_findings_never_overwrite_the_log(tmp_path: Path) -> None:
    """One of their files is called as a log may be: nothing is written, and the log stays whole."""
    log = tmp_path / "log"
    log.mkdir()
    pq.write_table(EXCHANGES.table([exchange(i) for i in range(60)]), log / "exchanges.parquet")

    result = scan("--exchanges", log / "exchanges.parquet", "--out", log)

    assert result.exit_code == 2, result.output
    assert "overwrite" in result.output
    assert pq.read_table(log / "exchanges.parquet").num_rows == 60
    assert [p.name for p in log.iterdir()] == ["exchanges.parquet"]
