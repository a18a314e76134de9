"""Who is reading a lake: files that were replaced may go before their day is over only if nobody is.

A reader holds a shared lock on one file while it reads; the system lets go of it however the
process ends. Programs other than stillwatch hold none: for them replaced files stay for a day.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from stillwatch.lake.manifest import MANIFEST, Manifest
from stillwatch.lake.workplace import locked, remove_leftovers

__all__ = ["reading", "remove_replaced"]

_READERS = ".readers"


@contextmanager
def reading(lake: Path) -> Iterator[None]:
    """While this block runs, `remove_replaced` removes nothing. Enter it, then read the manifest."""
    handle = _opened(lake) if (lake / MANIFEST).exists() else None
    try:
        if handle is not None:
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def remove_replaced(lake: Path) -> int | None:
    """Remove replaced files now, and what the dead have left, unless somebody is reading.

    Returns:
        How many files and folders were removed; None where somebody reads, and all stays.

    Raises:
        InputError: There is no lake here.
    """
    Manifest.read(lake)
    with locked(lake):
        handle = os.open(lake / _READERS, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        else:
            manifest = Manifest.read(lake)
            if manifest.retired:
                # Named no more, they are leavings, whoever is killed between the two.
                replace(manifest, retired={}).write(lake)
            return len(remove_leftovers(lake))
        finally:
            os.close(handle)


def _opened(lake: Path) -> int | None:
    """The file to lock; None where a lake that nobody has cleared yet cannot be written to."""
    try:
        return os.open(lake / _READERS, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        pass
    try:
        return os.open(lake / _READERS, os.O_RDONLY)
    except OSError:
        return None
