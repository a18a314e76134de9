"""Calls that a file tells by their events alone: the lake gives what they say to their spans.

OpenTelemetry's traces and logs often go into files of their own. The span knows who asked, and the
events in the log hold prompt and answer. Which calls have their span elsewhere only the lake knows.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from stillwatch.records import EXCHANGES, TIMESTAMP, TableSchema
from stillwatch.sources.quarantine import QuarantinedRow

__all__ = ["CALL_EVENTS", "OF_EXCHANGES", "with_entry"]

CALL_EVENTS: TableSchema = TableSchema(
    "call_events",
    tuple(
        replace(column, required=column.required and column.name != "account_id")
        for column in EXCHANGES.columns
    ),
)
"""Exchanges of which nobody may be known to have asked: that is for the span to say."""

OF_EXCHANGES = frozenset({EXCHANGES.name, CALL_EVENTS.name})
"""The tables with the columns of exchanges."""

_NO_SPAN = (
    "an event of a model call whose span is neither in the lake nor in this import: import the "
    "traces, then this file again with `--mended`. For a log of one customer without traces, "
    "`--set account_id=NAME` says who asked."
)


def with_entry(
    rows: pa.Table, path: Path, *, line: str, log_format: str, when: datetime
) -> pa.Table:
    """The rows with what the quarantine says of them if their span is not found.

    Args:
        rows: Of `CALL_EVENTS`.
        line: The column with the line of each row, which is renamed.
        when: The moment of the import.
    """
    entry = QuarantinedRow.of(path, 0, _NO_SPAN, log_format=log_format, when=when)
    said = {
        "_file": pa.scalar(entry.file, pa.string()),
        "_reason": pa.scalar(entry.reason, pa.string()),
        "_quarantined_at": pa.scalar(entry.quarantined_at, TIMESTAMP),
        "_log_format": pa.scalar(entry.log_format, pa.string()),
    }
    rows = rows.rename_columns(["_line" if n == line else n for n in rows.column_names])
    for name, value in said.items():
        rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
    return rows
