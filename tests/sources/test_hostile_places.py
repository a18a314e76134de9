"""Inputs that are no quiet files: pipes, devices, links in a circle, files that change, full disks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from import_builders import Desk, exchange_rows

from stillwatch.sources import pipeline, row_batches
from stillwatch.sources.adapter import ParsedRow, Unreadable
from stillwatch.sources.canonical import CanonicalAdapter

FIXTURES = Path(__file__).parent / "fixtures"


def reasons(desk: Desk) -> dict[str, str]:
    """Name of each file that was set aside as a whole, with the reason."""
    return {Path(r["file"]).name: r["reason"] for r in desk.rows("quarantine") if r["line"] == 0}


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def device(_folder: Path) -> Path:
    return Path("/dev/zero")


@pytest.mark.parametrize("make", [pipe, device])
@pytest.mark.parametrize("words", [["--format", "canonical"], ["--detect"]], ids=" ".join)
def test_a_pipe_or_a_device_is_refused(
    make: Callable[[Path], Path], words: list[str], desk: Desk
) -> None:
    """It is not waited for, nor read until the memory ends: a log is read more than once."""
    path = make(desk.folder)

    if words == ["--detect"]:
        outcome = desk.command("import", "--detect", path)
    else:
        outcome = desk.import_(path)

    assert outcome.status == 2
    assert "a pipe or a device" in outcome.words
    assert "Write it into a file" in outcome.words


def test_a_pipe_in_a_folder_is_passed_over(desk: Desk) -> None:
    """The logs beside it are read."""
    (desk.folder / "in").mkdir()
    pipe(desk.folder / "in")
    desk.jsonl("in/log.jsonl", exchange_rows(3))

    assert desk.import_(desk.folder / "in").report["imported"] == 3


def test_what_others_write_beside_their_data_is_no_log(desk: Desk) -> None:
    """Spark's mark of success and what Delta keeps of its own, and hidden files."""
    for name in ("in/_delta_log/0.json", "in/_temporary/0/part", "in/_SUCCESS", "in/.part.crc"):
        path = desk.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    desk.jsonl("in/log.jsonl", exchange_rows(3))
    desk.jsonl("in/b_c.jsonl", exchange_rows(3, first=3))

    report = desk.import_(desk.folder / "in").report

    assert (report["read"], report["imported"]) == (6, 6)


def test_links_are_followed_to_each_folder_once(desk: Desk) -> None:
    """Also where they lead in a circle, or out of the folder; the names are those without a link."""
    (desk.folder / "in" / "b").mkdir(parents=True)
    (desk.folder / "elsewhere").mkdir()
    desk.jsonl("in/b/log.jsonl", exchange_rows(3))
    desk.jsonl("elsewhere/log.jsonl", exchange_rows(5))
    os.symlink("..", desk.folder / "in" / "b" / "up")
    os.symlink("b", desk.folder / "in" / "a")
    os.symlink(desk.folder / "elsewhere", desk.folder / "in" / "c")

    found = pipeline.input_files([desk.folder / "in"])
    report = desk.import_(desk.folder / "in").report

    assert [str(p.relative_to(desk.folder / "in")) for p in found] == ["b/log.jsonl", "c/log.jsonl"]
    assert (report["read"], report["imported"], report["duplicates"]) == (8, 5, 3)


def test_what_cannot_be_opened_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that leads nowhere or to itself, and a folder of others; the rest is read."""
    folder = desk.folder / "in"
    (folder / "locked").mkdir(parents=True)
    desk.jsonl("in/log.jsonl", exchange_rows(3))
    os.symlink("gone.jsonl", folder / "nowhere.jsonl")
    os.symlink("itself.jsonl", folder / "itself.jsonl")
    listed = os.scandir

    def scandir(path: str) -> Any:  # root may read everything, and may run this
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)

    report = desk.import_(folder).report

    assert (report["imported"], report["quarantined"]) == (3, 3)
    assert sorted(reasons(desk)) == ["itself.jsonl", "locked", "nowhere.jsonl"]
    assert all("the file cannot be read" in reason for reason in reasons(desk).values())


def test_a_file_that_vanishes_costs_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotated log may be gone when its turn comes."""
    first = desk.jsonl("1.jsonl", exchange_rows(2))
    second = desk.jsonl("2.jsonl", exchange_rows(2, first=2))
    guarded = row_batches._guarded

    def rotated(adapter: Any, path: Path) -> Iterator[Any]:
        first.unlink(missing_ok=True)
        return guarded(adapter, path)

    monkeypatch.setattr(row_batches, "_guarded", rotated)

    report = desk.import_(first, second).report

    assert (report["imported"], report["quarantined"]) == (2, 1)
    assert reasons(desk) == {"1.jsonl": "the file cannot be read: No such file or directory."}


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
def test_a_file_that_grows_is_read_to_its_end(name: str, tmp_path: Path) -> None:
    """What is written meanwhile is read whole, or reported as the piece that it still is."""
    path = tmp_path / name
    head = b"account_id,started_at\n" if name.endswith("csv") else b""
    line = b"a,2026-03-01\n" if head else b'{"account_id": "a", "started_at": "2026-03-01"}\n'
    path.write_bytes(head + line * 200)
    reading = iter(CanonicalAdapter().read(path))
    found = [next(reading)]
    with path.open("ab") as file:
        file.write(line * 3 + line[:1])

    found += list(reading)

    assert sum(isinstance(item, ParsedRow) for item in found) == 203
    assert [item.line for item in found if isinstance(item, Unreadable)] == [204 + bool(head)]


