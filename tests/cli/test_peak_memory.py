"""`peak_memory_bytes` of a command is that of its whole process tree."""

from __future__ import annotations

import resource
import subprocess
import sys

from stillwatch.cli.output import peak_memory_bytes

HELD_BY_THE_CHILD = 200_000_000


def test_memory_of_a_process_that_was_awaited_counts() -> None:
    """What a child held is added to what this process held."""
    allocate = f"held = b'x' * {HELD_BY_THE_CHILD}"
    subprocess.run([sys.executable, "-c", allocate], check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    assert peak_memory_bytes() >= own + HELD_BY_THE_CHILD
