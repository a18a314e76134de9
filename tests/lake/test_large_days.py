"""Days that are larger than what is sorted at once: cut by time, and none of it is to be seen."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_rows import START, new_lake

import stillwatch.lake.pieces
from stillwatch.lake.store import Lake


def a_day(count: int, *, moments: int) -> pa.Table:
    """Exchanges of one day in no order, at so many different moments."""
    rng = np.random.default_rng(7)
    numbers = rng.permutation(count)
    return pa.table(
        {
            "exchange_id": [f"e{n:05}" for n in numbers],
            "account_id": ["a"] * count,
            "started_at": pa.array(
                [START + timedelta(seconds=int(n) % moments) for n in numbers],
                pa.timestamp("us", "UTC"),
            ),
            "input_text": [f"ask {n}" for n in numbers],
        }
    )


def files(lake: Lake, table: str) -> list[pa.Table]:
    return [pq.read_table(path) for path in lake.files(table)]


@pytest.mark.parametrize("moments", [1, 3, 900])
def test_day_cut_into_pieces_is_the_day_written_at_once(
    moments: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exchanges and sketches lie as they would; one moment with all of them is no trouble."""
    day = a_day(1_000, moments=moments)
    whole = new_lake(tmp_path / "whole", day)
    monkeypatch.setattr(stillwatch.lake.pieces, "_BYTES_SORTED_AT_ONCE", 4_000)

    cut = new_lake(tmp_path / "cut", day, day.slice(0, 100))

    assert cut.rows("exchanges") == 1_000
    for table in ("exchanges", "sketches"):
        (at_once,), (in_pieces,) = files(whole, table), files(cut, table)
        assert in_pieces.equals(at_once)
