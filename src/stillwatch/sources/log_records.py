"""The records of a log of flat rows: JSON lines, a JSON document, or CSV, each with its line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stillwatch.sources.adapter import Unreadable
from stillwatch.sources.json_values import values_of_file
from stillwatch.sources.lines import LONGEST_LINE_BYTES, Line, first_bytes, numbered_lines

__all__ = ["delimited_rows", "log_records", "named_values"]

csv.field_size_limit(LONGEST_LINE_BYTES)


def delimited_rows(
    path: Path, *, delimiter: str = ","
) -> Iterator[tuple[int, list[str]] | Unreadable]:
    """The rows of a file, the header included, each with the line it starts at."""
    passed_over: list[Unreadable] = []
    reader = csv.reader(_decoded(path, passed_over), delimiter=delimiter)
    while True:
        first = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield Unreadable(first, f"the CSV is broken here: {error}.")
            continue
        if values:
            yield first, values
    yield from passed_over


def named_values(line: int, values: list[str], header: list[str]) -> dict[str, Any] | Unreadable:
    """A row by the names of its header; what is empty says nothing."""
    if len(values) != len(header):
        return Unreadable(line, f"the row has {len(values)} values, the header {len(header)}.")
    if any("\udc80" <= c <= "\udcff" for value in values if not value.isascii() for c in value):
        return Unreadable(line, "a text in this row is not UTF-8.")
    return {name: value or None for name, value in zip(header, values, strict=True)}


def log_records(path: Path) -> Iterator[tuple[int, Any] | Unreadable]:
    """The records of JSON lines, of one JSON document, or of CSV with a header.

    Which of them a file is, its first character says.
    """
    start = first_bytes(path, 64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start and not start.startswith((b"{", b"[")) and not _is_zstd(start):
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


def _decoded(path: Path, passed_over: list[Unreadable]) -> Iterator[str]:
    for line in numbered_lines(path):
        if isinstance(line, Line):
            data = line.data.removeprefix(b"\xef\xbb\xbf") if line.number == 1 else line.data
            yield data.decode("utf-8", "surrogateescape") + "\n"
        else:
            passed_over.append(line)
            yield "\n"


def _is_zstd(start: bytes) -> bool:
    return start.startswith(b"(\xb5/\xfd")
