"""The hash of the source that a result depends on."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import stillwatch

__all__ = ["sources_hash"]

# What makes worlds, reads logs, decides, and scores. Pages, commands and adapters change no figure.
_ROOMS = ("records", "identity", "lake", "signals", "linking", "campaigns", "simulation")
_SCORING = (
    "evaluation/*.py",
    "evaluation/baselines/*.py",
    "evaluation/suite/altering.py",
    "evaluation/suite/condensing.py",
    "evaluation/suite/measuring.py",
    "evaluation/suite/playing.py",
)
_NOT_SOURCE = {".pyc", ".nbi", ".nbc"}
_ONLY_PRINTED = "calibration.json"  # measured by the source, and shown beside what it decides


@lru_cache(maxsize=1)
def sources_hash() -> str:
    """SHA-256, shortened, over names and contents of the files that decide a figure."""
    root = Path(stillwatch.__file__).parent
    files = [path for room in _ROOMS for path in (root / room).rglob("*")]
    files += [path for pattern in _SCORING for path in root.glob(pattern)]
    digest = hashlib.sha256()
    read = {p for p in files if p.is_file() and p.suffix not in _NOT_SOURCE}
    for path in sorted(p for p in read if p.name != _ONLY_PRINTED):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]
