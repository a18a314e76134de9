"""Exchanges that come with an id that is known already, and say something else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from stillwatch.lake.parquet_source import parquet_source
from stillwatch.lake.queries import load_query
from stillwatch.lake.staging import ORDINAL

__all__ = ["is_worth_comparing", "known_otherwise"]

# A few that come again, to days of many, are not worth reading all texts of those days.
_STORED_FOR_ONE = 20
_FEW = 50_000

_COMPARED = ("account_id", "started_at", "model")
# Compared by their hashes: a join holds the shorter side of it in memory.
_TEXTS = ("system_text", "input_text", "output_text")


def known_otherwise(
    database: duckdb.DuckDBPyConnection, staged: Sequence[Path], stored: Sequence[Path]
) -> int:
    """How many staged exchanges that are not of the table `fresh` differ from the one that holds.

    Args:
        staged: All files with staged exchanges.
        stored: The lake's files of exchanges of the same days.
    """
    of_staged = f"select {ORDINAL}, {_columns(database, staged)} from {parquet_source(staged)}"
    of_stored = f"select * exclude ({ORDINAL}) from ({of_staged}) where false"
    if stored:
        of_stored = f"select {_columns(database, stored)} from {parquet_source(stored)}"
    alike = [
        f"(repeated.{name} is null or repeated.{name} = holding.{name})"
        for name in (*_COMPARED, *_TEXTS)
    ]
    query = load_query("import_known_otherwise").replace("$alike", " and ".join(alike))
    query = query.replace("$staged", of_staged).replace("$stored", of_stored)
    number: int = database.execute(query).fetchall()[0][0]
    return number


def is_worth_comparing(staged: int, stored: int) -> bool:
    """Whether so much is staged that reading the stored exchanges of its days costs little beside."""
    return stored <= _STORED_FOR_ONE * staged + _FEW


def _columns(database: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> str:
    described = database.execute(f"describe select * from {parquet_source(files)}").fetchall()
    known = {row[0] for row in described}
    values = {"exchange_id": "exchange_id"}
    for name in _COMPARED:
        values[name] = name if name in known else "null"
    for name in _TEXTS:
        hashed = f"case when {name} is not null then hash({name}) end"
        values[name] = hashed if name in known else "null::ubigint"
    return ", ".join(f"{value} as {name}" for name, value in values.items())
