"""What executors do with the files of a log: read a piece, sketch it, and send what is left of it.

This module is imported by executors, by name: both sides need the same version. Batches travel
as Arrow streams in a column of bytes, so that what arrives is what was sent, type by type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.lake.exchange_batches import (
    Digest,
    Sketched,
    file_batches,
    unmatched_sketches,
)
from stillwatch.lake.sketch import sketch_exchanges

__all__ = ["BATCH_ROWS", "Piece", "digest_pieces", "digest_rows", "opened", "pieces_of"]

BATCH_ROWS = 32_768

_COMPRESSION = "lz4"


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring row groups of one file: what one task reads.

    Attributes:
        file_number: The file's place among those of the log.
        sketches: The file of stored sketches beside it, if there is one.
    """

    path: Path
    file_number: int
    row_groups: tuple[int, ...]
    first_row: int
    rows: int
    sketches: Path | None = None


def pieces_of(files: Sequence[Path], sketch_files: Sequence[Path], piece_rows: int) -> list[Piece]:
    """The files in pieces of about so many rows, in order; a row group is never cut.

    Raises:
        StillwatchError: Stored sketches do not lie beside their exchanges.
    """
    pieces = []
    for number, path in enumerate(files):
        sketches = sketch_files[number] if sketch_files else None
        footer = pq.read_metadata(path)
        if sketches and pq.read_metadata(sketches).num_rows != footer.num_rows:
            raise unmatched_sketches(path)
        groups: list[int] = []
        first_row = rows = 0
        for group in range(footer.num_row_groups):
            groups.append(group)
            rows += footer.row_group(group).num_rows
            if rows >= piece_rows or group == footer.num_row_groups - 1:
                pieces.append(Piece(path, number, tuple(groups), first_row, rows, sketches))
                groups, first_row, rows = [], first_row + rows, 0
    return pieces


def digest_pieces(
    pieces: Sequence[Piece], columns: Sequence[str], digest: Digest
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A task for `mapInArrow`: of rows that hold numbers of pieces, the digests of those pieces."""

    def work(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                for part in digest(_sketched(pieces[number], columns)):
                    yield _sealed(part)

    return work


def digest_rows(
    digest: Callable[[pa.RecordBatch], pa.RecordBatch],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A task for `mapInArrow`: of the rows of an answer, what `digest` makes of each batch."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return (_sealed(digest(batch)) for batch in batches)

    return work


def opened(sealed: pa.Table) -> Iterator[pa.RecordBatch]:
    """The batches that tasks have sent, in order."""
    for value in sealed.column(0):
        yield from pa.ipc.open_stream(value.as_buffer())


def _sealed(batch: pa.RecordBatch) -> pa.RecordBatch:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=_COMPRESSION)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as stream:
        stream.write_batch(batch)
    return pa.RecordBatch.from_pydict(
        {"sealed": pa.array([sink.getvalue().to_pybytes()], pa.binary())}
    )


def _sketched(piece: Piece, columns: Sequence[str]) -> Iterator[Sketched]:
    batches = file_batches(
        piece.path,
        columns,
        batch_rows=BATCH_ROWS,
        row_groups=piece.row_groups,
        first_row=piece.first_row,
    )
    if piece.sketches is None:
        for located in batches:
            yield Sketched.of(located, sketch_exchanges(located.batch), piece.file_number)
        return
    stored = _stored_sketches(piece.sketches, piece.first_row, piece.rows)
    for located in batches:
        beside = stored.slice(located.first_row - piece.first_row, located.batch.num_rows)
        yield Sketched.of(located, beside, piece.file_number)


def _stored_sketches(path: Path, first_row: int, rows: int) -> pa.RecordBatch:
    """So many rows of a file of sketches, which may have row groups of its own."""
    with pq.ParquetFile(path) as file:
        groups, begins, skipped = [], 0, 0
        for group in range(file.num_row_groups):
            ends = begins + file.metadata.row_group(group).num_rows
            if begins < first_row + rows and ends > first_row:
                groups.append(group)
            elif ends <= first_row:
                skipped = ends
            begins = ends
        table = file.read_row_groups(groups).slice(first_row - skipped, rows).combine_chunks()
    if table.num_rows == 0:
        return pa.RecordBatch.from_pylist([], table.schema)
    batch: pa.RecordBatch = table.to_batches()[0]
    return batch
