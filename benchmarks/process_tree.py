"""What a command costs: wall clock, time of the processor, and memory of it and all it starts."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Cost", "cost_of"]

_TICKS = os.sysconf("SC_CLK_TCK")
_BETWEEN_LOOKS_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run of a command.

    Attributes:
        processor_seconds: Of it and all it started, user and system.
        peak_bytes: The most that all of them held at one moment; what several share counts once.
            Four looks a second: a peak between two of them is missed.
    """

    seconds: float
    processor_seconds: float
    peak_bytes: int


def cost_of(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    statuses: Sequence[int] = (0,),
) -> tuple[Cost, str]:
    """Run a command; its cost and its standard output.

    Its processes are found by their session, so that those that outlive their parent count, too.

    Raises:
        SystemExit: It ended with another status than those expected.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as told:
        began = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=out, stderr=told, env=dict(environment), start_new_session=True
        )
        watch = _Watch(child.pid)
        watch.start()
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        watch.finish()
        out.seek(0)
        told.seek(0)
        if child.returncode not in statuses:
            words = " ".join(command)
            raise SystemExit(f"{words} ended with {child.returncode}:\n{told.read()[-3000:]}")
        # The system's own count lacks processes that nobody waited for; ours their last moment.
        processor = max(used.ru_utime + used.ru_stime, watch.processor_seconds)
        return Cost(seconds, processor, watch.peak_bytes), out.read()


class _Watch(threading.Thread):
    """Looks at the processes of a session until told to finish."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._session = session
        self._seconds: dict[int, float] = {}
        self._over = threading.Event()

    @property
    def processor_seconds(self) -> float:
        return sum(self._seconds.values())

    def finish(self) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(_BETWEEN_LOOKS_SECONDS):
            held = 0
            for number, seconds in _processes_of(self._session):
                self._seconds[number] = seconds
                held += _held_bytes(number)
            self.peak_bytes = max(self.peak_bytes, held)


def _processes_of(session: int) -> list[tuple[int, float]]:
    """Number and seconds of the processor of each process of a session."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # The name, in brackets, may hold spaces.
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[3]) == session:
            found.append((int(folder.name), (int(fields[11]) + int(fields[12])) / _TICKS))
    return found


def _held_bytes(process: int) -> int:
    """A process's proportional part of the memory it has: pages that n share count 1/n each."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
