"""What the store says is what gateways fetch, and a dead store changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pytest
from acting import GATEWAY_KEYS, SIGNING_KEY, VERIFY_KEYS, Clocks, action, credential_token

from stillwatch.enforcement.publishing import Publisher
from stillwatch.enforcement.snapshot import Snapshot
from stillwatch.records.actions import Action


class Store:
    """What a publisher sees of a store, which may be dead."""

    def __init__(self, *actions: Action) -> None:
        self.actions = list(actions)
        self.changes = 1
        self.is_dead = False
        self.reads = 0

    def sequence(self) -> int:
        if self.is_dead:
            raise ConnectionError
        return self.changes

    def in_force(self, now: datetime) -> Iterable[Action]:
        self.reads += 1
        return [one for one in self.actions if one.in_force_at(now)]


def _publisher(store: Store, path: Path, clocks: Clocks) -> Publisher:
    return Publisher(
        store,
        path,
        keys=GATEWAY_KEYS,
        signing_key=SIGNING_KEY,
        credentials_of=lambda accounts: {a: [credential_token(f"sk-{a}")] for a in accounts},
        clock=clocks.steady(),
        counted=lambda: clocks.counted,
    )


def _held(path: Path) -> tuple[int, int, int]:
    header = Snapshot.open(path, VERIFY_KEYS).header
    return header.sequence, header.actions, header.credentials


def test_a_change_is_published_at_the_next_look_and_nothing_else_is(tmp_path: Path) -> None:
    """A block, a lift; and in between the store is asked for its sequence alone."""
    clocks, store = Clocks(), Store(action(1), action(2))
    publisher = _publisher(store, tmp_path / "s", clocks)
    publisher.look()
    assert _held(tmp_path / "s") == (1, 2, 2)
    clocks.pass_by(1)
    assert publisher.look() is None
    assert store.reads == 1
    store.actions.pop()
    store.changes = 2
    publisher.look()
    assert _held(tmp_path / "s") == (2, 1, 1)


def test_what_begins_by_itself_is_published_by_itself(tmp_path: Path) -> None:
    """Within half a minute, without a change in the store; what says the same is not published."""
    clocks = Clocks()
    begins = datetime.fromtimestamp(clocks.wall + 40, action().begins_at.tzinfo)
    store = Store(action(1, begins_at=begins))
    publisher = _publisher(store, tmp_path / "s", clocks)
    published = []
    for _ in range(3):
        built = publisher.look()
        published.append(built.is_published if built else None)
        clocks.pass_by(31)

    assert published == [True, False, True]
    assert _held(tmp_path / "s") == (1, 1, 1)


def test_a_dead_store_leaves_the_snapshot_as_it_is(tmp_path: Path) -> None:
    """The error is counted, and the next look goes on."""
    clocks, store = Clocks(), Store(action(1))
    publisher = _publisher(store, tmp_path / "s", clocks)
    publisher.look()
    store.is_dead = True
    publisher._look_safely()
    assert publisher.failures == {"ConnectionError": 1}
    assert _held(tmp_path / "s") == (1, 1, 1)
    with pytest.raises(ConnectionError):
        publisher.look()
    store.is_dead, store.changes, store.actions = False, 2, []
    publisher._look_safely()
    assert _held(tmp_path / "s") == (2, 0, 0)


def test_of_two_publishers_none_brings_back_what_the_other_lifted(tmp_path: Path) -> None:
    """One read the store before a lift and writes after the other: the lift stays."""
    clocks = Clocks()
    late, early = Store(action(1)), Store()
    early.changes = 2
    _publisher(early, tmp_path / "s", clocks).look()
    built = _publisher(late, tmp_path / "s", clocks).look()

    assert built is not None
    assert not built.is_published
    assert _held(tmp_path / "s") == (2, 0, 0)
