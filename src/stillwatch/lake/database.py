"""The engine that reads and writes a lake's files, set up in one way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from stillwatch.lake.parquet_source import quoted_text

__all__ = ["lake_database"]

_MEMORY_LIMIT = "512MB"


@contextmanager
def lake_database(spill: Path, *, in_order: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that is silent, thinks in UTC, and spills what does not fit into half a gigabyte.

    Args:
        spill: Folder for what does not fit; it is made when it is needed, and stays.
        in_order: Whether rows must come in the order of their files where a query asks for none.
    """
    with duckdb.connect() as database:
        database.execute("set TimeZone = 'UTC'")
        database.execute("set enable_progress_bar = false")
        database.execute(f"set preserve_insertion_order = {str(in_order).lower()}")
        database.execute(f"set memory_limit = '{_MEMORY_LIMIT}'")
        # What is read is read once: remembering it would fill whatever the limit allows.
        database.execute("set enable_external_file_cache = false")
        database.execute(f"set temp_directory = {quoted_text(str(spill))}")
        yield database
