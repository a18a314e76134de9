"""Reading in a process of its own: nothing but time tells it from reading in this one."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile_files import FORMS, hostile_case
from import_builders import START, Desk

from stillwatch.cli import import_logs
from stillwatch.identity import Key, Tokeniser
from stillwatch.records import StillwatchError
from stillwatch.sources import reading_process
from stillwatch.sources.adapter import Adapter, ImportRequest, ParsedRow, Remark, load_adapter
from stillwatch.sources.pipeline import Intake, input_files, take_in
from stillwatch.sources.reading_process import is_worth_a_process

NOW = datetime(2026, 6, 1, tzinfo=UTC)
# A first seed of some forms: with what is kept from file to file, with frames, a map and remarks.
SEEDS = {
    form: next(
        s for s in range(10_000) if (c := hostile_case(s)) and (c.log_format, c.form) == form
    )
    for form in FORMS
    if form in {("openai", "batch"), ("otlp", "protobuf"), ("generic", "csv")}
}


class Basket:
    """A destination that remembers what came."""

    def __init__(self) -> None:
        self.tables: list[tuple[str, pa.Table]] = []

    def add(self, table: str, rows: pa.Table) -> None:
        self.tables.append((table, rows))

    def reveal_domains(self, domain_by_token: dict[str, str], *, shared_by: int) -> None:
        self.tables.append((f"{sorted(domain_by_token.items())}, {shared_by}", pa.table({})))


class Interrupted(Basket):
    """A destination where somebody presses Ctrl-C."""

    def add(self, table: str, rows: pa.Table) -> None:
        raise KeyboardInterrupt


class Sentenced:
    """An adapter whose process the system ends, as it does when memory runs out."""

    name: ClassVar[str] = "sentenced"

    def read(self, path: Path) -> Iterator[ParsedRow]:
        yield ParsedRow(1, {"exchange_id": "e1", "account_id": "a", "started_at": START})
        os.kill(os.getpid(), signal.SIGKILL)


class Endless:
    """An adapter that never comes to an end, and says in which process."""

    name: ClassVar[str] = "endless"

    def read(self, path: Path) -> Iterator[Remark]:
        path.write_text(f"{os.getpid()} {signal.SIGINT in signal.pthread_sigmask(0, ())}")
        while True:
            time.sleep(0.01)
            yield Remark("still here")


def take(
    adapter: Adapter, paths: list[Path], basket: Basket, *, in_two_processes: bool = True
) -> Intake:
    return take_in(
        paths,
        adapter=adapter,
        tokeniser=Tokeniser(Key(bytes(range(32)))),
        fills={},
        now=NOW,
        destination=basket,
        in_two_processes=in_two_processes,
    )


def told(
    log_format: str, folder: Path, map_file: Path | None = None, *, in_two_processes: bool
) -> tuple[Intake, list[tuple[str, pa.Table]]]:
    """What comes of all files of a folder, and in which pieces."""
    basket, paths = Basket(), input_files([folder])
    adapter = load_adapter(log_format, ImportRequest((folder,), map_file))
    return take(adapter, paths, basket, in_two_processes=in_two_processes), basket.tables


def canonical_folder(folder: Path) -> Path:
    """Files of all kinds of trouble, with good rows before, between and after."""
    folder.mkdir()

    def lines(name: str, *values: Any) -> None:
        written = [v if isinstance(v, bytes) else json.dumps(v).encode() for v in values]
        data = b"".join(line + b"\n" for line in written)
        (folder / name).write_bytes(gzip.compress(data)[:-40] if name.endswith(".gz") else data)

    def row(number: int, **more: Any) -> dict[str, Any]:
        at = f"2026-03-01T12:00:{number % 60:02}Z"
        return {"exchange_id": f"e{number}", "account_id": "a", "started_at": at, **more}

    lines("0.jsonl", row(0), b"{", row(1, input_tokens="many", other="x"), [], row(2) | {"x": 1})
    lines("1-of-another-format.jsonl", *[b"no"] * 1_200, row(3))
    lines("2-late-damage.jsonl", row(4), *[b"no"] * 1_200, row(5, client_ip_raw="203.0.113.9"))
    lines("3-damaged.jsonl.gz", *[row(n, input_text=f"{n}" * 40) for n in range(6, 400)])
    lines("4-no-account.jsonl", *[{"exchange_id": f"n{n}", "model": "m"} for n in range(3)])
    lines("5-future.jsonl", row(400) | {"started_at": "2031-01-01"}, row(401) | {"email": "e@x.y"})
    lines("6-people.jsonl", *[{"account_id": f"p{n}", "email_raw": "e@x.org"} for n in range(30)])
    table = pa.table({"exchange_id": ["p1"], "account_id": ["a"], "input_text": ["no time"]})
    pq.write_table(table, folder / "7-no-time.parquet")
    whole = table.append_column("started_at", pa.array([START], pa.timestamp("us", "UTC")))
    pq.write_table(whole, folder / "8.parquet")
    (folder / "9-nowhere.jsonl").symlink_to(folder / "gone")
    return folder


def test_all_that_can_go_wrong_goes_wrong_alike(tmp_path: Path) -> None:
    """Rows, their order and batches, quarantine, counts and remarks are those of one process."""
    folder = canonical_folder(tmp_path / "in")

    in_one = told("canonical", folder, in_two_processes=False)
    in_two = told("canonical", folder, in_two_processes=True)

    assert in_two == in_one
    assert in_one[0].read > 1_400
    assert sum(rows.num_rows for name, rows in in_one[1] if name == "exchanges") > 100


@pytest.mark.parametrize("seed", SEEDS.values(), ids=["-".join(form) for form in SEEDS])
def test_every_kind_of_format_is_read_alike(seed: int, tmp_path: Path) -> None:
    """Adapters that hold something back until all files were read, or have a map, do so there."""
    case = hostile_case(seed)
    (tmp_path / "in").mkdir()
    for name, data in case.files.items():
        (tmp_path / "in" / name).write_bytes(data)
    map_file = tmp_path / "map.toml" if case.map_text is not None else None
    if map_file is not None:
        map_file.write_bytes(case.map_text or b"")

    in_one = told(case.log_format, tmp_path / "in", map_file, in_two_processes=False)

    assert told(case.log_format, tmp_path / "in", map_file, in_two_processes=True) == in_one


def test_what_an_adapter_cannot_do_is_said_in_its_words(tmp_path: Path) -> None:
    """An error that names what to do next is no other for having come through a pipe."""
    with pytest.raises(StillwatchError, match="no room") as raised:
        take(Poor(), [tmp_path], Basket())

    assert (raised.value.where, raised.value.remedy) == ("there", "Make some.")


class Poor:
    """An adapter that finds this machine lacking."""

    name: ClassVar[str] = "poor"

    def read(self, path: Path) -> Iterator[ParsedRow]:
        raise StillwatchError("there is no room.", where="there", remedy="Make some.")
        yield


def test_an_import_whose_reading_is_killed_leaves_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with a plain error and status 1, and the lake holds nothing of it."""
    path = desk.folder / "log.jsonl"
    path.write_text("{}\n")
    monkeypatch.setattr(import_logs, "_adapter", lambda *_: Sentenced())
    monkeypatch.setattr(reading_process, "_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})

    ended = desk.import_(path)

    assert ended.status == 1
    assert "the process that read the log was ended (signal 9)" in ended.words
    assert [path for path in desk.lake_path.rglob("*") if path.is_file()] == []
    assert not multiprocessing.active_children()


def test_an_interruption_ends_both(tmp_path: Path) -> None:
    """Ctrl-C leaves no process behind."""
    folder = canonical_folder(tmp_path / "in")

    with pytest.raises(KeyboardInterrupt):
        take(load_adapter("canonical"), input_files([folder]), Interrupted())

    assert not multiprocessing.active_children()


def test_who_reads_outlives_nobody(tmp_path: Path) -> None:
    """It hears of no Ctrl-C, which its parent hears; and it ends with a parent that is killed."""
    note = tmp_path / "note"
    program = (
        "import sys; from pathlib import Path; import test_reading_process as t\n"
        "if __name__ == '__main__': t.take(t.Endless(), [Path(sys.argv[1])], t.Basket())"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    importing = subprocess.Popen(
        [sys.executable, "-c", program, str(note)], env={**os.environ, "PYTHONPATH": path}
    )
    _until(lambda: note.exists() and note.read_text())
    reading, is_deaf = note.read_text().split()
    importing.kill()
    importing.wait()

    assert is_deaf == "True"
    _until(lambda: not _is_running(int(reading)))


def _is_running(process: int) -> bool:
    """Whether it is there, and no corpse that nobody has collected."""
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def _until(is_so: Any) -> None:
    ends = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_small_logs_and_columns_need_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process is started for much that must be decoded, if there is a core for it."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    sizes = {
        "small.jsonl": 10**6,
        "large.jsonl": 10**8,
        "packed.ndjson.gz": 10**7,
        "c.parquet": 10**9,
    }
    for name, size in sizes.items():
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)

    worth = {name for name in sizes if is_worth_a_process([tmp_path / name])}
    together = is_worth_a_process([tmp_path / "small.jsonl"] * 20)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})

    assert worth == {"large.jsonl", "packed.ndjson.gz"}
    assert together
    assert not is_worth_a_process([tmp_path / "large.jsonl"])
