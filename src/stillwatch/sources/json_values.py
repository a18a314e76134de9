"""The JSON values of a log file, one after another, without holding the file."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

from stillwatch.sources.adapter import Unreadable
from stillwatch.sources.limits import Limits, checked_depth, parsed_json
from stillwatch.sources.memory import TooLargeError, bounded_memory
from stillwatch.sources.unpacking import BROKEN_FILE, unpacked, what_broke

__all__ = ["ByteSource", "json_values", "values_of_file"]

_CHUNK = 2**20
# Of a document's window: what is shorter needs no bound on its memory.
_LARGE = 4 * _CHUNK
_SPACE = re.compile(r"\s*")
_BETWEEN = re.compile(r"[\s,]*")


class ByteSource(Protocol):
    """What is read of a binary file."""

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        ...

    def readline(self, limit: int, /) -> bytes:
        """The rest of the line, or its next `limit` bytes."""
        ...


def values_of_file(path: Path) -> Iterator[tuple[int, Any] | Unreadable]:
    """`json_values` of a file, packed or not; where it is damaged, those before the damage."""
    last, limits = 0, Limits.configured()
    try:
        with unpacked(path, limits) as stream:
            for item in json_values(stream, limits):
                last = item.line if isinstance(item, Unreadable) else item[0]
                yield item
    except BROKEN_FILE as error:
        yield Unreadable(last + 1, what_broke(error))


def json_values(stream: ByteSource, limits: Limits) -> Iterator[tuple[int, Any] | Unreadable]:
    """Every value of a file of JSON lines, or of one document, with its line or record number.

    A line that holds an array gives its elements; values end to end are taken apart. A file whose
    first line is a bracket and no more is one document, as pretty-printers write it; its records
    are counted instead.
    """
    longest = limits.row_bytes
    first = _first_line(stream, longest)
    if first is None:
        return
    line, number = first
    if line.strip() in (b"[", b"{") or (
        _too_long(line, longest) and line.lstrip().startswith(b"[")
    ):
        yield from _values_of_document(line, stream, limits)
        return
    while line:
        yield from _values_of_line(line, number, stream, limits)
        line, number = stream.readline(longest), number + 1


def _first_line(stream: ByteSource, longest: int) -> tuple[bytes, int] | None:
    number = 0
    while line := stream.readline(longest):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            return line, number
    return None


def _too_long(line: bytes, longest: int) -> bool:
    return len(line) >= longest and not line.endswith(b"\n")


def _values_of_line(
    line: bytes, number: int, stream: ByteSource, limits: Limits
) -> Iterator[tuple[int, Any] | Unreadable]:
    if _too_long(line, limits.row_bytes):
        while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
            pass
        yield Unreadable(number, f"The line is {limits.row_too_long}")
        return
    if not line.strip():
        return
    try:
        values = _decoded(line, limits.nesting)
    except RecursionError:
        yield Unreadable(number, f"The JSON is {limits.too_deep}")
        return
    except TooLargeError as error:
        yield Unreadable(number, str(error))
        return
    except ValueError as error:
        yield Unreadable(number, f"The line is not JSON: {_where(error)}.")
        return
    for value in values:
        for item in value if isinstance(value, list) else (value,):
            yield number, item


def _decoded(line: bytes, nesting: int) -> list[Any]:
    """The values of a line: one, or several where a receiver put bodies end to end."""
    try:
        return [parsed_json(line, nesting)]
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise
    text, position, values = line.decode(), 0, []
    decoder = json.JSONDecoder()
    while position < len(text):
        with bounded_memory("the JSON") if len(text) > _LARGE else nullcontext():
            value, end = decoder.raw_decode(text, position)
        values.append(checked_depth(value, nesting))
        position = _past(_SPACE, text, end)
    return values


def _past(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where what matches ends. Nothing is copied: a text may hold a million values."""
    found = pattern.match(text, position)
    return found.end() if found else position


def _where(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.removesuffix(' at')} at column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 at byte {error.start}"
    return "a number in it is too long"


def _values_of_document(
    head: bytes, stream: ByteSource, limits: Limits
) -> Iterator[tuple[int, Any] | Unreadable]:
    """Values of a document that spans lines, decoded from a window that moves along it."""
    text = io.TextIOWrapper(
        io.BufferedReader(_Joined(head, stream)), encoding="utf-8", errors="replace"
    )
    decoder = json.JSONDecoder()
    window, at, record, in_array, ended = "", 0, 0, False, False
    while True:
        at = _past(_BETWEEN if in_array else _SPACE, window, at)
        if window.startswith("]" if in_array else "[", at):
            at, in_array = at + 1, not in_array
            continue
        try:
            large = len(window) - at > _LARGE
            with bounded_memory("the JSON") if large else nullcontext():
                value, end = decoder.raw_decode(window, at)
            if end == len(window) and not ended:
                raise ValueError  # a number may go on
            checked_depth(value, limits.nesting)
        except RecursionError:
            reason = f"From here on nothing was read: the JSON is {limits.too_deep}"
            yield Unreadable(record + 1, reason)
            return
        except TooLargeError as error:
            yield Unreadable(record + 1, f"{error} The rest was not read.")
            return
        except ValueError:
            # Broken, or broken off: more text decides which.
            left = len(window) - at
            if ended or left > limits.row_bytes:
                if left or in_array:
                    yield Unreadable(record + 1, "The JSON is broken here; the rest was not read.")
                return
            more = text.read(max(_CHUNK, left))
            window, at, ended = window[at:] + more, 0, not more
            continue
        record, at = record + 1, end
        yield record, value


class _Joined(io.RawIOBase):
    """Bytes already read, then the stream they were read from."""

    def __init__(self, head: bytes, stream: ByteSource) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)] or self._stream.read(len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)
