"""`stillwatch backup` and `restore`: one consistent point, and whole or refused."""

from __future__ import annotations

import io
import json
import random
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lake_rows import accounts, exchanges, new_lake, stored

import stillwatch.lake.backup
from stillwatch.cli.main import run
from stillwatch.identity import KeySource, create_key
from stillwatch.lake.backup import back_up
from stillwatch.lake.check import check_lake
from stillwatch.lake.compaction import compact_lake
from stillwatch.lake.holds import add_hold, read_holds
from stillwatch.lake.manifest import Manifest
from stillwatch.lake.restoring import restore
from stillwatch.lake.store import Lake
from stillwatch.records import InputError


def command(*words: object, status: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(run, [*map(str, words), "--json"])
    assert result.exit_code == status, result.output
    return json.loads(result.stdout) if result.stdout else {}


def full_lake(folder: Path, key: str = "key-1") -> Path:
    """With tables, a history, findings, a hold, a store, and what a receiver holds."""
    lake = new_lake(folder / "lake", exchanges(1, 30, input_text="Explain tides."), key=key)
    for plan in ("free", "team"):
        with lake.writer() as writer:
            writer.add("accounts", accounts("a", plan=plan))
    with lake.new_findings() as findings:
        (findings / "scan.json").write_text("{}")
        (findings / "dossier").mkdir()
        (findings / "dossier" / "C-1.html").write_text("<p>")
    add_hold(lake.path, account="a", reason="A dispute.", until=None)
    (lake.path / ".receiver").mkdir()
    for path in (lake.path / "store.sqlite", lake.path / ".receiver" / "spool.sqlite"):
        with closing(sqlite3.connect(path)) as database:
            database.execute("pragma journal_mode = wal")
            database.execute("create table told (what)")
            database.execute("insert into told values ('kept')")
            database.commit()
    return lake.path


def told(database: Path) -> list[Any]:
    with closing(sqlite3.connect(database)) as opened:
        return opened.execute("select what from told").fetchall()


def test_restored_lake_is_the_lake(tmp_path: Path) -> None:
    """All that counts is there, file by file; what counts for nothing is not."""
    lake, out = full_lake(tmp_path), tmp_path / "lake.tar"
    (lake / "exchanges" / "left.parquet").write_bytes(b"PAR1")
    (lake / "exchanges" / "left.parquet").chmod(0o600)
    (lake / "damaged").mkdir()
    (lake / "damaged" / "old.parquet").write_bytes(b"PAR1")

    saved = command("backup", "--lake", lake, "--out", out)
    restored = command("restore", out, "--lake", tmp_path / "again")

    again = tmp_path / "again"
    names = {str(p.relative_to(again)) for p in again.rglob("*") if p.is_file()}
    modes = {oct(p.stat().st_mode & 0o777) for p in again.rglob("*")}
    assert check_lake(again).problems == []
    ours, theirs = Manifest.read(lake), Manifest.read(again)
    assert (theirs.tables, theirs.retired) == (ours.tables, {})
    for table in ours.tables:
        assert stored(Lake.open(again), table) == stored(Lake.open(lake), table)
    assert read_holds(again) == read_holds(lake)
    assert names - {part.path for parts in ours.tables.values() for part in parts} == {
        "manifest.json", "holds.json", "findings/scan.json", "findings/dossier/C-1.html",
        "store.sqlite", ".receiver/spool.sqlite",
    }  # fmt: skip
    assert told(again / "store.sqlite") == told(again / ".receiver/spool.sqlite") == [("kept",)]
    assert modes == {"0o600", "0o700"}
    assert {p.stat().st_mode & 0o77 for p in (lake / "exchanges").rglob("*/")} == {0}
    assert oct(out.stat().st_mode & 0o777) == "0o600"
    assert saved["files"] == restored["files"] == len(names)
    assert (saved["exchanges"], saved["with_key"]) == (2, False)
    assert check_lake(lake).working == 0


def test_backup_while_others_import_is_of_one_point(tmp_path: Path) -> None:
    """Each import is in it whole or not at all, in order, and importing again completes it."""
    path, out = tmp_path / "lake", io.BytesIO()
    new_lake(path, exchanges(0, 1))
    begun, stop = threading.Event(), threading.Event()
    committed = [0]

    def write() -> None:
        for number in range(1, 400):
            with Lake.open(path).writer() as writer:
                # Two days and a small table: a half would show.
                writer.add("exchanges", exchanges(2 * number, 500 + 2 * number))
                writer.add("accounts", accounts("a", plan=str(number)))
            committed.append(number)
            begun.set()
            if number % 7 == 0:
                compact_lake(path)
            if stop.is_set():
                return

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait(60)
    first = committed[-1]
    saved = back_up(path, out)
    last = committed[-1] + 1
    stop.set()
    thread.join()
    out.seek(0)
    restore(out, tmp_path / "again", name="the backup")

    again = Lake.open(tmp_path / "again")
    assert check_lake(again.path).problems == []
    (plan,) = {row["plan"] for row in stored(again, "accounts")}
    assert first <= int(plan) <= last
    wanted = {"e0", "e1"} | {f"e{n + 2 * k}" for k in range(1, int(plan) + 1) for n in (0, 500)}
    assert {row["exchange_id"] for row in stored(again, "exchanges")} == wanted
    assert saved.exchanges == len(wanted)
    with again.writer() as writer:
        rows = stored(Lake.open(path), "exchanges")
        writer.add("exchanges", exchanges(*(int(row["exchange_id"][1:]) for row in rows)))
    assert again.rows("exchanges") == Lake.open(path).rows("exchanges")


def test_what_is_replaced_meanwhile_does_not_matter(tmp_path: Path) -> None:
    """Findings, files and the store change between the snapshot and its last byte."""
    lake = full_lake(tmp_path)
    before = Manifest.read(lake)

    class Slow(io.BytesIO):
        changed = False

        def write(self, data: Any) -> int:
            if not self.changed:
                self.changed = True
                with Lake.open(lake).writer() as writer:
                    writer.add("exchanges", exchanges(2))
                compact_lake(lake)
                with Lake.open(lake).new_findings() as findings:
                    (findings / "scan.json").unlink()
                with closing(sqlite3.connect(lake / "store.sqlite")) as database:
                    database.execute("delete from told")
                    database.commit()
            return super().write(data)

    out = Slow()
    back_up(lake, out)
    out.seek(0)
    restore(out, tmp_path / "again", name="the backup")

    assert out.changed
    assert Manifest.read(tmp_path / "again").tables == before.tables
    assert (tmp_path / "again" / "findings" / "scan.json").read_text() == "{}"
    assert told(tmp_path / "again" / "store.sqlite") == [("kept",)]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = io.BytesIO()
    back_up(full_lake(tmp_path_factory.mktemp("lakes")), out)
    return out.getvalue()


def test_backup_that_was_cut_off_or_changed_is_refused(archive: bytes, tmp_path: Path) -> None:
    """Whichever byte it is: nothing is restored then, or just what was saved."""
    chance = random.Random(7)
    for _ in range(60):
        _check_broken(archive, tmp_path, chance.randrange(len(archive)), chance.randrange(256))


def _check_broken(archive: bytes, tmp_path: Path, place: int, bits: int) -> None:
    """Args: bits: How the byte at the place is changed; 0 cuts off there."""
    cut = bits % 3 == 0
    broken = bytearray(archive)
    broken[place] ^= bits or 1
    whole = tmp_path / "whole"
    if not whole.exists():
        restore(io.BytesIO(archive), whole, name="the backup")
    target = tmp_path / f"{place}"

    try:
        restore(io.BytesIO(archive[:place] if cut else bytes(broken)), target, name="the backup")
    except InputError:
        assert not target.exists()
    else:
        # Padding, times and modes of the tar's own are not the lake's.
        files = [{p.relative_to(r): p.read_bytes() for p in r.rglob("*") if p.is_file()}
                 for r in (target, whole)]  # fmt: skip
        assert files[0] == files[1]
        shutil.rmtree(target)
    assert [p.name for p in tmp_path.iterdir()] == ["whole"]


def rewritten(archive: bytes, change: Callable[[tarfile.TarInfo], None]) -> io.BytesIO:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        tarfile.open(fileobj=out, mode="w") as new,
    ):
        for member in old:
            content = old.extractfile(member)
            change(member)
            new.addfile(member, content if member.isfile() else None)
    out.seek(0)
    return out


