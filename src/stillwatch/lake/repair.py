"""Mends a lake: removes what the dead have left and, if that is wanted, sets damaged files aside."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from stillwatch.lake.check import damage_of, is_of_table, unpaired
from stillwatch.lake.manifest import Manifest, Part
from stillwatch.lake.readers import reading
from stillwatch.lake.workplace import locked, remove_leftovers
from stillwatch.records import flush_to_disk

__all__ = ["DAMAGED", "Repaired", "repair_lake"]

DAMAGED = "damaged"
"""The folder, in a lake, of files that were set aside."""


@dataclass(slots=True)
class Repaired:
    """What a repair did.

    Attributes:
        removed: Leavings of writers who died.
        set_aside: Files that the lake no longer names; those that exist lie under `damaged` now.
        rows: How many rows the lake lost with them, by table.
    """

    removed: list[Path] = field(default_factory=list)
    set_aside: list[Path] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)


def repair_lake(lake: Path, *, set_aside: bool) -> Repaired:
    """Remove what writers who died have left.

    Args:
        set_aside: Take damaged files out of the lake as well, exchanges together with their
            sketches, so that it can be used without them and filled again by an import. Those that
            exist are kept in the folder `damaged`.

    Raises:
        InputError: There is no lake here, or its manifest cannot be read.
    """
    with reading(lake):
        manifest = Manifest.read(lake)
        # Read before the lock is taken: reading all takes long, and others want to commit.
        damaged = _damaged_names(lake, manifest) if set_aside else set()
    repaired = Repaired()
    with locked(lake):
        repaired.removed = remove_leftovers(lake)
        _take_out(lake, damaged, repaired)
    return repaired


def _damaged_names(lake: Path, manifest: Manifest) -> set[str]:
    return unpaired(manifest) | {
        _name(table, part)
        for table, parts in manifest.tables.items()
        for part in parts
        if damage_of(lake, table, part)
    }


def _take_out(lake: Path, names: set[str], repaired: Repaired) -> None:
    manifest = Manifest.read(lake)
    kept: dict[str, tuple[Part, ...]] = {}
    existing = []
    for table, parts in sorted(manifest.tables.items()):
        kept[table] = tuple(part for part in parts if _name(table, part) not in names)
        gone = [part for part in parts if _name(table, part) in names]
        if gone:
            repaired.rows[table] = sum(part.rows for part in gone)
            paths = [lake / part.path for part in gone]
            repaired.set_aside += paths
            existing += [
                p
                for p, of in zip(paths, gone, strict=True)
                if p.is_file() and is_of_table(table, of)
            ]
    # A second name first: a file without any is a leaving, and would be removed.
    for path in existing:
        target = lake / DAMAGED / path.relative_to(lake)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        os.link(path, target)
        flush_to_disk(target.parent)
    if repaired.set_aside:
        replace(manifest, tables=kept).write(lake)
    for path in existing:
        path.unlink()


def _name(table: str, part: Part) -> str:
    """One name for exchanges and the sketches beside them; for any other file its own."""
    return part.place if table in ("exchanges", "sketches") else part.path
