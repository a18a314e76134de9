"""One world imported in every format: the same campaigns, members and exchanges are found.

`test_formats.py` says which columns each format carries; here is what a scan makes of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from format_columns import COLUMNS, import_whole, signs_of
from import_builders import Desk
from rendered_logs import FORMATS, LogFormat
from world_as_logged import LoggedWorld, logged

from small_worlds import found_world
from stillwatch.lake.store import Lake
from stillwatch.records import Findings, read_findings

pytestmark = pytest.mark.slow

REFERENCE = "canonical Parquet"
WHOLE = ("CSV by a map", "JSONL by a map", "OpenAI JSONL")
LACKING = ("OTLP/JSON", "Anthropic JSONL", "LiteLLM payloads", "Bedrock")
# How a scan calls what it cannot see without a column.
MISSED = {
    "client_net_token": "no client network",
    "user_agent": "no client software",
    "tls_fingerprint": "no TLS fingerprints",
    "credential_id": "no credentials",
}


@dataclass(frozen=True, slots=True)
class Scanned:
    """What an import of the world said, what its lake holds, and what a scan of that found.

    Attributes:
        named: Id of an exchange to its account and moment, which are the same in every format.
    """

    report: dict[str, Any]
    findings: Findings
    named: dict[str, tuple[Any, ...]]
    filled: frozenset[str]

    def members(self) -> set[tuple[Any, ...]]:
        rows = self.findings.members.to_pylist()
        return {(row["account_id"], row["role"], row["share"]) for row in rows}

    def attributed(self) -> set[tuple[Any, ...]]:
        rows = self.findings.exchanges.to_pylist()
        return {(*self.named[row["exchange_id"]], row["target"]) for row in rows}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats")


@pytest.fixture(scope="module")
def world(folder: Path) -> LoggedWorld:
    return logged(found_world(folder / "world", 1), folder / "tables")


@pytest.fixture(scope="module")
def reference(folder: Path, world: LoggedWorld) -> Scanned:
    scanned = scan_of(REFERENCE, folder, world)
    assert scanned.findings.campaigns.num_rows == 1
    assert len(scanned.members()) == 30
    return scanned


def scan_of(name: str, folder: Path, world: LoggedWorld) -> Scanned:
    """The world in a format, imported into a lake of its own under the same key, and scanned."""
    chosen = format_called(name)
    desk = Desk(folder / chosen.slug)
    desk.folder.mkdir()
    report = import_whole(desk, chosen.words(world.rows, desk.folder / "log"), len(world.rows))
    tables = ["--format", "canonical", *world.tables]
    import_whole(desk, tables, None)
    outcome = desk.command("scan", "--lake", desk.lake_path, "--no-timeline")
    assert outcome.status == 3, outcome.words
    rows = desk.rows("exchanges")
    return Scanned(
        report,
        read_findings(Lake.open(desk.lake_path).findings_directory),
        {row["exchange_id"]: (row["account_id"], row["started_at"]) for row in rows},
        frozenset(name for row in rows for name in COLUMNS if row.get(name) is not None),
    )


def format_called(name: str) -> LogFormat:
    return next(f for f in FORMATS if f.name == name)


@pytest.mark.parametrize("name", WHOLE)
def test_formats_that_carry_everything_give_the_same_findings(
    name: str, folder: Path, world: LoggedWorld, reference: Scanned
) -> None:
    """To the last figure, word and id."""
    found = scan_of(name, folder, world)

    assert found.named == reference.named
    for table in ("campaigns", "members", "exchanges", "tested", "links"):
        assert getattr(found.findings, table).equals(getattr(reference.findings, table)), table


@pytest.mark.parametrize("name", LACKING)
def test_formats_that_lack_columns_find_the_same_members_and_say_what_they_lack(
    name: str, folder: Path, world: LoggedWorld, reference: Scanned
) -> None:
    """Members, roles and exchanges; what is lost is what the page, the import and the scan say."""
    signs = signs_of(format_called(name).adapter)
    found = scan_of(name, folder, world)

    assert found.members() == reference.members()
    assert found.attributed() == reference.attributed()
    if signs["exchange_id"] == "✓":
        ids = [f.findings.campaigns["campaign_id"].to_pylist() for f in (found, reference)]
        assert ids[0] == ids[1]
    lost = reference.filled - found.filled
    own = {column for column, sign in signs.items() if sign == "own"}
    assert lost - own == {column for column in reference.filled if signs[column] == "–"}
    assert {found.report["filled"]["exchanges"][column] for column in lost} == {0.0}
    missing = found.findings.notes["missing_evidence"]
    for column, words in MISSED.items():
        assert any(text.startswith(words) for text in missing) == (column in lost), column
