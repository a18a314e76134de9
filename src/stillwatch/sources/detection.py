"""Which format a log has: every adapter reads its beginning, and the one that understands it wins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from stillwatch.identity import RAW_COLUMNS
from stillwatch.sources.adapter import (
    ADAPTERS,
    Adapter,
    Gathering,
    ImportRequest,
    ParsedRow,
    ParsedTable,
    Remark,
    Unreadable,
    load_adapter,
)
from stillwatch.sources.call_events import OF_EXCHANGES
from stillwatch.sources.known_logs import FIRST_ROWS, KnownLog, known_log
from stillwatch.sources.limits import Limits
from stillwatch.sources.network_rows import IMPORTED_TABLES, NETWORK
from stillwatch.sources.unpacking import beginning_only

__all__ = ["Candidate", "detect_format"]

_FILES = 5
_BEGINNING = 2 * 2**20
# What it is worth that a row is an exchange although nobody is billed for it, or at no time.
_WORTH_WITHOUT_ACCOUNT = 0.25
# These read whatever has their columns or bodies, whoever wrote it: a format that knows its own
# by a mark comes before them.
_LOOSE = frozenset({"canonical", "openai", "anthropic"})
_QUOTED = re.compile(r"\s*\([^()]*\)")
Item = ParsedRow | ParsedTable | Unreadable | Remark
_KNOWN = {name for schema in IMPORTED_TABLES for name in schema.names} | set(RAW_COLUMNS)


@dataclass(frozen=True, slots=True)
class Candidate:
    """How well one format fits.

    Attributes:
        name: The format.
        looked_at: Rows looked at, unreadable ones included.
        whole: Rows that have an account and a time, or belong to a table without.
        partial: Exchanges without an account or without a time.
        columns: Canonical columns that some row has.
        reason: Why the first row that could not be read was not.
        is_network: Whether its rows are network evidence, which waits for exchanges.
        known: What the rows are, where the format alone does not say it; `whole` counts those
            that are this, then.
        file: The file that was looked at.
    """

    name: str
    looked_at: int
    whole: int
    partial: int
    columns: int
    reason: str
    is_network: bool = False
    known: KnownLog | None = None
    file: Path | None = None

    @property
    def fit(self) -> float:
        """From 0, nothing is understood, to 1."""
        worth = self.whole + _WORTH_WITHOUT_ACCOUNT * self.partial
        return worth / self.looked_at if self.looked_at else 0.0

    def explain(self) -> str:
        """The sentence for people."""
        if not self.looked_at:
            return "nothing in it is of this format."
        if self.known:
            return f"{self.whole} of the first {self.looked_at} rows are {self.known.what}."
        if self.whole and self.is_network:
            return (
                f"{self.whole} of the first {self.looked_at} rows have a request id, a time and a "
                f"network, for exchanges of other logs; {self.columns} columns."
            )
        if self.whole:
            return (
                f"{self.whole} of the first {self.looked_at} rows have an account and a time; "
                f"{self.columns} columns."
            )
        if self.partial:
            return (
                f"{self.partial} of the first {self.looked_at} rows are exchanges, but without "
                f"account or time; {self.columns} columns."
            )
        return self.reason


def detect_format(files: Iterable[Path]) -> list[Candidate]:
    """Every format, the one that fits best first, by the first file that tells.

    A file may say nothing, such as one that is empty. `generic` is among them only for a log that
    a shipped map reads.
    """
    found: list[Candidate] = []
    for path in islice(files, _FILES):
        # A row may be longer than the first look, and is then read as far as any row is.
        for size in (_BEGINNING, Limits.configured().row_bytes + _BEGINNING):
            with beginning_only(size):
                found = _candidates(path)
            found = [replace(candidate, file=path) for candidate in found]
            if found[0].fit > 0:
                return found
    return found


def _candidates(path: Path) -> list[Candidate]:
    tried = {name: _tried(name, path) for name in ADAPTERS if name != "generic"}
    if told := known_log(path):
        known, rows, looked_at = told
        name = known.log_format
        fallback = Candidate(name, looked_at, rows, 0, 0, "")
        tried[name] = replace(
            tried.get(name, fallback), looked_at=looked_at, whole=rows, partial=0, known=known
        )
    return sorted(
        tried.values(),
        key=lambda c: (c.known is None, -c.fit, c.name in _LOOSE, -c.columns, c.name),
    )


def _tried(name: str, path: Path) -> Candidate:
    looked_at = whole = partial = 0
    columns: set[str] = set()
    reason = ""
    is_network = False
    try:
        for item in islice(_told(load_adapter(name, ImportRequest((path,))), path), FIRST_ROWS):
            if isinstance(item, Remark):
                continue
            if isinstance(item, Unreadable):
                looked_at += 1
                reason = reason or item.reason
                continue
            rows = item.rows.num_rows if isinstance(item, ParsedTable) else 1
            is_whole = _is_whole(item)
            looked_at += rows
            whole += rows * is_whole
            partial += rows * (not is_whole)
            columns |= _names(item) & _KNOWN
            is_network = item.table == NETWORK.name
    except Exception as error:  # whatever one format makes of another's bytes is no failure
        looked_at, reason = looked_at + 1, f"it cannot be read ({type(error).__name__})."
    # A reason may quote names from the file, which stand in parentheses.
    reason = _QUOTED.sub("", reason)
    return Candidate(name, looked_at, whole, partial, len(columns), reason, is_network)


def _told(adapter: Adapter, path: Path) -> Iterator[Item]:
    """What the adapter says of a file, and what it kept for a second file such as a batch's."""
    yield from islice(adapter.read(path), FIRST_ROWS)
    if isinstance(adapter, Gathering):
        yield from (item for _, item in adapter.remaining())


def _names(item: ParsedRow | ParsedTable) -> set[str]:
    if isinstance(item, ParsedTable):
        return set(item.rows.column_names)
    return {name for name, value in item.row.items() if value is not None}


def _is_whole(item: ParsedRow | ParsedTable) -> bool:
    return item.table not in OF_EXCHANGES or {"account_id", "started_at"} <= _names(item)
