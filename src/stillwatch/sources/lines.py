"""Lines of a file, compressed or not, in bounded memory and without surprises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stillwatch.sources.adapter import Unreadable
from stillwatch.sources.limits import Limits
from stillwatch.sources.unpacking import BROKEN_FILE, unpacked, what_broke

__all__ = ["Line", "first_bytes", "numbered_lines"]

_SKIPPED_AT_ONCE = 2**20


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its line feed; its number starts at one."""

    number: int
    data: bytes


def first_bytes(path: Path, count: int) -> bytes:
    """The first bytes of the content; empty when there is none, or the packing is broken."""
    try:
        with unpacked(path, Limits.configured()) as file:
            return file.read(count)
    except BROKEN_FILE:
        return b""


def numbered_lines(path: Path, limits: Limits) -> Iterator[Line | Unreadable]:
    """The lines of a file. One longer than `limits.row_mb` is passed over and named."""
    number, longest = 0, limits.row_bytes
    try:
        with unpacked(path, limits) as file:
            while data := file.readline(longest):
                number += 1
                if len(data) == longest and not data.endswith(b"\n"):
                    _skip_to_line_break(file)
                    yield Unreadable(number, f"the line is {limits.row_too_long}")
                else:
                    yield Line(number, data.removesuffix(b"\n"))
    except BROKEN_FILE as error:
        yield Unreadable(number + 1, what_broke(error))


def _skip_to_line_break(file: IO[bytes]) -> None:
    while data := file.readline(_SKIPPED_AT_ONCE):
        if data.endswith(b"\n"):
            return
