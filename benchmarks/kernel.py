"""The compiled kernel that sketches texts, on one core, beside a plain pass over their bytes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from measured import Measurement

from stillwatch.lake.sketch import sketch_exchanges

__all__ = ["measure_kernel"]

_TEXTS = ("system_text", "input_text", "output_text")


def measure_kernel(world: Path, rows: int) -> list[Measurement]:
    """Prompts and megabytes a second, compilation excluded."""
    batches = _batches(world, rows)
    sketch_exchanges(batches[0].slice(0, 16))  # compiles, or loads what was compiled
    started = time.perf_counter()
    for batch in batches:
        sketch_exchanges(batch)
    seconds = time.perf_counter() - started
    buffers = [_bytes(batch.column(name)) for batch in batches for name in _TEXTS]
    started = time.perf_counter()
    checksum = sum(int(buffer.sum(dtype=np.uint64)) for buffer in buffers)
    plain = time.perf_counter() - started
    assert checksum
    prompts, size = sum(batch.num_rows for batch in batches), sum(b.size for b in buffers) / 1e6
    baseline = "summing the bytes"
    return [
        Measurement(
            "sketching, one core", prompts / seconds, "prompts/s", baseline, prompts / plain
        ),
        Measurement("sketching, bytes of text", size / seconds, "MB/s", baseline, size / plain),
    ]


def _batches(world: Path, rows: int) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = []
    for path in sorted((world / "exchanges").glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            batches += file.iter_batches(32_768, columns=["exchange_id", *_TEXTS])
        if sum(batch.num_rows for batch in batches) >= rows:
            break
    return batches


def _bytes(texts: pa.Array) -> np.ndarray:
    joined = pc.binary_join(
        pa.ListArray.from_arrays([0, len(texts)], texts.fill_null("").cast(pa.string())), ""
    )
    return np.frombuffer(joined.buffers()[2], np.uint8)
