"""A lake: exchanges as Parquet by day, small tables beside them, and a manifest over all."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stillwatch.lake.manifest import MANIFEST, Manifest, flush_to_disk
from stillwatch.lake.staging import Staging
from stillwatch.lake.writer import LakeWriter
from stillwatch.records import InputError, StillwatchError

__all__ = ["Lake"]

_LOCK = ".lock"
_STAGING = ".staging"


@dataclass(slots=True)
class Lake:
    """One snapshot of a lake: the files its manifest named when it was opened.

    What an import adds meanwhile is seen by whoever opens the lake after its commit.
    """

    path: Path
    manifest: Manifest

    @classmethod
    def create(cls, path: Path, key_fingerprint: str) -> Lake:
        """A new, empty lake. It is on the disk from its first commit on.

        Raises:
            InputError: The folder holds a lake already, or other files.
        """
        if (path / MANIFEST).exists():
            raise InputError("there is a lake here already.", where=str(path))
        if path.exists() and not path.is_dir():
            raise InputError("this is a file, not a folder.", where=str(path))
        if path.exists() and any(not p.name.startswith(".") for p in path.iterdir()):
            raise InputError(
                "this folder holds other files, and no lake.",
                where=str(path),
                remedy="Give a new folder, or an empty one.",
            )
        return cls(path, Manifest(key_fingerprint))

    @classmethod
    def open(cls, path: Path) -> Lake:
        """The lake in this folder, as it is now.

        Raises:
            InputError: There is none.
        """
        return cls(path, Manifest.read(path))

    @classmethod
    def open_or_create(cls, path: Path, key_fingerprint: str) -> Lake:
        """The lake in this folder, checked to be under this key; a new one if there is none."""
        if not (path / MANIFEST).exists():
            return cls.create(path, key_fingerprint)
        lake = cls.open(path)
        lake.require_key(key_fingerprint)
        return lake

    def require_key(self, key_fingerprint: str) -> None:
        """Refuse work under another key: its tokens would agree with none in the lake.

        Raises:
            InputError: The fingerprints differ.
        """
        if key_fingerprint != self.manifest.key_fingerprint:
            raise InputError(
                f"this lake was made under the key {self.manifest.key_fingerprint}, "
                f"and the key given is {key_fingerprint}.",
                where=str(self.path),
                remedy="Name the lake's own key with --key-file or --key-command, "
                "or import into a new lake.",
            )

    def files(self, table: str) -> list[Path]:
        """The Parquet files of a table; those of `exchanges` and `sketches` pair up in order."""
        return [self.path / part.path for part in self.manifest.parts(table)]

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        return sum(part.rows for part in self.manifest.parts(table))

    @property
    def findings_directory(self) -> Path:
        """Where the latest scan's findings lie."""
        return self.path / "findings"

    @contextmanager
    def writer(self) -> Iterator[LakeWriter]:
        """Takes batches; commits them all when the block ends, or none if it fails.

        Raises:
            StillwatchError: Another import is at work.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self.path):
            if (self.path / MANIFEST).exists():
                # Another import may have committed since this lake was opened, or made it.
                key_fingerprint = self.manifest.key_fingerprint
                self.manifest = Manifest.read(self.path)
                self.require_key(key_fingerprint)
            _remove_leftovers(self.path)
            try:
                writer = LakeWriter(self.path, self.manifest, Staging(self.path / _STAGING))
                yield writer
                self.manifest = writer.commit(now=datetime.now(UTC))
            finally:
                _remove_leftovers(self.path)


@contextmanager
def _locked(lake: Path) -> Iterator[None]:
    """Hold the lake's lock. The kernel lets go of it however this process ends."""
    handle = os.open(lake / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StillwatchError(
                "another import is writing to this lake.",
                where=str(lake),
                remedy="Wait until it has ended, and run the command again.",
            ) from error
        yield
        flush_to_disk(lake)
    finally:
        os.close(handle)
        if not (lake / MANIFEST).exists():
            (lake / _LOCK).unlink(missing_ok=True)
            if not any(lake.iterdir()):
                lake.rmdir()


def _remove_leftovers(lake: Path) -> None:
    """Remove what a killed import left, and replaced files that nobody reads any more.

    What stays is decided by the manifest on the disk: an interrupt may come after the commit
    and before anyone in this process knows of it.
    """
    shutil.rmtree(lake / _STAGING, ignore_errors=True)
    kept = set()
    if (lake / MANIFEST).exists():
        kept = Manifest.read(lake).named_at(datetime.now(UTC))
    for table in LakeWriter.TABLES:
        for path in (lake / table).rglob("*.parquet*"):
            if str(path.relative_to(lake)) not in kept:
                path.unlink(missing_ok=True)
    for partial in lake.glob(f".{MANIFEST}.*.partial"):
        partial.unlink(missing_ok=True)
    for table in LakeWriter.TABLES:
        _remove_empty_folders(lake / table)


def _remove_empty_folders(folder: Path) -> None:
    if not folder.is_dir():
        return
    for inner in folder.iterdir():
        if inner.is_dir() and not any(inner.iterdir()):
            inner.rmdir()
    if not any(folder.iterdir()):
        folder.rmdir()
