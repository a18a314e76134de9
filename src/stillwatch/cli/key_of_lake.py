"""The key under which a lake is, and what to do where it is lost or was rotated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stillwatch.cli.output import say
from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.identity import Key, KeySource

__all__ = ["key_of_lake"]


def key_of_lake(source: KeySource, lake_path: Path) -> Key:
    """The key as the lake knows it; where it is lost, what that means for the lake."""
    from stillwatch.lake.manifest import MANIFEST
    from stillwatch.lake.rotation import key_then
    from stillwatch.lake.store import Lake

    if not (lake_path / MANIFEST).exists():
        return source.read()
    if source.file is None or source.file.exists():
        key = source.read()
        then = key_then(lake_path, key)
        if then != key:
            say(
                "The key was rotated and this lake was not: it gets tokens of the earlier key. "
                f"See `stillwatch keys rotate --finish --lake {lake_path}`."
            )
        return then
    fingerprint = Lake.open(lake_path).manifest.key_fingerprint
    raise InputError(
        f"there is no key here, and this lake was made under the key {fingerprint}.",
        where=source.place,
        remedy="Bring that key back from a copy with `stillwatch keys import FILE`. If there is "
        "none, the lake can still be scanned and exported, but new logs need a new key and a new "
        "lake: nobody can link their tokens with those that are here.",
    )
