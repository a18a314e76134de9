"""The calls of a file, one after another, whatever else it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stillwatch.sources.adapter import ParsedRow, Unreadable
from stillwatch.sources.json_values import values_of_file

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
    for item in values_of_file(path):
        if isinstance(item, Unreadable):
            yield item
            continue
        line, value = item
        try:
            told = tell(line, value)
        except RecursionError:
            told = "The JSON is nested too deeply."
        if isinstance(told, str):
            yield Unreadable(line, told)
        elif told is not None:
            yield ParsedRow(line, told)
