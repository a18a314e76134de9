"""The lake: one snapshot a reader, one commit an import."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_rows import START, accounts, exchanges, new_lake, stored

from stillwatch.cli.export import command as export
from stillwatch.lake.manifest import MANIFEST, Manifest, Part
from stillwatch.lake.store import Lake
from stillwatch.lake.writer import LakeWriter
from stillwatch.records import EXCHANGES, InputError


def add_and_fail(writer: LakeWriter) -> None:
    writer.add("exchanges", exchanges(1))
    raise RuntimeError


def test_new_lake_is_written_at_its_first_commit(tmp_path: Path) -> None:
    """A lake whose first import fails was never there."""
    lake = Lake.create(tmp_path / "lake", "key-1")
    with pytest.raises(RuntimeError), lake.writer() as writer:
        add_and_fail(writer)

    assert not (tmp_path / "lake").exists()
    with lake.writer():
        pass
    assert Lake.open(tmp_path / "lake").manifest.key_fingerprint == "key-1"


def test_interrupt_right_after_the_commit_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When Ctrl-C comes just after the manifest was replaced, the lake is the new one, whole."""
    lake = new_lake(tmp_path / "lake", exchanges(1))
    write = Manifest.write

    def write_and_interrupt(manifest: Manifest, path: Path) -> None:
        write(manifest, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(Manifest, "write", write_and_interrupt)
    with pytest.raises(KeyboardInterrupt), lake.writer() as writer:
        writer.add("exchanges", exchanges(2, 3))

    assert len(stored(Lake.open(tmp_path / "lake"), "exchanges")) == 3


def test_reader_keeps_the_snapshot_it_opened(tmp_path: Path) -> None:
    """What is imported after a reader opened the lake changes none of its files."""
    lake = new_lake(tmp_path / "lake", exchanges(1, 2))
    with lake.writer() as writer:
        writer.add("accounts", accounts("a", plan="free"))
    reader = Lake.open(tmp_path / "lake")

    for number in (3, 4):
        with Lake.open(tmp_path / "lake").writer() as writer:
            writer.add("exchanges", exchanges(number))
            writer.add("accounts", accounts("a", plan=f"plan {number}"))

    assert [row["exchange_id"] for row in stored(reader, "exchanges")] == ["e1", "e2"]
    assert stored(reader, "accounts") == [{"account_id": "a", "plan": "free"}]
    assert stored(Lake.open(tmp_path / "lake"), "accounts")[0]["plan"] == "plan 4"


def test_another_key_is_refused_even_when_the_lake_came_meanwhile(tmp_path: Path) -> None:
    """Two first imports under two keys cannot both make the lake."""
    late = Lake.create(tmp_path / "lake", "key-2")
    new_lake(tmp_path / "lake", exchanges(1))

    with pytest.raises(InputError, match="key-1"), late.writer() as writer:
        writer.add("exchanges", exchanges(2))

    assert len(stored(Lake.open(tmp_path / "lake"), "exchanges")) == 1


@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(st.integers(0, 100), max_size=12), min_size=1, max_size=4))
def test_lake_is_the_union_of_what_was_added(
    tmp_path_factory: pytest.TempPathFactory, imports: list[list[int]]
) -> None:
    """Whatever repeats within and between imports, the lake is the set of ids, in order of time."""
    path = tmp_path_factory.mktemp("lakes") / "lake"
    for number, ids in enumerate(imports):
        lake = Lake.open(path) if number else Lake.create(path, "key-1")
        with lake.writer() as writer:
            for start in range(0, len(ids), 5):
                writer.add("exchanges", exchanges(*ids[start : start + 5]))

    found = [row["exchange_id"] for row in stored(Lake.open(path), "exchanges")]

    expected = {f"e{n}" for ids in imports for n in ids}
    assert (set(found), len(found)) == (expected, len(expected))
    days = [p.parent.name for p in Lake.open(path).files("exchanges")]
    assert days == sorted(days)


def test_column_that_only_some_batches_have_is_null_in_others(tmp_path: Path) -> None:
    """Batches of one day may differ in their columns."""
    lake = new_lake(
        tmp_path / "lake", exchanges(1), exchanges(2, model="m"), exchanges(3, grade="x")
    )

    rows = {row["exchange_id"]: row for row in stored(lake, "exchanges")}

    assert rows["e1"] | {"model": None, "grade": None} == rows["e1"]
    assert (rows["e2"]["model"], rows["e3"]["grade"]) == ("m", "x")


def test_files_are_private(tmp_path: Path) -> None:
    """Nobody but the owner reads a lake."""
    lake = new_lake(tmp_path / "lake", exchanges(1))

    assert lake.path.stat().st_mode & 0o777 == 0o700
    for path in [*lake.files("exchanges"), *lake.files("sketches"), lake.path / MANIFEST]:
        assert path.stat().st_mode & 0o777 == 0o600


