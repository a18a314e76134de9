"""A thread that keeps a gateway's snapshot new, and its clock right.

Of the workers of one gateway, which share a file, one fetches and the others see what it brought;
when it dies, the next takes over.
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from stillwatch.enforcement.clocks import SteadyClock, since_boot
from stillwatch.enforcement.fetching import Fetched, FetchError, Fetches
from stillwatch.enforcement.holding import SnapshotHolder

__all__ = ["REFRESH_SECONDS", "Refresher"]

_log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0
"""How often a snapshot is asked for: with two such steps in a row, a block holds within seconds."""

# Gateways that were started together do not ask together.
_SPREAD = 0.2
# How often what the clock knows is written down.
_KEPT_SECONDS = 5.0
# What was refused is not fetched again for so long: it may be a hundred megabytes, and the same.
_REFUSED_SECONDS = 30.0


class Refresher:
    """Refreshes a holder until it is stopped. Nothing that it meets ends it.

    Args:
        holder: What is refreshed.
        fetcher: Where snapshots come from; None where another process puts them into the file.
        clock: Is told the server's time, and kept beside the file.
        seconds: Between two looks.
    """

    def __init__(
        self,
        holder: SnapshotHolder,
        fetcher: Fetches | None,
        clock: SteadyClock,
        *,
        seconds: float = REFRESH_SECONDS,
        counted: Callable[[], float] = since_boot,
    ) -> None:
        self._holder = holder
        self._fetcher = fetcher
        self._clock = clock
        self._seconds = seconds
        self._counted = counted
        self._clock_file = holder.path.with_name(f"{holder.path.name}.clock")
        self._lock: int | None = None
        self._stopping = Event()
        self._thread: Thread | None = None
        self._kept_at = float("-inf")
        self._clock_seen: int | None = None
        self._confirmed_at: float | None = None
        self._refused: dict[str, float] = {}
        self.failures: Counter[str] = Counter()
        """How often a look failed, by the kind of error."""

    def restore(self) -> None:
        """Go on where the process before stopped: its snapshot, and what its clock knew."""
        self._holder.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._learn_clock()
        self._holder.look_again()

    def start(self) -> None:
        """Restore, look once, and go on looking in a thread of its own."""
        self.restore()
        self.look()
        self._thread = Thread(target=self._run, name="stillwatch-refresher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and write down what the clock knows."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        if self._lock is not None:
            self._keep_clock()
            os.close(self._lock)
            self._lock = None

    @property
    def is_fetching(self) -> bool:
        """Whether it is this worker that fetches."""
        return self._lock is not None

    @property
    def seconds_since_contact(self) -> float | None:
        """How long ago the server last said that what is held is the newest; None if it never did."""
        return None if self._confirmed_at is None else self._counted() - self._confirmed_at

    def look(self) -> None:
        """One look. Errors are counted, and what is held stays."""
        try:
            if self._fetcher is not None and self._may_fetch():
                self._fetch(self._fetcher)
            else:
                self._follow()
        except FetchError as error:
            self._failed("unreachable", str(error))
        except OSError as error:
            self._failed("disk", type(error).__name__)
        except Exception as error:
            self._failed("other", type(error).__name__)

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds * random.uniform(1 - _SPREAD, 1)):
            self.look()

    def _fetch(self, fetcher: Fetches) -> None:
        into = self._holder.path.with_name(f".{self._holder.path.name}.{os.getpid()}.fetched")
        try:
            fetched = fetcher.fetch(self._known_tags(), into)
            self._told(fetched)
            if fetched.is_new and not self._holder.take(into) and fetched.etag:
                self._refused[fetched.etag] = self._counted() + _REFUSED_SECONDS
        finally:
            into.unlink(missing_ok=True)

    def _known_tags(self) -> tuple[str, ...]:
        """What need not be sent: what is held, and for a while what was refused."""
        now = self._counted()
        self._refused = {tag: until for tag, until in self._refused.items() if until > now}
        held = self._holder.snapshot
        return (*([] if held is None else [held.etag]), *self._refused)

    def _told(self, fetched: Fetched) -> None:
        if fetched.moment is not None:
            self._clock.told(fetched.moment)
        self._confirmed_at = self._counted()
        if self._confirmed_at - self._kept_at >= _KEPT_SECONDS:
            self._keep_clock()

    def _follow(self) -> None:
        """What another process put into the file, and what its clock knows."""
        if self._learn_clock():
            self._confirmed_at = self._counted()
        self._holder.look_again()

    def _learn_clock(self) -> bool:
        """Go on from what another process wrote, if it did anew and this one was not told."""
        try:
            written = self._clock_file.stat().st_mtime_ns
        except OSError:
            return False
        if written == self._clock_seen:
            return False
        self._clock_seen = written
        if not self._clock.was_told:
            self._clock.restore(self._clock_file)
        return True

    def _keep_clock(self) -> None:
        self._clock.keep(self._clock_file)
        self._kept_at = self._counted()

    def _may_fetch(self) -> bool:
        """Whether this is the worker that fetches: who holds the lock, which dies with it."""
        if self._lock is None:
            self._lock = _locked(self._holder.path.with_name(f".{self._holder.path.name}.fetching"))
        return self._lock is not None

    def _failed(self, kind: str, why: str) -> None:
        self.failures[kind] += 1
        # The first of a row, and then every minute or so.
        if self.failures[kind] % 60 == 1:
            _log.warning("the snapshot was not refreshed (%s): %s", kind, why)


def _locked(path: Path) -> int | None:
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
