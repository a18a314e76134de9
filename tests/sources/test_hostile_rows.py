"""Values, names and messages that a log may hold: none ends an import, none comes out again."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_builders import Desk, Outcome, exchange_rows
from otlp_builders import json_line, model_call, traces

from stillwatch.lake import making_sketches
from stillwatch.sources import json_values, parquet_rows
from stillwatch.sources.adapter import ParsedRow, Unreadable
from stillwatch.sources.limits import Limits
from stillwatch.sources.otlp import OtlpAdapter
from stillwatch.sources.quarantine import without_quotes

SECRET = "planted heron"


@pytest.mark.parametrize("moment", [10**26, -(10**26), "9" * 26, 1e26, 10**30, "-62135596801"])
def test_a_number_that_no_clock_can_hold_costs_its_row(moment: Any, desk: Desk) -> None:
    """It once ended the import of all other rows, too."""
    rows = exchange_rows(3)
    rows[1] |= {"started_at": moment}

    outcome = desk.import_(desk.jsonl("log.jsonl", rows))

    assert outcome.status == 0
    assert (outcome.report["imported"], outcome.report["quarantined"]) == (2, 1)


TOML = {
    "deep": (b"a = " + b"[" * 5_000, "nested too deeply"),
    "long number": (b"a = " + b"9" * 5_000, "too long"),
    "a log": (b"#" * 2**21, "longer than 1 MiB"),
    "bytes": (b"\xff", "not UTF-8"),
    "nothing": (b"= 1", "not TOML"),
}


def imported_with(desk: Desk, option: str, file: Path) -> Outcome:
    """How an import by a map ends that is given this file."""
    log = desk.jsonl("log.jsonl", exchange_rows(1))
    words = ("import", "--format", "generic", log, "--lake", desk.lake_path)
    return desk.command(*words, option, file)


@pytest.mark.parametrize("name", TOML)
@pytest.mark.parametrize("option", ["--map", "--config"])
def test_what_is_no_toml_is_said_to_be_none(option: str, name: str, desk: Desk) -> None:
    """A map and a configuration are read by one reader, which nothing stops."""
    content, words = TOML[name]
    (desk.folder / "file.toml").write_bytes(content)

    outcome = imported_with(desk, option, desk.folder / "file.toml")

    assert outcome.status == 2
    assert words in outcome.words
    assert "file.toml" in outcome.words


@pytest.mark.parametrize("written", ["%Y %Y", "%c%c", "%Y-%", "%G"])
def test_a_time_format_that_python_refuses_is_named(written: str, desk: Desk) -> None:
    """Whatever way it refuses it."""
    text = f'[columns]\naccount_id = "a"\nstarted_at = "b"\n[times]\nstarted_at = "{written}"\n'
    (desk.folder / "map.toml").write_text(text)

    outcome = imported_with(desk, "--map", desk.folder / "map.toml")

    assert (outcome.status, "no way to write a time" in outcome.words) == (2, True)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=9,
)


@settings(max_examples=100, deadline=None)
@given(values=st.lists(VALUES, max_size=6), indent=st.integers(0, 2), chunk=st.integers(1, 40))
def test_a_document_is_read_the_same_wherever_a_window_ends(
    values: list[Any], indent: int, chunk: int
) -> None:
    """Also in the middle of a number, of a name or of an escape."""
    text = json.dumps(values, indent=indent).encode()
    text = text if text.startswith(b"[\n") else b"[\n" + text[1:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_values, "_CHUNK", chunk)
        found = list(json_values.json_values(io.BytesIO(text), Limits()))

    assert found == list(enumerate(values, 1))


@pytest.mark.parametrize(
    "around", [(b"[\n", b",", b"\n]"), (b"", b" ", b"")], ids=["document", "line"]
)
def test_a_million_small_values_are_read_one_after_the_other(
    around: tuple[bytes, bytes, bytes],
) -> None:
    """Nothing that is copied for each of them makes hours of it."""
    head, between, tail = around
    text = head + between.join([b"{}"] * 200_000) + tail

    found = list(json_values.json_values(io.BytesIO(text), Limits()))

    assert len(found) == 200_000
    assert not any(isinstance(item, Unreadable) for item in found)


@pytest.mark.parametrize("name", ["log.jsonl.gz", "log.csv", "log"])
def test_a_file_that_is_packed_twice_is_named(name: str, desk: Desk) -> None:
    """A few kilobytes of gzip in gzip hold ten gigabytes: the second is not undone."""
    member = gzip.compress(bytes(10_000_000))
    path = desk.folder / name
    path.write_bytes(gzip.compress(member * 1_000))
    assert path.stat().st_size < 100_000

    outcome = desk.import_(path)

    assert (outcome.status, "packed twice" in outcome.words) == (2, True)


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (f"Failed to parse string: 'it's {SECRET}' as int64", "Failed to parse string: …"),
        (f'Could not convert "{SECRET}" with type str', "Could not convert …"),
        (f"Unsupported cast from struct<{SECRET}: string> to utf8", "Unsupported cast from struct …"),
        ("Integer value 4791234567 not in range: -128 to 127", "Integer value … not in range: … to …"),
        ("Address 203.0.113.77: refused", "Address … refused"),
        ("Couldn't deserialize thrift", "Couldn't deserialize thrift"),
        (f"One line\n{SECRET}", "One line"),
        (f"`{SECRET}", " …"),
    ],
)  # fmt: skip
def test_a_message_of_a_library_is_cut_where_it_quotes(message: str, kept: str) -> None:
    """What comes behind an opening quote may hold a closing one of its own."""
    assert without_quotes(message) == kept


def test_names_in_the_types_of_a_file_come_out_nowhere(desk: Desk) -> None:
    """A structure where a text should be is named by Arrow with the names of its fields."""
    path = desk.folder / "x.parquet"
    structure = pa.array([{SECRET: "x"}])
    pq.write_table(pa.table({"account_id": structure, "started_at": structure}), path)

    outcome = desk.import_(path)

    assert outcome.status == 2
    assert SECRET not in outcome.words
    assert SECRET not in json.dumps(desk.rows("quarantine"), default=str)


def test_words_of_the_engine_come_out_nowhere(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of the database may quote a row; the import ends without its words."""

    def fail(*_: object) -> None:
        raise duckdb.ConversionException(f"Could not convert string '{SECRET}' to INT64")

    monkeypatch.setattr(making_sketches, "sketch_exchanges", fail)

    outcome = desk.import_(desk.jsonl("log.jsonl", exchange_rows(1)))

    assert outcome.status == 1
    assert "ConversionException" in outcome.words
    assert SECRET not in outcome.words


