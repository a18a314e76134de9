"""The bytes of a file, with gzip and zstd undone, and no more of them than the limits allow."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from stillwatch.sources.limits import LimitError, Limits

__all__ = ["BROKEN_FILE", "unpacked", "what_broke"]

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_CHUNK = 2**20
# What a damaged, or far too large, compressed file raises while it is read; zstd's damage comes
# as pa.ArrowException.
BROKEN_FILE = (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException, LimitError)


def what_broke(error: Exception) -> str:
    """The sentence for one of `BROKEN_FILE`."""
    if isinstance(error, LimitError):
        return str(error)
    how = "it ends too early" if isinstance(error, EOFError) else "its bytes are wrong"
    return f"the compressed file is damaged here ({how}); the rest was not read."


@contextmanager
def unpacked(path: Path, limits: Limits) -> Iterator[IO[bytes]]:
    """The bytes of a file; packed ones are recognised by how they begin, not by the name.

    Raises:
        LimitError: The packed file is too large, or, while it is read, unpacks too far.
    """
    with path.open("rb") as file:
        start = file.peek(len(_ZSTD))
        if not start.startswith((_GZIP, _ZSTD)):
            yield file
            return
        packed = path.stat().st_size
        limits.unpackable(packed)
        if start.startswith(_ZSTD):
            with pa.input_stream(file, compression="zstd") as stream:
                yield _bounded(_arrow_reader(stream), packed, limits)
        else:
            with gzip.GzipFile(fileobj=file) as whole:
                yield _bounded(whole.read1, packed, limits)


def _bounded(read: Callable[[int], bytes], packed: int, limits: Limits) -> IO[bytes]:
    return io.BufferedReader(_Bounded(read, packed, limits), _CHUNK)


class _Bounded(io.RawIOBase):
    """What a decompressor gives, as long as it does not give too much."""

    def __init__(self, read: Callable[[int], bytes], packed: int, limits: Limits) -> None:
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


def _arrow_reader(stream: pa.NativeFile) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        try:
            data: bytes = stream.read(size)
        except OSError as error:
            # Arrow tells damage as a failure of the system, though without its number.
            if error.errno is not None:
                raise
            raise EOFError(str(error)) from error
        return data

    return read
