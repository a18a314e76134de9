"""`stillwatch lake compact`: fewer files, the same rows, and nobody disturbed."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_rows import accounts, exchanges, new_lake, overtaken, stored

import stillwatch.lake.compaction
import stillwatch.lake.making_sketches
import stillwatch.lake.pieces
from planted_logs import planted
from stillwatch.cli.main import run
from stillwatch.lake.check import check_lake
from stillwatch.lake.compaction import compact_lake
from stillwatch.lake.manifest import Manifest, Part
from stillwatch.lake.readers import reading, remove_replaced
from stillwatch.lake.repair import repair_lake
from stillwatch.lake.smallest import smallest
from stillwatch.lake.store import Lake
from stillwatch.records import ACCOUNTS, EXCHANGES, FINDINGS_TABLES, StillwatchError

TEXTS = ("Explain tides.", "Write a sonnet on rain, with reasons.", "")


def rows(*numbers: int) -> pa.Table:
    return exchanges(*numbers, input_text=TEXTS[sum(numbers) % 3], output_text="The moon pulls.")


def grown(path: Path, *batches: pa.Table) -> Path:
    """A lake with a commit for each batch."""
    for batch in batches:
        with Lake.open_or_create(path, "key-1").writer() as writer:
            writer.add("exchanges", batch)
    return path


def compact(path: Path, *words: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(run, ["lake", "compact", "--lake", str(path), "--json", *words])
    return result.exit_code, json.loads(result.stdout)


def content(path: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each exchange with the sketch beside it, in the order of ids; columns of nulls left out."""
    lake = Lake.open(path)
    pairs = []
    for pair in zip(lake.files("exchanges"), lake.files("sketches"), strict=True):
        both = [pq.read_table(file).to_pylist() for file in pair]
        pairs += zip(*both, strict=True)
    filled = [({k: v for k, v in e.items() if v is not None}, s) for e, s in pairs]
    return sorted(filled, key=lambda pair: pair[0]["exchange_id"])


def day_files(path: Path) -> dict[str, list[Path]]:
    days: dict[str, list[Path]] = {}
    for file in Lake.open(path).files("exchanges"):
        days.setdefault(file.parent.name, []).append(file)
    return days


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    batches=st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=9), min_size=1, max_size=6),
    most=st.integers(1, 3),
)
def test_rows_and_sketches_are_those_of_before(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], most: int
) -> None:
    """Whatever was committed in which order; and no day has more files than were asked for."""
    path = grown(tmp_path_factory.mktemp("lakes") / "lake", *(rows(*some) for some in batches))
    before = content(path)

    compact_lake(path, most_files=most)

    assert content(path) == before
    assert all(exchange["exchange_id"] == s["exchange_id"] for exchange, s in before)
    assert max(map(len, day_files(path).values())) <= most
    checked = check_lake(path)
    assert (checked.problems, checked.leftovers) == ([], [])
    assert compact_lake(path, most_files=most).merged == 0


