"""Bad input: each kind has a message, the documented status, and leaves nothing half-written."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from import_builders import Desk, exchange_rows

from stillwatch.sources.adapter import ParsedRow, ParsedTable, Unreadable
from stillwatch.sources.canonical import CanonicalAdapter


def reasons(desk: Desk) -> list[tuple[str, int, str]]:
    """File name, line and reason of every quarantined row, as the command shows them."""
    report = desk.command("quarantine", "show", "--lake", desk.lake_path).report
    return [(Path(row["file"]).name, row["line"], row["reason"]) for row in report["rows"]]


def only_reason(desk: Desk) -> str:
    (entry,) = reasons(desk)
    return entry[2]


def test_missing_required_column_is_named_with_the_near_miss(desk: Desk) -> None:
    """A file without a required column is unusable, and the message says what to rename."""
    rows = [{**row, "start_at": row["started_at"]} for row in exchange_rows(3)]
    path = desk.parquet(
        "x.parquet", [{k: v for k, v in r.items() if k != "started_at"} for r in rows]
    )

    outcome = desk.import_(path)

    assert outcome.status == 2
    assert "rename 'start_at' to 'started_at'" in outcome.words
    assert desk.count("exchanges") == 0


def test_wrong_type_of_a_required_value_rejects_the_row(desk: Desk) -> None:
    """A time that is no time costs its row, and the others are imported."""
    rows = exchange_rows(3)
    rows[1]["started_at"] = "yesterday"

    outcome = desk.import_(desk.jsonl("x.jsonl", rows))

    assert (outcome.status, outcome.report["imported"]) == (0, 2)
    assert outcome.report["emptied_values"] == {}
    ((name, line, reason),) = reasons(desk)
    assert (name, line) == ("x.jsonl", 2)
    assert reason.startswith("column started_at:")


def test_wrong_type_of_an_optional_value_costs_the_value_only(desk: Desk) -> None:
    """A number that is no number becomes null, and the run says how many did."""
    rows = [row | {"input_tokens": "many", "temperature": "0.5"} for row in exchange_rows(3)]

    outcome = desk.import_(desk.jsonl("x.jsonl", rows))

    assert outcome.report["imported"] == 3
    assert outcome.report["emptied_values"] == {"input_tokens": 3}
    assert "3 values of input_tokens" in outcome.words
    assert {row["temperature"] for row in desk.rows("exchanges")} == {0.5}


def test_column_of_an_impossible_type_rejects_the_file(desk: Desk) -> None:
    """A Parquet column from which the canonical type cannot be made names the column."""
    path = desk.folder / "x.parquet"
    pq.write_table(pa.table({"account_id": ["a"], "started_at": [[1, 2]]}), path)

    outcome = desk.import_(path)

    assert outcome.status == 2
    assert "started_at" in only_reason(desk)


@pytest.mark.parametrize("name", ["x.parquet", "x.csv", "x.jsonl", "x"])
def test_empty_file_is_named(desk: Desk, name: str) -> None:
    """A log that was just rotated is no failure; a table of no bytes was broken off."""
    (desk.folder / name).touch()

    outcome = desk.import_(desk.folder / name)

    if name.endswith(".parquet"):
        assert outcome.status == 2
        assert reasons(desk) == [(name, 0, "the file is empty.")]
    else:
        assert (outcome.status, outcome.report["read"]) == (0, 0)
        assert outcome.report["remarks"] == {"a file was empty.": 1}
        assert "Nothing was there to read" in outcome.words


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_truncated_parquet_is_named(desk: Desk, kept: float) -> None:
    """A Parquet file cut off anywhere is quarantined as a whole."""
    path = desk.parquet("x.parquet", exchange_rows(500))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])

    outcome = desk.import_(path)

    assert outcome.status == 2
    assert "truncated or damaged" in only_reason(desk)
    assert desk.count("exchanges") == 0


def test_truncated_gzip_keeps_what_came_before(desk: Desk) -> None:
    """Whole lines before the damage are imported, and the damage is named with its line."""
    plain = desk.jsonl("x.jsonl", exchange_rows(900)).read_bytes()
    path = desk.folder / "x.jsonl.gz"
    data = gzip.compress(plain)
    path.write_bytes(data[: len(data) // 2])

    outcome = desk.import_(path)

    assert outcome.status == 0
    assert outcome.report["imported"] > 100
    assert any("ends too early" in reason for _, _, reason in reasons(desk))


def test_duplicate_ids_in_one_file_are_kept_once(desk: Desk) -> None:
    """Of two exchanges with one id the first stays, and the other is counted."""
    rows = exchange_rows(2)
    rows[1] |= {"exchange_id": "e0", "input_text": "another text"}

    report = desk.import_(desk.jsonl("x.jsonl", rows)).report

    assert (report["imported"], report["duplicates"]) == (1, 1)
    assert desk.rows("exchanges")[0]["input_text"] == exchange_rows(1)[0]["input_text"]


@pytest.mark.parametrize(
    ("started_at", "reason"),
    [
        (datetime.now(UTC) + timedelta(days=2), "future"),
        (datetime(2014, 12, 31, tzinfo=UTC), "before 2015"),
        (datetime(1970, 1, 20, tzinfo=UTC), "before 2015"),
        (datetime(9999, 1, 1, tzinfo=UTC), "future"),
    ],
)
def test_wrong_clock_is_quarantined(desk: Desk, started_at: datetime, reason: str) -> None:
    """A start in the future, or before there were such models, is a wrong clock."""
    rows = exchange_rows(3)
    rows[2]["started_at"] = started_at

    outcome = desk.import_(desk.parquet("x.parquet", rows))

    assert outcome.report["imported"] == 2
    assert reason in only_reason(desk)


def test_clock_an_hour_ahead_is_taken(desk: Desk) -> None:
    """A day of tolerance lets in what zones and small drifts do."""
    rows = [exchange_rows(1)[0] | {"started_at": datetime.now(UTC) + timedelta(hours=1)}]

    assert desk.import_(desk.jsonl("x.jsonl", rows)).report["imported"] == 1


def test_exchange_of_an_unknown_account_is_imported(desk: Desk) -> None:
    """An account without a row costs evidence, and never an exchange."""
    accounts = desk.jsonl("accounts.jsonl", [{"account_id": "other", "plan": "free"}])

    report = desk.import_(desk.jsonl("x.jsonl", exchange_rows(3)), accounts).report

    assert (report["imported"], report["quarantined"]) == (4, 0)


def test_one_bad_file_among_thirty_is_named_and_the_rest_imported(desk: Desk) -> None:
    """A folder is not lost for one file."""
    for day in range(30):
        desk.parquet(f"log/{day:02}.parquet", exchange_rows(4, first=4 * day))
    (desk.folder / "log" / "17.parquet").write_bytes(b"PAR1 and then nothing of use")

    outcome = desk.import_(desk.folder / "log")

    assert (outcome.status, outcome.report["imported"]) == (0, 29 * 4)
    assert [name for name, _, _ in reasons(desk)] == ["17.parquet"]
    assert "17.parquet" in outcome.words


def test_rows_without_account_or_time_are_quarantined(desk: Desk) -> None:
    """What nobody is billed for, or happened at no time, is set aside with its line."""
    one, two, three = exchange_rows(3)
    rows = [one, two | {"account_id": ""}, three | {"started_at": None}]

    desk.import_(desk.jsonl("x.jsonl", rows))

    assert [line for _, line, _ in reasons(desk)] == [2, 3]


def test_bad_lines_of_jsonl_and_csv_are_named(desk: Desk) -> None:
    """Each line that cannot be read is named, and those around it are imported."""
    good = desk.jsonl("good.jsonl", exchange_rows(2)).read_bytes()
    deep = b"[" * 100_000
    (desk.folder / "x.jsonl").write_bytes(good + b'{"half": \n[1]\n\xff\xfe\n' + deep + b"\n")
    (desk.folder / "x.csv").write_bytes(
        b"account_id,started_at,input_text\n"
        b"a,2026-03-01T00:00:00Z,hello\n"
        b"a,2026-03-01T00:00:00Z\n"
        b"a,2026-03-01T00:00:01Z,\xff\xfe\n"
        b'a,2026-03-01T00:00:02Z,"two\nlines"\n'
        b'a,2026-03-01T00:00:03Z,"never closed\n'
    )

    outcome = desk.import_(desk.folder / "x.jsonl", desk.folder / "x.csv")

    found = reasons(desk)
    assert outcome.report["imported"] == 2 + 3
    assert [line for name, line, _ in found if name == "x.jsonl"] == [3, 4, 5, 6]
    assert [line for name, line, _ in found if name == "x.csv"] == [3, 4]


def test_text_that_is_no_utf8_costs_its_row(desk: Desk) -> None:
    """Parquet written with broken text loses the broken rows only."""
    rows = exchange_rows(5)
    texts = [b"ok", b"\xff\xfe", b"ok", b"\x80", b"ok"]
    table = pa.Table.from_pylist(rows).drop_columns(["input_text"])
    broken = pa.array(texts, pa.binary()).view(pa.string())
    pq.write_table(table.append_column("input_text", broken), desk.folder / "x.parquet")

    outcome = desk.import_(desk.folder / "x.parquet")

    assert outcome.report["imported"] == 3
    assert [line for _, line, _ in reasons(desk)] == [2, 4]


def test_file_of_another_format_is_given_up_early(desk: Desk) -> None:
    """A log of another kind costs one thousand entries of the quarantine, not a million."""
    (desk.folder / "x.jsonl").write_text("GET / HTTP/1.1\n" * 50_000)

    outcome = desk.import_(desk.folder / "x.jsonl")

    assert outcome.status == 2
    assert outcome.report["quarantined"] == 1001
    assert any("another format" in reason for _, _, reason in reasons(desk))


@pytest.mark.parametrize("indent", [2, None])
def test_json_document_is_named_once(desk: Desk, indent: int | None) -> None:
    """JSON that is not one object a line is one entry of the quarantine, not one a line."""
    rows = [{"account_id": "a", "started_at": "2026-03-01"}] * 50
    (desk.folder / "x.json").write_text(json.dumps(rows, indent=indent))

    assert desk.import_(desk.folder / "x.json").status == 2
    assert "one object a line" in only_reason(desk)


def test_truth_of_a_simulated_world_is_not_taken_for_a_log(desk: Desk) -> None:
    """Truth lies beside a world's log; none of it may reach the detector."""
    desk.parquet("w/truth_accounts.parquet", [{"account_id": "a", "population": "x", "role": "y"}])
    desk.parquet(
        "w/truth_exchanges.parquet", [{"exchange_id": "e", "account_id": "a", "target": "t"}]
    )
    desk.parquet("w/x.parquet", exchange_rows(2))

    report = desk.import_(desk.folder / "w").report

    assert (report["imported"], report["quarantined"]) == (2, 2)
    assert desk.count("accounts") == 0


