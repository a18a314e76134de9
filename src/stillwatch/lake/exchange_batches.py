"""Exchanges as batches of a file, with canonical types and the sketches of their texts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.lake.sketch import sketch_exchanges
from stillwatch.records import EXCHANGES, InputError, StillwatchError, TableSchema, conform

__all__ = [
    "Digest",
    "Located",
    "Sketched",
    "exchange_columns",
    "file_batches",
    "short_error",
    "sketch_while_reading",
    "unmatched_sketches",
]

_SKETCHING_THREADS = 2  # beyond two, reading the log is what takes the time


class Located(NamedTuple):
    """A batch of exchanges, and where it lies: the file and the number of the first row there."""

    batch: pa.RecordBatch
    path: Path
    first_row: int


class Sketched(NamedTuple):
    """A batch of exchanges with the sketches of their texts, row for row.

    Attributes:
        locators: For each, the number of its file (from bit 40 on) and its row there.
    """

    batch: pa.RecordBatch
    sketch: pa.RecordBatch
    locators: pa.Array

    @classmethod
    def of(cls, located: Located, sketch: pa.RecordBatch, file_number: int) -> Sketched:
        """With the locators of a batch of the file of that number."""
        rows = np.arange(located.batch.num_rows, dtype=np.int64) + located.first_row
        return cls(located.batch, sketch, pa.array(rows | np.int64(file_number) << np.int64(40)))


Digest = Callable[[Iterator[Sketched]], Iterator[pa.RecordBatch]]
"""What a caller makes of the exchanges, batch by batch, wherever the engine reads them.

It sees the whole log or any part of it, and its batches hold a row for each exchange, in order.
"""


def exchange_columns(columns: Iterable[str]) -> list[str]:
    """These columns of the exchanges and those that are required."""
    return [*EXCHANGES.required, *(c for c in columns if c not in EXCHANGES.required)]


def file_batches(
    path: Path,
    columns: Sequence[str],
    *,
    batch_rows: int,
    row_groups: Sequence[int] | None = None,
    first_row: int = 0,
) -> Iterator[Located]:
    """The exchanges of a file in order, with canonical types, in bounded memory. Every row is there.

    Args:
        columns: As `exchange_columns` gives them.
        row_groups: Only these; all if absent.
        first_row: The number of the first row of these.

    Raises:
        InputError: The file has gone, or it is damaged.
    """
    schema = TableSchema("exchanges", tuple(c for c in EXCHANGES.columns if c.name in columns))
    with _naming(path), pq.ParquetFile(path) as file:
        present = [c for c in columns if c in file.schema_arrow.names]
        for batch in file.iter_batches(batch_rows, row_groups=row_groups, columns=present):
            table = pa.Table.from_batches([batch])
            yield Located(_conform_keeping_rows(table, schema, path), path, first_row)
            first_row += batch.num_rows


def sketch_while_reading(batches: Iterator[Located]) -> Iterator[tuple[Located, pa.RecordBatch]]:
    """Each batch with its sketch, in order, made while the next batches are read.

    The kernel releases the interpreter's lock, so threads are enough; at most three batches wait.
    """
    with ThreadPoolExecutor(_SKETCHING_THREADS) as pool:
        waiting: deque[tuple[Located, Future[pa.RecordBatch]]] = deque()
        for located in batches:
            waiting.append((located, pool.submit(sketch_exchanges, located.batch)))
            if len(waiting) > _SKETCHING_THREADS:
                first, sketch = waiting.popleft()
                yield first, sketch.result()
        while waiting:
            first, sketch = waiting.popleft()
            yield first, sketch.result()


def unmatched_sketches(path: Path) -> StillwatchError:
    """The error that a file's stored sketches do not lie beside its exchanges."""
    return StillwatchError(
        "the stored sketches do not match the exchanges.",
        where=str(path),
        remedy="Import the logs into a new lake.",
    )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say which file broke off in the middle, and what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(
            "the file has gone while it was needed.",
            where=str(path),
            remedy="Put it back, or run again with what is there.",
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"the file is damaged ({short_error(error)}).",
            where=str(path),
            remedy="Write it again, or leave it out.",
        ) from error


def short_error(error: Exception) -> str:
    """The first line of what a library says, cut short."""
    return str(error).splitlines()[0][:160] if str(error) else type(error).__name__


def _conform_keeping_rows(table: pa.Table, schema: TableSchema, path: Path) -> pa.RecordBatch:
    """Canonical types with every row kept, so that row numbers stay those of the file."""
    optional = TableSchema(
        schema.name,
        tuple(type(c)(c.name, c.arrow_type, c.meaning, False) for c in schema.columns),
    )
    conformed = conform(table, optional, where=str(path)).table.combine_chunks()
    batches = conformed.to_batches()
    if batches:
        return batches[0]
    return pa.RecordBatch.from_pydict({c.name: pa.array([], c.arrow_type) for c in schema.columns})
