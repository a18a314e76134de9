"""The JSON values of a log file, one after another, without holding the file."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa

from stillwatch.sources.adapter import Unreadable
from stillwatch.sources.lines import opened

__all__ = [
    "BROKEN_FILE",
    "LARGEST_VALUE",
    "ByteSource",
    "json_values",
    "unpacked",
    "values_of_file",
]

# A request with its answer is some kilobytes, a batch of 512 some megabytes. What is larger
# than this is no log line, and reading it whole would let one file decide our memory.
LARGEST_VALUE = 64 * 2**20
_CHUNK = 2**20
_ZSTD = b"\x28\xb5\x2f\xfd"
# What a damaged compressed file raises while it is read; pa.ArrowException covers zstd.
BROKEN_FILE = (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException)


class ByteSource(Protocol):
    """What is read of a binary file."""

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        ...

    def readline(self, limit: int, /) -> bytes:
        """The rest of the line, or its next `limit` bytes."""
        ...


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file; gzip and zstd are undone, recognised by the first bytes."""
    with path.open("rb") as raw:
        is_zstd = raw.read(4) == _ZSTD
    if is_zstd:
        with pa.input_stream(str(path), compression="zstd") as stream:
            yield io.BufferedReader(_Raw(stream), _CHUNK)
    else:
        with opened(path) as stream:
            yield stream


class _Raw(io.RawIOBase):
    """Arrow's stream, as the standard library wants it."""

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except OSError as error:
            # Arrow tells damage as a failure of the system, though without its number.
            if error.errno is not None:
                raise
            raise EOFError(str(error)) from error
        buffer[: len(data)] = data
        return len(data)


def values_of_file(path: Path) -> Iterator[tuple[int, Any] | Unreadable]:
    """`json_values` of a file, packed or not; where it is damaged, those before the damage."""
    last = 0
    try:
        with unpacked(path) as stream:
            for item in json_values(stream):
                last = item.line if isinstance(item, Unreadable) else item[0]
                yield item
    except BROKEN_FILE:
        yield Unreadable(last + 1, "The compressed file is damaged; the rest was not read.")


def json_values(stream: ByteSource) -> Iterator[tuple[int, Any] | Unreadable]:
    """Every value of a file of JSON lines, or of one document, with its line or record number.

    A line that holds an array gives its elements; values end to end are taken apart. A file whose
    first line is a bracket and no more is one document, as pretty-printers write it; its records
    are counted instead.
    """
    first = _first_line(stream)
    if first is None:
        return
    line, number = first
    if line.strip() in (b"[", b"{") or (_too_long(line) and line.lstrip().startswith(b"[")):
        yield from _values_of_document(line, stream)
        return
    while line:
        yield from _values_of_line(line, number, stream)
        line, number = stream.readline(LARGEST_VALUE), number + 1


def _first_line(stream: ByteSource) -> tuple[bytes, int] | None:
    number = 0
    while line := stream.readline(LARGEST_VALUE):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            return line, number
    return None


def _too_long(line: bytes) -> bool:
    return len(line) >= LARGEST_VALUE and not line.endswith(b"\n")


def _values_of_line(
    line: bytes, number: int, stream: ByteSource
) -> Iterator[tuple[int, Any] | Unreadable]:
    if _too_long(line):
        while (rest := stream.readline(LARGEST_VALUE)) and not rest.endswith(b"\n"):
            pass
        limit = LARGEST_VALUE // 2**20
        yield Unreadable(number, f"The line is longer than {limit} MiB; write one request a line.")
        return
    if not line.strip():
        return
    try:
        values = _decoded(line)
    except RecursionError:
        yield Unreadable(number, "The JSON is nested too deeply.")
        return
    except ValueError as error:
        yield Unreadable(number, f"The line is not JSON: {_where(error)}.")
        return
    for value in values:
        for item in value if isinstance(value, list) else (value,):
            yield number, item


def _decoded(line: bytes) -> list[Any]:
    """The values of a line: one, or several where a receiver put bodies end to end."""
    try:
        return [json.loads(line)]
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise
    text, position, values = line.decode(), 0, []
    decoder = json.JSONDecoder()
    while position < len(text):
        value, end = decoder.raw_decode(text, position)
        values.append(value)
        position = end + len(text[end:]) - len(text[end:].lstrip())
    return values


def _where(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 at byte {error.start}"
    return "a number in it is too long"


def _values_of_document(head: bytes, stream: ByteSource) -> Iterator[tuple[int, Any] | Unreadable]:
    """Values of a document that spans lines, decoded from a window that moves along it."""
    text = io.TextIOWrapper(
        io.BufferedReader(_Joined(head, stream)), encoding="utf-8", errors="replace"
    )
    decoder = json.JSONDecoder()
    window, record, in_array, ended = "", 0, False, False
    while True:
        window = window.lstrip()
        if in_array:
            window = window.lstrip(", \t\r\n")
        if window[:1] == "[" and not in_array:
            window, in_array = window[1:], True
            continue
        if window[:1] == "]" and in_array:
            window, in_array = window[1:], False
            continue
        try:
            value, end = decoder.raw_decode(window)
        except RecursionError:
            yield Unreadable(record + 1, "The JSON is nested too deeply; the rest was not read.")
            return
        except ValueError:
            # Broken, or broken off: more text decides which.
            more = "" if ended else text.read(max(_CHUNK, len(window)))
            ended = ended or not more
            window += more
            if ended and not window.strip() and not in_array:
                return
            if ended or len(window) > LARGEST_VALUE:
                yield Unreadable(record + 1, "The JSON is broken here; the rest was not read.")
                return
            continue
        record += 1
        window = window[end:]
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
