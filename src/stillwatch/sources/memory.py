"""A bound on the memory that reading one thing may take, held by the operating system.

Libraries believe what a file says of itself: a page of Parquet that claims a gigabyte gets one, and
a dictionary's single text is written out once a row. What such a thing will need is known only to
who reads it, so it is read where it cannot have more.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["MOST_BYTES", "TooLargeError", "bounded_memory", "process_bytes"]

MOST_BYTES = 256 * 2**20
"""Twice what the longest row of plain text takes while it is read."""

_STATUS = Path("/proc/self/status")


class TooLargeError(ValueError):
    """What is read does not fit the memory it may have; the text is a sentence that says so."""


@contextmanager
def bounded_memory(what: str) -> Iterator[None]:
    """Let this process have `MOST_BYTES` more than it has now, until the block ends.

    Where the system does not say what a process has, nothing is bounded: only Linux does.

    Args:
        what: What is read, for the message.

    Raises:
        TooLargeError: The block asked for more.
    """
    held = process_bytes("VmData")
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        if held is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (_least(held + MOST_BYTES, soft), hard))
        yield
    except MemoryError as error:
        raise TooLargeError(
            f"{what} needs more than {MOST_BYTES >> 20} MiB of memory to be read, as logs do not. "
            "Write it in smaller pieces."
        ) from error
    finally:
        if held is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _least(wanted: int, allowed: int) -> int:
    return wanted if allowed == resource.RLIM_INFINITY else min(wanted, allowed)


def process_bytes(field: str) -> int | None:
    """What Linux says of this process's memory, in bytes; None where nobody says.

    Args:
        field: Of `/proc/self/status`: `VmData` is private memory as the limit counts it, `VmHWM`
            the most that was held at once. (`ru_maxrss` begins with what the parent held.)
    """
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
