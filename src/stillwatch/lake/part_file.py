"""A Parquet file on its way into a lake."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.lake.manifest import Part
from stillwatch.records import flush_to_disk

__all__ = ["ROWS_AT_ONCE", "LakeParquetWriter", "PartFile", "digest_of", "move_into_lake"]

ROWS_AT_ONCE = 16_384
"""Rows in a row group: enough to compress well, few enough that their texts fit in memory."""


class LakeParquetWriter(pq.ParquetWriter):  # type: ignore[misc] # pyarrow has no types
    """Writes Parquet, and is silent once a disk was full: the error was raised, and is enough.

    Arrow's own closes the file anew when it is collected, and prints that this fails again.
    """

    def __del__(self) -> None:
        with suppress(OSError, pa.ArrowException):
            super().__del__()


class PartFile:
    """A file that is on the disk when it is closed, and absent if it got no rows."""

    def __init__(self, folder: Path, name: str) -> None:
        """Prepare it.

        Args:
            folder: Where it is prepared.
            name: Its path relative to the lake, and to `folder` until then.
        """
        self.name = name
        self.path = folder / name
        self.rows = 0
        self._writer: LakeParquetWriter | None = None

    def __enter__(self) -> PartFile:
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        if self._writer is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
            self._writer = LakeParquetWriter(self.path, batch.schema, compression="zstd")
        self._writer.write_batch(batch, row_group_size=ROWS_AT_ONCE)
        self.rows += batch.num_rows

    def close(self) -> None:
        """Finish the file and flush it to the disk."""
        if self._writer is not None:
            self._writer.close()
            flush_to_disk(self.path)

    def __exit__(self, *failure: object) -> None:
        if failure[0] is None:
            self.close()
        elif self._writer is not None:
            self._writer.close()

    def part(self) -> Part:
        """What the manifest says of the closed file."""
        return Part(self.name, self.rows, digest_of(self.path))


def move_into_lake(parts: Iterable[Part], *, folder: Path, lake: Path) -> None:
    """Move files to their places, to be named by the manifest that is written next.

    Args:
        parts: The files.
        folder: Where they were prepared.
        lake: Whose lock is held.
    """
    folders = set()
    for part in parts:
        target = lake / part.path
        for inner in (target.parent.parent, target.parent):  # parents=True forgets the mode
            inner.mkdir(mode=0o700, exist_ok=True)
        os.rename(folder / part.path, target)
        folders |= {target.parent, target.parent.parent}
    for inner in folders:
        flush_to_disk(inner)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
