"""The canonical format: what DuckDB wrote is read, and what is written comes back as it was."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, HealthCheck, given, settings
from hypothesis import strategies as st
from import_builders import Desk

from stillwatch.identity import RAW_COLUMNS
from stillwatch.records import (
    ACCOUNTS,
    CREDENTIALS,
    EXCHANGES,
    MODEL_RELEASES,
    TIMESTAMP,
    TableSchema,
)
from stillwatch.sources.adapter import ParsedRow, ParsedTable
from stillwatch.sources.canonical import CanonicalAdapter
from stillwatch.sources.rows import typed_rows

(RECORDED,) = (Path(__file__).parent / "fixtures").glob("canonical-duckdb-*")
TABLES = ["accounts", "credentials", "model_releases"]


def test_a_recorded_log_is_the_same_in_each_encoding(tmp_path: Path) -> None:
    """Parquet, CSV and JSON lines of DuckDB give one lake, with tokens for what was in clear."""
    read = []
    for encoding in ("parquet", "csv", "jsonl"):
        desk = Desk(tmp_path / encoding)
        desk.folder.mkdir()
        (desk.folder / "key").write_text("07" * 32)
        (desk.folder / "key").chmod(0o600)
        inputs = [RECORDED / f"exchanges.{encoding}", *(RECORDED / f"{t}.csv" for t in TABLES)]
        report = desk.import_(*inputs).report
        assert (report["imported"], report["emptied_values"]) == (9, {})
        read.append({table: desk.rows(table) for table in ("exchanges", *TABLES)})

    assert read[0] == read[1] == read[2]
    first, second, third = read[0]["exchanges"]
    assert first["started_at"] == datetime(2026, 3, 1, 12, microsecond=125_000, tzinfo=UTC)
    assert (first["tool_names"], first["settings"]["logprobs"]) == (["look_up_tide"], 3)
    assert second["output_text"] == "They are renewed by rain,\nday after day."
    assert first["credential_id"] == second["credential_id"] != third["credential_id"]
    keys = {row["account_id"]: row["credential_id"] for row in read[0]["credentials"]}
    assert keys["account-ada"] == first["credential_id"]
    assert "sk-" not in str(read)
    assert "203.0.113.7" not in str(read)


# What a cell of CSV and a line of JSON can hold: not the empty text, which is no value there.
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | (
    st.sampled_from(["one\r\ntwo", "\r", "\n", '"', ",", " ", "[]", "null"])
)
_WHOLE = st.integers(-(2**63) + 1, 2**63 - 1)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    str(pa.string()): _TEXTS,
    str(pa.int64()): _WHOLE,
    str(pa.float64()): _NUMBERS,
    str(pa.bool_()): st.booleans(),
    str(pa.list_(pa.string())): st.lists(_TEXTS, max_size=3),
    str(EXCHANGES.arrow.field("started_at").type): _MOMENTS,
    str(EXCHANGES.arrow.field("settings").type): st.fixed_dictionaries(
        {
            "n": st.none() | _WHOLE,
            "top_p": st.none() | _NUMBERS,
            "seed": st.none() | _WHOLE,
            "logprobs": st.none() | _WHOLE,
            "reasoning_effort": st.none() | _TEXTS,
        }
    ),
}


def _rows_of(schema: TableSchema) -> st.SearchStrategy[list[dict[str, Any]]]:
    columns = {c.name: (c.arrow_type, c.required) for c in schema.columns}
    if schema is EXCHANGES:
        columns |= {name: (arrow_type, False) for name, arrow_type in RAW_COLUMNS.items()}
    a_row = st.fixed_dictionaries(
        {
            name: _VALUES[str(arrow_type)] if required else st.none() | _VALUES[str(arrow_type)]
            for name, (arrow_type, required) in columns.items()
        }
    )
    return st.lists(a_row, min_size=1, max_size=3)


def _as_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            nested = {k: json.dumps(v) for k, v in row.items() if isinstance(v, list | dict)}
            writer.writerow(row | nested)


def _as_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))


def _as_parquet(path: Path, rows: list[dict[str, Any]], schema: TableSchema) -> None:
    pq.write_table(typed_rows(rows, schema).table, path)


@pytest.mark.parametrize(
    "schema", [EXCHANGES, ACCOUNTS, CREDENTIALS, MODEL_RELEASES], ids=lambda s: s.name
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), encoding=st.sampled_from(["csv", "jsonl", "parquet"]))
def test_what_is_written_comes_back(
    schema: TableSchema, data: st.DataObject, encoding: str, tmp_path: Path
) -> None:
    """In each encoding, every column of every table has the values that were written."""
    rows = data.draw(_rows_of(schema))
    path = tmp_path / f"log.{encoding}"
    if encoding == "parquet":
        _as_parquet(path, rows, schema)
    else:
        {"csv": _as_csv, "jsonl": _as_jsonl}[encoding](path, rows)

    items = list(CanonicalAdapter().read(path))

    read: list[dict[str, Any]] = []
    for item in items:
        assert isinstance(item, ParsedRow | ParsedTable), item
        assert item.table == schema.name
        if isinstance(item, ParsedTable):
            read += item.rows.to_pylist()
        else:
            read.append(item.row)
    typed = typed_rows(read, schema)
    assert not typed.emptied
    assert typed.table.to_pylist() == rows


_SMALL_TABLES = (ACCOUNTS, CREDENTIALS, MODEL_RELEASES)
_ENCODERS: dict[str, Callable[[Path, list[dict[str, Any]], TableSchema], None]] = {
    "csv": lambda path, rows, _: _as_csv(path, rows),
    "jsonl": lambda path, rows, _: _as_jsonl(path, rows),
    "parquet": _as_parquet,
}
_WITHHELD = ("system_text", "input_text", "output_text")


@st.composite
def _imported_rows(draw: st.DrawFn, schema: TableSchema) -> list[dict[str, Any]]:
    """Rows as a lake may be given them: no two of one name, no time to come, and empty values."""
    optional = {
        c.name: st.none()
        | (
            st.just("") | _TEXTS
            if c.arrow_type == pa.string()
            else _VALUES_OF_A_LAKE[str(c.arrow_type)]
        )
        for c in schema.columns
    }
    rows = [draw(st.fixed_dictionaries(optional)) for _ in range(draw(st.integers(1, 3)))]
    for number, row in enumerate(rows):
        row |= {
            name: f"{number}{draw(_TEXTS)}" for name in schema.required if name != "released_at"
        }
        row |= {name: draw(_PAST) for name in schema.required if name.endswith("_at")}
        if schema is EXCHANGES:
            row["retention"] = draw(st.sampled_from([None, "", "full", "no_text"]))
    return rows


_PAST = st.datetimes(datetime(2015, 1, 2), datetime(2026, 1, 1), timezones=st.just(UTC))
_VALUES_OF_A_LAKE = _VALUES | {str(TIMESTAMP): _PAST}


def _kept(row: dict[str, Any]) -> dict[str, Any]:
    """What a lake holds of a row: nothing where it is empty, and no text that was withheld."""
    gone = _WITHHELD if row.get("retention") == "no_text" else ()
    return {n: v for n, v in row.items() if v not in (None, "", []) and n not in gone}


@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate])
@given(data=st.data(), encoding=st.sampled_from(sorted(_ENCODERS)))
def test_import_and_export_give_back_what_was_written(data: st.DataObject, encoding: str) -> None:
    """All four tables, in each encoding and from one lake into another; empty is null."""
    tables = (EXCHANGES, *_SMALL_TABLES)
    written = {schema.name: data.draw(_imported_rows(schema)) for schema in tables}
    with TemporaryDirectory() as name:
        folder = Path(name)
        desk, again = (Desk(folder / part) for part in ("first", "second"))
        for one in (desk, again):
            one.folder.mkdir()
            (one.folder / "key").write_text("07" * 32)
            (one.folder / "key").chmod(0o600)
        files = [folder / f"{schema.name}.{encoding}" for schema in tables]
        for schema, path in zip(tables, files, strict=True):
            _ENCODERS[encoding](path, written[schema.name], schema)
        report = desk.import_(*files).report
        assert desk.command("export", "--lake", desk.lake_path, "--out", folder / "out").status == 0
        second = again.import_(folder / "out").report
        found = [{s.name: one.rows(s.name) for s in tables} for one in (desk, again)]

    count = sum(map(len, written.values()))
    for said in (report, second):
        assert (said["imported"], said["quarantined"], said["emptied_values"]) == (count, 0, {})
    for schema in tables:
        key = schema.required[0]
        wanted = sorted((_kept(row) for row in written[schema.name]), key=lambda row: row[key])
        for lake in found:
            rows = sorted(lake[schema.name], key=lambda row: row[key])
            assert [_kept(row) for row in rows] == wanted
