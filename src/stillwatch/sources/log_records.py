"""The records of a log of flat rows: JSON lines, a JSON document, or CSV, each with its line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stillwatch.sources.adapter import Unreadable
from stillwatch.sources.json_values import values_of_file
from stillwatch.sources.limits import Limits
from stillwatch.sources.lines import first_bytes, numbered_lines

_LONGEST_HEADER = 2**16
# Databases write `\N` for null in every column.
_NOTHING = frozenset({"", "\\N"})

__all__ = ["delimited_rows", "delimiter_of", "log_records", "named_values"]


def delimiter_of(path: Path) -> str:
    """What divides the columns of a file: a comma, or what its header has in place of any."""
    if ".tsv" in (suffix.lower() for suffix in path.suffixes):
        return "\t"
    header = first_bytes(path, _LONGEST_HEADER).lstrip(b"\xef\xbb\xbf \r\n").split(b"\n", 1)[0]
    others = [mark for mark in ";\t|" if mark.encode() in header]
    return others[0] if len(others) == 1 and b"," not in header else ","


def delimited_rows(path: Path) -> Iterator[tuple[int, list[str]] | Unreadable]:
    """The rows of a file, the header included, each with the line it starts at."""
    limits, delimiter = Limits.configured(), delimiter_of(path)
    # The bound on a row, below, is the smaller one: a field is part of a row.
    csv.field_size_limit(limits.row_bytes)
    lines = _Lines(path, limits)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        first = reader.line_num + 1
        lines.begin_row()
        try:
            values = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield Unreadable(first, f"the CSV is broken here: {error}.")
            continue
        except _RowTooLongError:
            what = "with the rows below, for want of a closing quote perhaps,"
            yield Unreadable(first, f"{what} the row is {limits.row_too_long}")
            break
        if values:
            yield first, values
    yield from lines.passed_over


def named_values(line: int, values: list[str], header: list[str]) -> dict[str, Any] | Unreadable:
    """A row by the names of its header; what is empty says nothing."""
    if len(values) != len(header):
        return Unreadable(line, f"the row has {len(values)} values, the header {len(header)}.")
    if any("\udc80" <= c <= "\udcff" for value in values if not value.isascii() for c in value):
        return Unreadable(line, "a text in this row is not UTF-8.")
    pairs = zip(header, values, strict=True)
    return {name: None if value in _NOTHING else value for name, value in pairs}


def log_records(path: Path) -> Iterator[tuple[int, Any] | Unreadable]:
    """The records of JSON lines, of one JSON document, or of CSV with a header.

    Which of them a file is, its first character says.
    """
    start = first_bytes(path, 64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start and not start.startswith((b"{", b"[")):
        yield from _csv_records(path)
    else:
        yield from values_of_file(path)


def _csv_records(path: Path) -> Iterator[tuple[int, Any] | Unreadable]:
    header: list[str] = []
    for item in delimited_rows(path):
        if isinstance(item, Unreadable):
            yield item
        elif not header:
            header = [name.strip() for name in item[1]]
        else:
            row = named_values(item[0], item[1], header)
            yield row if isinstance(row, Unreadable) else (item[0], row)


class _RowTooLongError(Exception):
    """A row of CSV that does not end."""


class _Lines:
    """The lines of a file as text, counted for as long as they make one row."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.passed_over: list[Unreadable] = []
        self._lines = numbered_lines(path, limits)
        self._longest = limits.row_bytes
        self._of_row = 0

    def begin_row(self) -> None:
        """What comes now belongs to the next row."""
        self._of_row = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if isinstance(line, Unreadable):
            self.passed_over.append(line)
            return "\n"
        self._of_row += len(line.data)
        if self._of_row > self._longest:
            raise _RowTooLongError
        data = line.data.removeprefix(b"\xef\xbb\xbf") if line.number == 1 else line.data
        return data.decode("utf-8", "surrogateescape") + "\n"
