"""The rows of a Parquet file in pieces that fit into memory, whatever the file says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.sources.limits import LimitError, Limits
from stillwatch.sources.memory import TooLargeError, bounded_memory

__all__ = ["ParquetRows"]

_ROWS_AT_ONCE = 16_384
_BYTES_AT_ONCE = 64 * 2**20
# Row by row in the end: a text of a dictionary, written once in the file, may be in every row.
_FEWER = 32
# A column of a row group is read bit by bit, for a group may be as large as the file.
_BUFFER = 2**16
_BYTES_OF_AN_END = 4
_WHAT = "the Parquet file"


class ParquetRows:
    """Reads a file of any size, or refuses it, in bounded memory.

    Whatever cannot be read raises `LimitError` or what Arrow raises; rows before it were given.

    Attributes:
        names: The columns.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        """Open the file.

        Raises:
            LimitError: As it says itself, it unpacks to more than it may, or to more rows.
        """
        self._packed = path.stat().st_size
        self._limits = limits
        self._unpacked = 0
        with _as_limit(), bounded_memory(_WHAT):
            self._file = pq.ParquetFile(path, buffer_size=_BUFFER)
        self.names: list[str] = self._file.schema_arrow.names
        told = self._told_bytes()
        # A page of one value, or of none, says nothing of how many rows it stands for.
        if max(told, self._least_bytes()) > limits.unpackable(self._packed):
            raise limits.unpacks_too_far(self._packed)
        a_row = max(1, told // max(1, self._file.metadata.num_rows))
        self._rows_at_once = min(_ROWS_AT_ONCE, max(1, _BYTES_AT_ONCE // a_row))

    def __enter__(self) -> ParquetRows:
        return self

    def __exit__(self, *failure: object) -> None:
        self._file.close()

    def pieces(self) -> Iterator[pa.Table]:
        """All rows in their order, 64 MiB at most at a time, or a single row."""
        for group in range(self._file.num_row_groups):
            for rows in self._batches(group):
                self._unpacked += rows.nbytes
                if self._unpacked > self._limits.unpackable(self._packed):
                    raise self._limits.unpacks_too_far(self._packed)
                yield from _split(rows)

    def _batches(self, group: int) -> Iterator[pa.Table]:
        """Rows of one group; where too many do not fit, from there on fewer at a time."""
        given, rows_at_once = 0, self._rows_at_once
        while True:
            try:
                for rows in self._batches_behind(given, group, rows_at_once):
                    given += rows.num_rows
                    yield rows
                return
            except TooLargeError as error:
                if rows_at_once == 1:
                    raise LimitError(str(error)) from error
                rows_at_once = max(1, rows_at_once // _FEWER)

    def _batches_behind(self, given: int, group: int, rows_at_once: int) -> Iterator[pa.Table]:
        batches = self._file.iter_batches(rows_at_once, row_groups=[group])
        while True:
            with bounded_memory(_WHAT):
                batch = next(batches, None)
                if batch is None:
                    return
                passed_over = min(given, batch.num_rows)
                rows = _written_out(batch.slice(passed_over))
            given -= passed_over
            if rows.num_rows:
                yield rows

    def _told_bytes(self) -> int:
        """How many bytes it unpacks to, by its own account."""
        metadata = self._file.metadata
        sizes: list[int] = [
            metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)
        ]
        return sum(sizes)

    def _least_bytes(self) -> int:
        """How many bytes its rows take at the least, once each has its place in memory."""
        a_row = sum(_least_width(item.type) for item in self._file.schema_arrow)
        rows: int = self._file.metadata.num_rows
        return rows * a_row


def _least_width(given: pa.DataType) -> int:
    """Bytes of one value that is there; of a text or a list, those that say where it ends."""
    plain = _without_dictionary(given)
    try:
        bits: int = plain.bit_width
    except ValueError:
        return _BYTES_OF_AN_END
    return max(1, bits // 8)


def _written_out(batch: pa.RecordBatch) -> pa.Table:
    """The batch with every value in its place, where the file's own schema has dictionaries."""
    rows = pa.Table.from_batches([batch])
    for index, item in enumerate(batch.schema):
        plain = _without_dictionary(item.type)
        if plain != item.type:
            rows = rows.set_column(index, item.name, rows.column(index).cast(plain))
    return rows


def _without_dictionary(given: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(given):
        return given.value_type
    if pa.types.is_list(given) and pa.types.is_dictionary(given.value_type):
        return pa.list_(given.value_type.value_type)
    return given


def _split(rows: pa.Table) -> Iterator[pa.Table]:
    if rows.nbytes <= _BYTES_AT_ONCE or rows.num_rows == 1:
        yield rows
        return
    half = rows.num_rows // 2
    yield from _split(rows.slice(0, half))
    yield from _split(rows.slice(half))


@contextmanager
def _as_limit() -> Iterator[None]:
    try:
        yield
    except TooLargeError as error:
        raise LimitError(str(error)) from error
