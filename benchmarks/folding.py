"""What a fold of 10,000 exchanges costs a receiver, by how many the lake has already.

    benchmarks/folding.py [--rows N...] [--folder DIR]

Processor's seconds of one fold: the first after the lake has grown by an import, and the median of
three after it. Ids are random, texts short, and the lake's exchanges are spread over thirty days.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa

from stillwatch.identity import Key, Tokeniser
from stillwatch.lake.store import Lake
from stillwatch.receiver.folding import Folder
from stillwatch.receiver.spool import Batch, Kind, Spool
from stillwatch.records import EXCHANGES

_SIZES = (100_000, 1_000_000, 4_000_000)
_FOLDED, _BATCH, _IMPORTED_AT_ONCE = 10_000, 500, 500_000
_START = datetime(2026, 3, 1, tzinfo=UTC)
_DAYS = 30


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure folds into lakes that grow.")
    parser.add_argument("--rows", type=int, nargs="*", default=list(_SIZES))
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        lake = (options.folder or Path(temporary)) / "lake"
        key = Key(b"k" * 32)
        Spool.of_lake(lake).close()
        for size in options.rows:
            print(f"load average: {os.getloadavg()}", file=sys.stderr)
            _grow(lake, key, size)
            seconds = [_fold(lake, key) for _ in range(4)]
            print(
                f"{size:,} exchanges: first fold {seconds[0]:.2f} s, "
                f"then {median(seconds[1:]):.2f} s of the processor's time",
                flush=True,
            )


def _grow(lake: Path, key: Key, size: int) -> None:
    fingerprint = Tokeniser(key).fingerprint
    while (missing := size - Lake.open_or_create(lake, fingerprint).rows("exchanges")) > 0:
        with Lake.open_or_create(lake, fingerprint).writer() as writer:
            writer.add("exchanges", _rows(min(missing, _IMPORTED_AT_ONCE), days=_DAYS))


def _fold(lake: Path, key: Key) -> float:
    """Processor's seconds of a fold of news, all of the last day."""
    spool = Spool.of_lake(lake)
    fingerprint = Tokeniser(key).fingerprint
    for _ in range(_FOLDED // _BATCH):
        sink = pa.BufferOutputStream()
        rows = _rows(_BATCH, days=1)
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        data = sink.getvalue().to_pybytes()
        batch = Batch(Kind.ROWS, "default", "canonical", _BATCH, data, key_fingerprint=fingerprint)
        spool.add([batch])
    began = time.process_time()
    folded = Folder(lake, key, spool).fold(everything=True)
    took = time.process_time() - began
    spool.close()
    if folded.imported != _FOLDED:
        raise SystemExit(f"{_FOLDED} exchanges were to be folded, and {folded.imported} were")
    return took


def _rows(count: int, *, days: int) -> pa.Table:
    dice = np.random.default_rng()
    seconds = dice.integers(86_400 * (_DAYS - days), 86_400 * _DAYS, count)
    numbers = dice.integers(0, 10_000, count)
    columns = {
        "exchange_id": [str(uuid.uuid4()) for _ in range(count)],
        "account_id": [f"account-{number}" for number in numbers],
        "started_at": [_START + timedelta(seconds=int(second)) for second in seconds],
        "input_text": [f"Explain number {number} to a child." for number in numbers],
    }
    fields = [field for field in EXCHANGES.arrow if field.name in columns]
    return pa.table([pa.array(columns[f.name], f.type) for f in fields], schema=pa.schema(fields))


if __name__ == "__main__":
    main()
