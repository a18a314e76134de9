"""The canonical format: what DuckDB wrote is read, and what is written comes back as it was."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_builders import Desk
from taken_in import import_into, rows_taken_in

from stillwatch.identity import RAW_COLUMNS
from stillwatch.lake.export import export_lake
from stillwatch.lake.store import Lake
from stillwatch.records import (
    ACCOUNTS,
    CREDENTIALS,
    EXCHANGES,
    MODEL_RELEASES,
    TIMESTAMP,
    TableSchema,
)
from stillwatch.sources.adapter import ParsedRow, ParsedTable, Unreadable
from stillwatch.sources.canonical import CanonicalAdapter
from stillwatch.sources.rows import typed_rows
from stillwatch.sources.values import identifier

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


@pytest.mark.parametrize("encoding", ["csv", "jsonl", "parquet"])
def test_columns_in_capitals_are_read(encoding: str, tmp_path: Path) -> None:
    """As Snowflake exports them."""
    path = tmp_path / f"accounts.{encoding}"
    row = {"ACCOUNT_ID": "a", "PLAN": "free"}
    if encoding == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    else:
        path.write_text("ACCOUNT_ID,PLAN\na,free\n" if encoding == "csv" else json.dumps(row))

    (item,) = CanonicalAdapter().read(path)

    assert isinstance(item, ParsedRow | ParsedTable)
    rows = [item.row] if isinstance(item, ParsedRow) else item.rows.to_pylist()
    assert (item.table, rows) == ("accounts", [{"account_id": "a", "plan": "free"}])


def test_near_names_of_columns_are_named(tmp_path: Path) -> None:
    """Two names that are one in lower case are no table's; nor are names that are nearly ours."""
    path = tmp_path / "accounts.csv"
    reasons = []
    for header in ("accountid,started_att,sk-live-5", "account_id,ACCOUNT_ID"):
        path.write_text(f"{header}\n1,2,3\n")
        (item,) = CanonicalAdapter().read(path)
        assert isinstance(item, Unreadable)
        reasons.append(item.reason)

    assert reasons[0].endswith("Is one of them meant to be account_id or started_at?")
    assert "sk-live" not in reasons[0]
    assert "account_id, 1 that no table has" in reasons[1]


# What a cell of CSV and a line of JSON can hold: not the empty text, which is no value there.
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | (
    st.sampled_from(["one\r\ntwo", "\r", "\n", '"', ",", " ", "[]", "null"])
)
_WHOLE = st.integers(-(2**63) + 1, 2**63 - 1)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
_SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "n": st.none() | _WHOLE,
    "top_p": st.none() | _NUMBERS,
    "seed": st.none() | _WHOLE,
    "logprobs": st.none() | _WHOLE,
    "reasoning_effort": st.none() | _TEXTS,
}
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    str(pa.string()): _TEXTS,
    str(pa.int64()): _WHOLE,
    str(pa.float64()): _NUMBERS,
    str(pa.bool_()): st.booleans(),
    str(pa.list_(pa.string())): st.lists(_TEXTS, max_size=3),
    str(EXCHANGES.arrow.field("started_at").type): _MOMENTS,
    str(EXCHANGES.arrow.field("settings").type): st.fixed_dictionaries(_SETTINGS),
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


_ALL = (EXCHANGES, ACCOUNTS, CREDENTIALS, MODEL_RELEASES)
_PAST = st.datetimes(datetime(2015, 1, 2), datetime(2026, 1, 1), timezones=st.just(UTC))
_OF_A_LAKE = _VALUES | {str(TIMESTAMP): _PAST, str(pa.string()): st.just("") | _TEXTS}
_IDS = _TEXTS.filter(lambda text: identifier(text) is not None)
_ENDS_OF_IDS = ("_id", "_token", "cache_key")
_COUNT = st.integers(0, 2**63 - 1)
_COUNTS = ("input_tokens", "output_tokens", "reasoning_tokens", "max_output_tokens", "turn_index")
# What may stand in a column of a vocabulary, or of a shape.
_WORDS: dict[str, list[str]] = {
    "retention": ["", "full", "no_text"],
    "source_id": ["", "default"],
    "client_network": ["", "hosting", "vpn"],
    "access_path": ["", "api", "cloud:aurora"],
    "client_country": ["", "NO", "ke"],
    "stop_reason": ["", "end_turn", "MAX_TOKENS"],
    "tls_fingerprint": ["", "t13d1516h2_8daaf6152771_02713d6af862"],
    "batch_id": ["", "batch-7"],
}
_EFFORTS = st.sampled_from([None, "low", "2048", "other"])
_WITHHELD = ("system_text", "input_text", "output_text")


