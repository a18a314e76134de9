"""A lake at one point in time as one tar file: its snapshot, its findings, and what waits for it.

The first member says what it is, the last one holds the SHA-256 of all others, so that a backup
that was cut off is known as one. Both ways it streams: memory does not grow with the lake.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from stillwatch import __version__
from stillwatch.identity import Key, store_key
from stillwatch.lake.holds import HOLDS
from stillwatch.lake.manifest import Manifest
from stillwatch.lake.readers import reading
from stillwatch.lake.workplace import locked, workplace
from stillwatch.records import InputError

__all__ = ["ABOUT", "CHECKSUMS", "FORMAT", "IN_LAKE", "KEY", "Saved", "back_up"]

FORMAT = 1
ABOUT, CHECKSUMS, KEY, IN_LAKE = "stillwatch-backup.json", "checksums.json", "key", "lake/"
_SQLITE = b"SQLite format 3\x00"
# Where a receiver keeps what it has acknowledged and the lake does not have yet.
_WAITING = ".receiver"


@dataclass(slots=True)
class Saved:
    """What a backup holds.

    Attributes:
        files: How many of the lake.
        size: Their bytes.
        exchanges: How many exchanges the lake had.
        with_key: Whether the key is in it.
    """

    files: int = 0
    size: int = 0
    exchanges: int = 0
    with_key: bool = False
    taken_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    key_fingerprint: str = ""


def back_up(lake: Path, out: IO[bytes], *, key: Key | None = None) -> Saved:
    """Write the lake as it is now, while others import, scan and receive.

    Every file is compared with the manifest's digest on its way. What a receiver holds is copied
    first: what it folds into the lake meanwhile is in both, and counts once when it is folded again.

    Args:
        out: Needs no seeking.
        key: Goes into the backup, if it is given.

    Raises:
        InputError: There is no lake here, a file is damaged, or the key is not the lake's.
    """
    with workplace(lake) as folder, reading(lake):
        copies = folder / "copies"
        copies.mkdir(mode=0o700)
        for database in _databases(lake):
            _copy_database(database, copies / database.relative_to(lake))
        with locked(lake):
            manifest = Manifest.read(lake)
            for path in _beside(lake):
                _link(path, copies / path.relative_to(lake))
        if key is not None:
            # A key that was rotated has the lake's earlier state in it.
            then = key.when(manifest.key_fingerprint) or key
            manifest.require_key(then.fingerprint, lake=lake)
            store_key(key, folder / KEY)
        # What was replaced is not in the backup.
        replace(manifest, retired={}).write(copies)
        return _write(lake, copies, manifest, folder / KEY if key else None, out)


def _write(lake: Path, copies: Path, manifest: Manifest, key: Path | None, out: IO[bytes]) -> Saved:
    saved = Saved(
        exchanges=sum(part.rows for part in manifest.parts("exchanges")),
        with_key=key is not None,
        key_fingerprint=manifest.key_fingerprint,
    )
    about = {
        "format": FORMAT,
        "version": __version__,
        "taken_at": saved.taken_at.isoformat(timespec="seconds"),
        "key_fingerprint": manifest.key_fingerprint,
    }
    sums: dict[str, str] = {}
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, ABOUT, _as_json(about), sums)
        for path in sorted(p for p in copies.rglob("*") if p.is_file()):
            saved.size += _add_file(archive, IN_LAKE + str(path.relative_to(copies)), path, sums)
        for parts in manifest.tables.values():
            for part in parts:
                path, name = lake / part.path, IN_LAKE + part.path
                saved.size += _add_file(archive, name, path, sums)
                if part.sha256 and sums[name] != part.sha256:
                    raise InputError(
                        "no backup was made: the file is not the one that was written.",
                        where=str(path),
                        remedy=f"See `stillwatch lake check --lake {lake}`.",
                    )
        saved.files = len(sums) - 1
        if key is not None:
            _add_file(archive, KEY, key, sums)
        _add(archive, CHECKSUMS, _as_json(sums), {})
    return saved


def _databases(lake: Path) -> list[Path]:
    """The SQLite files of the lake: what a receiver holds, and the store where there is one."""
    found = []
    for path in sorted((*lake.glob("*"), *(lake / _WAITING).glob("*"))):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(len(_SQLITE)) == _SQLITE:
                    found.append(path)
    return found


def _copy_database(source: Path, target: Path) -> None:
    """As of one transaction, also while others write to it."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    with (
        closing(sqlite3.connect(source, timeout=60)) as ours,
        closing(sqlite3.connect(target)) as theirs,
    ):
        ours.backup(theirs)
    for suffix in ("-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)


def _beside(lake: Path) -> list[Path]:
    """Files that are not the manifest's: findings and holds."""
    folders = [path for path in lake.glob("findings*") if path.is_dir() and not path.is_symlink()]
    inside = [path for folder in folders for path in folder.rglob("*")]
    return sorted(p for p in (*inside, lake / HOLDS) if p.is_file() and not p.is_symlink())


def _link(source: Path, target: Path) -> None:
    """A second name for the file: whoever replaces the first leaves this one."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)


def _add_file(archive: tarfile.TarFile, name: str, path: Path, sums: dict[str, str]) -> int:
    with path.open("rb") as file:
        info = _info(name, os.fstat(file.fileno()).st_size)
        info.mtime = int(os.fstat(file.fileno()).st_mtime)
        digesting = _Digesting(file)
        archive.addfile(info, digesting)
        sums[name] = digesting.sha256.hexdigest()
    archive.members.clear()  # type: ignore[attr-defined] # it would keep one for each file
    return info.size


def _add(archive: tarfile.TarFile, name: str, content: bytes, sums: dict[str, str]) -> None:
    info = _info(name, len(content))
    info.mtime = int(datetime.now(UTC).timestamp())
    archive.addfile(info, io.BytesIO(content))
    sums[name] = hashlib.sha256(content).hexdigest()


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def _as_json(value: object) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


class _Digesting(io.RawIOBase):
    """What is read from a file, with the digest of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.sha256.update(data)
        return data
