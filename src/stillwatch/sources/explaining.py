"""How one row of a log was read: shown so that a person can check a format, and nobody's secrets.

What is shown went the way of every import: read, typed, filled and tokenised. Of texts and names
only the length is shown, for whoever looks over a shoulder, or at a ticket, needs no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from stillwatch.identity import Tokeniser
from stillwatch.identity.tokens import is_token
from stillwatch.records import EXCHANGES, ExchangeStatus
from stillwatch.sources.adapter import (
    Adapter,
    Gathering,
    ParsedRow,
    ParsedTable,
    Remark,
    Unreadable,
)
from stillwatch.sources.kept_tables import KeptTables
from stillwatch.sources.network_rows import IMPORTED_TABLES
from stillwatch.sources.pipeline import take_in
from stillwatch.sources.quarantine import QUARANTINE

__all__ = ["Reading", "explain_row", "shown"]

_NEEDED = {
    "exchanges": ("account_id", "started_at"),
    "call_events": ("started_at",),
    "accounts": ("account_id",),
}
# Words that our own adapters write; anything else in these columns came from the log.
_OUR_WORDS = {
    "network_log": frozenset({"envoy"}),
    "status": frozenset(status.value for status in ExchangeStatus),
    "endpoint": frozenset({"chat", "responses", "batch"}),
    "retention": frozenset({"full", "no_text"}),
    "access_path": frozenset({"api", "app", "reseller", "cloud:bedrock"}),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one row.

    Attributes:
        table: The canonical table it went into; "" if it was set aside.
        columns: Column to its value, shown safely.
        absent: The table's columns of which it says nothing.
        reason: Why it was set aside; "" if it was not.
    """

    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    reason: str = ""


def explain_row(
    path: Path,
    row: int,
    *,
    adapter: Adapter,
    tokeniser: Tokeniser,
    fills: Mapping[str, str],
    now: datetime,
) -> tuple[list[Reading], list[str]]:
    """What an import would make of one row of a file, and what else it would say of it.

    Args:
        row: One-based line, or record, as the quarantine numbers it. Several exchanges may
            come from one.
        fills: Column name to the value of rows that have none.
        now: The moment against which clocks are checked.
    """
    kept = KeptTables()
    intake = take_in(
        [path],
        adapter=_OneRow(adapter, row),
        tokeniser=tokeniser,
        fills=fills,
        now=now,
        destination=kept,
    )
    remarks = [
        *intake.remarks,
        *(
            f"the value of {name} was not of its type and was left empty."
            for name in intake.emptied
        ),
        *(f"column {name} was not taken: {why}." for name, why in intake.dropped.items()),
    ]
    return _readings(kept), remarks


def shown(column: str, value: Any) -> str:
    """A value without what could name somebody or be a secret."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, dict):
        parts = [f"{name} {shown(name, v)}" for name, v in value.items() if v is not None]
        return ", ".join(parts)
    if isinstance(value, list):
        tokens = [item for item in value if isinstance(item, str) and is_token(item)]
        kind = "token" if len(tokens) == len(value) else "text"
        return f"{len(value)} {kind}{'' if len(value) == 1 else 's'}"
    written = str(value)
    if is_token(written) or written in _OUR_WORDS.get(column, ()):
        return written
    return f"{len(written):,} character{'' if len(written) == 1 else 's'}"


class _OneRow:
    """An adapter of which only one row is heard."""

    name: ClassVar[str] = ""

    def __init__(self, adapter: Adapter, row: int) -> None:
        self._adapter, self._row = adapter, row
        self.name = adapter.name  # type: ignore[misc] # the exchange's id depends on it

    def read(self, path: Path) -> Iterator[ParsedRow | ParsedTable | Unreadable | Remark]:
        remarks: list[Remark] = []
        for item in self._adapter.read(path):
            if isinstance(item, Remark):
                remarks.append(item)
                continue
            if isinstance(item, ParsedTable):
                at = self._row - item.first_line
                if 0 <= at < item.rows.num_rows:
                    yield ParsedTable(self._row, item.rows.slice(at, 1), item.table)
                    return
            elif item.line == self._row or (item.line == 0 and isinstance(item, Unreadable)):
                # A remark comes before the row that it is about.
                yield from remarks
                yield _with_required(item) if isinstance(item, ParsedRow) else item
            remarks = []

    def remaining(self) -> Iterator[tuple[Path, ParsedRow | Unreadable]]:
        """What the adapter could tell only once it had read the file."""
        if isinstance(self._adapter, Gathering):
            for path, item in self._adapter.remaining():
                if item.line == self._row:
                    yield path, _with_required(item) if isinstance(item, ParsedRow) else item


def _with_required(item: ParsedRow) -> ParsedRow:
    """The row with what each row needs, as null: among others, its file would have the columns."""
    needed = _NEEDED.get(item.table, ())
    return ParsedRow(item.line, {**dict.fromkeys(needed), **item.row}, item.table)


def _readings(kept: KeptTables) -> list[Reading]:
    found = []
    for table, rows in kept.tables:
        for row in rows.to_pylist():
            if table == QUARANTINE.name:
                found.append(Reading("", reason=row["reason"]))
                continue
            said = {
                name: value for name, value in row.items() if value is not None and name[0] != "_"
            }
            columns = {name: shown(name, value) for name, value in said.items()}
            schema = next((s for s in IMPORTED_TABLES if s.name == table), EXCHANGES)
            absent = tuple(name for name in schema.names if name not in said)
            found.append(Reading(table, columns, absent))
    return found
