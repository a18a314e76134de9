"""Where a server of decisions has its snapshot from: the store beside it, or another server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

from stillwatch.enforcement.clocks import SteadyClock, this_boot
from stillwatch.enforcement.fetching import HttpFetcher
from stillwatch.enforcement.holding import SnapshotHolder
from stillwatch.enforcement.metrics import Levels
from stillwatch.enforcement.publishing import CredentialsOf, Publisher
from stillwatch.enforcement.refreshing import Refresher
from stillwatch.identity import (
    GatewayKeys,
    SigningKey,
    VerifyKeys,
    create_signing_key,
    read_signing_key,
)
from stillwatch.policy.store import StoreAwayError, StoreDoor
from stillwatch.records import InputError
from stillwatch.records.actions import Action

__all__ = [
    "SIGNING_KEY",
    "SNAPSHOT",
    "STATE_FOLDER",
    "FetchedSnapshots",
    "SnapshotSource",
    "StoredSnapshots",
    "signing_key_at",
]

_log = logging.getLogger(__name__)
STATE_FOLDER = "enforcement"
"""In the lake's folder, where a server of decisions keeps the two below."""
SNAPSHOT = "snapshot"
SIGNING_KEY = "signing-key.pem"
_EXPIRY_SECONDS = 60.0


class SnapshotSource(Protocol):
    """Keeps a snapshot new."""

    holder: SnapshotHolder
    clock: SteadyClock
    gateway_keys: GatewayKeys

    def start(self) -> None:
        """Go on where the process before stopped, and keep the snapshot new from then on."""

    def stop(self) -> None:
        """End what was started."""

    def levels(self) -> Levels:
        """What is to be known of it now."""


def signing_key_at(folder: Path) -> SigningKey:
    """The key in a folder that signs its snapshots; made where there is none.

    Raises:
        InputError: It cannot be used.
    """
    path = folder / SIGNING_KEY
    if not path.exists():
        with suppress(InputError):  # another process made it meanwhile
            return create_signing_key(path)
    return read_signing_key(path)


@dataclass(slots=True)
class StoredSnapshots:
    """Snapshots made from a store.

    Attributes:
        door: To the store, which may be away: what is held stays in force.
        folder: Where the snapshot and the key that signs it lie; nobody else may write there.
        credentials_of: Where known credentials come from.
        failed: Called for each failure.
    """

    door: StoreDoor
    folder: Path
    gateway_keys: GatewayKeys
    signing_key: SigningKey
    credentials_of: CredentialsOf
    failed: Callable[[], None] = lambda: None
    clock: SteadyClock = field(default_factory=lambda: SteadyClock(boot=this_boot()))
    holder: SnapshotHolder = field(init=False)
    _publisher: Publisher = field(init=False)
    _refresher: Refresher = field(init=False)
    _stopping: Event = field(default_factory=Event)
    _expiring: Thread = field(init=False)

    def __post_init__(self) -> None:
        path = self.folder / SNAPSHOT
        self.holder = _holder(path, self.signing_key.public, self.gateway_keys, self.clock)
        self._publisher = Publisher(
            _Actions(self.door),
            path,
            keys=self.gateway_keys,
            signing_key=self.signing_key,
            credentials_of=self.credentials_of,
            clock=self.clock,
            failed=self.failed,
        )
        self._refresher = Refresher(self.holder, None, self.clock)
        self._expiring = Thread(target=self._expire, name="stillwatch-expiry", daemon=True)

    def start(self) -> None:
        """See `SnapshotSource`."""
        self._refresher.restore()
        self._publisher.start()
        self._refresher.start()
        self._expiring.start()

    def stop(self) -> None:
        """See `SnapshotSource`."""
        self._stopping.set()
        self._publisher.stop()
        self._refresher.stop()
        self._expiring.join(timeout=60)
        self.door.close()

    def levels(self) -> Levels:
        """See `SnapshotSource`; asks the store."""
        known = replace(
            _of_snapshot(self.holder, self.clock),
            refreshed_seconds_ago=self._publisher.seconds_since_contact,
        )
        try:
            store, now = self.door.store(), datetime.now(UTC)
            open_appeals, oldest = store.appeals.count_open()
            waited = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
            return replace(
                known,
                is_store_up=True,
                in_force=store.actions.count_in_force(now=now),
                waiting_steps=store.actions.count_waiting(),
                open_appeals=open_appeals,
                oldest_appeal_seconds=waited,
            )
        except StoreAwayError:
            return replace(known, is_store_up=False)

    def _expire(self) -> None:
        """Write into the store what has ended; gateways know it by themselves."""
        while not self._stopping.wait(_EXPIRY_SECONDS):
            try:
                self.door.store().actions.expire(now=datetime.now(UTC))
            except Exception as error:
                self.failed()
                _log.warning("what has ended was not written down (%s)", type(error).__name__)


@dataclass(slots=True)
class FetchedSnapshots:
    """Snapshots fetched from another server: a region needs no database and no lake.

    Attributes:
        fetcher: Where from.
        folder: Where the snapshot lies; nobody else may write there.
        verify_keys: Whose signature is believed.
    """

    fetcher: HttpFetcher
    folder: Path
    gateway_keys: GatewayKeys
    verify_keys: VerifyKeys
    clock: SteadyClock = field(default_factory=lambda: SteadyClock(boot=this_boot()))
    holder: SnapshotHolder = field(init=False)
    _refresher: Refresher = field(init=False)

    def __post_init__(self) -> None:
        path = self.folder / SNAPSHOT
        self.holder = _holder(path, self.verify_keys, self.gateway_keys, self.clock)
        self._refresher = Refresher(self.holder, self.fetcher, self.clock)

    def start(self) -> None:
        """See `SnapshotSource`."""
        self._refresher.start()

    def stop(self) -> None:
        """See `SnapshotSource`."""
        self._refresher.stop()

    def levels(self) -> Levels:
        """See `SnapshotSource`."""
        return replace(
            _of_snapshot(self.holder, self.clock),
            refreshed_seconds_ago=self._refresher.seconds_since_contact,
        )


@dataclass(frozen=True, slots=True)
class _Actions:
    """The store as a publisher reads it."""

    door: StoreDoor

    def sequence(self) -> int:
        return self.door.store().sequence()

    def in_force(self, now: datetime) -> Iterable[Action]:
        return self.door.store().actions.in_force(now=now)


def _holder(
    path: Path, keys: VerifyKeys, gateway_keys: GatewayKeys, clock: SteadyClock
) -> SnapshotHolder:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return SnapshotHolder(path, keys, key_fingerprint=gateway_keys.fingerprint, clock=clock)


def _of_snapshot(holder: SnapshotHolder, clock: SteadyClock) -> Levels:
    held = holder.snapshot
    if held is None:
        return Levels()
    return Levels(
        snapshot_age_seconds=max(0.0, clock.now() - held.header.created_ms / 1000),
        snapshot_sequence=held.header.sequence,
        snapshot_verdicts=held.header.actions,
    )
