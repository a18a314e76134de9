"""What an adapter says of a file, as batches of typed columns: all of it that needs no key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

import pyarrow as pa

from stillwatch.records import StillwatchError
from stillwatch.sources.adapter import (
    Adapter,
    Gathering,
    ParsedRow,
    ParsedTable,
    Remark,
    Unreadable,
)
from stillwatch.sources.network_rows import IMPORTED_TABLES
from stillwatch.sources.quarantine import without_quotes
from stillwatch.sources.rows import narrowed, typed_rows
from stillwatch.sources.unpacking import unusable_as_a_whole
from stillwatch.sources.values import weight_of

__all__ = ["EMPTY_FILE", "FileRead", "Read", "RowBatch", "read_files"]

EMPTY_FILE = "a file was empty."
_BATCH_ROWS = 4_096
_BATCH_BYTES = 32 * 2**20
# A file whose first thousand lines all fail is of another format: name it once and go on.
_LINES_BEFORE_GIVING_UP = 1_000

_SCHEMAS = {schema.name: schema for schema in IMPORTED_TABLES}
Parsed = ParsedRow | ParsedTable | Unreadable | Remark


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows of one table, in the file's order.

    Attributes:
        table: The table they belong to.
        rows: Columns by the keys of `ParsedRow.row`.
        lines: The line of each row.
        emptied: Optional column to how many of its values were not of its type.
        emptied_at: The line of the first of them.
        dropped: Columns that were not looked at, with the reason.
    """

    table: str
    rows: pa.Table
    lines: pa.Array
    emptied: Counter[str] = field(default_factory=Counter)
    emptied_at: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)


Read = RowBatch | ParsedTable | Unreadable | Remark


@dataclass(frozen=True, slots=True)
class FileRead:
    """One file on its way.

    Attributes:
        is_first_time: False for what an adapter kept of a file until all files had been read.
        items: What comes of it, in its order; to be taken before the next file is asked for.
    """

    path: Path
    is_first_time: bool
    items: Iterator[Read]


def read_files(adapter: Adapter, paths: Iterable[Path]) -> Generator[FileRead, None, None]:
    """Every file, and then what an adapter can only tell once it has seen all of them."""
    for path in paths:
        yield FileRead(path, True, _batched(_guarded(adapter, path)))
    if isinstance(adapter, Gathering):
        for path, items in groupby(adapter.remaining(), key=itemgetter(0)):
            # The file was of the format: it needs no giving up.
            batches = _batched((item for _, item in items), is_of_the_format=True)
            yield FileRead(path, False, batches)


def _batched(items: Iterable[Parsed], *, is_of_the_format: bool = False) -> Iterator[Read]:
    """The items with their rows in batches, until it is clear that the file is of no use."""
    # Rows of two tables may come by turns: spans, and events whose span is elsewhere.
    waiting: dict[str, _Waiting] = {}
    unreadable = 0
    for item in items:
        if isinstance(item, ParsedRow):
            is_of_the_format = True
            rows = waiting.setdefault(item.table, _Waiting())
            rows.add(item)
            if rows.are_enough:
                yield rows.taken()
            continue
        yield item
        if isinstance(item, ParsedTable):
            is_of_the_format = True  # or else whoever takes it has ended the file
        elif isinstance(item, Unreadable):
            unreadable += 1
            if not is_of_the_format and unreadable == _LINES_BEFORE_GIVING_UP:
                reason = "none of its first 1,000 lines can be read: is it of another format?"
                yield Unreadable(0, reason)
                return
    for rows in waiting.values():
        if rows.waiting:
            yield rows.taken()


@dataclass(slots=True)
class _Waiting:
    """Rows of one table that wait to be a batch."""

    waiting: list[ParsedRow] = field(default_factory=list)
    bytes: int = 0

    @property
    def are_enough(self) -> bool:
        return len(self.waiting) == _BATCH_ROWS or self.bytes > _BATCH_BYTES

    def add(self, item: ParsedRow) -> None:
        row = narrowed(item.row, _SCHEMAS[item.table])
        self.waiting.append(item if row is item.row else replace(item, row=row))
        self.bytes += weight_of(row)

    def taken(self) -> RowBatch:
        """All of them; they are held no longer than it takes to make a batch of them."""
        batch = _batch(self.waiting)
        self.waiting, self.bytes = [], 0
        return batch


def _batch(waiting: list[ParsedRow]) -> RowBatch:
    schema = _SCHEMAS[waiting[0].table]
    typed = typed_rows([item.row for item in waiting], schema)
    # A row without a required value is set aside: nothing of it was emptied.
    emptied = Counter({n: k for n, k in typed.emptied.items() if n not in schema.required})
    lines = pa.array([item.line for item in waiting], pa.int64())
    emptied_at: dict[str, int] = {}
    for name in emptied:
        if name in typed.table.column_names:
            empty = typed.table[name].is_null().to_pylist()
            given = zip(waiting, empty, strict=True)
            said = (item.line for item, e in given if e and item.row.get(name) is not None)
            emptied_at.update((name, line) for line in islice(said, 1))
    return RowBatch(schema.name, typed.table, lines, emptied, emptied_at, typed.dropped)


def _guarded(adapter: Adapter, path: Path) -> Iterator[Parsed]:
    """What the adapter says; an adapter that fails on content has found an unreadable file."""
    try:
        if said := _said_of_the_whole(path):
            yield said
            return
        yield from adapter.read(path)
    except StillwatchError:
        raise  # it knows what it says: of an input, or of this machine
    except OSError as error:
        reason = error.strerror or without_quotes(str(error)) or type(error).__name__
        yield Unreadable(0, f"the file cannot be read: {reason}.")
    except Exception as error:  # one format's mistake must not cost the other files
        yield Unreadable(0, f"the rest of the file cannot be read ({type(error).__name__}).")


def _said_of_the_whole(path: Path) -> Unreadable | Remark | None:
    """What the first bytes say of a file; of one that cannot be opened the adapter says why."""
    try:
        if reason := unusable_as_a_whole(path):
            return Unreadable(0, reason)
        if path.stat().st_size == 0 and path.suffix.lower() != ".parquet":
            return Remark(EMPTY_FILE)
    except OSError:
        pass
    return None