@pytest.mark.parametrize(
    "name",
    ["lake/../../out", "/etc/out", "out", "lake/.ssh/out", "lake", "lake/./out", "lake//out"],
)
def test_backup_leads_nowhere_else(archive: bytes, tmp_path: Path, name: str) -> None:
    """Names that lead out of the lake, or where a lake has nothing, are refused."""

    def change(member: tarfile.TarInfo) -> None:
        if member.name == "lake/holds.json":
            member.name = name

    with pytest.raises(InputError, match="belongs to no lake"):
        restore(rewritten(archive, change), tmp_path / "inner" / "lake", name="the backup")

    assert list((tmp_path / "inner").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_backup_holds_files_alone(archive: bytes, tmp_path: Path, kind: bytes) -> None:
    """A link in it would lead a later file anywhere."""

    def change(member: tarfile.TarInfo) -> None:
        if member.name == "lake/holds.json":
            member.type, member.linkname, member.size = kind, "/etc/passwd", 0

    with pytest.raises(InputError, match="no file"):
        restore(rewritten(archive, change), tmp_path / "again", name="the backup")


def test_format_of_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """A plain reason, and no half of a lake."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("stillwatch-backup.json")
        content = json.dumps({"format": 2}).encode()
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    out.seek(0)

    with pytest.raises(InputError, match="format 2, and this version reads 1"):
        restore(out, tmp_path / "again", name="the backup")

    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Neither a file by a backup nor a folder by a restore; and no backup goes into a lake."""
    lake, out = full_lake(tmp_path), tmp_path / "lake.tar"
    command("backup", "--lake", lake, "--out", out)
    before = out.read_bytes()

    command("backup", "--lake", lake, "--out", out, status=2)
    command("backup", "--lake", lake, "--out", lake / "lake.tar", status=2)
    command("restore", out, "--lake", lake, status=2)

    assert out.read_bytes() == before
    assert check_lake(lake).problems == []


def test_damaged_lake_is_not_backed_up(tmp_path: Path) -> None:
    """A backup would look whole; no file is left of it."""
    lake = full_lake(tmp_path)
    file = Lake.open(lake).files("exchanges")[0]
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    file.write_bytes(data)

    command("backup", "--lake", lake, "--out", tmp_path / "lake.tar", status=2)

    assert [p.name for p in tmp_path.iterdir()] == ["lake"]


def test_key_goes_along_only_if_asked(tmp_path: Path) -> None:
    """And comes back where `restore --key-file` says; another key is refused."""
    key = create_key(tmp_path / "key")
    create_key(tmp_path / "other")
    lake = full_lake(tmp_path, key.fingerprint)
    with_key = ["backup", "--lake", lake, "--with-key", "--key-file"]
    bare, out = tmp_path / "bare.tar", tmp_path / "lake.tar"

    command("backup", "--lake", lake, "--out", bare)
    command(*with_key, tmp_path / "other", "--out", out, status=2)
    command(*with_key, tmp_path / "key", "--out", out)

    assert key.secret.hex().encode() not in bare.read_bytes()
    words = ["restore", "--lake", tmp_path / "again", "--key-file", tmp_path / "back"]
    assert command(*words, out)["with_key"]
    assert KeySource(tmp_path / "back").read() == key
    assert not any("key" in p.name for p in (tmp_path / "again").rglob("*"))


def test_backup_streams_through_pipes(tmp_path: Path) -> None:
    """`-` is standard output, and standard input of a restore."""
    lake = full_lake(tmp_path)

    sent = CliRunner().invoke(run, ["backup", "--lake", str(lake), "--out", "-"])
    words = ["restore", "-", "--lake", str(tmp_path / "again")]
    got = CliRunner().invoke(run, words, input=sent.stdout_bytes)

    assert (sent.exit_code, got.exit_code) == (0, 0), got.output
    assert Manifest.read(tmp_path / "again").tables == Manifest.read(lake).tables


def test_file_that_cannot_have_two_names_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems have no hard links."""

    def no_links(*_: Any) -> None:
        raise PermissionError

    lake = full_lake(tmp_path)
    monkeypatch.setattr(stillwatch.lake.backup.os, "link", no_links)

    command("backup", "--lake", lake, "--out", tmp_path / "lake.tar")

    with tarfile.open(tmp_path / "lake.tar") as archive:
        assert "lake/findings/scan.json" in archive.getnames()
