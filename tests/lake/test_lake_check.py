"""`stillwatch lake check` and `repair`: what is wrong with a lake is said, and can be mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from lake_rows import accounts, exchanges, new_lake, stored

from stillwatch.cli.main import run
from stillwatch.lake.manifest import MANIFEST, Manifest, Part
from stillwatch.lake.store import Lake
from stillwatch.records import InputError


def lake_command(*words: str) -> tuple[int, dict[str, Any], str]:
    result = CliRunner().invoke(run, ["lake", *words, "--json"])
    return result.exit_code, json.loads(result.stdout) if result.stdout else {}, result.stderr


def whole_lake(path: Path) -> Lake:
    lake = new_lake(path / "lake", exchanges(1, 2, 30))
    with lake.writer() as writer:
        writer.add("accounts", accounts("a", plan="free"))
    return lake


def test_whole_lake_passes(tmp_path: Path) -> None:
    """Of a lake as it should be, the check tells what it read, and ends with 0."""
    lake = whole_lake(tmp_path)

    status, report, words = lake_command("check", "--lake", str(lake.path))

    assert (status, report["ok"], report["problems"], report["leftovers"]) == (0, True, [], [])
    assert report["rows"] == {"accounts": 1, "exchanges": 3, "sketches": 3}
    assert (report["files"], report["files_without_digest"]) == (5, 0)
    assert "whole" in words


def remove(path: Path) -> None:
    path.unlink()


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def turn_a_bit(path: Path) -> None:
    """In the data, not in the footer: the file can still be opened."""
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)


def lose_rows(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 1), path)


@pytest.mark.parametrize("table", ["exchanges", "sketches", "accounts"])
@pytest.mark.parametrize("damage", [remove, cut_off, turn_a_bit, lose_rows])
def test_damage_is_found_and_can_be_set_aside(
    tmp_path: Path, damage: Callable[[Path], None], table: str
) -> None:
    """The file is named with what to do; set aside, the lake is whole and takes its rows again."""
    lake = whole_lake(tmp_path)
    file = lake.files(table)[0]
    rows = lake.manifest.parts(table)[0].rows
    damage(file)

    status, report, words = lake_command("check", "--lake", str(lake.path))
    assert status == 1
    assert {problem["where"] for problem in report["problems"]} == {str(file)}
    assert "lake repair --set-aside" in words

    status, report, _ = lake_command("repair", "--lake", str(lake.path), "--set-aside")
    assert (status, report["rows_set_aside"][table]) == (0, rows)
    assert lake_command("check", "--lake", str(lake.path))[0] == 0
    assert (lake.path / "damaged" / file.relative_to(lake.path)).exists() == (damage is not remove)
    with Lake.open(lake.path).writer() as writer:
        writer.add("exchanges", exchanges(1, 2, 30))
        writer.add("accounts", accounts("a", plan="free"))
    assert writer.added.imported == rows
    assert len(stored(Lake.open(lake.path), "exchanges")) == 3


def test_repair_takes_nothing_out_unless_asked(tmp_path: Path) -> None:
    """Without --set-aside a damaged lake stays as it is."""
    lake = whole_lake(tmp_path)
    turn_a_bit(lake.files("exchanges")[0])
    before = (lake.path / MANIFEST).read_bytes()

    status, report, _ = lake_command("repair", "--lake", str(lake.path))

    assert (status, report["set_aside"]) == (0, [])
    assert (lake.path / MANIFEST).read_bytes() == before
    assert lake_command("check", "--lake", str(lake.path))[0] == 1


def test_exchanges_whose_sketches_are_lost_are_kept(tmp_path: Path) -> None:
    """What can be read of what was set aside lies in `damaged`, to be imported again."""
    lake = whole_lake(tmp_path)
    lake.files("sketches")[0].unlink()

    lake_command("repair", "--lake", str(lake.path), "--set-aside")

    kept = [pq.read_table(p) for p in (lake.path / "damaged" / "exchanges").rglob("*.parquet")]
    assert [table["exchange_id"].to_pylist() for table in kept] == [["e1", "e2"]]


def test_exchanges_without_sketches_beside_them_are_found(tmp_path: Path) -> None:
    """A scan would read the sketches of other exchanges."""
    lake = whole_lake(tmp_path)
    tables = lake.manifest.tables | {"sketches": lake.manifest.parts("sketches")[1:]}
    Manifest(lake.manifest.key_fingerprint, tables).write(lake.path)

    assert lake_command("check", "--lake", str(lake.path))[0] == 1
    assert lake_command("repair", "--lake", str(lake.path), "--set-aside")[0] == 0
    assert lake_command("check", "--lake", str(lake.path))[0] == 0


def test_row_that_is_there_twice_is_found(tmp_path: Path) -> None:
    """Files that are each whole, but hold the same exchanges."""
    lake = whole_lake(tmp_path)
    tables = dict(lake.manifest.tables)
    for table in ("exchanges", "sketches"):
        part = lake.manifest.parts(table)[0]
        copy = part.path.replace(".parquet", "0.parquet")
        (lake.path / copy).write_bytes((lake.path / part.path).read_bytes())
        tables[table] = (*tables[table], Part(copy, part.rows, part.sha256))
    Manifest(lake.manifest.key_fingerprint, tables).write(lake.path)

    status, report, words = lake_command("check", "--lake", str(lake.path))

    assert status == 1
    assert [problem["where"] for problem in report["problems"]] == [str(lake.path / "exchanges")]
    assert "2 rows are there more than once" in words


def test_file_outside_of_the_lake_is_not_of_it(tmp_path: Path) -> None:
    """A manifest that was tampered with cannot make another folder's file a part of the lake."""
    lake = whole_lake(tmp_path)
    outside = tmp_path / "mine.parquet"
    outside.write_bytes(lake.files("accounts")[0].read_bytes())
    tables = lake.manifest.tables | {"accounts": (Part("accounts/../../mine.parquet", 1),)}
    Manifest(lake.manifest.key_fingerprint, tables).write(lake.path)

    assert lake_command("check", "--lake", str(lake.path))[0] == 1
    assert lake_command("repair", "--lake", str(lake.path), "--set-aside")[0] == 0

    assert outside.exists()
    assert lake_command("check", "--lake", str(lake.path))[0] == 0


