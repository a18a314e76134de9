"""What could not be read: which file, which line, and why."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.records import TIMESTAMP, InputError, TableSchema
from stillwatch.records.schema import column, table_schema

__all__ = [
    "QUARANTINE",
    "SETTLES",
    "QuarantinedRow",
    "one_line",
    "read_quarantine",
    "shown_path",
    "without_quotes",
]

SETTLES = ".rows"
"""How the name of a hidden file ends that says which entries the exported rows beside it settle."""

_LONGEST_REASON = 300
# Where a message begins to quote (the sign in "couldn't" does not), or to write out a type, whose
# fields have names.
_QUOTES = re.compile(r"(?<![a-z])['\"`]|[<({\[]")
_NUMBER = re.compile(r"[+-]?\d[\d.:]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRow:
    """A row, or a whole file, that was left out of the lake."""

    file: str = column(pa.string(), "the file, as it was named", required=True)
    line: int = column(pa.int64(), "one-based; 0 for the whole file", required=True)
    reason: str = column(pa.string(), "why, in words", required=True)
    quarantined_at: datetime = column(TIMESTAMP, "when", required=True)
    log_format: str | None = column(pa.string(), "the format it was read as")
    mended_at: datetime | None = column(
        TIMESTAMP, "when it was imported after all; null until then"
    )

    @classmethod
    def of(
        cls, path: Path, line: int, reason: str, *, log_format: str, when: datetime
    ) -> QuarantinedRow:
        """The entry, with a reason of one line whatever the log put into it."""
        return cls(
            file=shown_path(path),
            line=line,
            reason=one_line(reason)[:_LONGEST_REASON],
            quarantined_at=when,
            log_format=log_format,
        )


QUARANTINE: TableSchema = table_schema("quarantine", QuarantinedRow)


def one_line(text: str) -> str:
    """The text without what could move a cursor, colour a terminal or turn the reading order."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def without_quotes(message: str) -> str:
    """How a library's message begins: up to what it quotes of the log, and without numbers."""
    begins = _QUOTES.split(message.strip().split("\n", 1)[0], maxsplit=1)
    return _NUMBER.sub("…", begins[0].strip())[:160] + (" …" if len(begins) > 1 else "")


def shown_path(path: Path) -> str:
    """The path as the quarantine names it."""
    return one_line(os.fsencode(path).decode("utf-8", "replace"))


def read_quarantine(files: Iterable[Path]) -> Iterator[QuarantinedRow]:
    """The entries of the lake's quarantine, by file and line, mended ones included.

    Raises:
        InputError: A file is damaged, or is none of a quarantine.
    """
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    for row in batch.to_pylist():
                        yield QuarantinedRow(**row)
        except (pa.ArrowException, TypeError) as error:
            raise InputError(
                "this file of the quarantine is damaged.",
                where=str(path),
                remedy="In a lake, see `stillwatch lake check`; beside exported rows, export them "
                "again.",
            ) from error
