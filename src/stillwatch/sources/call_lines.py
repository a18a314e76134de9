"""The calls of a file, one after another, whatever else it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stillwatch.sources.adapter import ParsedRow, Unreadable
from stillwatch.sources.json_values import BROKEN_FILE, json_values, unpacked

__all__ = ["Told", "told_of_file"]

Told = dict[str, Any] | str | None
"""What a value of a log tells: a row, the reason why it tells none, or nothing to be told now."""


def told_of_file(
    path: Path, tell: Callable[[int, object], Told]
) -> Iterator[ParsedRow | Unreadable]:
    """The rows of a file, in its order, and what could not be read.

    Args:
        tell: Given the line or record number and the JSON value that stands there.
    """
    last = 0
    try:
        with unpacked(path) as stream:
            for item in json_values(stream):
                if isinstance(item, Unreadable):
                    last = item.line
                    yield item
                    continue
                last, value = item
                try:
                    told = tell(last, value)
                except RecursionError:
                    told = "The JSON is nested too deeply."
                if isinstance(told, str):
                    yield Unreadable(last, told)
                elif told is not None:
                    yield ParsedRow(last, told)
    except BROKEN_FILE:
        yield Unreadable(last + 1, "The compressed file is damaged; the rest was not read.")
