"""The columns of a log: in order, each exchange once, the same in memory and in files."""

from __future__ import annotations

import random
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import stillwatch.signals.traffic
from planted_logs import VOCABULARY, LogBook
from stillwatch.lake import scratch
from stillwatch.signals import templates, traffic_columns
from stillwatch.signals.templates import Fragments, mine_fragments
from stillwatch.signals.traffic import Ragged, Traffic


def shuffled_log(seed: int) -> LogBook:
    """Exchanges in no order, many at one moment, some twice, with and without conversations."""
    book = LogBook(seed)
    rng = random.Random(seed)
    wrappers = [" ".join(rng.choices(VOCABULARY, k=14)) for _ in range(4)]
    for _ in range(150):
        text = f"{rng.choice(wrappers)} {' '.join(rng.choices(VOCABULARY, k=rng.randrange(9)))}"
        talk = rng.choice([None, "a", "b"])
        at = book.moment(rng.randrange(3)).replace(second=rng.randrange(4), minute=0, microsecond=0)
        book.exchange(f"a{rng.randrange(9)}", text, at, conversation_id=talk)
    book.exchanges += [dict(row) for row in rng.sample(book.exchanges, 10)]
    rng.shuffle(book.exchanges)
    for number in range(9):
        book.account(f"a{number}")
    return book


def columns_of(value: Any) -> dict[str, list[Any]]:
    """All columns of traffic or fragments, by name."""
    found: dict[str, list[Any]] = {}
    for item in fields(value):
        column = getattr(value, item.name)
        if isinstance(column, Ragged) or hasattr(column, "__dataclass_fields__"):
            found |= {f"{item.name}.{k}": v for k, v in columns_of(column).items()}
        elif isinstance(column, np.ndarray):
            found[item.name] = column.tolist()
        elif isinstance(column, pa.Array):
            found[item.name] = column.to_pylist()
    return found


def in_files_stretch_by_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "LEAST_BYTES", 1)
    for module in (scratch, traffic_columns, templates):
        monkeypatch.setattr(module, "AT_ONCE", 7)


def read_both_ways(
    seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Traffic, Fragments]]:
    book = shuffled_log(seed)
    in_memory = book.traffic(folder)
    found = [(in_memory, mine_fragments(in_memory))]
    with monkeypatch.context() as patch:
        in_files_stretch_by_stretch(patch)
        in_files = book.traffic(folder)
        found.append((in_files, mine_fragments(in_files)))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_columns_are_the_same_in_memory_and_in_files(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, files = read_both_ways(seed, tmp_path, monkeypatch)

    assert columns_of(files[0]) == columns_of(memory[0])
    assert columns_of(files[1]) == columns_of(memory[1])
    assert memory[1].count > 0


def test_exchanges_run_by_start_and_each_is_there_once(tmp_path: Path) -> None:
    book = shuffled_log(4)
    traffic = book.traffic(tmp_path)
    ids = traffic.exchange_ids.to_pylist()

    assert sorted(ids) == sorted({row["exchange_id"] for row in book.exchanges})
    assert (np.diff(traffic.started) >= 0).all()
    started = {row["exchange_id"]: row["started_at"] for row in book.exchanges}
    assert [started[i] for i in ids] == sorted(started.values())
    sender = {row["exchange_id"]: row["account_id"] for row in book.exchanges}
    assert [sender[i] for i in ids] == traffic.account_names[traffic.accounts].tolist()


def test_the_order_of_equal_starts_is_not_that_of_the_file(tmp_path: Path) -> None:
    """A log written in another order is the same log."""
    book = shuffled_log(5)
    once = book.traffic(tmp_path / "one")
    book.exchanges.reverse()
    again = book.traffic(tmp_path / "other")

    assert columns_of(once) == columns_of(again)


def test_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    in_files_stretch_by_stretch(monkeypatch)
    log = shuffled_log(6)
    traffic = log.traffic(tmp_path / "log")

    assert len(traffic) == 150
    assert [p for p in (tmp_path / "scratch").iterdir() if p.is_file()] == []


def test_prompts_of_some_exchanges_are_those_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stillwatch.signals.traffic, "SCATTERED", 5)
    traffic = shuffled_log(7).traffic(tmp_path)
    rows = np.flatnonzero(traffic.accounts == 3)
    some, everything = traffic.prompts_of(rows), traffic.prompts

    assert len(rows) > 5
    assert some.items.tolist() == everything.items[rows].tolist()
    for place, row in enumerate(rows):
        held = [
            terms.values[terms.starts[at] : terms.starts[at + 1]].tolist()
            for terms, at in ((some.terms, place), (everything.terms, row))
        ]
        assert held[0] == held[1] != []