def test_compacted_day_is_the_day_imported_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, exchanges and sketches, cut into pieces or not, columns that some lack too."""
    texts = exchanges(*range(8, 17), input_text="Explain tides. " * 9, note="mine")
    batches = [rows(1, 2), texts, rows(*range(3, 8))]
    whole = new_lake(tmp_path / "whole", *batches)
    path = grown(tmp_path / "lake", *batches)
    monkeypatch.setattr(stillwatch.lake.pieces, "_BYTES_SORTED_AT_ONCE", 2_000)

    compact_lake(path)

    lake = Lake.open(path)
    for table in ("exchanges", "sketches"):
        (ours,), (theirs,) = lake.files(table), whole.files(table)
        assert pq.read_table(ours).equals(pq.read_table(theirs))
    monkeypatch.undo()
    with Lake.open(path).writer() as writer:
        writer.add("exchanges", rows(20))
    with whole.writer() as writer:
        writer.add("exchanges", rows(20))
    for either in (path, whole.path):
        compact_lake(either)
    digests = [
        [p.sha256 for p in Manifest.read(p_).parts("exchanges")] for p_ in (path, whole.path)
    ]
    assert digests[0] == digests[1]


def test_proxies_rows_and_histories_are_merged_as_well(tmp_path: Path) -> None:
    """Each row of them once; the tables that have one file anyway stay as they are."""
    path = grown(tmp_path / "lake", rows(1))
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    for number in range(3):
        with Lake.open(path).writer() as writer:
            seen = {"request_id": [f"r{number}"], "started_at": [moment], "client_ip": ["addr_1"]}
            schema = pa.schema(
                [
                    ("request_id", pa.string()),
                    ("started_at", pa.timestamp("us", tz="UTC")),
                    ("client_ip", pa.string()),
                ]
            )
            writer.add("network", pa.table(seen, schema=schema))
            writer.add("accounts", accounts("a", plan=f"plan {number}"))
    before = {t: stored(Lake.open(path), t) for t in ("network", "account_history", "accounts")}
    assert [len(rows) for rows in before.values()] == [3, 2, 1]

    done = compact_lake(path)

    lake = Lake.open(path)
    for table, wanted in before.items():
        assert len(lake.files(table)) == 1
        assert sorted(map(str, stored(lake, table))) == sorted(map(str, wanted))
    assert (done.merged, done.rows, done.before - done.after) == (5, 5, 3)


def test_findings_are_those_of_before(tmp_path: Path) -> None:
    """A scan finds the same in a lake of many files and in the same lake compacted."""
    book, _ = planted()
    table, chance = EXCHANGES.table(book.exchanges), random.Random(4)
    shuffled = table.take(chance.sample(range(table.num_rows), table.num_rows))
    step = -(-table.num_rows // 5)
    path = grown(tmp_path / "lake", *(shuffled.slice(k, step) for k in range(0, len(table), step)))
    with Lake.open(path).writer() as writer:
        writer.add("accounts", ACCOUNTS.table(book.accounts))

    def scanned(name: str) -> list[pa.Table]:
        words = ["scan", "--lake", str(path), "--no-timeline", "--out", str(tmp_path / name)]
        assert CliRunner().invoke(run, words).exit_code == 3
        return [pq.read_table(tmp_path / name / f"{t.name}.parquet") for t in FINDINGS_TABLES]

    before = scanned("before")
    status, report = compact(path)

    assert status == 0
    assert report["merged"] > 2 * len(day_files(path))
    for ours, theirs in zip(scanned("after"), before, strict=True):
        assert ours.to_pylist() == theirs.to_pylist()


def test_day_that_grows_is_not_written_anew_each_time() -> None:
    """A thousand equal commits are each written ten times or less, and files stay few."""
    parts: list[Part] = []
    written = 0
    for number in range(1000):
        parts.append(Part(f"exchanges/2026-03-01/{number:06}.parquet", 100))
        if some := smallest(parts, 8):
            merged = Part(f"exchanges/2026-03-01/{number:06}m.parquet", sum(p.rows for p in some))
            written += merged.rows
            parts = [*(part for part in parts if part not in some), merged]
        assert len(parts) <= 8
    assert sum(part.rows for part in parts) == 100_000
    assert written <= 10 * 100_000


@contextmanager
def during_compaction(act: Callable[[], object]) -> Any:
    """The next compaction in this block has prepared its files, and then `act` comes first."""
    waiting = [act]
    take_lock = stillwatch.lake.compaction.locked

    def locked(lake: Path) -> Any:
        if waiting:
            waiting.pop()()
        return take_lock(lake)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stillwatch.lake.compaction, "locked", locked)
        yield


def test_rows_that_are_imported_meanwhile_are_kept(tmp_path: Path) -> None:
    """What is committed while files are being merged stays beside them."""
    path = grown(tmp_path / "lake", rows(1), rows(2))

    with during_compaction(lambda: grown(path, rows(2, 3), rows(30))):
        done = compact_lake(path)

    assert done.merged == 4
    assert [pair[0]["exchange_id"] for pair in content(path)] == ["e1", "e2", "e3", "e30"]
    assert check_lake(path).problems == []


def test_who_is_overtaken_by_another_compaction_leaves_its_files(tmp_path: Path) -> None:
    """Of two at once one merges, and no row is doubled."""
    path = grown(tmp_path / "lake", rows(1), rows(2))
    before = content(path)

    with during_compaction(lambda: compact_lake(path)):
        done = compact_lake(path)

    assert (done.merged, done.overtaken) == (0, 4)
    assert content(path) == before
    assert check_lake(path).leftovers == []


def test_import_that_a_compaction_overtook_adds_each_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes out what is there, and sketches nothing again while others wait."""
    path = grown(tmp_path / "lake", rows(1), rows(2), rows(3))

    def first() -> None:
        grown(path, rows(5))
        compact_lake(path)

        def again(batch: pa.RecordBatch) -> pa.RecordBatch:
            raise AssertionError("texts are sketched again")

        monkeypatch.setattr(stillwatch.lake.making_sketches, "sketch_exchanges", again)

    with overtaken(first), Lake.open(path).writer() as writer:
        writer.add("exchanges", rows(2, 4, 5))

    assert (writer.added.imported, writer.added.duplicates) == (1, 2)
    assert [pair[0]["exchange_id"] for pair in content(path)] == ["e1", "e2", "e3", "e4", "e5"]


