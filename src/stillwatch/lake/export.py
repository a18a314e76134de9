"""The lake as the canonical tables, for other tools or for another lake."""

from __future__ import annotations

import os
import shutil
from itertools import groupby
from pathlib import Path

import duckdb

from stillwatch.lake.database import lake_database
from stillwatch.lake.parquet_source import parquet_source, quoted_text
from stillwatch.lake.queries import load_query
from stillwatch.lake.store import Lake
from stillwatch.records import ACCOUNTS, CREDENTIALS, EXCHANGES, MODEL_RELEASES, InputError

__all__ = ["export_lake"]


def export_lake(lake: Lake, out: Path) -> dict[str, int]:
    """Write `exchanges/DAY.parquet` and one file each of the small tables that hold rows.

    Extra columns go along. The folder appears whole or not at all.

    Returns:
        The number of rows by table.

    Raises:
        InputError: `out` holds something already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            "this is there already, and not an empty folder.",
            where=str(out),
            remedy="Give a new folder with --out.",
        )
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    partial.mkdir(mode=0o700, parents=True)
    try:
        _write_tables(lake, partial)
        if out.exists():
            out.rmdir()
        os.replace(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    tables = (EXCHANGES, ACCOUNTS, CREDENTIALS, MODEL_RELEASES)
    return {schema.name: lake.rows(schema.name) for schema in tables}


def _write_tables(lake: Lake, folder: Path) -> None:
    with lake_database(folder / ".spill") as database:
        (folder / "exchanges").mkdir(mode=0o700)
        for day, paths in groupby(lake.files("exchanges"), key=lambda path: path.parent.name):
            target = folder / "exchanges" / f"{day}.parquet"
            _copy(database, list(paths), target, order="started_at, exchange_id")
        for schema in (ACCOUNTS, CREDENTIALS, MODEL_RELEASES):
            if files := lake.files(schema.name):
                target = folder / f"{schema.name}.parquet"
                _copy(database, files, target, order=schema.required[0])
    shutil.rmtree(folder / ".spill", ignore_errors=True)


def _copy(
    database: duckdb.DuckDBPyConnection, files: list[Path], target: Path, *, order: str
) -> None:
    query = (
        load_query("export_table")
        .replace("$source", parquet_source(files))
        .replace("$order", order)
        .replace("$target", quoted_text(str(target)))
    )
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    database.execute(query)
    target.chmod(0o600)
