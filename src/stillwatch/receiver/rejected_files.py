"""Rows that were kept out of the lake, kept as they came: as files that can be mended and imported.

The quarantine names a file and a line for each. A file is named by its content, so a fold that is
done twice writes it once.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from stillwatch.records import flush_to_disk
from stillwatch.sources.quarantine import QuarantinedRow

__all__ = ["RejectedFiles"]

_MOST_BYTES = 1_024 * 2**20
_NOT_KEPT = " The row itself was not kept: there are too many of them already."


@dataclass(slots=True)
class _File:
    """A file that is being written: rows of one format."""

    path: Path
    file: IO[bytes]
    digest: hashlib._Hash
    reasons: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RejectedFiles:
    """The rejections of one fold.

    Attributes:
        folder: Where the files lie; mode 0700.
        most_bytes: What all of them together may take; beyond, only the reasons are kept.
    """

    folder: Path
    most_bytes: int = _MOST_BYTES
    count: int = 0
    _files: dict[str, _File] = field(default_factory=dict)
    _bytes: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.folder.iterdir():
            if path.suffix == ".partial":  # of a fold that was killed
                path.unlink()
            else:
                self._bytes += path.stat().st_size

    def add(self, log_format: str, row: bytes, reason: str) -> None:
        """Keep a row; `row` is one line, in the shape of its format."""
        opened = self._files.get(log_format) or self._opened(log_format)
        self._bytes += len(row) + 1
        if self._bytes > self.most_bytes:
            row, reason = b"", reason + _NOT_KEPT
        line = row + b"\n"
        opened.file.write(line)
        opened.digest.update(line)
        opened.reasons.append(reason)
        self.count += 1

    def finish(self) -> list[QuarantinedRow]:
        """Put the files in their places; what the quarantine says of their lines."""
        entries = []
        for log_format, opened in self._files.items():
            opened.file.close()
            flush_to_disk(opened.path)
            place = self.folder / f"{opened.digest.hexdigest()[:16]}-{log_format}.ndjson"
            opened.path.replace(place)
            now = datetime.now(UTC)  # a file that was changed later than this is another
            entries += [
                QuarantinedRow.of(place.resolve(), line, reason, log_format=log_format, when=now)
                for line, reason in enumerate(opened.reasons, 1)
            ]
        flush_to_disk(self.folder)
        self._files = {}
        return entries

    def discard(self) -> None:
        """Leave nothing of a fold that failed."""
        for opened in self._files.values():
            opened.file.close()
            opened.path.unlink(missing_ok=True)

    def _opened(self, log_format: str) -> _File:
        path = self.folder / f"{log_format}.partial"
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        opened = _File(path, os.fdopen(handle, "wb"), hashlib.sha256())
        self._files[log_format] = opened
        return opened
