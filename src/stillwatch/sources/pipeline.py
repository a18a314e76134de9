"""From files of any format to batches that a lake can take; what fits none is quarantined."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from stillwatch.identity import CLEAR_DOMAIN_ACCOUNTS, DomainCensus, Tokeniser
from stillwatch.records import InputError
from stillwatch.sources.adapter import Adapter, ParsedTable, Remark, Unreadable
from stillwatch.sources.call_events import CALL_EVENTS, with_entry
from stillwatch.sources.limits import Limits
from stillwatch.sources.quarantine import (
    QUARANTINE,
    SETTLES,
    QuarantinedRow,
    shown_path,
    without_quotes,
)
from stillwatch.sources.reading_process import read_in_other_process
from stillwatch.sources.refining import LINE, Refiner
from stillwatch.sources.row_batches import Read, RowBatch, read_files

__all__ = ["Destination", "Intake", "input_files", "take_in"]

_ENTRIES_AT_ONCE = 8_192
_MOST_DROPPED = 1_000

# What begins so in a folder is no log.
_NO_DATA = (".", "_")


class Destination(Protocol):
    """Where batches go; a lake's writer is one."""

    def add(self, table: str, rows: pa.Table) -> None: ...

    def reveal_domains(self, domain_by_token: dict[str, str], *, shared_by: int) -> None: ...


@dataclass(slots=True)
class Intake:
    """What an import read, and what it left out.

    Attributes:
        read: Rows seen, unreadable ones included; a file that is unreadable as a whole is one.
        quarantined: How many of them went to the quarantine.
        emptied: Column name to how many of its values were not usable and became null.
        emptied_at: File and line of the first of them.
        dropped: Extra columns that were not taken, with the reason.
        remarks: What else a person should know, and of how many rows.
        first_reason: The first entry of the quarantine, for people.
    """

    read: int = 0
    quarantined: int = 0
    emptied: Counter[str] = field(default_factory=Counter)
    emptied_at: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    remarks: Counter[str] = field(default_factory=Counter)
    first_reason: str = ""

    def note_dropped(self, dropped: Mapping[str, str]) -> None:
        """Remember which columns were not taken; of files with ever new ones, the first."""
        for name, reason in dropped.items():
            if name in self.dropped or len(self.dropped) < _MOST_DROPPED:
                self.dropped[name] = reason


def input_files(inputs: Iterable[Path], passed_over: Counter[str] | None = None) -> list[Path]:
    """The files an import reads: those named, and those in the folders named, in order.

    Of a folder, folders that cannot be read and links that lead nowhere are among them: what is
    read of them is the reason why they are not.

    Args:
        passed_over: Counts what is no log by its name, by the folder that was named.

    Raises:
        InputError: A path does not exist, is no file, or nothing is in it.
    """
    found: list[Path] = []
    for path in inputs:
        if path.is_dir():
            files, others = _files_below(path)
            if passed_over is not None and others:
                passed_over[str(path)] += others
            if not files:
                raise InputError("there is no file in this folder.", where=str(path))
            found += files
        elif path.is_file():
            found.append(path)
        elif path.exists():
            raise InputError(
                "this is a pipe or a device; a log is read more than once.",
                where=str(path),
                remedy="Write it into a file, and name that.",
            )
        else:
            raise InputError(
                "there is no such file or folder.", where=str(path), remedy="Check the path."
            )
    return found


def take_in(
    paths: Iterable[Path],
    *,
    adapter: Adapter,
    tokeniser: Tokeniser,
    fills: Mapping[str, str],
    now: datetime,
    destination: Destination,
    on_file: Callable[[Path], None] = lambda _path: None,
    in_two_processes: bool = False,
) -> Intake:
    """Read every file into `destination`, in bounded memory.

    One bad file, or row, never stops the others.

    Args:
        fills: Column name to the value of rows that have none.
        now: The moment against which clocks are checked, and of quarantine entries.
        on_file: Told before each file.
        in_two_processes: Let a process of its own read and type what this one refines and hands
            on. What comes of it is the same.

    Raises:
        InputError: The limits are configured to what no limit can be.
        StillwatchError: The process that reads was ended by somebody else.
    """
    Limits.configured()
    census = DomainCensus(tokeniser)
    refiner = Refiner(adapter.name, tokeniser, fills, now, census)
    intake = Intake()
    reading = read_in_other_process if in_two_processes else read_files
    with closing(reading(adapter, paths)) as files:
        for file in files:
            if file.is_first_time:
                on_file(file.path)
            _FileIntake(file.path, refiner, destination, intake).run(file.items)
    destination.reveal_domains(census.domain_by_token, shared_by=CLEAR_DOMAIN_ACCOUNTS)
    return intake