@pytest.mark.parametrize("operation", [["chat"], {"chat": 1}, 1.5])
def test_an_operation_that_is_no_name_costs_its_span(operation: Any, tmp_path: Path) -> None:
    """It once cost the rest of the file."""
    line = json.loads(json_line(traces(model_call(1), model_call(2))))
    span = line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    kinds = {list: ("arrayValue", {"values": [{}]}), dict: ("kvlistValue", {"values": []})}
    name, value = kinds.get(type(operation), ("doubleValue", operation))
    for attribute in span["attributes"]:
        if attribute["key"] == "gen_ai.operation.name":
            attribute["value"] = {name: value}
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(line) + "\n")

    found = list(OtlpAdapter().read(path))

    accounts = [item.row["account_id"] for item in found if isinstance(item, ParsedRow)]
    assert accounts[-1] == "account-2"


@pytest.mark.parametrize("status", [["ok"], {"ok": 1}, 7, None, "ok"])
def test_a_status_that_is_no_word_costs_itself(status: Any, desk: Desk) -> None:
    """A map may point at anything."""
    text = '[columns]\naccount_id = "account_id"\nstarted_at = "started_at"\nstatus = "s"\n'
    (desk.folder / "map.toml").write_text(text)
    path = desk.jsonl("log.jsonl", [exchange_rows(1)[0] | {"s": status}, *exchange_rows(2)])
    desk.import_(desk.jsonl("other.jsonl", exchange_rows(1)))

    outcome = desk.command(
        "import", "--format", "generic", path, "--lake", desk.lake_path, "--map",
        desk.folder / "map.toml", "--key-file", desk.folder / "key",
    )  # fmt: skip

    assert (outcome.report["read"], outcome.report["quarantined"]) == (3, 0)


