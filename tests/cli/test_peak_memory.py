"""`peak_memory_bytes` of a command is that of its whole process tree."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from stillwatch.cli.output import peak_memory_bytes

HELD_BY_THE_CHILD = 200_000_000


def held_by_this_process() -> int:
    """Bytes in memory now, as Linux counts pages."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_memory_of_a_process_that_was_awaited_counts() -> None:
    """What a child held is added to what this process held."""
    allocate = f"held = b'x' * {HELD_BY_THE_CHILD}"
    subprocess.run([sys.executable, "-c", allocate], check=True)

    assert peak_memory_bytes() >= held_by_this_process() + HELD_BY_THE_CHILD


def test_memory_of_the_process_that_started_it_does_not_count() -> None:
    """A small command that a large program starts."""
    held = bytearray(b"x" * HELD_BY_THE_CHILD)
    ask = "from stillwatch.cli.output import peak_memory_bytes as peak; print(peak())"
    answer = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True)

    assert int(answer.stdout) < HELD_BY_THE_CHILD <= len(held)
