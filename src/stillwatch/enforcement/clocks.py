"""What time it is for a gateway: begun once, and from then on counted, never read again.

A wall clock that somebody sets must neither end a block nor prolong it. So a gateway takes the time
of the server that made the decisions as soon as it hears of it, and counts on from there with the
machine's clock since boot, which nobody can set and which runs while the machine sleeps.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from stillwatch.records import private_file

__all__ = ["SteadyClock", "since_boot", "this_boot"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_FORMAT = 1


_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def since_boot() -> float:
    """Seconds on a clock that cannot be set; also those in which the machine slept."""
    return time.monotonic() if _BOOTTIME is None else time.clock_gettime(_BOOTTIME)


def this_boot() -> str | None:
    """Which run of this machine it is; None where the system does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip() or None
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class _Anchor:
    """At `counted` seconds since boot it was `time`, in seconds since 1970."""

    time: float
    counted: float


class SteadyClock:
    """The time of those who decide, as well as this machine can know it.

    It begins with the wall clock, or with what an earlier process of this machine knew (`restored`).
    The first word of a server replaces that, in either direction. Later words of servers only
    count as `offset`; a signed moment may still move it on (`not_before`), and nothing moves it back.

    Args:
        wall: Seconds since 1970, by a clock that may be wrong.
        counted: Seconds by a clock that nobody sets.
        boot: Which run of the machine `counted` is about.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        counted: Callable[[], float] = since_boot,
        boot: str | None = None,
    ) -> None:
        self._wall = wall
        self._counted = counted
        self._boot = boot
        self._lock = Lock()
        self._anchor = _Anchor(wall(), counted())
        self._was_told = False
        self.offset = 0.0
        """By how many seconds the last word of a server differed from this clock."""

    def now(self) -> float:
        """Seconds since 1970."""
        anchor = self._anchor
        return anchor.time + self._counted() - anchor.counted

    @property
    def was_told(self) -> bool:
        """Whether a server has said what time it is, or had, when an earlier process asked."""
        return self._was_told

    @property
    def wall_offset(self) -> float:
        """By how many seconds this machine's wall clock is ahead of this one."""
        return self._wall() - self.now()

    def told(self, moment: float) -> None:
        """A server that we trust says what time it is."""
        with self._lock:
            self.offset = moment - self.now()
            if not self._was_told:
                self._anchor = _Anchor(moment, self._counted())
                self._was_told = True

    def not_before(self, moment: float) -> None:
        """A snapshot was signed at this moment: it cannot be earlier now."""
        with self._lock:
            if self.now() < moment:
                self._anchor = _Anchor(moment, self._counted())

    def keep(self, path: Path) -> None:
        """Write down what this clock knows, for the next process of this machine."""
        state = {
            "format": _FORMAT,
            "time": self.now(),
            "counted": self._counted(),
            "wall": self._wall(),
            "boot": self._boot,
            "was_told": self._was_told,
        }
        with private_file(path) as partial:
            partial.write_text(json.dumps(state) + "\n", encoding="ascii")

    def restore(self, path: Path) -> bool:
        """Go on from what an earlier process wrote; whether there was something to go on from.

        In the same run of the machine its count goes on, whatever became of the wall clock. After a
        restart of the machine the wall clock counts with the difference it had to the server's, but
        never before the moment that was written down.
        """
        try:
            state = json.loads(path.read_text(encoding="ascii"))
            known, counted, wall = (float(state[name]) for name in ("time", "counted", "wall"))
            if state["format"] != _FORMAT:
                return False
            boot, was_told = state["boot"], bool(state["was_told"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return False
        with self._lock:
            now = self._counted()
            if boot is not None and boot == self._boot and now >= counted:
                self._anchor = _Anchor(known + now - counted, now)
                self._was_told = was_told
            else:
                self._anchor = _Anchor(max(known, self._wall() + known - wall), now)
        return True