def test_missing_input_leaves_no_lake(desk: Desk) -> None:
    """A path that does not exist is said before anything is written."""
    outcome = desk.import_(desk.folder / "none.jsonl")

    assert outcome.status == 2
    assert "none.jsonl" in outcome.words
    assert not desk.lake_path.exists()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--set", "acount_id=x"), "Did you mean account_id"),
        (("--set", "account_id"), "COLUMN=VALUE"),
    ],
)
def test_bad_assignment_is_explained(desk: Desk, option: tuple[str, ...], words: str) -> None:
    """A wrong `--set` names the near miss or the form it should have."""
    outcome = desk.import_(desk.jsonl("x.jsonl", exchange_rows(1)), options=option)

    assert (outcome.status, words in outcome.words) == (2, True)


def test_unknown_format_lists_those_there_are(desk: Desk) -> None:
    """A format that does not exist is answered with those that do."""
    path = desk.jsonl("x.jsonl", exchange_rows(1))

    outcome = desk.command("import", "--format", "klog", path, "--lake", desk.lake_path)

    assert outcome.status == 2
    assert "canonical" in outcome.words


def test_another_key_is_refused(desk: Desk) -> None:
    """Tokens under two keys would never agree, so the lake takes only its own."""
    path = desk.jsonl("x.jsonl", exchange_rows(1))
    desk.import_(path)
    before = desk.snapshot()
    other = desk.folder / "other"
    desk.command("keys", "init", "--key-file", other)

    outcome = desk.command(
        "import", "--format", "canonical", path, "--lake", desk.lake_path, "--key-file", other
    )

    assert outcome.status == 2
    assert "another" in outcome.words or "was made under the key" in outcome.words
    assert desk.snapshot() == before


