"""Quarantined rows on their way out: written to files that can be mended, and settled later.

The lake keeps no raw row, so an export reads the rows from the files they came from. What is
settled stays in the quarantine as history, marked with the time: nothing is lost.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.records import write_parquet
from stillwatch.sources.adapter import Unreadable
from stillwatch.sources.json_values import values_of_file
from stillwatch.sources.limits import Limits
from stillwatch.sources.lines import Line, first_bytes, numbered_lines
from stillwatch.sources.log_records import delimited_rows, delimiter_of
from stillwatch.sources.quarantine import (
    QUARANTINE,
    SETTLES,
    QuarantinedRow,
    read_quarantine,
    shown_path,
)

__all__ = ["Exported", "Mending", "export_rows"]

_HEAD = 4096
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_JSON_NAMES = (".jsonl", ".ndjson", ".json", ".log")
_PACKED = (".gz", ".zst")


@dataclass(slots=True)
class Exported:
    """What an export wrote.

    Attributes:
        rows: Rows in files that can be mended.
        formats: The formats they were read as; each has a folder of its own.
        left: File to the reason why entries of it are in no file that was written.
        in_part: Those of them of which some entries are in one.
    """

    rows: int = 0
    formats: set[str] = field(default_factory=set)
    left: dict[str, str] = field(default_factory=dict)
    in_part: set[str] = field(default_factory=set)


def export_rows(
    entries: Iterable[QuarantinedRow], out: Path, *, changed_too: bool = False
) -> Exported:
    """Write the rows of open entries below `out`, as they lie in their files.

    Beside each file lies a hidden one that says which entries it settles; `Mending` reads it.

    Args:
        entries: In the order of `read_quarantine`.
        changed_too: Also read files that were changed after their import; their lines may be
            others.
    """
    done = Exported()
    waiting = (entry for entry in entries if entry.mended_at is None)
    for number, (name, group) in enumerate(groupby(waiting, key=lambda entry: entry.file), 1):
        of_file = list(group)
        reason = _unfit(Path(name), of_file, changed_too=changed_too)
        if reason is None:
            reason = _export_file(Path(name), number, of_file, out, done)
        if reason is not None:
            done.left[name] = reason
    return done


def _unfit(path: Path, entries: list[QuarantinedRow], *, changed_too: bool) -> str | None:
    if not path.is_file():
        return "it is not there any more, as seen from this folder."
    imported = max(entry.quarantined_at for entry in entries).timestamp()
    if path.stat().st_mtime > imported and not changed_too:
        return "it was changed after it was imported; --changed exports what its lines hold now."
    if all(entry.line == 0 for entry in entries):
        return "it could not be read at all: mend the file itself."
    return None


def _export_file(
    path: Path, number: int, entries: list[QuarantinedRow], out: Path, done: Exported
) -> str | None:
    """Write the rows of one file; says what could not be written, if anything."""
    wanted = {entry.line for entry in entries if entry.line}
    log_format = entries[-1].log_format or "unknown"
    target = out / log_format / f"{number:04}-{_name(path)}"
    written: set[int] = set()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
        for line, data in _rows(path, wanted):
            file.write(data + b"\n")
            written |= {line} if line else set()
            if written == wanted:
                break
    if written:
        settled = [entry for entry in entries if entry.line in written]
        write_parquet(QUARANTINE.table(list[Any](settled)), _settles(target))
        done.rows += len(written)
        done.in_part.add(str(path))
        done.formats.add(log_format)
    else:
        target.unlink()
    if len(written) < len(wanted) or 0 in {entry.line for entry in entries}:
        return "some of it cannot be written as a line: mend the file itself."
    return None


def _name(path: Path) -> str:
    stem = path.stem if path.suffix.lower() in _PACKED else path.name
    return f"{stem}.jsonl" if stem.endswith(".parquet") else stem


def _settles(path: Path) -> Path:
    return path.with_name(f".{path.name}{SETTLES}")


def _rows(path: Path, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """The wanted rows as lines; line 0 is a header that they need."""
    head = first_bytes(path, _HEAD)
    suffixes = [s.lower() for s in path.suffixes if s.lower() not in _PACKED]
    suffix = suffixes[-1] if suffixes else ""
    if head.startswith(b"PAR1"):
        yield from _parquet_rows(path, wanted)
    elif _CONTROL.search(head):
        return  # protobuf: nothing that a person could mend
    elif suffix in (".csv", ".tsv") or (
        suffix not in _JSON_NAMES
        and not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))
    ):
        yield from _csv_rows(path, wanted)
    elif head.split(b"\n", 1)[0].removeprefix(b"\xef\xbb\xbf").strip() in (b"{", b"["):
        for item in values_of_file(path):
            if not isinstance(item, Unreadable) and item[0] in wanted:
                yield item[0], json.dumps(item[1]).encode()
    else:
        for line in numbered_lines(path, Limits.configured()):
            if isinstance(line, Line) and line.number in wanted:
                yield line.number, line.data


def _csv_rows(path: Path, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    is_header, delimiter = True, delimiter_of(path)
    for item in delimited_rows(path):
        if isinstance(item, Unreadable):
            continue
        if is_header or item[0] in wanted:
            yield (0 if is_header else item[0]), _csv_line(item[1], delimiter)
        is_header = False


class _Text(list[str]):
    """What a CSV writer writes to."""

    write = list.append


def _csv_line(values: list[str], delimiter: str) -> bytes:
    text = _Text()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(values)
    return "".join(text).removesuffix("\n").encode("utf-8", "surrogateescape")


def _parquet_rows(path: Path, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    first = 1
    # What lies behind damage stays where it is.
    with suppress(pa.ArrowException, OSError), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(1024):
            for line in sorted(wanted & set(range(first, first + batch.num_rows))):
                row = {
                    name: _plain(column.slice(line - first, 1))
                    for name, column in zip(batch.schema.names, batch.columns, strict=True)
                }
                yield line, json.dumps(row, default=str).encode()
            first += batch.num_rows


def _plain(value: pa.Array) -> Any:
    if pa.types.is_string(value.type) or pa.types.is_large_string(value.type):
        data = value.cast(pa.large_binary())[0].as_py()
        return None if data is None else data.decode("utf-8", "replace")
    try:
        return value[0].as_py()
    except (ValueError, OverflowError, KeyError):
        # A moment beyond the years of Python, or of a zone unknown here: the number in the file.
        with suppress(pa.ArrowException):
            return value.cast(pa.int64())[0].as_py()
        return None


@dataclass(slots=True)
class Mending:
    """Follows an import of mended files, and says which entries of the quarantine it settled.

    It is a destination: what it is given goes on to `destination`.
    """

    destination: Any
    _failed: dict[str, set[tuple[int, str]]] = field(default_factory=dict)

    def add(self, table: str, rows: pa.Table) -> None:
        """Hand the rows on, and keep what could not be read again."""
        if table == QUARANTINE.name:
            for row in rows.to_pylist():
                self._failed.setdefault(row["file"], set()).add((row["line"], row["reason"]))
        self.destination.add(table, rows)

    def reveal_domains(self, domain_by_token: dict[str, str], *, shared_by: int) -> None:
        """Hand them on."""
        self.destination.reveal_domains(domain_by_token, shared_by=shared_by)

    def settle(self, inputs: Iterable[Path], quarantine: Iterable[Path], now: datetime) -> int:
        """Mark the entries of the files that were read, and of those exported into them.

        An entry stays as it is where its line failed again, or its file was not read to the end.

        Args:
            inputs: The files of the import.
            quarantine: The files of the lake's quarantine.

        Returns:
            How many entries were marked.
        """
        whole = {
            shown_path(path): path
            for path in inputs
            if not any(line == 0 for line, _ in self._failed.get(shown_path(path), ()))
        }
        exported = [entry for path in whole.values() for entry in _exported_into(path)]
        keys = {(entry.file, entry.line, entry.reason) for entry in exported}
        settled = [
            entry
            for entry in read_quarantine(quarantine)
            if entry.mended_at is None
            and (
                (entry.file, entry.line, entry.reason) in keys
                or (
                    entry.file in whole
                    and (entry.line, entry.reason) not in self._failed.get(entry.file, ())
                )
            )
        ]
        if settled:
            rows = QUARANTINE.table(list[Any](settled))
            at = rows.column_names.index("mended_at")
            times = pa.array([now] * len(settled), rows.schema.field(at).type)
            self.destination.add(QUARANTINE.name, rows.set_column(at, "mended_at", times))
        return len(settled)


def _exported_into(path: Path) -> Iterator[QuarantinedRow]:
    beside = _settles(path)
    return read_quarantine([beside] if beside.is_file() else [])
