"""A scan of a lake says what a scan of the same canonical tables says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from planted_logs import LogBook, planted
from stillwatch.cli.main import run
from stillwatch.records import Findings, read_findings


def stillwatch(*words: object) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(run, [*map(str, words), "--json"])
    assert "Traceback" not in result.output
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[LogBook, Findings, Findings]:
    """One planted log scanned from its tables, and imported into a lake and scanned there."""
    book, _ = planted(41, workers=13)
    for number, row in enumerate(book.exchanges):
        row |= {
            "client_net_token": f"net-{number % 120}",
            "credential_id": f"key-{row['account_id']}",
            "system_text": "Be brief." if number % 5 else None,
        }
    for number, row in enumerate(book.accounts):
        row["payment_token"] = f"card-{number // 4}"
    folder = tmp_path_factory.mktemp("both")
    book.write(folder)
    tables = ("--exchanges", folder / "exchanges", "--accounts", folder / "accounts.parquet")
    assert stillwatch("scan", *tables, "--fdr", "0.05", "--out", folder / "from-tables")[0] == 3

    lake, key = folder / "lake", folder / "key"
    stillwatch("keys", "init", "--key-file", key)
    status, report = stillwatch(
        "import", "--format", "canonical", folder / "exchanges", folder / "accounts.parquet",
        "--lake", lake, "--key-file", key,
    )  # fmt: skip
    assert (status, report["quarantined"]) == (0, 0)
    assert (
        stillwatch("scan", "--lake", lake, "--fdr", "0.05", "--out", folder / "from-lake")[0] == 3
    )
    return book, read_findings(folder / "from-tables"), read_findings(folder / "from-lake")


def without(columns: tuple[str, ...]) -> Callable[[pa.Table], list[dict[str, Any]]]:
    return lambda table: [
        {k: v for k, v in r.items() if k not in columns} for r in table.to_pylist()
    ]


def test_the_campaign_is_the_same(both) -> None:
    """Id, size, e-values, rate, targets and words: nothing depends on where the log lies."""
    _, tables, lake = both

    assert tables.campaigns.num_rows == 1
    assert tables.campaigns.equals(lake.campaigns)


def test_the_attributed_exchanges_are_the_same(both) -> None:
    """Exchange by exchange, with target and evidence."""
    _, tables, lake = both

    def by_id(f: Findings) -> dict[str, Any]:
        return {r.pop("exchange_id"): r for r in f.exchanges.to_pylist()}

    assert by_id(tables) == by_id(lake)


def test_the_members_are_the_same(both) -> None:
    """Role, share, date, reasons; credentials are tokens of the lake's own key."""
    _, tables, lake = both
    rows = without(("credential_ids",))

    assert rows(tables.members) == rows(lake.members)
    assert all(len(m["credential_ids"]) == 1 for m in lake.members.to_pylist())


def test_what_was_weighed_is_the_same(both) -> None:
    """Every group and every link."""
    _, tables, lake = both

    assert tables.tested.equals(lake.tested)
    assert tables.links.equals(lake.links)


def test_the_stored_sketches_are_those_the_scan_would_make(both, tmp_path: Path) -> None:
    """A lake that was scanned from sketches, and its export scanned from texts, agree."""
    book, _, lake = both
    folder = tmp_path / "again"
    book.write(folder)
    key = tmp_path / "key"
    stillwatch("keys", "init", "--key-file", key)
    stillwatch(
        "import", "--format", "canonical", folder / "exchanges", folder / "accounts.parquet",
        "--lake", tmp_path / "lake", "--key-file", key,
    )  # fmt: skip
    stillwatch("export", "--lake", tmp_path / "lake", "--out", tmp_path / "exported")
    exported = tmp_path / "exported"
    stillwatch(
        "scan", "--exchanges", exported / "exchanges", "--accounts", exported / "accounts.parquet",
        "--out", tmp_path / "out", "--fdr", "0.05",
    )  # fmt: skip
    found = read_findings(tmp_path / "out")

    assert found.campaigns.equals(lake.campaigns)
    assert found.tested.equals(lake.tested)
