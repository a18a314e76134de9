"""Lines of a file, compressed or not, in bounded memory and without surprises."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from stillwatch.sources.adapter import Unreadable

__all__ = ["LONGEST_LINE_BYTES", "Line", "first_bytes", "numbered_lines", "opened"]

# A context of two million tokens, written out, is half of this.
LONGEST_LINE_BYTES = 16 * 2**20
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its line break; its number starts at one."""

    number: int
    data: bytes


def opened(path: Path) -> IO[bytes]:
    """The file's bytes; gzip is undone, recognised by its first bytes and not by its name."""
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP
    return cast(IO[bytes], gzip.open(path, "rb")) if compressed else path.open("rb")


def first_bytes(path: Path, count: int) -> bytes:
    """The first bytes of the content; empty when there is none, or the gzip is broken."""
    try:
        with opened(path) as file:
            return file.read(count)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""


def numbered_lines(path: Path) -> Iterator[Line | Unreadable]:
    """The lines of a file. One longer than `LONGEST_LINE_BYTES` is passed over and named."""
    number = 0
    try:
        with opened(path) as file:
            while data := file.readline(LONGEST_LINE_BYTES):
                number += 1
                if len(data) == LONGEST_LINE_BYTES and not data.endswith(b"\n"):
                    _skip_to_line_break(file)
                    megabytes = LONGEST_LINE_BYTES // 2**20
                    yield Unreadable(number, f"the line is longer than {megabytes} MB.")
                else:
                    yield Line(number, data.rstrip(b"\r\n"))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield Unreadable(number + 1, f"the gzip stream is broken here ({_plain(error)}).")


def _skip_to_line_break(file: IO[bytes]) -> None:
    while data := file.readline(LONGEST_LINE_BYTES):
        if data.endswith(b"\n"):
            return


def _plain(error: Exception) -> str:
    return "it ends too early" if isinstance(error, EOFError) else "its bytes are damaged"
