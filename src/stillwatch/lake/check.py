"""Is the lake what its manifest says, and is every row there once?"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.lake.database import lake_database
from stillwatch.lake.known_ids import KNOWN_IDS, KnownIds
from stillwatch.lake.manifest import MANIFEST, TABLES, Manifest, Part
from stillwatch.lake.merging import KEYS
from stillwatch.lake.parquet_source import parquet_source
from stillwatch.lake.part_file import digest_of
from stillwatch.lake.queries import load_query
from stillwatch.lake.readers import reading
from stillwatch.lake.store import Lake
from stillwatch.lake.workplace import Leftovers, locked
from stillwatch.records import InputError, Problem

__all__ = [
    "Checked",
    "check_lake",
    "damage_of",
    "is_of_table",
    "require_whole",
    "unpaired",
]

_REMEDY = (
    "Bring it back from a backup; or take it out with `stillwatch lake repair --set-aside`, "
    "and import the logs that were in it again."
)


@dataclass(slots=True)
class Checked:
    """What a check found.

    Attributes:
        problems: What is wrong, and what to do; empty for a lake that is whole.
        files: How many the manifest names.
        rows: By table, as the manifest has them.
        size: Of all files that are there, in bytes.
        without_digest: How many files an early version wrote, without a digest to hold them to.
        leftovers: What writers who died have left; it counts for nothing.
        working: How many imports and scans are at work.
    """

    problems: list[Problem] = field(default_factory=list)
    files: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    size: int = 0
    without_digest: int = 0
    leftovers: list[Path] = field(default_factory=list)
    working: int = 0


def check_lake(
    lake: Path, *, on_file: Callable[[int, int], None] = lambda _n, _of: None
) -> Checked:
    """Read every file of a lake as it is now, while others may read and write.

    Args:
        on_file: Told how many files were read, and of how many.

    Raises:
        InputError: There is no lake here.
    """
    with reading(lake):
        return _checked(lake, on_file)


def _checked(lake: Path, on_file: Callable[[int, int], None]) -> Checked:
    checked = Checked()
    try:
        # A commit that is under way looks like leavings. Where nobody can write, none is.
        with locked(lake) if _is_writable(lake) else nullcontext():
            manifest = Manifest.read(lake)
            leftovers = Leftovers(lake)
    except InputError as error:
        if not (lake / MANIFEST).exists():
            raise
        checked.problems.append(Problem(error.where, error.what, error.remedy))
        return checked
    checked.leftovers, checked.working = leftovers.paths, leftovers.working
    parts = [(table, part) for table in sorted(manifest.tables) for part in manifest.parts(table)]
    checked.files = len(parts)
    checked.rows = {t: sum(p.rows for p in manifest.parts(t)) for t in sorted(manifest.tables)}
    whole: dict[str, list[Part]] = {}
    for number, (table, part) in enumerate(parts, start=1):
        if damage := damage_of(lake, table, part):
            checked.problems.append(Problem(str(lake / part.path), damage, _REMEDY))
        else:
            whole.setdefault(table, []).append(part)
            checked.size += (lake / part.path).stat().st_size
            checked.without_digest += not part.sha256
        on_file(number, len(parts))
    checked.problems += [
        Problem(str(lake / "exchanges" / name), "no sketches lie row for row beside it.", _REMEDY)
        for name in sorted(unpaired(manifest))
    ]
    checked.problems += _of_rows(lake, whole)
    return checked


def damage_of(lake: Path, table: str, part: Part) -> str:
    """What is wrong with one file, in words; nothing if it is what the manifest says."""
    path = lake / part.path
    if not is_of_table(table, part):
        return f"the manifest names it for the table {table}, and it is none of its files."
    if damage := _footer_damage(path, part):
        return damage
    if part.sha256:
        if digest_of(path) != part.sha256:
            return "the file is not the one that was written: its digest is another."
        return ""
    try:
        with pq.ParquetFile(path) as file:
            for _ in file.iter_batches():
                pass
    except (pa.ArrowException, OSError):
        return "the file cannot be read as Parquet."
    return ""


def is_of_table(table: str, part: Part) -> bool:
    """Whether the path leads into the table's folder, and not out of the lake."""
    return table in TABLES and Path(os.path.normpath(part.path)).parts[0] == table


def require_whole(lake: Lake) -> None:
    """Refuse a snapshot of which a file is missing or cut off, by its size and footer alone.

    Read without one of its files, exchanges would get the sketches of others.

    Raises:
        InputError: One is.
    """
    for table in lake.manifest.tables:
        for part in lake.manifest.parts(table):
            if damage := _footer_damage(lake.path / part.path, part):
                raise InputError(
                    damage,
                    where=str(lake.path / part.path),
                    remedy=f"See `stillwatch lake check --lake {lake.path}`.",
                )


def _footer_damage(path: Path, part: Part) -> str:
    try:
        rows: int = pq.read_metadata(path).num_rows
    except FileNotFoundError:
        return "the file is missing."
    except (pa.ArrowException, OSError):
        return "the file cannot be read as Parquet."
    if rows != part.rows:
        return f"it holds {rows:,} rows, and the manifest says {part.rows:,}."
    return ""


def unpaired(manifest: Manifest) -> set[str]:
    """Places of exchanges or sketches that have no counterpart of as many rows.

    They lie row for row side by side, or a scan reads the wrong sketches.
    """
    exchanges = {(part.place, part.rows) for part in manifest.parts("exchanges")}
    sketches = {(part.place, part.rows) for part in manifest.parts("sketches")}
    return {place for place, _ in exchanges ^ sketches}


def _of_rows(lake: Path, whole: dict[str, list[Part]]) -> Iterator[Problem]:
    """What is wrong with the rows of the files that can be read."""
    spill = Path(tempfile.mkdtemp(prefix="stillwatch-"))
    try:
        with lake_database(spill, in_order=False) as database:
            for table, key in KEYS.items():
                if table in whole and (count := _repeated(database, lake, whole[table], key)):
                    yield Problem(
                        str(lake / table),
                        f"{count:,} rows are there more than once.",
                        "`stillwatch export` it and import that into a new lake: "
                        "an import takes each row once.",
                    )
            if not KnownIds(lake, spill, database).are_true(set(whole.get("exchanges", ()))):
                yield Problem(
                    str(lake / KNOWN_IDS),
                    "what is noted of ids there is not what the files hold.",
                    "Delete this folder: it is made anew.",
                )
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _repeated(
    database: duckdb.DuckDBPyConnection, lake: Path, parts: list[Part], key: tuple[str, ...]
) -> int:
    """How many rows are there twice."""
    source = parquet_source(lake / part.path for part in parts)
    query = load_query("import_repeated").replace("$keys", ", ".join(key))
    count: int = database.execute(query.replace("$source", source)).fetchall()[0][0]
    return count


def _is_writable(lake: Path) -> bool:
    return (lake / MANIFEST).exists() and os.access(lake, os.W_OK)
