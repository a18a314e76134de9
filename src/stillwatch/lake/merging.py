"""Small tables change: a later row fills and corrects an earlier one with the same key."""

from __future__ import annotations

from dataclasses import dataclass
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
    """

    rows: pa.Table | None
    news: int
    superseded: pa.Table | None = None


def merge_rows(
    database: duckdb.DuckDBPyConnection,
    table: str,
    *,
    stored: list[Path],
    staged: list[Path],
    domain_by_token: dict[str, str],
    domain_shared_by: int,
    now: datetime,
) -> MergedRows:
    """Merge staged rows into those of the lake; the stored ones count as the earliest.

    Args:
        now: The moment at which stored rows cease to hold.
    """
    merge = _MERGES[table]
    source = f"select * from {parquet_source(staged)}"
    if stored:
        source += f" union all by name select *, -1 as {ORDINAL} from {parquet_source(stored)}"
    database.execute(f"create or replace temp table every_row as {source}")
    described = database.execute("describe every_row").fetchall()
    names = [row[0] for row in described if row[0] != ORDINAL]
    _create_merged(database, merge, names)
    if table == "accounts":
        _reveal_domains(database, domain_by_token, domain_shared_by)
    columns = ", ".join(quoted_name(name) for name in names)
    query = load_query("import_count_news").replace("$columns", columns)
    news: int = database.execute(query).fetchall()[0][0]
    if not news:
        return MergedRows(None, 0)
    keys = ", ".join(merge.key)
    rows = database.sql(f"select {columns} from merged order by {keys}").to_arrow_table()
    if merge.schema is not None:
        types = canonical_first(rows.schema, merge.schema)
        rows = rows.select(types.names).cast(types)
    if table not in HISTORIES or not stored:
        return MergedRows(rows, news)
    query = load_query("import_superseded").replace("$columns", columns).replace("$keys", keys)
    superseded = database.sql(query.replace("$now", f"'{now.isoformat()}'")).to_arrow_table()
    return MergedRows(rows, news, superseded if superseded.num_rows else None)


def _create_merged(database: duckdb.DuckDBPyConnection, merge: _Merge, names: list[str]) -> None:
    values = [
        f"{merge.keep}({quoted_name(n)}, {ORDINAL}) as {quoted_name(n)}"
        for n in names
        if n not in merge.key
    ]
    chosen = ", ".join([*merge.key, *values])
    database.execute(
        f"create or replace temp table merged as select {chosen} from every_row group by "
        + ", ".join(merge.key)
    )


def _reveal_domains(
    database: duckdb.DuckDBPyConnection, domain_by_token: dict[str, str], shared_by: int
) -> None:
    if not domain_by_token:
        return
    pairs = pa.table({"token": list(domain_by_token), "domain": list(domain_by_token.values())})
    database.register("import_domains", pairs)
    database.execute(load_query("import_reveal_domains").replace("$shared_by", str(shared_by)))
    database.unregister("import_domains")


def canonical_first(schema: pa.Schema, wanted: TableSchema) -> pa.Schema:
    """The columns that are there, canonical ones first with their types, then extra ones."""
    canonical = [field for field in wanted.arrow if field.name in schema.names]
    extra = sorted(set(schema.names) - set(wanted.names))
    return pa.schema([*canonical, *(schema.field(name) for name in extra)])
