"""The bytes of a file, with gzip and zstd undone, and no more of them than the limits allow."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from stillwatch.sources.limits import LimitError, Limits

__all__ = [
    "BROKEN_FILE",
    "beginning_only",
    "foreign_packing",
    "unpacked",
    "unusable_as_a_whole",
    "what_broke",
]

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
# Ways to pack that are not undone here.
_FOREIGN = {
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
}
_TAR_MARK = (257, b"ustar")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_CHUNK = 2**20
_BEGINNING: ContextVar[int | None] = ContextVar("beginning", default=None)
# What a damaged, or far too large, compressed file raises while it is read; zstd's damage comes
# as pa.ArrowException.
BROKEN_FILE = (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException, LimitError)


def what_broke(error: Exception) -> str:
    """The sentence for one of `BROKEN_FILE`."""
    if isinstance(error, LimitError):
        return str(error)
    how = "it ends too early" if isinstance(error, EOFError) else "its bytes are wrong"
    return f"the compressed file is damaged here ({how}); the rest was not read."


def foreign_packing(path: Path) -> str | None:
    """What a file is packed with, if that is nothing that is undone here."""
    with path.open("rb") as file:
        start = file.read(16)
    return next((name for mark, name in _FOREIGN.items() if start.startswith(mark)), None)


def unusable_as_a_whole(path: Path) -> str | None:
    """Why no line of a file can be read, if its first bytes show it, and what to do."""
    if packing := foreign_packing(path):
        return f"the file is packed with {packing}: unpack it, or pack it with gzip or zstd."
    try:
        with unpacked(path, Limits.configured()) as file:
            start = file.read(_TAR_MARK[0] + len(_TAR_MARK[1]))
    except BROKEN_FILE:
        return None  # whoever reads it says where it breaks
    if start[_TAR_MARK[0] :] == _TAR_MARK[1]:
        return "the file is a tar archive: unpack it, and import the files in it."
    if start.startswith(_UTF_16) or start[:2] in (b"{\0", b"[\0"):
        return "the file is UTF-16: convert it first (`iconv -f UTF-16 -t UTF-8`)."
    return None


@contextmanager
def beginning_only(size: int) -> Iterator[None]:
    """Within it every file ends after its first `size` bytes, unpacked: for a look at a log.

    Adapters that pass over what is no model call would otherwise read all of a large file.
    """
    before = _BEGINNING.set(size)
    try:
        yield
    finally:
        _BEGINNING.reset(before)


@contextmanager
def unpacked(path: Path, limits: Limits) -> Iterator[IO[bytes]]:
    """The bytes of a file; packed ones are recognised by how they begin, not by the name.

    Raises:
        LimitError: The packed file is too large, or, while it is read, unpacks too far.
    """
    with path.open("rb") as file:
        start = file.peek(len(_ZSTD))
        if not start.startswith((_GZIP, _ZSTD)):
            yield _beginning_of(file)
            return
        packed = path.stat().st_size
        limits.unpackable(packed)
        if start.startswith(_ZSTD):
            with pa.input_stream(file, compression="zstd") as stream:
                yield _beginning_of(_bounded(_arrow_reader(stream), packed, limits))
        else:
            with gzip.GzipFile(fileobj=file) as whole:
                yield _beginning_of(_bounded(whole.read1, packed, limits))


def _beginning_of(stream: io.BufferedReader) -> IO[bytes]:
    size = _BEGINNING.get()
    return stream if size is None else io.BufferedReader(_Beginning(stream, size), _CHUNK)


class _Beginning(io.RawIOBase):
    """A stream that ends early."""

    def __init__(self, stream: io.BufferedReader, size: int) -> None:
        self._stream, self._left = stream, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read1(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


def _bounded(
    read: Callable[[int], bytes | memoryview], packed: int, limits: Limits
) -> io.BufferedReader:
    stream: io.BufferedReader = io.BufferedReader(_Bounded(read, packed, limits), _CHUNK)
    if stream.peek(len(_ZSTD)).startswith((_GZIP, _ZSTD)):
        raise LimitError("the file is packed twice: unpack it once, and import what comes out.")
    return stream


class _Bounded(io.RawIOBase):
    """What a decompressor gives, as long as it does not give too much."""

    def __init__(
        self, read: Callable[[int], bytes | memoryview], packed: int, limits: Limits
    ) -> None:
        self._read, self._packed, self._limits = read, packed, limits
        self._left = limits.unpackable(packed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise self._limits.unpacks_too_far(self._packed)
        buffer[: len(data)] = data
        return len(data)


def _arrow_reader(stream: pa.NativeFile) -> Callable[[int], memoryview]:
    def read(size: int) -> memoryview:
        try:
            # Arrow's own `read` keeps what it made room for, for ever, where the stream is damaged.
            data = memoryview(stream.read_buffer(size)).cast("B")
        except OSError as error:
            # Arrow tells damage as a failure of the system, though without its number.
            if error.errno is not None:
                raise
            raise EOFError(str(error)) from error
        return data

    return read
