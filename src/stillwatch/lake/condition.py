"""How a lake does, read from its manifest, footers of files and small tables: in moments, not minutes.

`check` reads every byte of a lake; this reads none of its rows but those of the quarantine.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.lake.manifest import MANIFEST, Part
from stillwatch.lake.store import Lake

__all__ = ["Condition", "condition_of"]

_LATELY = timedelta(days=1)
_COMPARED_DAYS = 7
# A day with fewer exchanges says little of how often a column is filled.
_LEAST_ROWS = 1_000
_NOTES = "scan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How a lake does. What cannot be told is None.

    Attributes:
        last_commit_at: When its manifest was last replaced: by an import, a receiver, a tidying.
        last_scan_at: When the latest scan of the whole lake ran.
        campaigns: Of that scan, with the time at which each was first flagged.
        quarantine_share: Of what came in the last day before the last commit, the part that could
            not be read: rows that wait in the quarantine against exchanges of the log's last day.
        column_changes: By column, how the share of exchanges that have it changed from the seven
            days before to the last whole day of the log.
        missing: Files that the manifest names and that are not there.
    """

    exchanges: int
    last_commit_at: datetime
    last_scan_at: datetime | None
    campaigns: tuple[tuple[str, datetime], ...]
    quarantine_share: float | None
    column_changes: tuple[tuple[str, float], ...]
    missing: tuple[str, ...]
    free_bytes: int


def condition_of(path: Path) -> Condition:
    """How the lake in this folder does.

    Raises:
        InputError: There is no lake.
    """
    with Lake.reading(path) as lake:
        parts = lake.manifest.parts("exchanges")
        missing = tuple(
            part.path
            for table in lake.manifest.tables.values()
            for part in table
            if not (path / part.path).is_file()
        )
        last_commit = datetime.fromtimestamp((path / MANIFEST).stat().st_mtime, UTC)
        return Condition(
            exchanges=lake.rows("exchanges"),
            last_commit_at=last_commit,
            last_scan_at=_scanned_at(lake.findings_directory),
            campaigns=_campaigns(lake.findings_directory),
            quarantine_share=_quarantine_share(lake, parts, last_commit),
            column_changes=() if missing else _column_changes(path, parts),
            missing=missing,
            free_bytes=shutil.disk_usage(path).free,
        )


def _scanned_at(findings: Path) -> datetime | None:
    try:
        notes = json.loads((findings / _NOTES).read_text(encoding="utf-8"))
        return datetime.fromisoformat(notes["scanned_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _campaigns(findings: Path) -> tuple[tuple[str, datetime], ...]:
    try:
        members = pq.read_table(
            findings / "members.parquet", columns=["campaign_id", "first_flagged_at"]
        )
    except (OSError, pa.ArrowException):
        return ()
    first = members.group_by("campaign_id").aggregate([("first_flagged_at", "min")])
    return tuple(
        sorted((row["campaign_id"], row["first_flagged_at_min"]) for row in first.to_pylist())
    )


def _quarantine_share(lake: Lake, parts: Iterable[Part], now: datetime) -> float | None:
    days = _rows_by_day(parts)
    if not days:
        return None
    waiting = 0
    for path in lake.files("quarantine"):
        if path.is_file():
            rows = pq.read_table(path, columns=["quarantined_at", "mended_at"])
            lately = pc.greater(rows["quarantined_at"], pa.scalar(now - _LATELY))
            waiting += pc.sum(pc.and_(lately, pc.is_null(rows["mended_at"]))).as_py() or 0
    read = days[max(days)]
    return float(waiting) / (waiting + read)


def _column_changes(path: Path, parts: Iterable[Part]) -> tuple[tuple[str, float], ...]:
    """From footers alone: they count the empty values of each column."""
    parts = list(parts)
    rows = _rows_by_day(parts)
    # The log's last day may have only begun.
    whole = [day for day in sorted(rows)[:-1] if rows[day] >= _LEAST_ROWS]
    if len(whole) < 2:
        return ()
    last, before = whole[-1], whole[-1 - _COMPARED_DAYS : -1]
    filled: dict[bool, dict[str, int]] = {True: {}, False: {}}
    for part in parts:
        day = _day(part)
        if day == last or day in before:
            _count_filled(path / part.path, filled[day == last])
    then, now = sum(rows[day] for day in before), rows[last]
    changes = {
        column: filled[True].get(column, 0) / now - filled[False].get(column, 0) / then
        for column in {**filled[True], **filled[False]}
    }
    return tuple(sorted((column, round(change, 4)) for column, change in changes.items()))


def _count_filled(path: Path, filled: dict[str, int]) -> None:
    footer = pq.read_metadata(path)
    for group in range(footer.num_row_groups):
        row_group = footer.row_group(group)
        for number in range(row_group.num_columns):
            column = row_group.column(number)
            statistics = column.statistics
            # Lists and structs count their items, not rows.
            if "." in column.path_in_schema or statistics is None or not statistics.has_null_count:
                continue
            name = column.path_in_schema
            filled[name] = filled.get(name, 0) + row_group.num_rows - statistics.null_count


def _rows_by_day(parts: Iterable[Part]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for part in parts:
        rows[_day(part)] = rows.get(_day(part), 0) + part.rows
    return rows


def _day(part: Part) -> str:
    return part.place.partition("/")[0]
