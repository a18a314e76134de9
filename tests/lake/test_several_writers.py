"""Several who write to one lake at once: nothing is lost, nothing doubled, nobody disturbed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_rows import accounts, exchanges, new_lake, overtaken, stored

import stillwatch.lake.workplace
from stillwatch.lake.check import check_lake
from stillwatch.lake.repair import repair_lake
from stillwatch.lake.store import Lake
from stillwatch.records import InputError, StillwatchError


def add(path: Path, ids: list[int], added: list[tuple[int, int]] | None = None) -> None:
    with Lake.open_or_create(path, "key-1").writer() as writer:
        writer.add("exchanges", exchanges(*ids))
    if added is not None:
        added.append((writer.added.imported, writer.added.duplicates))


IDS = st.lists(st.integers(0, 60), max_size=15)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=IDS, first=IDS, second=IDS)
def test_commit_that_was_overtaken_adds_what_the_other_did_not(
    tmp_path_factory: pytest.TempPathFactory, before: list[int], first: list[int], second: list[int]
) -> None:
    """Of two imports that were prepared at once, each row is in the lake once and counted once."""
    path = tmp_path_factory.mktemp("lakes") / "lake"
    added: list[tuple[int, int]] = []
    add(path, before)

    with overtaken(lambda: add(path, first, added)):
        add(path, second, added)

    lake = Lake.open(path)
    found = [row["exchange_id"] for row in stored(lake, "exchanges")]
    new = set(first) | set(second)
    assert sorted(found) == sorted(f"e{n}" for n in new | set(before))
    assert [row["exchange_id"] for row in stored(lake, "sketches")] == found
    assert sum(imported for imported, _ in added) == len(new - set(before))
    assert [sum(counts) for counts in added] == [len(first), len(second)]
    assert check_lake(path).problems == []


def test_lake_that_two_first_imports_make_holds_both(tmp_path: Path) -> None:
    """Two imports that each found no lake make one together."""
    path = tmp_path / "lake"

    with overtaken(lambda: add(path, [1, 2])):
        add(path, [2, 3])

    assert {row["exchange_id"] for row in stored(Lake.open(path), "exchanges")} == {
        "e1",
        "e2",
        "e3",
    }


def test_other_key_that_comes_first_wins(tmp_path: Path) -> None:
    """Two first imports under two keys: the one that commits later is refused and leaves nothing."""
    late = Lake.create(tmp_path / "lake", "key-2")

    with (
        overtaken(lambda: add(tmp_path / "lake", [1])),
        pytest.raises(InputError, match="key-1"),
        late.writer() as writer,
    ):
        writer.add("exchanges", exchanges(2))

    assert [row["exchange_id"] for row in stored(Lake.open(tmp_path / "lake"), "exchanges")] == [
        "e1"
    ]
    assert check_lake(tmp_path / "lake").leftovers == []


def test_account_rows_of_both_are_merged(tmp_path: Path) -> None:
    """What two imports say of one account at once is all kept."""
    lake = new_lake(tmp_path / "lake", exchanges(1))

    def other() -> None:
        with Lake.open(lake.path).writer() as writer:
            writer.add("accounts", accounts("a", "b", plan="free"))

    with overtaken(other), lake.writer() as writer:
        writer.add("accounts", accounts("a", "c", country="NL"))

    rows = {row["account_id"]: row for row in stored(Lake.open(lake.path), "accounts")}
    assert (rows["a"]["plan"], rows["a"]["country"]) == ("free", "NL")
    assert set(rows) == {"a", "b", "c"}


def test_import_goes_on_while_others_import_and_clean_up(tmp_path: Path) -> None:
    """What one writer has set aside is not taken for the leavings of a dead one."""
    path = new_lake(tmp_path / "lake", exchanges(1)).path

    with Lake.open(path).writer() as writer:
        writer.add("exchanges", exchanges(2))
        add(path, [3])
        repair_lake(path, set_aside=True)
        assert check_lake(path).working == 1
        writer.add("exchanges", exchanges(4))

    assert len(stored(Lake.open(path), "exchanges")) == 4
    assert not (path / ".staging").exists()


def test_reader_of_a_snapshot_is_not_disturbed(tmp_path: Path) -> None:
    """A snapshot can be read to its end while others commit, replace small tables and clean up."""
    lake = new_lake(tmp_path / "lake", exchanges(1, 30))
    with lake.writer() as writer:
        writer.add("accounts", accounts("a", plan="free"))
    files = Lake.open(lake.path).files("exchanges") + Lake.open(lake.path).files("accounts")
    before = [path.read_bytes() for path in files]
    opened = pq.ParquetFile(files[0])

    for number in range(3):
        with Lake.open(lake.path).writer() as writer:
            writer.add("exchanges", exchanges(number + 40))
            writer.add("accounts", accounts("a", plan=f"plan {number}"))
        repair_lake(lake.path, set_aside=True)

    assert [path.read_bytes() for path in files] == before
    assert opened.read().num_rows == 1


def test_lock_that_nobody_gives_back_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits in vain for a hanging command says so, and its work leaves nothing."""
    path = new_lake(tmp_path / "lake", exchanges(1)).path
    monkeypatch.setattr(stillwatch.lake.workplace, "_PATIENCE_SECONDS", 0.1)

    with (
        stillwatch.lake.workplace.locked(path),
        pytest.raises(StillwatchError, match="has held this lake"),
        Lake.open(path).writer(),
    ):
        pass

    assert check_lake(path).leftovers == []


