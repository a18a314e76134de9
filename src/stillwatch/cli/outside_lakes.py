"""Where no command may write what a person asked for: a lake's folder holds the lake alone."""

from __future__ import annotations

from pathlib import Path

from stillwatch.records import InputError

__all__ = ["require_outside_lakes"]


def require_outside_lakes(out: Path) -> None:
    """Check that what is to be written lies in no lake: its files would lie among the lake's.

    Raises:
        InputError: It is a lake's folder, or lies in one.
    """
    from stillwatch.lake.manifest import MANIFEST, TABLES

    place = out.resolve()
    for folder in (place, *place.parents):
        # Other programs have manifests, too; a lake has one beside its tables.
        if (folder / MANIFEST).is_file() and any((folder / name).is_dir() for name in TABLES):
            raise InputError(
                f"this lies in the lake {folder}, whose folder is its own.",
                where=str(out),
                remedy="Give --out a place outside of it.",
            )
