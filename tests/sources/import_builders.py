"""Builders and the command itself for tests of the import."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from click.testing import CliRunner

from stillwatch.cli.main import run
from stillwatch.lake.store import Lake

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    status: int
    words: str
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Desk:
    """A key, a lake and a folder for files: where a test imports."""

    folder: Path

    @property
    def lake_path(self) -> Path:
        return self.folder / "lake"

    def command(self, *words: str | Path) -> Outcome:
        """Run a command that prints JSON."""
        result = CliRunner().invoke(run, [*map(str, words), "--json"])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        report = json.loads(result.stdout) if result.stdout else {}
        return Outcome(result.exit_code, result.stderr, report)

    def import_(self, *inputs: Path, options: tuple[str, ...] = ()) -> Outcome:
        """Import canonical files under the desk's key."""
        key = self.folder / "key"
        if not key.exists():
            assert self.command("keys", "init", "--key-file", key).status == 0
        words = ["import", "--format", "canonical", *inputs, "--lake", self.lake_path]
        return self.command(*words, "--key-file", key, *options)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table of the lake."""
        lake = Lake.open(self.lake_path)
        read = [row for path in lake.files(table) for row in pq.read_table(path).to_pylist()]
        return read

    def count(self, table: str) -> int:
        """How many rows the files of a table hold, by another reader than ours."""
        files = [str(path) for path in Lake.open(self.lake_path).files(table)]
        return duckdb.read_parquet(files).count("*").fetchall()[0][0] if files else 0

    def snapshot(self) -> dict[str, bytes]:
        """Every file of the lake with its bytes, but for the locks."""
        locks = (".lock", ".readers")
        files = (p for p in self.lake_path.rglob("*") if p.is_file() and p.name not in locks)
        return {str(p.relative_to(self.lake_path)): p.read_bytes() for p in files}

    def jsonl(self, name: str, rows: list[dict[str, Any]]) -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
        return path

    def parquet(self, name: str, rows: list[dict[str, Any]]) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path


def exchange_rows(count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Exchanges an hour apart, of three accounts."""
    return [
        {
            "exchange_id": f"e{i}",
            "account_id": f"a{i % 3}",
            "started_at": START + timedelta(hours=i),
            "input_text": f"Explain number {i} to a child.",
            "output_text": f"Number {i} is nice.",
            "client_ip": f"192.0.2.{i % 250}",
        }
        for i in range(first, first + count)
    ]