def test_columns_of_one_name_are_named_whatever_it_is(desk: Desk) -> None:
    """Ours for the row's number, too."""
    path = desk.folder / "x.parquet"
    columns = [pa.array(["a"]), pa.array([1]), pa.array([2]), pa.array([3])]
    table = pa.Table.from_arrays(columns, names=["account_id", "started_at", "_line", "_line"])
    pq.write_table(table, path)

    outcome = desk.import_(path)

    assert (outcome.status, "before 2015" in outcome.words) == (2, True)


KEYS = [
    "sk-1234",
    "sk-Zq81xvT0cLw5eR7uPp2A9b",
    "AKIA1234567890ABCDEF",
    "ghp_16C7e42F292c6912E7710c83",
]


@pytest.mark.parametrize(
    ("value", "is_shown"),
    [
        ("2.14.0", True),
        ("CPython", True),
        ("Other:Android 14", True),
        ("2026-10-21", True),
        ("203.0.113.77", False),
        ("v 203.0.113.77:1", False),
        ("sk-1234", False),
        ("Bearer a1b2c3d4e5f6a7b8", False),
        ("acct-552190", False),
        ("Planted herons count the quiet tiles.", False),
    ],
)
def test_what_a_client_says_of_itself_is_shown_if_it_is_no_more(
    value: str, is_shown: bool, desk: Desk
) -> None:
    """The header of a client's software holds whatever the client likes."""
    row = exchange_rows(1)[0] | {"client_metadata_raw": {"x-stainless-runtime-version": value}}

    desk.import_(desk.jsonl("log.jsonl", [row]))

    (found,) = desk.rows("exchanges")
    (kept,) = json.loads(found["client_metadata"]).values()
    assert (kept == value, kept.startswith("meta_")) == (is_shown, not is_shown)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_in_place_of_a_name_becomes_a_token(key: str, desk: Desk) -> None:
    """Clients have written metadata the wrong way round."""
    row = exchange_rows(1)[0] | {
        "client_metadata_raw": {key: "mine", "trace_id": "t", "team-7": "x"}
    }

    desk.import_(desk.jsonl("log.jsonl", [row]))

    (found,) = desk.rows("exchanges")
    names = sorted(json.loads(found["client_metadata"]))
    assert [name for name in names if not name.startswith("meta_")] == ["team-7", "trace_id"]
    assert len(names) == 3


@pytest.mark.parametrize("key", ["sk_live_1", "rk_x", "a1b2c3d4e5f6a7b8c9d0"])
def test_a_key_in_place_of_a_column_is_dropped_and_not_shown(key: str, desk: Desk) -> None:
    """The other columns that are no one's stay."""
    path = desk.jsonl("log.jsonl", [row | {key: "x", "grade_2": "y"} for row in exchange_rows(2)])

    outcome = desk.import_(path)

    assert key not in outcome.words + json.dumps(outcome.report)
    assert "(a name that may be a value)" in outcome.report["dropped_columns"]
    row = desk.rows("exchanges")[0]
    assert (key in row, row["grade_2"]) == (False, "y")


def test_hidden_files_beside_a_mended_one_are_not_believed(desk: Desk) -> None:
    """What an export says it settles is no log, and may be anything by now."""
    path = desk.jsonl("log.jsonl", exchange_rows(2))
    Path(desk.folder / ".log.jsonl.rows").write_bytes(b"PAR1 and then nothing of use")

    outcome = desk.import_(path, options=("--mended",))

    assert outcome.status == 2
    assert ".log.jsonl.rows" in outcome.words


