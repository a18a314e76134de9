"""What an import would write, without a lake."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stillwatch.identity import Key, Tokeniser
from stillwatch.sources.adapter import ImportRequest, load_adapter
from stillwatch.sources.kept_tables import KeptTables
from stillwatch.sources.pipeline import Destination, take_in

__all__ = ["import_into", "rows_taken_in"]

_TOKENISER = Tokeniser(Key(b"\x07" * 32))
_NOW = datetime(2026, 6, 1, tzinfo=UTC)


def import_into(
    destination: Destination,
    paths: list[Path],
    *,
    log_format: str = "canonical",
    map_file: Path | None = None,
) -> int:
    """Import files under one and the same key; they must be readable to the last value.

    Returns:
        How many rows they had.
    """
    adapter = load_adapter(log_format, ImportRequest(tuple(paths), map_file))
    intake = take_in(
        paths,
        adapter=adapter,
        tokeniser=_TOKENISER,
        fills={},
        now=_NOW,
        destination=destination,
    )
    assert (intake.quarantined, intake.emptied) == (0, {}), intake.first_reason
    return intake.read


def rows_taken_in(
    paths: list[Path], *, log_format: str = "canonical", map_file: Path | None = None
) -> dict[str, list[dict[str, Any]]]:
    """The rows that an import of the files would write, by table."""
    kept = KeptTables()
    count = import_into(kept, paths, log_format=log_format, map_file=map_file)
    found: dict[str, list[dict[str, Any]]] = {}
    for table, rows in kept.tables:
        found.setdefault(table, []).extend(rows.to_pylist())
    assert sum(map(len, found.values())) == count
    return found
