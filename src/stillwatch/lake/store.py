"""A lake: exchanges as Parquet by day, small tables beside them, and a manifest over all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stillwatch.lake.manifest import MANIFEST, Manifest
from stillwatch.lake.readers import reading
from stillwatch.lake.staging import Staging
from stillwatch.lake.workplace import locked, put_in_place, workplace
from stillwatch.lake.writer import LakeWriter
from stillwatch.records import InputError, StillwatchError

__all__ = ["Lake"]


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
    @contextmanager
    def reading(cls, path: Path) -> Iterator[Lake]:
        """The lake as it is now, none of whose files is removed while the block runs.

        Raises:
            InputError: There is none.
        """
        with reading(path):
            yield cls.open(path)

    @classmethod
    def open_or_create(cls, path: Path, key_fingerprint: str) -> Lake:
        """The lake in this folder, checked to be under this key; a new one if there is none."""
        if not (path / MANIFEST).exists():
            return cls.create(path, key_fingerprint)
        lake = cls.open(path)
        lake.manifest.require_key(key_fingerprint, lake=path)
        return lake

    def files(self, table: str) -> list[Path]:
        """The Parquet files of a table; those of `exchanges` and `sketches` pair up in order."""
        return [self.path / part.path for part in self.manifest.parts(table)]

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        return sum(part.rows for part in self.manifest.parts(table))

    @property
    def findings_directory(self) -> Path:
        """Where the findings of the latest scan of the whole lake lie."""
        return self.path / "findings"

    @property
    def looks_directory(self) -> Path:
        """Where scans keep what they weighed: figures of accounts by position, no part of the lake."""
        return self.path / ".looks"

    def findings_until(self, moment: datetime) -> Path:
        """Where the findings of a scan as of an earlier moment lie, apart from the latest."""
        moment = moment.astimezone(UTC)
        # No colons: some file systems and programs do not take them in a name.
        fraction = f".{moment:%f}" if moment.microsecond else ""
        return self.path / f"findings-until-{moment:%Y-%m-%dT%H%M%S}{fraction}Z"

    @contextmanager
    def new_findings(self, until: datetime | None = None) -> Iterator[Path]:
        """A folder for a scan's findings, which takes the place of the earlier when the block ends.

        All of them or none, however the scan ends. It begins as a copy of the earlier, so that what
        somebody else has put beside them stays.

        Args:
            until: The moment that was scanned, if it was not all. Only findings as of that very
                moment are replaced then, and the latest stay as they are.

        Raises:
            StillwatchError: Something was erased from the lake since this snapshot.
        """
        place = self.findings_directory if until is None else self.findings_until(until)
        with workplace(self.path) as folder:
            new = folder / "findings"
            if place.is_dir():
                shutil.copytree(place, new, symlinks=True)
            else:
                new.mkdir(mode=0o700)
            yield new
            with locked(self.path):
                if Manifest.read(self.path).erased_at != self.manifest.erased_at:
                    raise StillwatchError(
                        "what this scan has read was erased in part meanwhile.",
                        where=str(self.path),
                        remedy="Scan again.",
                    )
                put_in_place(new, place, folder=folder)

    @contextmanager
    def writer(self) -> Iterator[LakeWriter]:
        """Takes batches; commits them all when the block ends, or none if it fails.

        Several may write to a lake at once: whoever commits later takes account of what the others
        have committed.
        """
        with workplace(self.path) as folder, closing(Staging(folder)) as staging:
            writer = LakeWriter(self.path, self.manifest.key_fingerprint, staging)
            writer.current()  # refuse another key before the work, not after it
            yield writer
            self.manifest = writer.commit()