@st.composite
def _log(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """All four tables as a lake may be given them: no two rows of one name, nothing to come."""
    return {schema.name: draw(_rows_to_keep(schema)) for schema in _ALL}


@st.composite
def _rows_to_keep(draw: st.DrawFn, schema: TableSchema) -> list[dict[str, Any]]:
    a_row = {c.name: st.none() | _OF_A_LAKE[str(c.arrow_type)] for c in schema.columns}
    ids = [c.name for c in schema.columns if c.name.endswith(_ENDS_OF_IDS)]
    a_row |= {name: st.none() | st.just("") | _IDS for name in ids}
    a_row |= {n: _PAST if n.endswith("_at") else _IDS for n in schema.required}
    if schema is EXCHANGES:
        a_row |= {name: st.sampled_from([None, *words]) for name, words in _WORDS.items()}
        a_row |= dict.fromkeys((*_COUNTS, "client_asn"), st.none() | _COUNT)
        wanted = st.fixed_dictionaries(_SETTINGS | {"reasoning_effort": _EFFORTS})
        a_row["settings"] = st.none() | wanted
        a_row["output_digest"] = _TEXTS  # an import makes it where it lacks
    if schema is ACCOUNTS:
        a_row["status"] = st.sampled_from([None, "", "active", "banned", "closed"])
        a_row["organization_verified"] = st.sampled_from([None, "", "none", "domain", "kyc"])
        a_row["quota_tokens_day"] = st.none() | _COUNT
    rows = draw(st.lists(st.fixed_dictionaries(a_row), min_size=1, max_size=3))
    name = schema.required[0]
    return [row | {name: f"{number}{row[name]}"} for number, row in enumerate(rows)]


def _written(log: dict[str, list[dict[str, Any]]], folder: Path, encoding: str) -> list[Path]:
    paths = []
    for schema in _ALL:
        path = folder / f"{schema.name}.{encoding}"
        if encoding == "parquet":
            _as_parquet(path, log[schema.name], schema)
        else:
            {"csv": _as_csv, "jsonl": _as_jsonl}[encoding](path, log[schema.name])
        paths.append(path)
    return paths


def _to_keep(log: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """What a lake holds of it: nothing where it says nothing, and no text that is withheld."""
    kept: dict[str, list[dict[str, Any]]] = {}
    for schema in _ALL:
        kept[schema.name] = []
        for row in sorted(log[schema.name], key=lambda row: str(row[schema.required[0]])):
            gone = _WITHHELD if row.get("retention") == "no_text" else ()
            said = {n: v for n, v in row.items() if v not in (None, "", []) and n not in gone}
            kept[schema.name].append(said)
    return kept


@settings(max_examples=25, deadline=None, derandomize=True)
@given(log=_log(), encoding=st.sampled_from(["csv", "jsonl", "parquet"]))
def test_an_import_keeps_what_was_written(
    log: dict[str, list[dict[str, Any]]], encoding: str
) -> None:
    """In each encoding, all four tables and every column; what is empty is null."""
    with TemporaryDirectory() as folder:
        found = rows_taken_in(_written(log, Path(folder), encoding))

    assert _to_keep(found) == _to_keep(log)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(log=_log())
def test_an_export_gives_back_what_was_imported(log: dict[str, list[dict[str, Any]]]) -> None:
    """From one lake into another, all four tables and every column."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        lake = Lake.create(folder / "lake", "a key")
        with lake.writer() as writer:
            import_into(writer, _written(log, folder, "parquet"))
        export_lake(Lake.open(lake.path), folder / "out")
        found = rows_taken_in(sorted((folder / "out").rglob("*.parquet")))

    assert _to_keep(found) == _to_keep(log)
