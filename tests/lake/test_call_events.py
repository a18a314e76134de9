"""Events of calls and the exchanges of their spans, where several write at once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from lake_rows import START, exchanges, overtaken, stored

from stillwatch.lake.check import check_lake
from stillwatch.lake.compaction import compact_lake
from stillwatch.lake.store import Lake
from stillwatch.lake.writer import Added
from stillwatch.records import TIMESTAMP


def events(*numbers: int) -> pa.Table:
    """What the events of calls say, as an import hands it on."""
    ids = [f"e{n}" for n in numbers]
    count = len(ids)
    return pa.table(
        {
            "exchange_id": ids,
            "started_at": pa.array([START] * count, TIMESTAMP),
            "input_text": [f"question {n}" for n in numbers],
            "_line": pa.array(numbers, pa.int64()),
            "_file": ["log.jsonl"] * count,
            "_reason": ["its span is missing."] * count,
            "_quarantined_at": pa.array([datetime(2026, 6, 1, tzinfo=UTC)] * count, TIMESTAMP),
            "_log_format": ["otlp"] * count,
        }
    )


def add(path: Path, table: str, rows: pa.Table) -> Added:
    with Lake.open_or_create(path, "key-1").writer() as writer:
        writer.add(table, rows)
    return writer.added


def texts(path: Path) -> dict[str, str | None]:
    rows = stored(Lake.open(path), "exchanges")
    return {row["exchange_id"]: row.get("input_text") for row in rows}


@pytest.mark.parametrize("is_log_first", [True, False])
def test_texts_arrive_when_both_logs_are_imported_at_once(
    tmp_path: Path, is_log_first: bool
) -> None:
    """Whoever is overtaken takes account of it: events that found no span before find it now."""
    path = tmp_path / "lake"
    add(path, "exchanges", exchanges(1, 2))
    logs, spans = ("call_events", events(1, 3)), ("exchanges", exchanges(3, 4))

    if is_log_first:
        with overtaken(lambda: add(path, *logs) and None):
            add(path, *spans)
        assert [row["line"] for row in stored(Lake.open(path), "quarantine")] == [3]
        add(path, *logs)
    else:
        with overtaken(lambda: add(path, *spans) and None):
            added = add(path, *logs)
        assert (added.imported, added.calls and added.calls.waiting) == (2, 0)
        assert stored(Lake.open(path), "quarantine") == []

    assert texts(path) == {"e1": "question 1", "e2": None, "e3": "question 3", "e4": None}
    assert check_lake(path).problems == []


def test_texts_arrive_where_a_compaction_comes_first(tmp_path: Path) -> None:
    """The file that was to be written anew is gone, and the one in its place gets the texts."""
    path = tmp_path / "lake"
    add(path, "exchanges", exchanges(1))
    add(path, "exchanges", exchanges(2))

    with overtaken(lambda: compact_lake(path) and None):
        add(path, "call_events", events(1, 2))

    assert texts(path) == {"e1": "question 1", "e2": "question 2"}
    assert check_lake(path).problems == []


def test_sketches_are_those_of_the_texts_that_came_late(tmp_path: Path) -> None:
    """A scan sees what it would see had the text come with the exchange; others stay as they were."""
    late, whole = tmp_path / "late", tmp_path / "whole"
    add(late, "exchanges", exchanges(1, 2))
    add(late, "call_events", events(1))
    rows = exchanges(1, 2).append_column("input_text", pa.array(["question 1", None]))
    add(whole, "exchanges", rows)

    assert stored(Lake.open(late), "sketches") == stored(Lake.open(whole), "sketches")
    assert stored(Lake.open(late), "exchanges") == stored(Lake.open(whole), "exchanges")