def test_replaced_files_go_after_a_day(tmp_path: Path) -> None:
    """A replaced file stays for whoever reads it, and is not kept for ever."""
    manifest = Manifest("k", {"accounts": (Part("accounts/1.parquet", 1),)})

    replaced = manifest.with_replaced("accounts", Part("accounts/2.parquet", 1), now=START)

    assert replaced.named_at(START + timedelta(hours=1)) == {
        "accounts/1.parquet",
        "accounts/2.parquet",
    }
    assert replaced.named_at(START + timedelta(days=2)) == {"accounts/2.parquet"}
    again = replaced.with_replaced(
        "accounts", Part("accounts/3.parquet", 1), now=START + timedelta(days=2)
    )
    assert set(again.retired) == {"accounts/2.parquet"}


def test_replaced_parts_keep_their_places(tmp_path: Path) -> None:
    """Exchanges and sketches run in parallel, however many of them are replaced at once."""
    old = [Part(f"exchanges/d/{name}.parquet", 1) for name in "abc"]
    manifest = Manifest("k", {"exchanges": tuple(old), "accounts": (Part("accounts/1", 1),)})
    new_by_old = {part: Part(part.next_path, 1) for part in (old[2], old[0])}

    replaced = manifest.with_parts_replaced("exchanges", new_by_old, now=START)

    assert replaced.parts("exchanges") == (new_by_old[old[0]], old[1], new_by_old[old[2]])
    assert replaced.parts("accounts") == manifest.parts("accounts")
    assert set(replaced.retired) == {old[0].path, old[2].path}
    assert manifest.with_parts_replaced("exchanges", {}, now=START).tables == manifest.tables


def test_manifest_reads_what_it_wrote(tmp_path: Path) -> None:
    """Writing and reading a manifest gives the same manifest."""
    manifest = Manifest(
        "k", {"exchanges": (Part("exchanges/d/1.parquet", 3),)}, {"x": START.isoformat()}
    )

    manifest.write(tmp_path)

    assert Manifest.read(tmp_path) == manifest


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "tables": 3}']
)
def test_damaged_manifest_is_an_input_error(tmp_path: Path, content: str) -> None:
    """A manifest that is no manifest is said to be one, without a traceback."""
    (tmp_path / MANIFEST).write_text(content)

    with pytest.raises(InputError, match="manifest"):
        Lake.open(tmp_path)


def test_lake_of_a_later_format_is_refused(tmp_path: Path) -> None:
    """A lake that a later version made is not guessed at."""
    content = {"format": 2, "key_fingerprint": "k", "tables": {}, "retired": {}}
    (tmp_path / MANIFEST).write_text(json.dumps(content))

    with pytest.raises(InputError, match="format 2"):
        Lake.open(tmp_path)


def test_no_lake_says_how_to_make_one(tmp_path: Path) -> None:
    """Opening a folder without a lake names the command that makes one."""
    with pytest.raises(InputError, match="stillwatch import"):
        Lake.open(tmp_path / "none")


def test_export_holds_the_lake_and_nothing_else(tmp_path: Path) -> None:
    """The exported tables are the lake's rows, one file a day, and imported again change nothing."""
    lake = new_lake(tmp_path / "lake", exchanges(*range(0, 60, 7), grade="x"), exchanges(3, 90))
    with lake.writer() as writer:
        writer.add("accounts", accounts("a", "b", plan="free"))

    result = CliRunner().invoke(
        export, ["--lake", str(lake.path), "--out", str(tmp_path / "out"), "--json"]
    )

    # Without its accounts a log convicts nobody: the scan that comes next has them.
    assert f"--accounts {tmp_path / 'out' / 'accounts.parquet'}" in result.stderr
    assert json.loads(result.stdout) | {"exchanges": 11, "accounts": 2} == json.loads(result.stdout)
    files = sorted(p.name for p in (tmp_path / "out").rglob("*.parquet"))
    assert files == [f"2026-03-0{d}.parquet" for d in range(1, 5)] + ["accounts.parquet"]
    before = (lake.path / MANIFEST).read_bytes()
    with lake.writer() as writer:
        for path in (tmp_path / "out" / "exchanges").iterdir():
            table = pq.read_table(path)
            assert table.schema.field("started_at").type == EXCHANGES.arrow.field("started_at").type
            writer.add("exchanges", table)
        writer.add("accounts", pq.read_table(tmp_path / "out" / "accounts.parquet"))
    assert (lake.path / MANIFEST).read_bytes() == before
    assert (writer.added.imported, writer.added.duplicates) == (0, 13)


def test_export_overwrites_nothing(tmp_path: Path) -> None:
    """A folder with something in it is left alone."""
    new_lake(tmp_path / "lake", exchanges(1))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()

    result = CliRunner().invoke(
        export, ["--lake", str(tmp_path / "lake"), "--out", str(tmp_path / "out")]
    )

    assert result.exit_code == 2
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]
