"""The hash of the source that a result depends on."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import stillwatch

__all__ = ["deciding_files", "sources_hash"]

# What makes worlds, reads and decides, and scores; all that these import is of it. Pages, commands,
# adapters, and what keeps a lake change no figure.
_ENTRANCES = ("campaigns/scan.py", "simulation/__init__.py", "evaluation/suite/measuring.py")
_ROOMS_WITH_DATA = ("records", "lake", "signals", "linking", "campaigns", "simulation")
_NOT_DATA = {".py", ".pyc", ".nbi", ".nbc"}
_OF_A_LAKE = ("import_", "export_")  # queries that fill and empty it
_ONLY_PRINTED = "calibration.json"  # measured by the source, and shown beside what it decides


@lru_cache(maxsize=1)
def sources_hash() -> str:
    """SHA-256, shortened, over names and contents of the files that decide a figure."""
    root = Path(stillwatch.__file__).parent
    digest = hashlib.sha256()
    for path in deciding_files(root):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def deciding_files(root: Path) -> list[Path]:
    """Modules that are imported, directly or not, by what decides a figure; and the data beside them.

    Args:
        root: The package's folder.
    """
    waiting = [root / name for name in _ENTRANCES]
    read: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in read:
            read.add(path)
            waiting += _imported(path, root)
    data = {p for room in _ROOMS_WITH_DATA for p in (root / room).rglob("*") if p.is_file()}
    data = {p for p in data if p.suffix not in _NOT_DATA and not p.name.startswith(_OF_A_LAKE)}
    return sorted(p for p in read | data if p.name != _ONLY_PRINTED)


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """The package's own files that a module imports, inside of functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            package, *parts = name.split(".")
            if package == root.name:
                # A package comes before what is in it.
                packages = (root.joinpath(*parts[:i], "__init__.py") for i in range(len(parts) + 1))
                module = root.joinpath(*parts).with_suffix(".py")
                yield from (p for p in (*packages, module) if p.is_file())
