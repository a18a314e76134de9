"""Two imports, a scan, a compaction and kills at random: no loss, no double, no half."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from killed_commands import KILLED, start_command
from lake_rows import exchanges

from stillwatch.identity import create_key
from stillwatch.lake.check import check_lake
from stillwatch.lake.compaction import compact_lake
from stillwatch.lake.store import Lake
from stillwatch.records import read_findings

# An import of this size takes about as many steps in the lake's folder.
STEPS_OF_AN_IMPORT, STEPS_OF_A_SCAN, STEPS_OF_A_COMPACTION = 90, 60, 70
SECONDS = 600


class Rounds:
    """A lake, what was imported into it, and how it went.

    Attributes:
        sure: Ids of imports that ended well: they must be in the lake.
        counts: How often each command ended in which way.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.lake = folder / "lake"
        self.random = random.Random(seed)
        self.sure: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.next = 0
        create_key(folder / "key")

    def play(self) -> None:
        """Two imports that share a third of their rows, a scan and a compaction; some are killed."""
        sure_before = set(self.sure)
        numbers = [range(self.next, self.next + 40), range(self.next + 26, self.next + 66)]
        self.next += 66
        ids = [{f"e{n}" for n in some} for some in numbers]
        imports = [
            self.start(f"import{i}", self.import_words(f"log{i}", some), STEPS_OF_AN_IMPORT)
            for i, some in enumerate(numbers)
        ]
        words = ["scan", "--lake", str(self.lake), "--no-timeline"]
        scan = self.start("scan", words, STEPS_OF_A_SCAN)
        words = [
            "lake",
            "compact",
            "--lake",
            str(self.lake),
            self.random.choice(["--json", "--now"]),
        ]
        compaction = self.start("compaction", words, STEPS_OF_A_COMPACTION)
        deadline = time.monotonic() + SECONDS
        for process in (*imports, scan, compaction):
            process.join(max(deadline - time.monotonic(), 0))
            assert process.exitcode is not None, "a command hangs"
        for i, process in enumerate(imports):
            assert process.exitcode in (0, KILLED), self.output(f"import{i}")
            self.count("import", process.exitcode)
            if process.exitcode == 0:
                self.sure |= ids[i]
        # Before the first commit there is nothing to scan yet.
        said = self.output("scan")
        nothing_yet = "no lake here" in said or (not sure_before and "no Parquet file" in said)
        assert scan.exitcode in (0, KILLED) or nothing_yet, said
        self.count("scan", scan.exitcode)
        said = self.output("compaction")
        assert compaction.exitcode in (0, KILLED) or "no lake here" in said, said
        self.count("compaction", compaction.exitcode)
        self.look([ids[0] - ids[1], ids[1] - ids[0], ids[0] & ids[1]])

    def look(self, apart: list[set[str]]) -> None:
        """Nothing lost, doubled or half.

        Args:
            apart: Ids that one import alone brought, or both; each set is there whole or not.
        """
        if not (self.lake / "manifest.json").exists():
            assert not self.sure
            return
        checked = check_lake(self.lake)
        assert (checked.problems, checked.working) == ([], 0)
        self.counts["rounds with leavings"] += bool(checked.leftovers)
        lake = Lake.open(self.lake)
        found = {
            i for p in lake.files("exchanges") for i in pq.read_table(p)["exchange_id"].to_pylist()
        }
        assert self.sure <= found
        for some in apart:
            assert some <= found or not some & found
        self.sure = found
        if lake.findings_directory.exists():
            assert "scanned_at" in read_findings(lake.findings_directory).notes

    def days(self) -> set[str]:
        return {path.parent.name for path in Lake.open(self.lake).files("exchanges")}

    def start(self, name: str, words: list[str], steps: int):
        die_at = self.random.randint(1, steps) if self.random.random() < 0.5 else 0
        return start_command(
            words, lake=self.lake, die_at=die_at, output=self.folder / f"{name}.txt"
        )

    def import_words(self, name: str, numbers: range) -> list[str]:
        path = self.folder / f"{name}.parquet"
        table = exchanges(*numbers, input_text="Explain tides.", output_text="The moon pulls.")
        names = pa.array([f"a{n % 7}" for n in numbers])
        pq.write_table(table.set_column(1, "account_id", names), path)
        words = ["import", "--format", "canonical", str(path), "--lake", str(self.lake)]
        return [*words, "--key-file", str(self.folder / "key")]

    def output(self, name: str) -> str:
        return (self.folder / f"{name}.txt").read_text()

    def count(self, name: str, exit_code: int | None) -> None:
        end = "killed" if exit_code == KILLED else "done" if exit_code == 0 else "without a lake"
        self.counts[f"{name} {end}"] += 1


@pytest.mark.parametrize("count", [2, pytest.param(100, marks=pytest.mark.faults)])
def test_two_imports_a_scan_and_kills(tmp_path: Path, count: int) -> None:
    """Whoever is killed when, the lake holds what was committed, once, and the next import cleans."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    rounds = Rounds(tmp_path, seed)

    for _ in range(count):
        rounds.play()

    if rounds.sure:
        assert compact_lake(rounds.lake).problems == ()
        rounds.look([])
        assert len(Lake.open(rounds.lake).files("exchanges")) == len(rounds.days())
    last = rounds.import_words("last", range(rounds.next, rounds.next + 5))
    process = start_command(last, lake=rounds.lake, die_at=0, output=tmp_path / "last.txt")
    process.join(SECONDS)
    assert process.exitcode == 0
    assert check_lake(rounds.lake).leftovers == []
    assert not (rounds.lake / ".staging").exists()
    print(dict(sorted(rounds.counts.items())), f"{len(rounds.sure)} exchanges")


@pytest.mark.faults
def test_import_killed_at_every_step(tmp_path: Path) -> None:
    """One import after the other is killed a step later, until one gets through."""
    rounds = Rounds(tmp_path, 0)
    for step in range(1, 1000):
        words = rounds.import_words("log", range(40))
        process = start_command(words, lake=rounds.lake, die_at=step, output=tmp_path / "out.txt")
        process.join(SECONDS)
        if process.exitcode == 0:
            break
        assert process.exitcode == KILLED, rounds.output("out")
        rounds.look([{f"e{n}" for n in range(40)}])
    assert step > STEPS_OF_AN_IMPORT / 4
    assert check_lake(rounds.lake).leftovers == []


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.faults)])
def test_compaction_killed_at_every_step(tmp_path: Path, every: int) -> None:
    """Before it merges, writes, renames or commits: the rows are there once, with their sketches."""
    rounds = Rounds(tmp_path, 0)
    for number in range(3):
        words = rounds.import_words("log", range(8 * number, 8 * number + 9))
        start_command(words, lake=rounds.lake, die_at=0, output=tmp_path / "out.txt").join(SECONDS)
    rounds.sure = {f"e{n}" for n in range(25)}
    kills = 0
    for step in range(1, 1000, every):
        words = ["lake", "compact", "--lake", str(rounds.lake), "--now"]
        process = start_command(words, lake=rounds.lake, die_at=step, output=tmp_path / "out.txt")
        process.join(SECONDS)
        rounds.look([])
        if process.exitcode == 0:
            break
        assert process.exitcode == KILLED, rounds.output("out")
        kills += 1
    assert kills > 20 / every
    assert check_lake(rounds.lake).leftovers == []
    assert len(list(rounds.lake.rglob("*.parquet"))) == 2 * len(rounds.days())
