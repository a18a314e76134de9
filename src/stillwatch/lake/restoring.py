"""A backup becomes a lake again: whole and as it was, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from stillwatch.identity import Key, decode_key
from stillwatch.lake.backup import ABOUT, CHECKSUMS, FORMAT, IN_LAKE, KEY
from stillwatch.lake.manifest import MANIFEST, TABLES, Manifest
from stillwatch.records import InputError, flush_to_disk

__all__ = ["Restored", "restore"]

_AT_ONCE = 2**20
# Far more than a lake of a million files needs.
_MOST_JSON_BYTES = 256 * 2**20
_HIDDEN = {".receiver"}


@dataclass(frozen=True, slots=True)
class Restored:
    """What was brought back.

    Attributes:
        taken_at: When the backup was made, as it says.
        key: The key that is in it, if one is; it goes nowhere by itself.
    """

    files: int
    size: int
    exchanges: int
    taken_at: str
    key_fingerprint: str
    key: Key | None = None


def restore(source: IO[bytes], lake: Path, *, name: str) -> Restored:
    """Write the lake of a backup, each file compared with its SHA-256.

    The folder appears at the end, when all is there and on the disk.

    Args:
        source: Needs no seeking.
        lake: A new folder, or an empty one.
        name: What the backup is called in messages.

    Raises:
        InputError: `lake` holds something, or this is no backup, or not all of it.
    """
    if lake.exists() and (not lake.is_dir() or any(lake.iterdir())):
        raise InputError(
            "there is something here already, and a restore overwrites nothing.",
            where=str(lake),
            remedy="Give a new folder with --lake.",
        )
    lake = lake.absolute()
    lake.parent.mkdir(parents=True, exist_ok=True)
    partial = lake.with_name(f".{lake.name}.{os.getpid()}.partial")
    partial.mkdir(mode=0o700)
    try:
        restored = _Reading(partial, name).all_of(source)
        if lake.exists():
            lake.rmdir()
        os.rename(partial, lake)
        flush_to_disk(lake.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return restored


class _Reading:
    """Takes one backup apart."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.sums: dict[str, str] = {}
        self.size = 0
        self.key = b""

    def all_of(self, source: IO[bytes]) -> Restored:
        try:
            with tarfile.open(fileobj=source, mode="r|") as archive:
                first = archive.next()
                if first is None or first.name != ABOUT:
                    raise self._no_backup("this is no backup of stillwatch")
                content = self._bytes(archive, first, _MOST_JSON_BYTES)
                self.sums[ABOUT] = hashlib.sha256(content).hexdigest()
                about = dict(json.loads(content))
                if about.get("format") != FORMAT:
                    raise self._no_backup(
                        f"this backup has format {about.get('format')}, and this version reads "
                        f"{FORMAT}",
                        remedy="Use the version of stillwatch that made it, or a newer one.",
                    )
                written = self._members(archive)
        except (tarfile.TarError, EOFError, ValueError, AttributeError) as error:
            raise self._no_backup("this is no backup of stillwatch, or it was cut off") from error
        if written != self.sums:
            differs = sorted(
                n for n in {*written, *self.sums} if written.get(n) != self.sums.get(n)
            )
            raise self._no_backup(f"{len(differs):,} of its files are not those that were saved")
        manifest = self._whole_manifest()
        self._flush()
        return Restored(
            files=sum(name.startswith(IN_LAKE) for name in self.sums),
            size=self.size,
            exchanges=sum(part.rows for part in manifest.parts("exchanges")),
            taken_at=str(about.get("taken_at")),
            key_fingerprint=manifest.key_fingerprint,
            key=decode_key(self.key.decode("ascii", "replace"), where=self.name)
            if self.key
            else None,
        )

    def _members(self, archive: tarfile.TarFile) -> dict[str, str]:
        """Write all files; what the last member says of them."""
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined] # it would keep one for each file
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                raise self._no_backup("it holds something that is no file")
            if member.name == CHECKSUMS:
                return dict(json.loads(self._bytes(archive, member, _MOST_JSON_BYTES)))
            if member.name in self.sums:
                raise self._no_backup("it holds a file twice")
            if member.name == KEY:
                self.key = self._bytes(archive, member, 2**16)
                self.sums[KEY] = hashlib.sha256(self.key).hexdigest()
            else:
                self._write(archive, member)
        raise self._no_backup("it was cut off")

    def _write(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        target = self._place(member.name)
        for folder in reversed(target.relative_to(self.folder).parents):
            (self.folder / folder).mkdir(mode=0o700, exist_ok=True)
        digest = hashlib.sha256()
        with (
            self._content(archive, member) as content,
            open(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file,
        ):
            while data := content.read(_AT_ONCE):
                digest.update(data)
                file.write(data)
                self.size += len(data)
            file.flush()
            os.fsync(file.fileno())
        self.sums[member.name] = digest.hexdigest()

    def _place(self, name: str) -> Path:
        """Where a file goes: nowhere but into the lake, and only where a lake has files."""
        parts = PurePosixPath(name).parts
        inside = parts[1:]
        if (
            name.startswith(IN_LAKE)
            and str(PurePosixPath(name)) == name
            and inside
            and ".." not in inside
            and (inside[0] in {*TABLES, *_HIDDEN} or not inside[0].startswith("."))
        ):
            return self.folder.joinpath(*inside)
        raise self._no_backup("it holds a file that belongs to no lake")

    def _whole_manifest(self) -> Manifest:
        manifest = Manifest.read(self.folder) if (self.folder / MANIFEST).exists() else None
        if manifest is None or any(
            IN_LAKE + part.path not in self.sums
            or (part.sha256 and self.sums[IN_LAKE + part.path] != part.sha256)
            for parts in manifest.tables.values()
            for part in parts
        ):
            raise self._no_backup("files that its manifest names are missing")
        return manifest

    def _flush(self) -> None:
        for folder in (self.folder, *(p for p in self.folder.rglob("*") if p.is_dir())):
            flush_to_disk(folder)

    def _bytes(self, archive: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> bytes:
        if member.size > most:
            raise self._no_backup(f"{member.name} is too large")
        with self._content(archive, member) as content:
            return content.read()

    def _content(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
        content = archive.extractfile(member)
        if content is None:
            raise self._no_backup("it holds something that is no file")
        return content

    def _no_backup(self, what: str, *, remedy: str = "") -> InputError:
        return InputError(
            f"nothing was restored: {what}.",
            where=self.name,
            remedy=remedy or "Take another backup; this one cannot be relied on.",
        )
