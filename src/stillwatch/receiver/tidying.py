"""Few files, however long a receiver runs: what its folds left is merged a little at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from stillwatch.lake.compaction import compact_lake
from stillwatch.lake.manifest import MANIFEST, Manifest
from stillwatch.lake.readers import remove_replaced
from stillwatch.records import StillwatchError

__all__ = ["Tidying"]

# Of each day. Six million rows of one day, ten minutes of a fast stream, are then in 48 files at
# most, whatever the folds: forty with enough rows, and these.
_MOST_FILES = 8
# What is merged takes seconds, for which folding waits. Of a fast stream a fold has as many itself.
_ENOUGH_ROWS = 150_000
# A damaged file does not heal, and each try reads it.
_AFTER_FAILURE_SECONDS = 3_600.0


@dataclass(slots=True)
class Tidying:
    """Merges the small files of a lake, and removes what nobody reads any more.

    Attributes:
        say: Takes a line for people.
        most_files: How many files of fewer rows than `enough_rows` a day may have.
        waits_for_readers: Whether replaced files are there that somebody may be reading.
    """

    lake: Path
    say: Callable[[str], None]
    most_files: int = _MOST_FILES
    enough_rows: int = _ENOUGH_ROWS
    waits_for_readers: bool = False
    _not_before: float = 0.0

    def tidy(self) -> None:
        """Merge where a day has too many files, and remove what was replaced.

        Nothing that was acknowledged depends on it: what goes wrong is said, and tried again later.
        """
        if not (self.lake / MANIFEST).exists():
            return
        if time.monotonic() >= self._not_before and (problem := self._merge()):
            self._not_before = time.monotonic() + _AFTER_FAILURE_SECONDS
            self.say(f"The lake's small files stay as they are for an hour: {problem}")
        self.remove_replaced()

    def remove_replaced(self) -> None:
        """Remove replaced files, of folds and of all others, unless somebody is reading."""
        try:
            retired = Manifest.read(self.lake).retired
            self.waits_for_readers = bool(retired) and remove_replaced(self.lake) is None
        except (StillwatchError, OSError):
            self.waits_for_readers = False  # the next fold says what is wrong

    def _merge(self) -> str:
        """What hindered it, if anything."""
        try:
            done = compact_lake(self.lake, most_files=self.most_files, enough_rows=self.enough_rows)
        except StillwatchError as error:
            return str(error)
        except OSError as error:
            return f"{error.strerror or error}."
        except (duckdb.Error, pa.ArrowException) as error:
            return f"they could not be merged ({type(error).__name__})."  # its words may quote rows
        return next((f"{p.where}: {p.what} {p.remedy}" for p in done.problems), "")
