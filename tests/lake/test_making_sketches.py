"""Sketches made in slices, by several threads, beside the exchanges."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.lake import making_sketches
from stillwatch.lake.making_sketches import MakingSketches
from stillwatch.lake.part_file import PartFile
from stillwatch.lake.sketch import SKETCHES, sketch_exchanges

SLICE = 2_048


def batch_of(rows: int, first: int = 0) -> pa.RecordBatch:
    """Exchanges with texts of their own, some of them empty or missing."""
    numbers = range(first, first + rows)
    asked = [
        None if n % 7 == 0 else f"Rate answer {n} to question {n % 5}, briefly." for n in numbers
    ]
    columns = {
        "exchange_id": [f"x{n}" for n in numbers],
        "system_text": ["" if n % 3 else f"You are assistant {n % 11}." for n in numbers],
        "input_text": asked,
        "output_text": [f"It is {n}. " * (n % 4) for n in numbers],
    }
    return pa.RecordBatch.from_pydict({n: pa.array(v, pa.string()) for n, v in columns.items()})


@pytest.mark.parametrize("rows", [1, SLICE - 1, SLICE, SLICE + 1, 3 * SLICE + 5])
def test_sketches_are_those_of_the_batch_as_a_whole(tmp_path: Path, rows: int) -> None:
    """Slices change no value, no order and no row group."""
    batches = [batch_of(rows), batch_of(3, first=rows)]
    sketches = PartFile(tmp_path, "sketches.parquet")

    with MakingSketches() as sketching:
        sketching.begin(sketches)
        for batch in batches:
            sketching.add(batch)
        sketching.end()

    with pq.ParquetFile(sketches.path) as file:
        groups = [file.read_row_group(i) for i in range(file.num_row_groups)]
    expected = [pa.Table.from_batches([sketch_exchanges(batch)], SKETCHES) for batch in batches]
    assert len(groups) == len(expected)
    assert all(group.equals(whole) for group, whole in zip(groups, expected, strict=True))
    assert sketches.rows == rows + 3


def test_each_file_has_its_own_rows_and_is_whole_at_the_end(tmp_path: Path) -> None:
    """The next file may be begun while the last one is still being written."""
    files = [PartFile(tmp_path, f"{day}/sketches.parquet") for day in range(3)]

    with MakingSketches() as sketching:
        for day, file in enumerate(files):
            sketching.begin(file)
            for part in range(day):
                sketching.add(batch_of(10, first=100 * day + 10 * part))
            sketching.end()

    assert not files[0].path.exists()
    assert pq.read_table(files[1].path)["exchange_id"].to_pylist() == [
        f"x{n}" for n in range(100, 110)
    ]
    assert pq.read_table(files[2].path)["exchange_id"].to_pylist() == [
        f"x{n}" for n in range(200, 220)
    ]


def test_failure_to_sketch_ends_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sketch that could not be made, or written, is never passed over."""

    def failing(batch: pa.RecordBatch) -> pa.RecordBatch:
        raise OSError("the disk is full")

    monkeypatch.setattr(making_sketches, "sketch_exchanges", failing)

    def sketch() -> None:
        with MakingSketches() as sketching:
            sketching.begin(PartFile(tmp_path, "sketches.parquet"))
            sketching.add(batch_of(10))
            sketching.end()

    with pytest.raises(OSError, match="full"):
        sketch()


def test_failure_outside_is_not_hidden(tmp_path: Path) -> None:
    """What fails beside the sketches is told, and no thread is left at work."""

    def fail() -> None:
        with MakingSketches() as sketching:
            sketching.begin(PartFile(tmp_path, "sketches.parquet"))
            sketching.add(batch_of(10))
            raise KeyError("first")

    with pytest.raises(KeyError):
        fail()
