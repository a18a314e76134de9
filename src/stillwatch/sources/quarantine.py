"""What could not be read: which file, which line, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.records import TIMESTAMP, TableSchema
from stillwatch.records.schema import column, table_schema

__all__ = ["QUARANTINE", "QuarantinedRow", "one_line", "read_quarantine"]

_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRow:
    """A row, or a whole file, that was left out of the lake."""

    file: str = column(pa.string(), "the file, as it was named", required=True)
    line: int = column(pa.int64(), "one-based; 0 for the whole file", required=True)
    reason: str = column(pa.string(), "why, in words", required=True)
    quarantined_at: datetime = column(TIMESTAMP, "when", required=True)

    @classmethod
    def of(cls, path: Path, line: int, reason: str, *, when: datetime) -> QuarantinedRow:
        """The entry, with a reason of one line whatever the log put into it."""
        name = os.fsencode(path).decode("utf-8", "replace")
        short = one_line(reason)[:_LONGEST_REASON]
        return cls(file=one_line(name), line=line, reason=short, quarantined_at=when)


QUARANTINE: TableSchema = table_schema("quarantine", QuarantinedRow)


def one_line(text: str) -> str:
    """The text without what could move a cursor, colour a terminal or turn the reading order."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def read_quarantine(files: list[Path], *, limit: int) -> list[QuarantinedRow]:
    """The first entries of the lake's quarantine, by file and line."""
    rows: list[QuarantinedRow] = []
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                rows += [QuarantinedRow(**row) for row in batch.to_pylist()]
                if len(rows) >= limit:
                    return rows[:limit]
    return rows