def test_a_line_that_was_half_written_comes_later(desk: Desk) -> None:
    """The log is imported while it is written, and again when it is whole: nothing is lost or double."""
    whole = desk.jsonl("log.jsonl", exchange_rows(4)).read_bytes()
    path = desk.folder / "log.jsonl"
    path.write_bytes(whole[:-20])

    first = desk.import_(path).report
    path.write_bytes(whole)
    second = desk.import_(path, options=("--mended",)).report

    assert (first["imported"], first["quarantined"]) == (3, 1)
    assert (second["imported"], second["duplicates"], second["quarantined"]) == (1, 3, 0)
    waiting = desk.command("quarantine", "show", "--lake", desk.lake_path).report["quarantined"]
    assert waiting == 0


def limited(desk: Desk, limit: int, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """The command where no file can grow beyond so many bytes: every write may be the one that fails."""
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from stillwatch.cli.main import run\nrun()"
    )
    words = (*words, "--lake", desk.lake_path, "--key-file", desk.folder / "key")
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False
    )


def batch_of(desk: Desk, count: int) -> Path:
    """The input and the output file of a batch whose texts do not pack."""
    folder = desk.folder / "batch"
    folder.mkdir()
    recorded = FIXTURES / "openai-3.57.0"
    for name in ("batch_input.jsonl", "batch_standin1_output.jsonl"):
        line = json.loads((recorded / name).read_text().splitlines()[0])
        lines = [
            line | {"custom_id": str(i), "note": os.urandom(5_000).hex()} for i in range(count)
        ]
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "batch.jsonl").write_bytes((recorded / "batch.jsonl").read_bytes())
    return folder


def test_a_full_folder_of_temporary_files_ends_the_import(desk: Desk) -> None:
    """The lines of a batch that find no room there are no lines at fault: none is set aside."""
    desk.import_(desk.jsonl("before.jsonl", exchange_rows(4)))
    before = desk.snapshot()

    done = limited(desk, 100_000, "import", "--format", "openai", batch_of(desk, 400))

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "temporary files is full" in done.stderr
    assert "TMPDIR" in done.stderr
    assert desk.snapshot() == before


@pytest.mark.parametrize("limit", [0, 8_000])
def test_an_import_onto_a_full_disk_says_so_once(limit: int, desk: Desk) -> None:
    """Nothing tries again, and aloud, to close what could not be written."""
    desk.import_(desk.jsonl("before.jsonl", exchange_rows(4)))
    before = desk.snapshot()
    rows = [row | {"input_text": os.urandom(300).hex()} for row in exchange_rows(200, first=4)]

    done = limited(desk, limit, "import", "--format", "canonical", desk.jsonl("log.jsonl", rows))

    assert done.returncode == 1
    assert done.stderr.count("too large") == 1
    assert "Traceback" not in done.stderr
    assert desk.snapshot() == before


@pytest.mark.faults
def test_a_disk_that_is_full_at_any_byte_leaves_the_lake_as_it_was(desk: Desk) -> None:
    """From the first file of an import to the last: it fails in words, and the next one succeeds."""
    desk.import_(desk.jsonl("before.jsonl", exchange_rows(4)))
    rows = [row | {"input_text": os.urandom(300).hex()} for row in exchange_rows(200, first=4)]
    path = desk.jsonl("log.jsonl", [*rows, {"broken": True}])
    ends = []
    for limit in [0, 1, 100, 500, *range(1_000, 30_000, 1_000), *range(30_000, 200_000, 10_000)]:
        before = desk.snapshot()
        done = limited(desk, limit, "import", "--format", "canonical", path)
        ends.append(done.returncode)
        assert "Traceback" not in done.stderr, limit
        if done.returncode == 0:
            break
        assert done.returncode == 1, (limit, done.stderr)
        assert "Error." in done.stderr
        assert desk.snapshot() == before, limit
    print(f"{len(ends) - 1} imports failed, from a limit of {limit:,} bytes on they ended")
    assert len(ends) > 4
    assert ends[-1] == 0
    assert desk.count("exchanges") == 204
