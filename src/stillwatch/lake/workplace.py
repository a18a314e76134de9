"""Where those who change a lake do their work, and how work in progress is told from leavings.

Whoever writes has a folder of its own under `.staging` and, while it lives, a lock on a file in it;
the system lets go of that lock however the process ends. What is prepared there becomes part of the
lake only under the lake's own lock, which is held for moments. So with that lock in hand, a folder
whose owner's lock is free belongs to nobody alive, and a file of a table that the manifest does not
name was put there by a writer who died before its commit.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from stillwatch.lake.manifest import MANIFEST, TABLES, Manifest
from stillwatch.records import StillwatchError

__all__ = ["Leftovers", "locked", "put_in_place", "remove_leftovers", "workplace"]

_LOCK = ".lock"
_STAGING = ".staging"
_OWNER = "owner"
# In a workplace, findings that are just being replaced, under their own name.
_REPLACED = "replaced"
# A commit takes seconds; who waits longer waits for a process that was stopped.
_PATIENCE_SECONDS = 600.0
_BETWEEN_TRIES_SECONDS = 0.02


@contextmanager
def locked(lake: Path) -> Iterator[None]:
    """Hold the lake's lock, making the folder if there is none.

    Raises:
        StillwatchError: Somebody else has held it for ten minutes.
    """
    handle = _take_lock(lake)
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def workplace(lake: Path) -> Iterator[Path]:
    """A private folder to work in, removed at the end; leavings of the dead are removed with it."""
    with locked(lake):
        remove_leftovers(lake)
        folder = lake / _STAGING / uuid.uuid4().hex
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700)
        owner = os.open(folder / _OWNER, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(owner, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        with locked(lake):
            os.close(owner)
            remove_leftovers(lake)
            _leave_nothing_of_no_lake(lake)


def put_in_place(new: Path, place: Path, *, folder: Path) -> None:
    """Let new findings take the place of the earlier. Only for who holds the lake's lock.

    Args:
        new, folder: The findings, prepared in this workplace.
    """
    replaced = folder / _REPLACED
    replaced.mkdir(mode=0o700, exist_ok=True)
    if place.exists():
        place.rename(replaced / place.name)
    new.rename(place)


class Leftovers:
    """What writers who died have left in a lake.

    Attributes:
        paths: Files and folders that count for nothing and that nobody needs.
        working: How many writers are at work.
    """

    def __init__(self, lake: Path) -> None:
        """Look for them.

        Raises:
            InputError: The manifest cannot be read, so nothing is known to be a leaving.
        """
        self.paths: list[Path] = []
        self.working = 0
        for folder in sorted((lake / _STAGING).glob("*")):
            if _is_owned(folder):
                self.working += 1
            else:
                self.paths.append(folder)
        self.paths += sorted(lake.glob(f".{MANIFEST}.*.partial"))
        # A first commit writes the manifest before anything else: without one, no file is ours.
        if (lake / MANIFEST).exists():
            named = Manifest.read(lake).named_at(datetime.now(UTC))
            self.paths += [
                path
                for table in TABLES
                for path in sorted((lake / table).rglob("*.parquet*"))
                if str(path.relative_to(lake)) not in named
            ]


def remove_leftovers(lake: Path) -> list[Path]:
    """Remove what writers who died have left, and replaced files that nobody reads any more.

    Only for who holds the lake's lock. Findings of an earlier scan come back if the scan that was
    replacing them died between the two.

    Returns:
        What was removed.
    """
    found = Leftovers(lake).paths
    for path in found:
        for findings in sorted((path / _REPLACED).glob("*")):
            if not (lake / findings.name).exists():
                findings.rename(lake / findings.name)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for table in TABLES:
        _remove_empty_folders(lake / table)
    return found


def _take_lock(lake: Path) -> int:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < give_up:
        if (handle := _try_lock(lake)) is not None:
            return handle
        time.sleep(_BETWEEN_TRIES_SECONDS)
    raise StillwatchError(
        "another command has held this lake for ten minutes.",
        where=str(lake),
        remedy="Look for a stillwatch that hangs or was stopped, end it, and run this again.",
    )


def _try_lock(lake: Path) -> int | None:
    """A handle that holds the lock, or None while somebody else does."""
    lake.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(lake / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    except FileNotFoundError:
        return None  # a first import failed meanwhile and took its folder away
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_ino == (lake / _LOCK).stat().st_ino:
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _is_owned(folder: Path) -> bool:
    """Whether the writer whose workplace this is lives."""
    try:
        handle = os.open(folder / _OWNER, os.O_RDWR)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _leave_nothing_of_no_lake(lake: Path) -> None:
    """Of a first import that failed, leave no trace. The lock's file goes while it is held."""
    staging = lake / _STAGING
    if staging.is_dir() and not any(staging.iterdir()):
        staging.rmdir()
    if not (lake / MANIFEST).exists() and {p.name for p in lake.iterdir()} == {_LOCK}:
        (lake / _LOCK).unlink()
        lake.rmdir()


def _remove_empty_folders(folder: Path) -> None:
    if not folder.is_dir():
        return
    for inner in folder.iterdir():
        if inner.is_dir() and not any(inner.iterdir()):
            inner.rmdir()
    if not any(folder.iterdir()):
        folder.rmdir()
