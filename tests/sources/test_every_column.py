"""Exchanges drawn at random, written in any format, and read as an import reads: the same rows."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from drawn_exchanges import exchange_logs
from format_columns import carried, signs_of
from hypothesis import given, settings
from rendered_logs import FORMATS, LogFormat, Rows
from taken_in import rows_taken_in


def _imported(chosen: LogFormat, rows: Rows, folder: Path) -> list[dict[str, Any]]:
    """What an import of the log would write, in the order of time."""
    _, _, log, *of_map = map(Path, chosen.words(rows, folder / chosen.slug))
    map_file = of_map[1] if of_map else None
    found = rows_taken_in([log], log_format=chosen.adapter, map_file=map_file)["exchanges"]
    assert len(found) == len(rows)
    return sorted(found, key=lambda row: row["started_at"])


@settings(max_examples=15, deadline=None, derandomize=True)
@given(rows=exchange_logs())
def test_what_a_format_carries_comes_back(rows: Rows) -> None:
    """In each format, every column that the page of formats says is carried, whatever its value."""
    with TemporaryDirectory() as folder:
        wanted, *told = [_imported(chosen, rows, Path(folder)) for chosen in FORMATS]

    for chosen, found in zip(FORMATS[1:], told, strict=True):
        promised, signs = signs_of(chosen.adapter), carried(wanted, found)
        lost = [name for name, sign in signs.items() if sign != "✓" == promised[name]]
        assert lost == [], chosen.name
