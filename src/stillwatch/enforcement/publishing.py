"""What the store says becomes the snapshot that gateways fetch: within a second, and whole."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

from stillwatch.enforcement.clocks import SteadyClock
from stillwatch.enforcement.snapshot_writing import Built, build_snapshot, publish
from stillwatch.identity import GatewayKeys, SigningKey
from stillwatch.records.actions import Action

__all__ = ["CredentialsOf", "Publisher", "ReadsActions"]

_log = logging.getLogger(__name__)

CredentialsOf = Callable[[frozenset[str]], Mapping[str, Iterable[str]]]
"""The tokens of all known credentials of some accounts."""

_LOOK_SECONDS = 1.0
# Without a change in the store a snapshot still changes: actions begin, and credentials are made.
_ANEW_SECONDS = 30.0
# Of one core; many verdicts are then built anew less often.
_SHARE_OF_TIME = 0.1


class ReadsActions(Protocol):
    """What a publisher needs of the store."""

    def sequence(self) -> int:
        """Rises with every change that a gateway must see."""
        ...

    def in_force(self, now: datetime) -> Iterable[Action]:
        """The actions that gateways must obey."""
        ...


class Publisher:
    """Keeps the snapshot at `path` that of the store.

    Several may publish to one path, or serve one store from several machines.

    Args:
        actions: The store.
        path: Where the snapshot lies, which is served to gateways.
        credentials_of: Where known credentials come from: the lake.
        clock: Says when a snapshot was made.
        failed: Called for each look that failed.
    """

    def __init__(
        self,
        actions: ReadsActions,
        path: Path,
        *,
        keys: GatewayKeys,
        signing_key: SigningKey,
        credentials_of: CredentialsOf,
        clock: SteadyClock,
        failed: Callable[[], None] = lambda: None,
        counted: Callable[[], float] = time.monotonic,
    ) -> None:
        self._actions = actions
        self._path = path
        self._keys = keys
        self._signing_key = signing_key
        self._credentials_of = credentials_of
        self._clock = clock
        self._failed = failed
        self._counted = counted
        self._sequence: int | None = None
        self._built_at = float("-inf")
        self._took = 0.0
        self._stopping = Event()
        self._thread: Thread | None = None
        self.failures: Counter[str] = Counter()
        """How often the store could not be read, or the file not be written, by kind of error."""
        self.last: Built | None = None
        self._looked_at: float | None = None

    def look(self) -> Built | None:
        """Build a snapshot if the store has changed or it is time; None if not.

        Raises:
            Exception: Whatever the store or the disk raises; the last snapshot stays.
        """
        sequence = self._actions.sequence()
        started = self._looked_at = self._counted()
        if sequence == self._sequence and started - self._built_at < self._pause:
            return None
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        # Read after its sequence: what changes meanwhile has a greater one, and is read again.
        actions = list(self._actions.in_force(now))
        accounts = frozenset(str(action.account_id) for action in actions if action.account_id)
        made = build_snapshot(
            actions,
            self._keys,
            self._signing_key,
            sequence=sequence,
            created_at=now,
            credentials=self._credentials_of(accounts) if accounts else {},
        )
        self.last = publish(made, self._path)
        self._sequence = sequence
        self._built_at = self._counted()
        self._took = self._built_at - started
        return self.last

    @property
    def seconds_since_contact(self) -> float | None:
        """How long ago the store last answered; None if it never did."""
        return None if self._looked_at is None else self._counted() - self._looked_at

    @property
    def _pause(self) -> float:
        return max(_ANEW_SECONDS, self._took / _SHARE_OF_TIME)

    def start(self) -> None:
        """Look once, and go on looking in a thread of its own."""
        self._look_safely()
        self._thread = Thread(target=self._run, name="stillwatch-publisher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=60)

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            self._look_safely()

    def _look_safely(self) -> None:
        try:
            self.look()
        except Exception as error:
            kind = type(error).__name__
            self.failures[kind] += 1
            self._failed()
            if self.failures[kind] % 60 == 1:
                _log.warning("no snapshot could be made (%s); the last one stays", kind)