def test_import_overtaken_by_a_repair_brings_back_what_that_took_out(tmp_path: Path) -> None:
    """A row that it passed over as known, and that is gone since, is imported after all."""
    path = grown(tmp_path / "lake", rows(1), rows(2))

    def first() -> None:
        Lake.open(path).files("sketches")[0].write_bytes(b"PAR1")
        repair_lake(path, set_aside=True)

    with overtaken(first), Lake.open(path).writer() as writer:
        writer.add("exchanges", rows(1, 2, 3))

    assert [pair[0]["exchange_id"] for pair in content(path)] == ["e1", "e2", "e3"]


def test_reader_of_a_snapshot_is_not_disturbed(tmp_path: Path) -> None:
    """Replaced files stay for a day, or until nobody reads if that is asked for."""
    path = grown(tmp_path / "lake", rows(1), rows(2))

    with Lake.reading(path) as lake:
        before = {file: file.read_bytes() for t in lake.manifest.tables for file in lake.files(t)}
        status, report = compact(path, "--now")
        assert (status, report["merged"], report["removed"]) == (0, 4, None)
        repair_lake(path, set_aside=True)
        assert {file: file.read_bytes() for file in before} == before
    status, report = compact(path, "--now")

    assert (status, report["merged"], report["removed"]) == (0, 0, 4)
    assert not any(file.exists() for file in before)
    assert len(list(path.rglob("*.parquet"))) == 2
    assert check_lake(path).problems == []


def test_replaced_files_go_after_a_day(tmp_path: Path) -> None:
    """The next command that writes removes them."""
    path = grown(tmp_path / "lake", rows(1), rows(2))
    compact_lake(path)
    manifest = Manifest.read(path)
    past = datetime.now(UTC) - timedelta(days=1, seconds=1)
    manifest.retired.update(dict.fromkeys(manifest.retired, past.isoformat()))
    manifest.write(path)

    repair_lake(path, set_aside=False)

    assert len(list(path.rglob("*.parquet"))) == 2


def test_reader_without_the_right_to_write_counts_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs none where somebody has removed files before; else it reads unseen."""
    path = grown(tmp_path / "lake", rows(1))
    opened = os.open

    def read_only(name: Any, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise PermissionError
        return opened(name, flags, *mode)

    def seen_while_reading() -> bool:
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", read_only)
            held = reading(path)
            held.__enter__()
        removed = remove_replaced(path)
        held.__exit__(None, None, None)
        return removed is None

    (path / ".readers").unlink(missing_ok=True)

    assert [seen_while_reading(), seen_while_reading()] == [False, True]


def test_damaged_file_is_told_and_not_laundered(tmp_path: Path) -> None:
    """Merged, its bytes would get a new digest; other days are merged all the same."""
    path = grown(tmp_path / "lake", rows(1), rows(2), rows(30), rows(31))
    file = day_files(path)["2026-03-01"][0]
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    file.write_bytes(data)

    status, report = compact(path)

    assert (status, report["merged"], len(report["problems"])) == (1, 4, 1)
    assert report["problems"][0]["where"] == str(file)
    assert file in Lake.open(path).files("exchanges")
    assert len(day_files(path)["2026-03-02"]) == 1


def test_lake_that_holds_a_row_twice_is_left_alone(tmp_path: Path) -> None:
    """Rows and sketches could not be told apart; the check says what to do."""
    path = grown(tmp_path / "lake", rows(1, 2))
    manifest = Manifest.read(path)
    tables = dict(manifest.tables)
    for table in ("exchanges", "sketches"):
        (part,) = manifest.parts(table)
        copy = part.path.replace(".parquet", "0.parquet")
        (path / copy).write_bytes((path / part.path).read_bytes())
        tables[table] = (part, Part(copy, part.rows, part.sha256))
    Manifest(manifest.key_fingerprint, tables).write(path)
    before = Manifest.read(path)

    with pytest.raises(StillwatchError, match="not those of the files"):
        compact_lake(path)

    assert Manifest.read(path) == before
    assert check_lake(path).leftovers == []
