"""Bodies that Bedrock moved out of its records: found by their path in S3, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stillwatch.sources.limits import Limits, parsed_json
from stillwatch.sources.unpacking import BROKEN_FILE, unpacked
from stillwatch.sources.values import text

__all__ = ["MISSING", "OUTSIDE", "UNREADABLE", "Companions", "is_companion"]

MISSING = (
    "a body lies in a file of its own, which is not beside the log; what it says is not known. "
    "Copy the folder `data` too, and import into a new lake."
)
OUTSIDE = "the path of a body leads out of the folder that was given, and was not followed."
UNREADABLE = "a body in a file of its own is no JSON, damaged or too large, and was passed over."

_COMPANION = re.compile(r".+_(input|output)\.(json|bin)(\.gz)?", re.DOTALL)
_S3 = re.compile(r"s3://[^/]+/(.+)", re.DOTALL)
_UNSAFE = re.compile(r"[\\\0]")


def is_companion(path: Path) -> bool:
    """Whether a file is a body and not a log: Bedrock puts them into folders called `data`."""
    return path.parent.name == "data" and bool(_COMPANION.fullmatch(path.name))


class Companions:
    """The bodies beside one log.

    Args:
        log: The log's file.
        folder: The folder that the import was given; nothing outside of it is read.
    """

    def __init__(self, log: Path, folder: Path) -> None:
        self._folder = folder.resolve()
        parents = [p for p in log.resolve().parents if p.is_relative_to(self._folder)]
        self._bases = parents or [self._folder]

    def body(self, part: Mapping[str, Any], kind: str) -> tuple[object, str | None]:
        """The body of a record's `input` or `output`, and what a person should know of it.

        Args:
            part: The record's part.
            kind: `input` or `output`, as the names of its fields begin.
        """
        inside = part.get(f"{kind}BodyJson")
        path = text(part.get(f"{kind}BodyS3Path"))
        if inside is not None or path is None:
            return inside, None
        names = _names(path)
        if names is None:
            return None, OUTSIDE
        found = next((c for c in self._candidates(names) if c.is_file()), None)
        if found is None:
            return None, MISSING
        # A link in the folder may point anywhere.
        if not found.resolve().is_relative_to(self._folder):
            return None, OUTSIDE
        return _read(found)

    def _candidates(self, names: list[str]) -> Iterator[Path]:
        """Each tail of the path, the longest first, below each folder around the log."""
        for start in range(len(names)):
            for base in self._bases:
                yield base.joinpath(*names[start:])


def _names(path: str) -> list[str] | None:
    """The names along the path of an object in S3; None if it is not one to follow."""
    found = _S3.fullmatch(path)
    names = found[1].split("/") if found else []
    unsafe = any(name in ("", ".", "..") or _UNSAFE.search(name) for name in names)
    return None if unsafe or not names else names


def _read(path: Path) -> tuple[object, str | None]:
    limits = Limits.configured()
    try:
        with unpacked(path, limits) as stream:
            data = stream.read(limits.row_bytes + 1)
        if len(data) > limits.row_bytes:
            return None, UNREADABLE
        return parsed_json(data, limits.nesting), None
    except (*BROKEN_FILE, OSError, ValueError, RecursionError):
        return None, UNREADABLE