def write_half(folder: Path) -> None:
    (folder / "scan.json").write_text("half")
    (folder / "gone").unlink()


def test_findings_are_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """A scan that fails leaves the earlier findings; one that ends keeps what others put there."""
    lake = new_lake(tmp_path / "lake", exchanges(1))
    with lake.new_findings() as folder:
        (folder / "scan.json").write_text("1")
    (lake.findings_directory / "notes.txt").write_text("mine")

    with pytest.raises(FileNotFoundError), lake.new_findings() as folder:
        write_half(folder)
    assert (lake.findings_directory / "scan.json").read_text() == "1"

    with lake.new_findings() as folder:
        (folder / "scan.json").write_text("2")
    names = {path.name: path.read_text() for path in lake.findings_directory.iterdir()}
    assert names == {"scan.json": "2", "notes.txt": "mine"}


def test_findings_of_a_moment_leave_the_latest_and_those_of_others(tmp_path: Path) -> None:
    """Each moment has its own, and only a scan until that very moment replaces them."""
    lake = new_lake(tmp_path / "lake", exchanges(1))
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    later = noon.replace(microsecond=5)
    for until, text in ((None, "all"), (noon, "first"), (later, "later"), (noon, "second")):
        with lake.new_findings(until) as folder:
            (folder / "scan.json").write_text(text)

    found = {p.parent.name: p.read_text() for p in lake.path.glob("findings*/scan.json")}
    assert found == {
        "findings": "all",
        "findings-until-2026-03-01T120000Z": "second",
        "findings-until-2026-03-01T120000.000005Z": "later",
    }
    assert check_lake(lake.path).leftovers == []


@pytest.mark.parametrize("until", [None, datetime(2026, 3, 1, 12, tzinfo=UTC)])
def test_findings_whose_replacement_died_half_way_come_back(
    tmp_path: Path, until: datetime | None
) -> None:
    """Under their own name: those of a moment never become the latest."""
    lake = new_lake(tmp_path / "lake", exchanges(1))
    place = lake.findings_directory if until is None else lake.findings_until(until)
    with lake.new_findings(until) as folder:
        (folder / "scan.json").write_text("1")
    dead = lake.path / ".staging" / "dead" / "replaced"
    dead.mkdir(parents=True)
    place.rename(dead / place.name)

    with lake.writer():
        pass

    assert [p.name for p in lake.path.glob("findings*")] == [place.name]
    assert (place / "scan.json").read_text() == "1"
