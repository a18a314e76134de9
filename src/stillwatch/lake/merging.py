"""Small tables change: a later row fills and corrects an earlier one with the same key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from stillwatch.lake.manifest import HISTORIES
from stillwatch.lake.parquet_source import parquet_source, quoted_name
from stillwatch.lake.queries import load_query
from stillwatch.lake.staging import ORDINAL
from stillwatch.records import ACCOUNTS, CREDENTIALS, MODEL_RELEASES, TableSchema

__all__ = ["KEYS", "MERGED_TABLES", "MergedRows", "canonical_first", "merge_rows"]


@dataclass(frozen=True, slots=True)
class _Merge:
    """How rows of one table become one: by which key, and whose value stays."""

    key: tuple[str, ...]
    keep: str
    schema: TableSchema | None = None


# arg_max and arg_min pass over nulls, so a null never takes a value away. What the quarantine
# says of a row is what was said first: reading the same file again changes nothing.
_MERGES: dict[str, _Merge] = {
    "accounts": _Merge(("account_id",), "arg_max", ACCOUNTS),
    "credentials": _Merge(("credential_id",), "arg_max", CREDENTIALS),
    "model_releases": _Merge(("model",), "arg_max", MODEL_RELEASES),
    "quarantine": _Merge(("file", "line", "reason"), "arg_min"),
}
MERGED_TABLES: tuple[str, ...] = tuple(_MERGES)
KEYS: dict[str, tuple[str, ...]] = {
    "exchanges": ("exchange_id",),
    **{table: merge.key for table, merge in _MERGES.items()},
}
"""By table, the columns of which no two rows may have the same values."""


@dataclass(frozen=True, slots=True)
class MergedRows:
    """The whole table after a merge.

    Attributes:
        rows: Ordered by key, or None when nothing changed.
        news: How many keys are new or have a new value.
        superseded: Of a table with a history, the stored rows that got a new value, as they were,
            with the column `superseded_at`; None when there are none.
        told_before: How many rows say what was corrected since, and were passed over.
        corrected: How many rows say what a later one of the same import says otherwise.
    """

    rows: pa.Table | None
    news: int
    superseded: pa.Table | None = None
    told_before: int = 0
    corrected: int = 0


def merge_rows(
    database: duckdb.DuckDBPyConnection,
    table: str,
    *,
    stored: list[Path],
    history: list[Path],
    staged: list[Path],
    domain_by_token: dict[str, str],
    domain_shared_by: int,
    now: datetime,
) -> MergedRows:
    """Merge staged rows into those of the lake; the stored ones count as the earliest.

    A row that says what a row of the history said is no news: the correction since then stays.

    Args:
        history: Where the rows are that earlier imports took the place of.
        now: The moment at which stored rows cease to hold.
    """
    merge = _MERGES[table]
    source = f"select * from {parquet_source(staged)}"
    if stored:
        source += f" union all by name select *, -1 as {ORDINAL} from {parquet_source(stored)}"
    database.execute(f"create or replace temp table every_row as {source}")
    described = database.execute("describe every_row").fetchall()
    names = [row[0] for row in described if row[0] != ORDINAL]
    _register_domains(database, domain_by_token)
    told_before = _take_out_told_before(database, merge, names, history) if history else 0
    _create_merged(database, merge, names)
    if table == "accounts":
        _reopen(database, set(names))
        if domain_by_token:
            query = load_query("import_reveal_domains")
            database.execute(query.replace("$shared_by", str(domain_shared_by)))
    columns = ", ".join(quoted_name(name) for name in names)
    query = load_query("import_count_news").replace("$columns", columns)
    news: int = database.execute(query).fetchall()[0][0]
    corrected = _count_corrected(database, merge, names) if table in HISTORIES else 0
    result = MergedRows(None, news, told_before=told_before, corrected=corrected)
    if not news:
        return result
    keys = ", ".join(merge.key)
    rows = database.sql(f"select {columns} from merged order by {keys}").to_arrow_table()
    if merge.schema is not None:
        types = canonical_first(rows.schema, merge.schema)
        rows = rows.select(types.names).cast(types)
    if table not in HISTORIES or not stored:
        return replace(result, rows=rows)
    query = load_query("import_superseded").replace("$columns", columns).replace("$keys", keys)
    superseded = database.sql(query.replace("$now", f"'{now.isoformat()}'")).to_arrow_table()
    return replace(result, rows=rows, superseded=superseded if superseded.num_rows else None)


def _create_merged(database: duckdb.DuckDBPyConnection, merge: _Merge, names: list[str]) -> None:
    values = [
        f"{merge.keep}({quoted_name(n)}, {ORDINAL}) as {quoted_name(n)}"
        for n in _values(merge, names)
    ]
    chosen = ", ".join([*merge.key, *values])
    database.execute(
        f"create or replace temp table merged as select {chosen} from every_row group by "
        + ", ".join(merge.key)
    )


def _register_domains(database: duckdb.DuckDBPyConnection, domain_by_token: dict[str, str]) -> None:
    tokens, domains = list(domain_by_token), list(domain_by_token.values())
    pairs = pa.table(
        {"token": pa.array(tokens, pa.string()), "domain": pa.array(domains, pa.string())}
    )
    database.register("import_domains", pairs)


def _take_out_told_before(
    database: duckdb.DuckDBPyConnection, merge: _Merge, names: list[str], history: list[Path]
) -> int:
    source = parquet_source(history)
    described = database.execute(f"describe select * from {source}").fetchall()
    kept = {row[0] for row in described}
    values = _values(merge, names)
    query = (
        load_query("import_told_before")
        .replace("$keys", ", ".join(merge.key))
        .replace("$history", source)
        .replace("$domain", _domain_column(merge, names))
        .replace("$as_earlier", _says_no_more_than("earlier", values, kept))
        .replace("$as_stored", _says_no_more_than("stored", values, set(names)))
    )
    number: int = database.execute(query).fetchall()[0][0]
    return number


def _count_corrected(database: duckdb.DuckDBPyConnection, merge: _Merge, names: list[str]) -> int:
    query = (
        load_query("import_count_corrected")
        .replace("$keys", ", ".join(merge.key))
        .replace("$domain", _domain_column(merge, names))
        .replace("$as_merged", _says_no_more_than("merged", _values(merge, names), set(names)))
    )
    number: int = database.execute(query).fetchall()[0][0]
    return number


def _values(merge: _Merge, names: list[str]) -> list[str]:
    return [name for name in names if name not in merge.key]


def _domain_column(merge: _Merge, names: list[str]) -> str:
    """Where tokens of domains are; a key is no such token, and matches none."""
    return "email_domain" if "email_domain" in names else merge.key[0]


def _says_no_more_than(row: str, names: list[str], has: set[str]) -> str:
    """Whether all that the row `told` states is in the other row as well."""
    alike = []
    for name in names:
        said = f"told.{quoted_name(name)}"
        same = "false"
        if name in has:
            known = f"{row}.{quoted_name(name)}"
            same = f"{said} is not distinct from {known}"
            if name == "email_domain":
                same += f" or import_domains.domain is not distinct from {known}"
        alike.append(f"({said} is null or {same})")
    return " and ".join(alike) or "true"


def _reopen(database: duckdb.DuckDBPyConnection, names: set[str]) -> None:
    of_closure = [name for name in ("closed_at", "closed_reason") if name in names]
    if "status" not in names or not of_closure:
        return
    restored = "merged.restored_at >= merged.closed_at"
    is_told = {"restored_at", "closed_at"} <= names
    query = (
        load_query("import_reopened")
        .replace("$cleared", ", ".join(f"{name} = reopened.{name}" for name in of_closure))
        .replace("$said", ", ".join(f"arg_max({n}, {ORDINAL}) as {n}" for n in of_closure))
        .replace("$not_restored", f"not coalesce({restored}, false)" if is_told else "true")
    )
    database.execute(query)


def canonical_first(schema: pa.Schema, wanted: TableSchema) -> pa.Schema:
    """The columns that are there, canonical ones first with their types, then extra ones."""
    canonical = [field for field in wanted.arrow if field.name in schema.names]
    extra = sorted(set(schema.names) - set(wanted.names))
    return pa.schema([*canonical, *(schema.field(name) for name in extra)])