@dataclass(slots=True)
class _FileIntake:
    """One file on its way into the destination."""

    path: Path
    refiner: Refiner
    destination: Destination
    intake: Intake
    entries: list[QuarantinedRow] = field(default_factory=list)

    def run(self, items: Iterable[Read]) -> None:
        try:
            self._take_all(items)
        except InputError as error:
            # Every batch of the file has these columns; no other will be better.
            self._set_aside(Unreadable(0, f"{error.what} {error.remedy}"))
        self._flush_quarantine()

    def _take_all(self, items: Iterable[Read]) -> None:
        for item in items:
            if isinstance(item, Unreadable):
                self._set_aside(item)
            elif isinstance(item, Remark):
                self.intake.remarks[item.what] += 1
            elif isinstance(item, ParsedTable):
                numbers = np.arange(item.first_line, item.first_line + item.rows.num_rows)
                self._take(item.table, item.rows, pa.array(numbers, pa.int64()))
            else:
                self._take_batch(item)

    def _take_batch(self, batch: RowBatch) -> None:
        self.intake.emptied.update(batch.emptied)
        self._note_emptied(batch.emptied_at)
        self.intake.note_dropped(batch.dropped)
        try:
            self._take(batch.table, batch.rows, batch.lines)
        except InputError as error:
            # Unlike columns, rows say nothing of those that follow: set aside only these.
            for line in batch.lines.to_pylist():
                self._set_aside(Unreadable(line, f"{error.what} {error.remedy}"))

    def _take(self, table: str, rows: pa.Table, lines: pa.Array) -> None:
        # By position: two columns of a file may have one name.
        rows = rows.select([i for i, name in enumerate(rows.column_names) if name != LINE])
        numbered = rows.append_column(LINE, lines)
        try:
            refined = self.refiner.refine(table, numbered, where=str(self.path))
        except pa.ArrowException as error:
            raise InputError(f"its columns cannot be used ({_first_line(error)}).") from error
        self.intake.read += refined.rows.num_rows
        self.intake.emptied += refined.emptied
        self._note_emptied(refined.emptied_at)
        self.intake.remarks += refined.remarks
        self.intake.note_dropped(refined.dropped)
        for rejected in refined.rejected:
            self._set_aside(rejected)
        rows = refined.rows
        if table == CALL_EVENTS.name:
            log_format, now = self.refiner.log_format, self.refiner.now
            rows = with_entry(rows, self.path, line=LINE, log_format=log_format, when=now)
        self.destination.add(table, rows)

    def _note_emptied(self, line_by_column: Mapping[str, int]) -> None:
        for name, line in line_by_column.items():
            self.intake.emptied_at.setdefault(name, f"{shown_path(self.path)}, line {line}")

    def _set_aside(self, item: Unreadable) -> None:
        self.intake.read += 1
        self.intake.quarantined += 1
        entry = QuarantinedRow.of(
            self.path,
            item.line,
            item.reason,
            log_format=self.refiner.log_format,
            when=self.refiner.now,
        )
        if not self.intake.first_reason:
            line = f", line {entry.line}" if entry.line else ""
            self.intake.first_reason = f"{entry.file}{line}: {entry.reason}"
        self.entries.append(entry)
        if len(self.entries) == _ENTRIES_AT_ONCE:
            self._flush_quarantine()

    def _flush_quarantine(self) -> None:
        if self.entries:
            self.destination.add(QUARANTINE.name, QUARANTINE.table(list[Any](self.entries)))
            self.entries = []


def _files_below(folder: Path) -> tuple[list[Path], int]:
    """The files of a folder, and how much is left out; links are followed, to each folder once.

    Left out is what is hidden, and what others write beside their data: Spark's `_SUCCESS` and
    `_temporary`, Delta's `_delta_log`.
    """
    found: list[str] = []
    left_out = 0
    seen: set[str] = set()
    waiting = [str(folder)]
    while waiting:
        # Links come after all that has its own name here.
        unread: list[OSError] = []
        for top, folders, names in os.walk(waiting.pop(0), onerror=unread.append):
            place = os.path.realpath(top)
            if place in seen:
                folders.clear()
                continue
            seen.add(place)
            # Beside rows of the quarantine that were exported lies a note of our own.
            hidden = [n for n in (*folders, *names) if n.startswith(_NO_DATA)]
            left_out += sum(not n.endswith(SETTLES) for n in hidden)
            folders[:] = [name for name in folders if not name.startswith(_NO_DATA)]
            waiting += sorted(p for p in (f"{top}/{name}" for name in folders) if os.path.islink(p))
            paths = [f"{top}/{name}" for name in names if not name.startswith(_NO_DATA)]
            found += [p for p in paths if os.path.isfile(p) or not os.path.exists(p)]
        found += [error.filename for error in unread]
    return sorted(map(Path, found)), left_out


def _first_line(error: Exception) -> str:
    return without_quotes(str(error)) or type(error).__name__
