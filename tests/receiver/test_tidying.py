"""Few files, however many folds: merged a little at a time, and never one away that is being read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stations import Station, exchanges

from stillwatch.lake.check import check_lake
from stillwatch.lake.compaction import compact_lake
from stillwatch.lake.manifest import Part
from stillwatch.lake.smallest import smallest
from stillwatch.lake.store import Lake
from stillwatch.receiver.tidying import Tidying


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([1, 500, 30_000, 149_999, 150_000, 300_000]), max_size=4_000),
)
def test_ten_minutes_of_any_stream_leave_few_files(sizes: list[int]) -> None:
    """Six million rows of a day, in folds of any sizes: 48 files of exchanges at most, at any time.

    And what is merged after one fold is bounded, so that the next one does not wait long.
    """
    ours = Tidying.__dataclass_fields__
    most, enough = ours["most_files"].default, ours["enough_rows"].default
    parts: list[Part] = []
    rows = 0
    for number, size in enumerate(sizes):
        if (rows := rows + size) > 6_000_000:
            break
        parts.append(Part(f"exchanges/2026-03-01/{number:06}.parquet", size))
        some = smallest(parts, most, enough)
        if some:
            merged = Part(f"exchanges/2026-03-01/{number:06}m.parquet", sum(p.rows for p in some))
            assert merged.rows < 2 * enough
            parts = [*(part for part in parts if part not in some), merged]
        assert len(parts) <= 48
        assert len([part for part in parts if part.rows < enough]) <= most


def test_folds_leave_few_files(station: Station) -> None:
    """Of two days, with rows sent twice: the rows are there once, and replaced files are gone."""
    tidying = Tidying(station.lake, _never, most_files=3)
    for number in range(6):
        station.exchanges(exchanges(6, first=4 * number))
        station.exchanges(exchanges(2, first=100_000 + 2 * number))
        station.fold()
        tidying.tidy()
        # Three files of each day, and as many of sketches.
        assert len(list(station.lake.rglob("*.parquet"))) <= 12

    ids = [row["exchange_id"] for row in station.rows("exchanges")]
    assert sorted(ids) == sorted(f"e{n}" for n in (*range(26), *range(100_000, 100_012)))
    checked = check_lake(station.lake)
    assert (checked.problems, checked.leftovers) == ([], [])


def test_what_is_being_read_stays(station: Station) -> None:
    """Until the reader has ended; then it goes without another fold."""
    tidying = Tidying(station.lake, _never, most_files=1)
    _fold_twice(station)

    with Lake.reading(station.lake) as lake:
        before = {path: path.read_bytes() for path in lake.files("exchanges")}
        for _ in range(2):
            tidying.tidy()
            assert {path: path.read_bytes() for path in before} == before
            assert tidying.waits_for_readers
            _fold_twice(station, first=10)
    tidying.remove_replaced()

    assert not tidying.waits_for_readers
    assert not any(path.exists() for path in before)
    assert len(list(station.lake.rglob("*.parquet"))) == 2


def test_a_little_at_a_time(station: Station) -> None:
    """Days whose files are merged later, files that are large enough, and what becomes as large."""
    for number in range(3):
        station.exchanges(
            [*exchanges(5, first=5 * number), *exchanges(5, first=10**5 + 5 * number)]
        )
        station.fold()

    done = [compact_lake(station.lake, most_files=1, enough_rows=8) for _ in range(3)]

    assert [one.rows for one in done] == [10, 10, 0]
    left = [part.rows for part in Lake.open(station.lake).manifest.parts("exchanges")]
    assert sorted(left) == [5, 5, 10, 10]


def test_a_damaged_file_is_told_once_and_hinders_no_fold(station: Station) -> None:
    """It is not read after each fold, and merged with nothing."""
    said: list[str] = []
    tidying = Tidying(station.lake, said.append, most_files=1)
    _fold_twice(station)
    file = Lake.open(station.lake).files("sketches")[0]
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    file.write_bytes(data)

    tidying.tidy()
    _fold_twice(station, first=10)
    tidying.tidy()

    assert len(said) == 1
    assert str(file) in said[0]
    assert len(Lake.open(station.lake).files("exchanges")) == 4


def test_where_there_is_no_lake_yet(station: Station) -> None:
    """Nothing to do, and nothing to say."""
    Tidying(station.lake, _never).tidy()


def _fold_twice(station: Station, first: int = 0) -> None:
    for number in range(2):
        station.exchanges(exchanges(2, first=first + 2 * number))
        station.fold()


def _never(line: str) -> None:
    pytest.fail(line)
