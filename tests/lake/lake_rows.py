"""Small lakes and rows for the tests of the lake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import stillwatch.lake.writer
from stillwatch.lake.store import Lake
from stillwatch.records import ACCOUNTS, EXCHANGES

START = datetime(2026, 3, 1, tzinfo=UTC)


def exchanges(*numbers: int, **more: Any) -> pa.Table:
    """Exchanges an hour apart, with only the columns that hold something.

    Those of higher numbers begin again: what lies in the future would be quarantined.
    """
    rows = [
        {"exchange_id": f"e{n}", "account_id": "a", "started_at": START + timedelta(hours=n % 1000)}
        for n in numbers
    ]
    table = EXCHANGES.table([dict.fromkeys(EXCHANGES.names) | row for row in rows])
    table = table.select(EXCHANGES.required)
    for name, value in more.items():
        table = table.append_column(name, pa.array([value] * len(rows), pa.string()))
    return table


def accounts(*names: str, **more: Any) -> pa.Table:
    rows = [{"account_id": name, **more} for name in names]
    table = ACCOUNTS.table([dict.fromkeys(ACCOUNTS.names) | row for row in rows])
    return table.select(["account_id", *more])


def stored(lake: Lake, table: str) -> list[dict[str, Any]]:
    return [row for path in lake.files(table) for row in pq.read_table(path).to_pylist()]


def new_lake(path: Path, *batches: pa.Table, key: str = "key-1") -> Lake:
    lake = Lake.create(path, key)
    with lake.writer() as writer:
        for batch in batches:
            writer.add("exchanges", batch)
    return lake


@contextmanager
def overtaken(by: Callable[[], None]) -> Iterator[None]:
    """The next commit in this block is prepared, and then `by` commits first."""
    waiting = [by]
    take_lock = stillwatch.lake.writer.locked

    @contextmanager
    def locked(lake: Path) -> Iterator[None]:
        if waiting:
            waiting.pop()()
        with take_lock(lake):
            yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stillwatch.lake.writer, "locked", locked)
        yield