def test_folder_with_other_files_is_not_made_a_lake(desk: Desk) -> None:
    """A mistyped --lake does not scatter files among others."""
    desk.lake_path.mkdir()
    (desk.lake_path / "thesis.txt").write_text("years of work")

    outcome = desk.import_(desk.jsonl("x.jsonl", exchange_rows(1)))

    assert outcome.status == 2
    assert [p.name for p in desk.lake_path.iterdir()] == ["thesis.txt"]


def test_quarantine_is_shown_as_text(desk: Desk) -> None:
    """A file name with an escape sequence cannot write on the terminal."""
    path = desk.folder / "a\x1b[31m\u202eb.jsonl"
    path.write_text("nothing\n")

    outcome = desk.import_(path, desk.jsonl("x.jsonl", exchange_rows(1)))

    assert "\x1b[31m" not in outcome.words
    assert "\u202e" not in outcome.words
    assert not any("\x1b" in name or "\u202e" in name for name, _, _ in reasons(desk))


def parsed(path: Path) -> list[Any]:
    return list(CanonicalAdapter().read(path))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.binary(max_size=400)
    | st.binary(max_size=200).map(lambda b: b"PAR1" + b + b"PAR1")
    | st.binary(max_size=200).map(gzip.compress)
    | st.text(max_size=200).map(
        lambda t: ("account_id,started_at\n" + t).encode("utf-8", "ignore")
    ),
    suffix=st.sampled_from(["", ".parquet", ".csv", ".jsonl", ".tsv", ".json.gz"]),
)
@example(data=b'{"account_id": "\\ud800", "started_at": 1e400}\n', suffix=".jsonl")
@example(data=b'{"\\ud800": 1, "started_at": 1, "account_id": {}}\n', suffix=".jsonl")
def test_arbitrary_bytes_never_crash_the_reader(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
) -> None:
    """Whatever is in a file, the adapter says rows or reasons and raises nothing."""
    path = tmp_path_factory.mktemp("bytes") / f"x{suffix}"
    path.write_bytes(data)

    for item in parsed(path):
        assert isinstance(item, ParsedRow | ParsedTable | Unreadable)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
