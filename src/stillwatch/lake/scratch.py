"""Columns in files of our own, which the system may take out of memory and bring back.

The columns of sixteen million exchanges are several gigabytes, and each stage of a scan needs a few
of them. What is large therefore lies in a mapped file that has no name, so that nothing is left of it
when the process ends, however it ends; what is small stays where it is. It is read and written like
any other array. Hashes, numbers and ids lie there, and no text.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from stillwatch.records import StillwatchError

__all__ = ["AT_ONCE", "Growing", "apart", "empty", "rest", "taken"]

LEAST_BYTES = 1 << 24
"""Columns that are smaller stay in ordinary memory."""

AT_ONCE = 1 << 20  # rows that are put in order at once

_Number = TypeVar("_Number", bound=np.generic)
_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
_lock = threading.Lock()


class Growing:
    """A column that is written while a log is read.

    Raises:
        StillwatchError: The disk for temporary files is full.
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._file = tempfile.SpooledTemporaryFile(max_size=LEAST_BYTES)  # noqa: SIM115
        self._bytes = 0

    def append(self, values: npt.NDArray[Any]) -> None:
        """Add values; other types are converted."""
        with _naming_the_disk():
            self._file.write(np.ascontiguousarray(values, self._dtype).data.cast("B"))
        self._bytes += len(values) * self._dtype.itemsize

    def whole(self) -> npt.NDArray[Any]:
        """All values; nothing can be added any longer."""
        count = self._bytes // self._dtype.itemsize
        if self._bytes < max(LEAST_BYTES, 1):
            self._file.seek(0)
            return np.frombuffer(bytearray(self._file.read()), self._dtype, count)
        with _naming_the_disk():
            self._file.flush()
            mapped = _mapped(self._file.fileno(), self._bytes)
        self._file.close()
        return np.frombuffer(mapped, self._dtype, count)


def empty(count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Room for a column.

    Raises:
        StillwatchError: The disk for temporary files is full.
    """
    size = count * np.dtype(dtype).itemsize
    if size < max(LEAST_BYTES, 1):
        return np.empty(count, dtype)
    with _naming_the_disk(), tempfile.TemporaryFile(buffering=0) as file:
        # Room that is not there must be missed now: later it would end the process.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        return np.frombuffer(_mapped(file.fileno(), size), dtype, count)


def apart(column: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
    """The same column, in a file if it is large."""
    if column.nbytes < LEAST_BYTES:
        return column
    room = empty(len(column), column.dtype)
    room[:] = column
    return room


def taken(column: npt.NDArray[_Number], order: npt.NDArray[np.int64]) -> npt.NDArray[_Number]:
    """The entries of a column at these places, in their order."""
    room = empty(len(order), column.dtype)
    for first in range(0, len(order), AT_ONCE):
        rows = order[first : first + AT_ONCE]
        np.take(column, rows, out=room[first : first + len(rows)], mode="clip")
    return room


def rest() -> None:
    """Let go of what lies in files; whatever is needed again comes back by itself.

    Called between the stages of a scan, so that only what a stage needs is in memory.
    """
    with _lock:
        maps = list(_maps)
    for mapped in maps:
        mapped.madvise(mmap.MADV_DONTNEED)


def _mapped(descriptor: int, size: int) -> mmap.mmap:
    mapped = mmap.mmap(descriptor, size)
    with _lock:
        _maps.add(mapped)
    return mapped


@contextmanager
def _naming_the_disk() -> Iterator[None]:
    """Say which disk is full, and what to do."""
    try:
        yield
    except OSError as error:
        raise StillwatchError(
            f"columns of the log cannot be written to a temporary file ({error.strerror}).",
            where=tempfile.gettempdir(),
            remedy="Give some 600 bytes an exchange there, or set TMPDIR to a larger disk.",
        ) from error
