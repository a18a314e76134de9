"""Where a scan of a lake leaves its findings, and what it says to do next."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from planted_logs import START, planted
from stillwatch.cli.main import run
from stillwatch.lake.check import check_lake
from stillwatch.lake.store import Lake
from stillwatch.records import ACCOUNTS, EXCHANGES


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake, in a folder with a space in its name, in which a scan has found a campaign."""
    book, _ = planted()
    lake = Lake.create(tmp_path_factory.mktemp("a place") / "lake", "key-1")
    with lake.writer() as writer:
        writer.add("exchanges", EXCHANGES.table(book.exchanges))
        writer.add("accounts", ACCOUNTS.table(book.accounts))
    assert scan(lake).exit_code == 3
    return lake


def scan(lake: Lake, *words: object) -> Result:
    options = ["--lake", lake.path, "--no-timeline", *words]
    return CliRunner().invoke(run, ["scan", *(str(word) for word in options)])


def next_command(result: Result) -> list[str]:
    line = next(x for x in result.output.splitlines() if x.startswith("Next: stillwatch "))
    return shlex.split(line)[2:]


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_next_command_finds_the_findings(lake: Lake, tmp_path: Path) -> None:
    """In the lake, where --out said, and as of a moment: each time it runs as it stands there."""
    until = ["--until", (START + timedelta(days=6)).isoformat()]
    for words in ([], ["--out", tmp_path / "found here"], until):
        told = next_command(scan(lake, *words))

        explained = CliRunner().invoke(run, told)

        assert explained.exit_code == 0, (told, explained.output)
        assert told[0] == "explain"
        assert told[1].startswith("C-")


def test_a_look_back_leaves_the_latest_findings(lake: Lake) -> None:
    """Its own lie beside them, also when it finds nothing; `explain --lake` takes the latest."""
    before = all_files(lake.findings_directory)
    campaign = next(name for name in before if name.endswith(".html")).split("/")[-1][:-5]
    moment = START + timedelta(hours=6)

    result = scan(lake, "--until", moment.isoformat())

    assert result.exit_code == 0, result.output
    assert all_files(lake.findings_directory) == before
    apart = lake.path / "findings-until-2026-05-04T060000Z"
    assert str(apart / "tested.parquet") in result.output.replace("\n", "")
    assert (apart / "scan.json").is_file()
    explained = CliRunner().invoke(run, ["explain", campaign, "--lake", str(lake.path)])
    assert explained.exit_code == 0, explained.output


@pytest.mark.parametrize("place", [".", "exchanges", "accounts/new", ".staging/x", "findings"])
@pytest.mark.parametrize("words", [["scan"], ["export"], ["quarantine", "export"]], ids=" ".join)
def test_a_lakes_folder_holds_the_lake_alone(lake: Lake, words: list[str], place: str) -> None:
    """Nothing is written with --out where it would lie among a lake's own files."""
    before = all_files(lake.path)
    out = lake.path / place

    result = CliRunner().invoke(run, [*words, "--lake", str(lake.path), "--out", str(out)])

    assert result.exit_code == 2, result.output
    assert all_files(lake.path) == before


def test_canonical_files_are_not_scanned_into_a_lake(lake: Lake, tmp_path: Path) -> None:
    """Nor through a link that leads there; beside a lake there is room."""
    log = tmp_path / "log.parquet"
    pq.write_table(pq.read_table(lake.files("exchanges")[0]).slice(0, 9), log)
    (tmp_path / "link").symlink_to(lake.path)
    before = all_files(lake.path)

    into, beside = (
        CliRunner().invoke(run, ["scan", "--exchanges", str(log), "--out", str(out)])
        for out in (tmp_path / "link" / "exchanges", lake.path.parent / "findings")
    )

    assert (into.exit_code, beside.exit_code) == (2, 0), (into.output, beside.output)
    assert "whose folder is its own" in into.output.replace("\n", " ")
    assert all_files(lake.path) == before


def test_second_scan_remembers_the_midnights_of_the_first(lake: Lake) -> None:
    """The same findings from the looks that are kept beside the lake, which stays whole."""
    words = ["scan", "--lake", str(lake.path), "--json"]
    first = json.loads(CliRunner().invoke(run, words).stdout)
    kept = sorted((lake.path / ".looks").glob("*.npz"))

    second = json.loads(CliRunner().invoke(run, words).stdout)

    assert len(kept) > 1
    assert sorted((lake.path / ".looks").glob("*.npz")) == kept
    assert second["campaigns"] == first["campaigns"]
    assert second["campaigns"]
    assert not check_lake(lake.path).problems
