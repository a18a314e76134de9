"""The calls of a file, one after another, whatever else it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from stillwatch.sources.adapter import ParsedRow, Unreadable
from stillwatch.sources.json_values import values_of_file

__all__ = ["Told", "read_each", "told_of_file"]

T = TypeVar("T")
Told = dict[str, Any] | str | None
"""What a value of a log tells: a row, the reason why it tells none, or nothing to be told now."""


def told_of_file(
    path: Path, tell: Callable[[int, object], Told]
) -> Iterator[ParsedRow | Unreadable]:
    """The rows of a file, in its order, and what could not be read.

    Args:
        tell: Given the line or record number and the JSON value that stands there.
    """

    def read(line: int, value: object) -> Iterator[ParsedRow | Unreadable]:
        try:
            told = tell(line, value)
        except RecursionError:
            told = "The JSON is nested too deeply."
        if isinstance(told, str):
            yield Unreadable(line, told)
        elif told is not None:
            yield ParsedRow(line, told)

    return read_each(_calls(values_of_file(path)), read)


def _calls(items: Iterable[tuple[int, Any] | Unreadable]) -> Iterator[tuple[int, Any] | Unreadable]:
    """The values; of an archive of a browser (HAR), its entries."""
    for item in items:
        entries = None if isinstance(item, Unreadable) else _entries(item[1])
        if isinstance(item, Unreadable) or entries is None:
            yield item
        else:
            yield from ((item[0], entry) for entry in entries)


def _entries(value: object) -> list[Any] | None:
    log = value.get("log") if isinstance(value, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    return entries if isinstance(entries, list) else None


def read_each(
    items: Iterable[tuple[int, Any] | Unreadable],
    read: Callable[[int, Any], Iterable[ParsedRow | Unreadable | T]],
) -> Iterator[ParsedRow | Unreadable | T]:
    """What `read` makes of every value, and what was unreadable before that, in their order.

    Args:
        items: Values with their line or record number.
    """
    for item in items:
        if isinstance(item, Unreadable):
            yield item
        else:
            yield from read(*item)