COLUMNS = st.sampled_from(
    ["account_id", "started_at", "exchange_id", "tool_names", "settings", "temperature", "prefill",
     "turn_index", "client_ip", "client_ip_raw", "earlier_messages", "client_metadata_raw", "email_raw",
     "phone_raw", "country", "finished_at", "source_id", "retention", "extra", "Extra", "Model", "_line", "_ordinal"]
)  # fmt: skip


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.dictionaries(COLUMNS | st.text(max_size=5), JSON, max_size=8), max_size=6))
def test_arbitrary_values_never_crash_an_import(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    """Any JSON values under any names end in the lake or in the quarantine, each counted once."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    (desk.folder / "key").write_text("07" * 32)
    (desk.folder / "key").chmod(0o600)
    path = desk.jsonl("x.jsonl", [*exchange_rows(1), *rows])

    outcome = desk.import_(path)

    report = outcome.report
    assert outcome.status == 0
    assert report["read"] == report["imported"] + report["duplicates"] + report["quarantined"]
    assert desk.count("exchanges") == report["imported"]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_damaged_parquet_never_crashes_an_import(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A Parquet file with flipped bytes gives rows or reasons, and the import ends."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    (desk.folder / "key").write_text("07" * 32)
    (desk.folder / "key").chmod(0o600)
    path = desk.parquet("x.parquet", exchange_rows(20))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 5))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))

    assert desk.import_(path).status in (0, 2)


def test_extra_columns_of_unlike_types_come_together(desk: Desk) -> None:
    """Two sources may mean different things by one extra column; both are kept as text."""
    numbers = [row | {"grade": 7} for row in exchange_rows(2)]
    words = [row | {"grade": "seven"} for row in exchange_rows(2, first=2)]
    flags = [row | {"grade": True} for row in exchange_rows(2, first=4)]

    outcome = desk.import_(desk.parquet("1.parquet", numbers), desk.parquet("2.parquet", words))
    later = desk.import_(desk.parquet("3.parquet", flags))

    assert (outcome.report["imported"], later.report["imported"]) == (4, 2)
    grades = {row["exchange_id"]: row["grade"] for row in desk.rows("exchanges")}
    assert (grades["e0"], grades["e2"]) == ("7", "seven")


def test_optional_time_that_is_none_costs_the_value_only(desk: Desk) -> None:
    """Text in place of an optional time in Parquet becomes null and is counted."""
    path = desk.parquet("x.parquet", [row | {"finished_at": "late"} for row in exchange_rows(3)])

    outcome = desk.import_(path)

    assert outcome.report["imported"] == 3
    assert outcome.report["emptied_values"] == {"finished_at": 3}
