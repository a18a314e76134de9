"""A disk that remembers each write and each flush, and what it may hold after a power cut.

Until a file is flushed, each 512-byte sector of each write to it may or may not have reached the
disk, in any order. That is what a power cut may leave, and it is what is rebuilt here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

__all__ = ["RecordedDisk", "Step"]

_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done to a file."""

    kind: str
    file: str
    offset: int = 0
    data: bytes = b""


@dataclass(slots=True)
class RecordedDisk:
    """Opens databases whose files' steps are recorded."""

    name: str
    steps: list[Step] = field(default_factory=list)
    _vfs: Any = None

    def connect(self, prepare: Callable[[apsw.Connection], None]) -> Callable[[str], Any]:
        """What opens a database on this disk.

        Args:
            prepare: Told of each connection before anybody else uses it.
        """
        self._vfs = self._vfs or _Recorder(self)

        def opened(path: str) -> apsw.Connection:
            connection = apsw.Connection(path, vfs=self.name)
            prepare(connection)
            return connection

        return opened

    def after_power_cut(self, at: int, folder: Path, dice: random.Random) -> None:
        """Write into `folder` what the disk may hold if the power went before step `at`."""
        for file in sorted({Path(step.file).name for step in self.steps[:at]}):
            of_file = [step for step in self.steps[:at] if Path(step.file).name == file]
            gone = max((i for i, s in enumerate(of_file) if s.kind == "delete"), default=-1)
            of_file = of_file[gone + 1 :]
            if not of_file:
                continue
            flushed = max((i for i, s in enumerate(of_file) if s.kind == "sync"), default=-1)
            content = bytearray()
            for step in of_file[: flushed + 1]:
                _apply(content, step)
            _apply_some(content, of_file[flushed + 1 :], dice)
            (folder / file).write_bytes(content)


def _apply(content: bytearray, step: Step) -> None:
    if step.kind == "write":
        if len(content) < step.offset:
            content.extend(bytes(step.offset - len(content)))
        content[step.offset : step.offset + len(step.data)] = step.data
    elif step.kind == "truncate":
        del content[step.offset :]


def _apply_some(content: bytearray, steps: list[Step], dice: random.Random) -> None:
    """Any part of what was not flushed: all, nothing, some writes, some sectors, in any order."""
    pieces: list[Step] = []
    for step in steps:
        if step.kind != "write":
            pieces.append(step)
            continue
        for start in range(0, len(step.data), _SECTOR):
            piece = step.data[start : start + _SECTOR]
            pieces.append(Step("write", step.file, step.offset + start, piece))
    share = dice.choice([0.0, 0.1, 0.5, 0.9, 1.0])
    kept = [piece for piece in pieces if dice.random() < share]
    if dice.random() < 0.5:
        dice.shuffle(kept)
    if dice.random() < 0.3:
        kept = kept[: dice.randint(0, len(kept))]
    for piece in kept:
        _apply(content, piece)


class _Recorder(apsw.VFS):
    def __init__(self, disk: RecordedDisk) -> None:
        self.disk = disk
        super().__init__(disk.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _RecordedFile(self.disk, name, flags)

    def xDelete(self, name: str, sync: bool) -> None:  # noqa: N802
        # Gone for good: `Spool.of_lake` flushes the folder before the first batch is added.
        self.disk.steps.append(Step("delete", name))
        super().xDelete(name, sync)


class _RecordedFile(apsw.VFSFile):
    def __init__(self, disk: RecordedDisk, name: Any, flags: list[int]) -> None:
        self.disk = disk
        self.path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self.disk.steps.append(Step("write", self.path, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self.disk.steps.append(Step("truncate", self.path, size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self.disk.steps.append(Step("sync", self.path))
        super().xSync(flags)
