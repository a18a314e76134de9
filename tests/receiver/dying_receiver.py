"""A receiver whose two processes are killed at once, at a step of a place that was chosen before.

Run like `python -m stillwatch`. `DYING` says where: `{"place", "step", "armed", "marks"}`. Steps count
from the moment on at which the file `armed` is there. Whoever gets to the step writes the place into
the file `marks`, kills the other process with SIGKILL, and then itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

PLACES = ("spool", "fsync", "rename", "manifest", "compaction", "fold")
"""Before a flush of the spool, of another file, before or after any rename, before or after that of
the manifest, and anywhere in a compaction and in a fold."""

_STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "fcntl.flock"}
_WORKS = {"compaction": "compact_lake", "fold": "fold"}
_AS_IMPORTER = "importer"


class _Dying:
    def __init__(self, told: dict[str, Any], *, is_importer: bool) -> None:
        self.place = told["place"]
        self.left = told["step"]
        self.armed, self.marks = told["armed"], told["marks"]
        self.is_importer = is_importer

    def step(self, place: str) -> None:
        """Die here, if this is the place and its steps are used up."""
        if place != self.place or not os.path.exists(self.armed):
            return
        self.left -= 1
        if self.left:
            return
        marks = os.open(self.marks, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.write(marks, f"{place} {_AS_IMPORTER if self.is_importer else 'receiver'}\n".encode())
        for other in [os.getppid()] if self.is_importer else _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(other, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        flush, rename, replace, connect = os.fsync, os.rename, os.replace, sqlite3.connect
        dying = self

        class Connection(sqlite3.Connection):
            def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
                if statement == "commit":  # SQLite flushes its log, and then answers
                    dying.step("spool")
                return super().execute(statement, *values)

        def fsync(handle: int) -> None:
            dying.step("fsync")
            flush(handle)

        def moved(how: Any) -> Any:
            def move(source: Any, target: Any) -> None:
                place = "manifest" if Path(target).name == "manifest.json" else "rename"
                dying.step(place)
                how(source, target)
                dying.step(place)

            return move

        os.fsync, os.rename, os.replace = fsync, moved(rename), moved(replace)
        sqlite3.connect = lambda *a, **more: connect(*a, factory=Connection, **more)  # type: ignore[assignment]
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _arguments: tuple[object, ...]) -> None:
        if event in _STEPS and self.place in _WORKS and _is_at_work(_WORKS[self.place]):
            self.step(self.place)


def _is_at_work(function: str) -> bool:
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == function and "stillwatch" in frame.f_code.co_filename:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _children() -> list[int]:
    pid = os.getpid()
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def main() -> None:
    is_importer = sys.argv[1:] == [_AS_IMPORTER]
    _Dying(json.loads(os.environ["DYING"]), is_importer=is_importer).install()
    if is_importer:
        from stillwatch.receiver import importer

        sys.exit(importer.main())
    start = subprocess.Popen

    def started(command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        if command[-1] == "stillwatch.receiver.importer":
            command = [sys.executable, __file__, _AS_IMPORTER]
        return start(command, **more)

    subprocess.Popen = started  # type: ignore[assignment,misc]
    from stillwatch.cli.main import run

    run.main(sys.argv[1:])


if __name__ == "__main__":
    main()