def test_a_raw_column_of_no_use_costs_itself(desk: Desk) -> None:
    """A structure where metadata should be text once cost the whole file; its words say what to do."""
    path = desk.parquet(
        "x.parquet", [row | {"client_metadata_raw": {"a": 1}} for row in exchange_rows(2)]
    )

    outcome = desk.import_(path)

    assert outcome.report["imported"] == 2
    assert "write text" in outcome.report["dropped_columns"]["client_metadata_raw"]


def test_a_damaged_quarantine_is_said_to_be_damaged(desk: Desk) -> None:
    """It is shown and exported no more, and nobody sees a traceback."""
    path = desk.jsonl("log.jsonl", [*exchange_rows(1), {"x": 1}])
    desk.import_(path)
    (part,) = (desk.lake_path / "quarantine").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-9])

    outcome = desk.command("quarantine", "show", "--lake", desk.lake_path)

    assert (outcome.status, "lake check" in outcome.words) == (2, True)


MOMENTS = {
    "beyond the years": pa.array([2**62], pa.timestamp("us", "UTC")),
    "of no zone": pa.array([0], pa.timestamp("us", "Mars/Olympus")),
    "a day beyond": pa.array([2**31 - 1], pa.int32()).view(pa.date32()),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_a_row_with_a_moment_that_python_cannot_hold_is_exported(name: str, desk: Desk) -> None:
    """It is in the quarantine for another reason, and comes out of it to be mended."""
    path = desk.folder / "x.parquet"
    nobody = pa.array([None], pa.string())
    started = pa.array([1_772_366_400_000_000])
    pq.write_table(
        pa.table({"account_id": nobody, "started_at": started, "at": MOMENTS[name]}), path
    )
    desk.import_(path)

    out = desk.folder / "out"
    outcome = desk.command("quarantine", "export", "--lake", desk.lake_path, "--out", out)

    assert (outcome.status, outcome.report["exported"]) == (0, 1)
    (line,) = (out / "canonical").glob("*.jsonl")
    assert json.loads(line.read_text())["started_at"] == 1_772_366_400_000_000


def test_a_damaged_part_of_a_parquet_file_is_not_exported_and_said(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows before it were imported; of the damage only the file itself can be mended."""
    monkeypatch.setattr(parquet_rows, "_ROWS_AT_ONCE", 100)
    path = desk.folder / "x.parquet"
    pq.write_table(pa.Table.from_pylist(exchange_rows(1000)), path, row_group_size=100)
    content = bytearray(path.read_bytes())
    at = len(content) * 6 // 10
    content[at : at + 100] = b"\xff" * 100
    path.write_bytes(content)
    imported = desk.import_(path)

    out = desk.folder / "out"
    outcome = desk.command("quarantine", "export", "--lake", desk.lake_path, "--out", out)

    assert imported.report["imported"] > 0
    assert (outcome.status, outcome.report["exported"]) == (0, 0)
    assert "mend the file itself" in outcome.report["left"][str(path)]


@pytest.mark.parametrize("moment", [2**62, -(2**62)])
@pytest.mark.parametrize(
    ("column", "table"),
    [
        ("finished_at", {"account_id": ["a"], "started_at": [1_772_366_400]}),
        ("extra", {"account_id": ["a"], "started_at": [1_772_366_400]}),
        ("created_at", {"account_id": ["a"], "plan": ["free"]}),
        ("released_at", {"model": ["m"]}),
    ],
)
def test_a_moment_beyond_all_calendars_is_not_taken(
    column: str, table: dict[str, list[Any]], moment: int, desk: Desk
) -> None:
    """Parquet holds what Python cannot read back: `--explain` once ended with a traceback."""
    path = desk.folder / "x.parquet"
    at = pa.array([moment], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({**table, column: at}), path)

    imported = desk.import_(path)
    words = ("--format", "canonical", path, "--key-file", desk.folder / "key")
    explained = desk.command("import", "--explain", "1", *words)

    required = column == "released_at"
    assert (imported.report["imported"], imported.report["quarantined"]) == (not required, required)
    assert imported.report["emptied_values"] == ({} if required else {column: 1})
    assert explained.status == 0