def test_leavings_are_named_and_removed(tmp_path: Path) -> None:
    """What nobody names and nobody alive works on is left over; it is no damage."""
    lake = whole_lake(tmp_path)
    stray = lake.files("exchanges")[0].with_name("stray.parquet")
    stray.write_bytes(b"half")
    dead = lake.path / ".staging" / "dead"
    dead.mkdir(parents=True)
    (dead / "owner").touch()
    partial = lake.path / f".{MANIFEST}.1.partial"
    partial.touch()

    status, report, _ = lake_command("check", "--lake", str(lake.path))
    assert (status, set(report["leftovers"])) == (0, {str(stray), str(dead), str(partial)})

    status, report, _ = lake_command("repair", "--lake", str(lake.path))
    assert (status, len(report["removed"])) == (0, 3)
    assert lake_command("check", "--lake", str(lake.path))[1]["leftovers"] == []


def test_manifest_that_cannot_be_read_makes_nothing_a_leaving(tmp_path: Path) -> None:
    """Without a readable manifest nothing is removed; the check fails, and so does an import."""
    lake = whole_lake(tmp_path)
    files = lake.files("exchanges") + lake.files("accounts")
    (lake.path / MANIFEST).write_text("{")

    status, report, _ = lake_command("check", "--lake", str(lake.path))

    assert (status, report["ok"]) == (1, False)
    assert lake_command("repair", "--lake", str(lake.path))[0] == 2
    assert all(path.exists() for path in files)


def test_files_of_a_lake_without_manifest_are_not_removed(tmp_path: Path) -> None:
    """Who lost the manifest still has the files: imports are refused, and remove none."""
    lake = whole_lake(tmp_path)
    files = lake.files("exchanges")
    (lake.path / MANIFEST).unlink()

    with pytest.raises(InputError, match="no lake"):
        Lake.open_or_create(lake.path, "key-1")
    with pytest.raises(InputError, match="lost its manifest"), lake.writer():
        pass
    assert all(path.exists() for path in files)


def test_file_of_an_early_version_is_read_whole(tmp_path: Path) -> None:
    """Without a digest the data is decoded, so that damage in it shows all the same."""
    lake = whole_lake(tmp_path)
    tables = {t: tuple(Part(p.path, p.rows) for p in ps) for t, ps in lake.manifest.tables.items()}
    Manifest(lake.manifest.key_fingerprint, tables).write(lake.path)

    status, report, _ = lake_command("check", "--lake", str(lake.path))
    assert (status, report["files_without_digest"]) == (0, 5)

    turn_a_bit(lake.files("exchanges")[0])
    assert lake_command("check", "--lake", str(lake.path))[0] == 1


def test_check_of_no_lake_is_unusable_input(tmp_path: Path) -> None:
    """A folder without a lake is left as it is."""
    assert lake_command("check", "--lake", str(tmp_path / "none"))[0] == 2
    assert not (tmp_path / "none").exists()


def test_scan_of_a_damaged_lake_is_refused(tmp_path: Path) -> None:
    """Read without one of its files, exchanges would get the sketches of others."""
    lake = whole_lake(tmp_path)
    cut_off(lake.files("exchanges")[0])

    result = CliRunner().invoke(run, ["scan", "--lake", str(lake.path)])

    assert result.exit_code == 2
    assert "stillwatch lake check" in result.stderr
