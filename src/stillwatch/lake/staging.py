"""Batches set aside on the disk until the import that brought them commits."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.lake.in_background import InBackground
from stillwatch.lake.part_file import LakeParquetWriter

__all__ = ["ORDINAL", "Staging"]

ORDINAL = "_ordinal"
# Each open file buffers a little; a log out of order touches many days at once.
_OPEN_FILES = 24


@dataclass(slots=True)
class _OpenFile:
    schema: pa.Schema
    writer: LakeParquetWriter


@dataclass(slots=True)
class Staging:
    """Rows in the order they came, each with its ordinal, exchanges apart by UTC day.

    Memory does not grow with what is staged: a batch is written while the next is being made.
    Files whose columns differ lie side by side.
    """

    folder: Path
    rows: dict[str, int] = field(default_factory=dict)
    _bytes: dict[str, int] = field(default_factory=dict)
    _files: dict[str, list[Path]] = field(default_factory=dict)
    _open: OrderedDict[str, _OpenFile] = field(default_factory=OrderedDict)
    _last_ordinal: int = 0
    _background: InBackground = field(default_factory=InBackground)

    def add(self, table: str, rows: pa.Table) -> None:
        """Set rows aside that all belong to one group of files, such as the table itself."""
        count = rows.num_rows
        numbers = pa.array(np.arange(self._last_ordinal, self._last_ordinal + count), pa.int64())
        self._last_ordinal += count
        self.rows[table] = self.rows.get(table, 0) + count
        self._background.start(self._set_aside, table, rows.append_column(ORDINAL, numbers))

    def groups(self, table: str) -> list[str]:
        """The groups of a table that hold rows: `exchanges/2026-01-31`, or `accounts`."""
        return sorted(g for g in self._files if g == table or g.startswith(f"{table}/"))

    def files(self, group: str) -> list[Path]:
        """The closed files of a group; call `close` first."""
        return self._files.get(group, [])

    def bytes(self, group: str) -> int:
        """How much memory the rows of a group would take together."""
        return self._bytes.get(group, 0)

    def close(self) -> None:
        """Finish all files, so that they can be read."""
        self._background.close()
        while self._open:
            _, opened = self._open.popitem()
            opened.writer.close()

    def _set_aside(self, table: str, rows: pa.Table) -> None:
        if "started_at" not in rows.column_names:
            self._write(table, rows)
            return
        days = rows["started_at"].cast(pa.date32())
        found = sorted(pc.unique(days).to_pylist())
        for day in found:
            of_day = rows if len(found) == 1 else rows.filter(pc.equal(days, day))
            self._write(f"{table}/{day.isoformat()}", of_day)

    def _write(self, group: str, rows: pa.Table) -> None:
        self._bytes[group] = self._bytes.get(group, 0) + rows.nbytes
        opened = self._open.pop(group, None)
        if opened is not None and not opened.schema.equals(rows.schema):
            opened.writer.close()
            opened = None
        if opened is None:
            opened = self._new_file(group, rows.schema)
        self._open[group] = opened
        opened.writer.write_table(rows)
        if len(self._open) > _OPEN_FILES:
            _, oldest = self._open.popitem(last=False)
            oldest.writer.close()

    def _new_file(self, group: str, schema: pa.Schema) -> _OpenFile:
        files = self._files.setdefault(group, [])
        path = self.folder / group / f"{len(files)}.parquet"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.append(path)
        return _OpenFile(schema, LakeParquetWriter(path, schema, compression="lz4"))
