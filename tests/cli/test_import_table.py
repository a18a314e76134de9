"""What an import ends with: columns filled, and the signals that can and cannot work with them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from stillwatch.cli.import_table import NEEDS, shown_share, unable
from stillwatch.cli.main import run
from stillwatch.records import LOG_TABLES

ROOT = Path(__file__).resolve().parents[2]


def test_every_signal_of_a_scan_has_its_needs_and_every_need_is_a_column() -> None:
    """A signal with a card, and no entry here, would be promised to nobody."""
    page = (ROOT / "docs" / "signals.md").read_text(encoding="utf-8").split("## ")[0]
    carded = set(re.findall(r"\[([a-z ]+)\]\(signals/\w+\.md\)", page)) - {"distribution"}
    columns = {name for schema in LOG_TABLES for name in schema.names}

    assert set(NEEDS) == carded | {"declared owners"}
    assert {c for needs in NEEDS.values() for n in needs for c in n.split()} <= columns


def test_what_a_signal_lacks_is_named() -> None:
    """One column of several will do; every other need is named."""
    assert "credentials" not in unable({"credential_id", "user_agent"})
    assert unable({"output_text"})["collection"] == ["input_text"]
    assert unable({c for schema in LOG_TABLES for c in schema.names}) == {}
    assert not [name for name in ("queue clock", "synchrony") if name in unable(set())]


def test_some_rows_are_never_shown_as_none_or_all() -> None:
    """A column that ten thousand rows have, and one has not, is not full."""
    shares = [shown_share(share) for share in (0.0001, 0.004, 0.25, 0.996, 0.9999)]

    assert shares == ["<1%", "<1%", "25%", ">99%", ">99%"]


def imported(folder: Path, name: str, rows: list[dict[str, Any]]) -> tuple[dict[str, Any], str]:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    key = folder / "key"
    if not key.exists():
        CliRunner().invoke(run, ["keys", "init", "--key-file", str(key)])
    words = ["import", "--format", "canonical", str(path), "--lake", str(folder / "lake"), "--json"]
    result = CliRunner().invoke(run, [*words, "--key-file", str(key)])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), result.stderr


def test_import_says_what_it_filled_and_what_that_is_good_for(tmp_path: Path) -> None:
    """Shares are of this import's rows; what the lake has already counts for the signals."""
    exchange = {"account_id": "a", "started_at": "2026-03-01T00:00:00Z", "input_text": "x"}
    rows = [{**exchange, "exchange_id": f"e{i}", "status": "ok" if i else None} for i in range(4)]
    accounts = [{"account_id": "a", "payment_raw": "4111", "organization_id": "o"}]

    first, words = imported(tmp_path, "x.jsonl", rows)
    second, _ = imported(tmp_path, "accounts.jsonl", accounts)

    assert first["filled"]["exchanges"]["input_text"] == 1
    assert first["filled"]["exchanges"]["status"] == 0.75
    assert first["filled"]["exchanges"]["output_text"] == 0
    assert "templates" in first["signals"]
    assert first["signals_lacking"]["collection"] == ["output_text"]
    assert "declared owners" in first["signals_lacking"]
    assert "status 75%" in " ".join(words.split())
    assert "Not collection: it needs output_text." in words
    assert "Not release pivot: it needs model and model_releases.released_at." in words
    assert "or accounts.email_token or 7 others" in words
    assert "tables of their own, which `--format canonical` imports" in words
    assert {"templates", "shared facts", "declared owners"} <= set(second["signals"])
    assert list(second["filled"]) == ["accounts"]
