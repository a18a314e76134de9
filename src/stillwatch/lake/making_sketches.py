"""Sketches of exchanges, made and written while the exchanges themselves are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import pyarrow as pa

from stillwatch.lake.in_background import InBackground
from stillwatch.lake.part_file import PartFile
from stillwatch.lake.sketch import sketch_exchanges

__all__ = ["MakingSketches"]

# The kernel releases the interpreter's lock: one thread a core, on two of them.
_THREADS = 2
# The kernel's working space for so many rows stays in the cache of a core.
_ROWS_AT_ONCE = 2_048


class MakingSketches:
    """Files of sketches, one after the other, row for row as the batches that are handed over.

    What is handed over is done in its order, one batch at a time, so memory stays bounded; a failure
    is raised by the next call, or at the end of the block. Every file is on the disk then.
    """

    def __init__(self) -> None:
        self._background = InBackground()
        self._pool = ThreadPoolExecutor(_THREADS)

    def begin(self, file: PartFile) -> None:
        """Sketches that are handed over from now on go into this file."""
        self._file = file

    def add(self, exchanges: pa.RecordBatch) -> None:
        """Hand over a batch, once the one before it is done."""
        self._background.start(self._write, self._file, exchanges)

    def end(self) -> None:
        """The file is complete."""
        self._background.start(self._file.close)

    def _write(self, file: PartFile, exchanges: pa.RecordBatch) -> None:
        file.write(_combined(list(self._pool.map(sketch_exchanges, _slices(exchanges)))))

    def __enter__(self) -> MakingSketches:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._background.__exit__(kind, error, trace)
        finally:
            self._pool.shutdown()


def _slices(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    return [batch.slice(first, _ROWS_AT_ONCE) for first in range(0, batch.num_rows, _ROWS_AT_ONCE)]


def _combined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    combined: pa.RecordBatch = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    return combined
