"""Exchanges drawn at random, written in any format, and read as an import reads: the same rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from drawn_exchanges import exchange_logs
from format_columns import carried, signs_of
from hypothesis import given, settings
from rendered_logs import FORMATS, LogFormat, Rows

from stillwatch.identity import Key, Tokeniser
from stillwatch.sources.adapter import ImportRequest, load_adapter
from stillwatch.sources.kept_tables import KeptTables
from stillwatch.sources.pipeline import take_in

TOKENISER = Tokeniser(Key(b"\x07" * 32))


def _imported(chosen: LogFormat, rows: Rows, folder: Path) -> list[dict[str, Any]]:
    """What an import of the log would write, in the order of time."""
    _, _, log, *of_map = chosen.words(rows, folder / chosen.slug)
    kept = KeptTables()
    intake = take_in(
        [Path(log)],
        adapter=load_adapter(
            chosen.adapter, ImportRequest((Path(log),), Path(of_map[1]) if of_map else None)
        ),
        tokeniser=TOKENISER,
        fills={},
        now=datetime(2026, 6, 1, tzinfo=UTC),
        destination=kept,
    )
    assert (intake.read, intake.quarantined) == (len(rows), 0), intake.first_reason
    assert not intake.emptied
    found = [row for _, batch in kept.tables for row in batch.to_pylist()]
    return sorted(found, key=lambda row: row["started_at"])


@settings(max_examples=20, deadline=None, derandomize=True)
@given(rows=exchange_logs())
def test_what_a_format_carries_comes_back(rows: Rows) -> None:
    """In each format, every column that the page of formats says is carried, whatever its value."""
    with TemporaryDirectory() as folder:
        wanted, *told = [_imported(chosen, rows, Path(folder)) for chosen in FORMATS]

    for chosen, found in zip(FORMATS[1:], told, strict=True):
        promised, signs = signs_of(chosen.adapter), carried(wanted, found)
        lost = [name for name, sign in signs.items() if sign != "✓" == promised[name]]
        assert lost == [], chosen.name
