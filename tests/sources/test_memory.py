"""Memory: what a file asks for beyond any log's need is refused, and batches are weighed."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from import_builders import START, Desk, exchange_rows
from parquet_bombs import BOMBS

from stillwatch.identity import Key, Tokeniser
from stillwatch.sources.adapter import ParsedRow, Unreadable, load_adapter
from stillwatch.sources.memory import MOST_BYTES, TooLargeError, bounded_memory
from stillwatch.sources.pipeline import take_in
from stillwatch.sources.rows import PAST_THE_LAST
from stillwatch.sources.values import weight_of

_READ = """
import sys
from pathlib import Path
from stillwatch.sources.adapter import Unreadable, load_adapter
from stillwatch.sources.memory import process_bytes
adapter = load_adapter("canonical")
for name in sys.argv[1:3]:  # what a reader holds anyway
    assert not [item for item in adapter.read(Path(name)) if isinstance(item, Unreadable)]
before = process_bytes("VmHWM")
for name in sys.argv[3:]:
    found = list(adapter.read(Path(name)))
    print(*(item.reason for item in found if isinstance(item, Unreadable)), sep=" | ")
print((process_bytes("VmHWM") - before) // 1024)
"""


@pytest.fixture(scope="module")
def reasons_and_growth(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], int]:
    """Why each bomb was refused, and by how many kB a process grew that read all of them."""
    folder = tmp_path_factory.mktemp("bombs")
    paths = {}
    for number, (name, write) in enumerate(BOMBS.items()):
        paths[name] = folder / f"{number}.parquet"
        write(paths[name])
        assert paths[name].stat().st_size < 150_000
    paths["brackets"] = folder / "brackets.jsonl"
    paths["brackets"].write_bytes(b'{"account_id": [' + b"[]," * 10_000_000 + b"[]]}\n")
    fine = [folder / "fine.parquet", folder / "fine.jsonl"]
    (row,) = exchange_rows(1)
    pq.write_table(pa.Table.from_pylist([row]), fine[0])
    fine[1].write_text(json.dumps(row, default=str) + "\n")
    done = subprocess.run(
        [sys.executable, "-c", _READ, *map(str, [*fine, *paths.values()])],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    *reasons, grown = done.stdout.splitlines()
    return dict(zip(paths, reasons, strict=True)), int(grown)


@pytest.mark.parametrize("name", [*BOMBS, "brackets"])
def test_small_file_that_asks_for_gigabytes_is_refused(
    name: str, reasons_and_growth: tuple[dict[str, str], int]
) -> None:
    """One reason says what it asked for: memory, or more bytes than a log of its size holds."""
    reason = reasons_and_growth[0][name]

    assert "MiB of memory" in reason or "unpacks to more than 500 times" in reason
    assert " | " not in reason


def test_refusing_takes_bounded_memory(reasons_and_growth: tuple[dict[str, str], int]) -> None:
    """All of them together: the bound, and the longest line as bytes and as text beside it."""
    assert reasons_and_growth[1] * 1024 < 2 * MOST_BYTES


def test_bound_holds_only_inside_its_block() -> None:
    """What did not fit inside fits afterwards."""
    much = 4 * MOST_BYTES  # Arrow may be giving back what an earlier test held

    with pytest.raises(TooLargeError, match="the row needs more than"), bounded_memory("the row"):
        bytearray(much)

    assert len(bytearray(much)) == much


def test_row_of_many_keys_keeps_its_columns_and_the_first_others(desk: Desk) -> None:
    """A line of a hundred thousand keys is imported with its own columns; one name tells the rest."""
    (row,) = exchange_rows(1)
    path = desk.jsonl("log.jsonl", [{f"key_{i}": i for i in range(100_000)} | row])

    outcome = desk.import_(path)

    assert (outcome.status, outcome.report["imported"]) == (0, 1)
    assert PAST_THE_LAST in outcome.report["dropped_columns"]
    assert len(outcome.report["dropped_columns"]) < 300
    (stored,) = desk.rows("exchanges")
    assert (stored["input_text"], stored["key_0"]) == (row["input_text"], "0")
    assert sum(name.startswith("key_") for name in stored) == 64


class _Scripted:
    name: ClassVar[str] = "scripted"

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def read(self, path: Path) -> Iterator[ParsedRow]:
        for number, row in enumerate(self.rows, 1):
            yield ParsedRow(number, row)


class _Sizes:
    def __init__(self) -> None:
        self.rows: list[int] = []
        self.columns: list[int] = []

    def add(self, table: str, rows: pa.Table) -> None:
        self.rows.append(rows.num_rows)
        self.columns.append(rows.num_columns)

    def reveal_domains(self, domain_by_token: dict[str, str], *, shared_by: int) -> None:
        pass


def taken(rows: list[dict[str, Any]]) -> _Sizes:
    sizes = _Sizes()
    take_in(
        [Path("log")],
        adapter=_Scripted(rows),
        tokeniser=Tokeniser(Key(bytes(32))),
        fills={},
        now=datetime(2026, 3, 2, tzinfo=UTC),
        destination=sizes,
    )
    return sizes


def test_long_histories_make_small_batches() -> None:
    """A batch is closed by what its rows hold, texts inside lists and objects included."""
    history = [chr(97 + i % 26) * 100_000 for i in range(100)]
    rows = [
        {"account_id": "a", "started_at": START, "earlier_messages": history} for _ in range(12)
    ]

    sizes = taken(rows)

    assert sizes.rows == [4, 4, 4]


def test_rows_of_ever_new_keys_make_few_columns() -> None:
    """Rows that share no key do not make a column of each key of each row."""
    rows = [
        {"account_id": "a", "started_at": START} | {f"k{i}_{k}": "" for k in range(50)}
        for i in range(200)
    ]

    sizes = taken(rows)

    assert sizes.rows == [200]
    assert sizes.columns[0] < 100


def test_weight_counts_what_lies_inside() -> None:
    """Names, texts and what lists and objects hold weigh; how deep they lie does not matter."""
    text = "x" * 1_000
    flat = weight_of({"a": text * 3})
    nested = weight_of({"a": [text, {"b": text, text: None}]})

    assert flat == 3_001
    assert flat <= nested <= 2 * flat
    assert weight_of(json.loads("{}")) == 0


def test_damaged_files_leave_nothing_in_memory(tmp_path: Path) -> None:
    """A process that reads one broken log after the other does not grow by each."""
    (row,) = exchange_rows(1)
    whole = pa.compress(json.dumps(row, default=str).encode() * 9, codec="zstd", asbytes=True)
    path = tmp_path / "log.jsonl.zst"
    path.write_bytes(whole[:-20])
    adapter = load_adapter("canonical")

    def read() -> None:
        assert any(isinstance(item, Unreadable) for item in adapter.read(path))

    read()
    tracemalloc.start()
    try:
        for _ in range(10):
            read()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2**20
