"""Parquet files and column names as parts of a query's text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["parquet_source", "quoted_name", "quoted_text"]


def parquet_source(paths: Iterable[Path]) -> str:
    """The files as a table of a query; a column that some lack is null there."""
    listed = ", ".join(quoted_text(str(path)) for path in paths)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def quoted_text(text: str) -> str:
    """The text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def quoted_name(name: str) -> str:
    """The name of a column as SQL takes it, whatever its characters."""
    return '"' + name.replace('"', '""') + '"'
