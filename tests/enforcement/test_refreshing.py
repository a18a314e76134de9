"""Gateways hold the newest good snapshot, whatever becomes of the server, the file and the clocks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from acting import (
    GATEWAY_KEYS,
    NOW,
    VERIFY_KEYS,
    Clocks,
    action,
    bearing,
    credential_token,
    written,
)
from snapshot_server import SnapshotServer, serving

from stillwatch.enforcement.clocks import SteadyClock
from stillwatch.enforcement.deciding import Decider
from stillwatch.enforcement.fetching import HttpFetcher, etag_matches
from stillwatch.enforcement.holding import SnapshotHolder
from stillwatch.enforcement.identifying import Identifier
from stillwatch.enforcement.refreshing import Refresher
from stillwatch.enforcement.snapshot import Unusable
from stillwatch.identity import GatewayKeys, Key
from stillwatch.records import InputError
from stillwatch.records.actions import Step

_ALL = frozenset(Step)
_KNOWN = {"acct-1": [credential_token("sk-1")]}


class Gateway:
    """A worker of a gateway, as a deployment has it but without the thread."""

    def __init__(self, folder: Path, url: str | None, clocks: Clocks, token: str | None = None):
        self.clock = clocks.steady()
        self.holder = SnapshotHolder(
            folder / "held",
            VERIFY_KEYS,
            key_fingerprint=GATEWAY_KEYS.fingerprint,
            clock=self.clock,
        )
        fetcher = HttpFetcher(url, token) if url else None
        self.refresher = Refresher(self.holder, fetcher, self.clock, counted=lambda: clocks.counted)
        self.refresher.restore()
        self.decider = Decider(self.holder, Identifier(GATEWAY_KEYS), clock=self.clock)

    def look(self) -> int | None:
        """One look; the sequence that is held then."""
        self.refresher.look()
        return self.sequence

    def die(self) -> None:
        """What the end of its process does: the lock goes, and nothing is written down."""
        if self.refresher._lock is not None:
            os.close(self.refresher._lock)
            self.refresher._lock = None

    @property
    def sequence(self) -> int | None:
        held = self.holder.snapshot
        return held.header.sequence if held else None

    @property
    def refuses(self) -> bool:
        return self.decider.decide(bearing("sk-1"), _ALL).is_refused


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SnapshotServer]:
    (tmp_path / "server").mkdir()
    with serving(written(tmp_path / "server" / "s", [action(1)], credentials=_KNOWN)) as state:
        yield state


def _ran(folder: Path, server: SnapshotServer, clocks: Clocks) -> None:
    """A gateway looked once, and its process is gone."""
    gateway = Gateway(folder, server.url, clocks)
    gateway.look()
    gateway.die()


def _lifted(server: SnapshotServer, sequence: int = 2) -> None:
    written(server.path, [], sequence=sequence)


def test_a_block_and_its_lift_arrive_at_the_next_look(
    tmp_path: Path, server: SnapshotServer, clocks: Clocks
) -> None:
    """And what has not changed is not sent again."""
    gateway = Gateway(tmp_path, server.url, clocks)
    assert not gateway.refuses
    assert gateway.look() == 1
    assert gateway.refuses
    gateway.look()
    _lifted(server)
    assert gateway.look() == 2
    assert not gateway.refuses
    assert server.answers == [200, 304, 200]


def test_with_the_server_dead_what_is_held_stays_and_ends_in_time(
    tmp_path: Path, server: SnapshotServer, clocks: Clocks
) -> None:
    """Through a restart of the gateway, too."""
    _ran(tmp_path, server, clocks)
    server.status = 500
    restarted = Gateway(tmp_path, server.url, clocks)
    assert restarted.look() == 1
    assert restarted.refuses
    assert restarted.refresher.failures["unreachable"] == 1
    restarted.die()
    unreachable = Gateway(tmp_path, "http://127.0.0.1:9/v1/snapshot", clocks)
    unreachable.look()
    assert unreachable.refuses
    clocks.pass_by(timedelta(days=7).total_seconds())
    assert not unreachable.refuses
    assert not restarted.refuses


def test_an_older_snapshot_is_refused_whoever_offers_it(
    tmp_path: Path, server: SnapshotServer, clocks: Clocks
) -> None:
    """A replayed file does not bring back a block that was lifted; after a restart neither."""
    old = server.path.read_bytes()
    _lifted(server)
    gateway = Gateway(tmp_path, server.url, clocks)
    gateway.look()
    server.content, server.tag = old, '"1-old"'

    for worker in (gateway, Gateway(tmp_path, server.url, clocks)):
        assert worker.look() == 2
        assert worker.holder.refused == {Unusable.OLDER: 1}
        assert not worker.refuses
        worker.die()


def test_what_was_refused_is_not_fetched_again_at_once(
    tmp_path: Path, server: SnapshotServer, clocks: Clocks
) -> None:
    """It may be large; but a transfer that went wrong is tried again after a while."""
    whole = server.path.read_bytes()
    server.content = whole[:-1] + b"\xff"
    gateway = Gateway(tmp_path, server.url, clocks)
    for _ in range(3):
        assert gateway.look() is None
    assert server.answers == [200, 304, 304]
    assert gateway.holder.refused == {Unusable.CHANGED: 1}
    server.content = None
    clocks.pass_by(31)
    assert gateway.look() == 1


def test_an_answer_that_breaks_off_changes_nothing(
    tmp_path: Path, server: SnapshotServer, clocks: Clocks
) -> None:
    """And leaves no file behind."""
    gateway = Gateway(tmp_path, server.url, clocks)
    gateway.look()
    _lifted(server)
    server.cut_at = 100

    assert gateway.look() == 1
    assert gateway.refresher.failures["unreachable"] == 1
    assert not list(tmp_path.glob(".*fetched"))
    server.cut_at = None
    assert gateway.look() == 2


@pytest.mark.parametrize("content", [b"", b"{}", b"x" * 10_000])
def test_another_answer_is_no_snapshot(
    tmp_path: Path, server: SnapshotServer, clocks: Clocks, content: bytes
) -> None:
    """Such as a page of a proxy in between."""
    gateway = Gateway(tmp_path, server.url, clocks)
    gateway.look()
    server.content, server.tag = content, '"x"'

    assert gateway.look() == 1
    assert gateway.refuses


def test_a_broken_file_is_not_obeyed_and_the_next_answer_replaces_it(
    tmp_path: Path, server: SnapshotServer, clocks: Clocks
) -> None:
    """A gateway that starts on it blocks nobody, and goes on by itself."""
    _ran(tmp_path, server, clocks)
    broken = (tmp_path / "held").read_bytes()[:-20]
    (tmp_path / "held").unlink()
    (tmp_path / "held").write_bytes(broken)
    restarted = Gateway(tmp_path, server.url, clocks)

    assert restarted.holder.refused == {Unusable.TRUNCATED: 1}
    assert not restarted.refuses
    assert restarted.look() == 1
    assert restarted.refuses


def test_keys_that_were_rotated_are_told(
    tmp_path: Path, server: SnapshotServer, clocks: Clocks
) -> None:
    """The last good snapshot stays while the gateway has not got its new keys."""
    gateway = Gateway(tmp_path, server.url, clocks)
    gateway.holder._key_fingerprint = GatewayKeys.of(Key(bytes(32))).fingerprint
    gateway.look()

    assert gateway.holder.refused == {Unusable.OTHER_KEY: 1}


def test_a_wrong_clock_of_the_gateway_is_set_right_by_the_server(
    tmp_path: Path, server: SnapshotServer
) -> None:
    """Hours ahead or behind: the block holds for as long as it said, no more and no less."""
    for number, wrong in enumerate((timedelta(hours=-30), timedelta(days=30))):
        clocks = Clocks(NOW + wrong)
        gateway = Gateway(tmp_path / str(number), server.url, clocks)
        gateway.look()
        refused = []
        for seconds in (0, timedelta(days=7).total_seconds() - 1, 1):
            clocks.pass_by(seconds)
            clocks.wall -= 7_200  # and somebody keeps setting it
            refused.append(gateway.refuses)
        assert refused == [True, True, False]


def test_a_restart_knows_the_servers_time_while_it_is_dead(
    tmp_path: Path, server: SnapshotServer
) -> None:
    """A gateway a month ahead does not let everybody go because it was started again."""
    clocks = Clocks(NOW + timedelta(days=30))
    _ran(tmp_path, server, clocks)
    server.status = 503
    restarted = Gateway(tmp_path, server.url, clocks)
    restarted.look()

    assert restarted.refuses
    clocks.pass_by(timedelta(days=7).total_seconds())
    assert not restarted.refuses


def test_workers_share_one_file_and_one_of_them_fetches(
    tmp_path: Path, server: SnapshotServer, clocks: Clocks
) -> None:
    """The others see what it brought; when it goes, another takes over."""
    first, second = (Gateway(tmp_path, server.url, clocks) for _ in range(2))
    first.look()
    second.look()
    assert (first.refresher.is_fetching, second.refresher.is_fetching) == (True, False)
    assert second.refuses
    assert second.clock.was_told
    assert server.answers == [200]
    first.die()
    _lifted(server)
    assert second.look() == 2
    assert second.refresher.is_fetching
    assert second.refresher.seconds_since_contact == 0


def test_how_old_is_what_is_held_is_known(
    tmp_path: Path, server: SnapshotServer, clocks: Clocks
) -> None:
    """Counted from the last answer that said it is the newest."""
    gateway = Gateway(tmp_path, server.url, clocks)
    assert gateway.refresher.seconds_since_contact is None
    gateway.look()
    server.status = 500
    clocks.pass_by(90)
    gateway.look()

    assert gateway.refresher.seconds_since_contact == 90


def test_a_gateway_shows_its_token(tmp_path: Path, server: SnapshotServer, clocks: Clocks) -> None:
    """Without it there is nothing to be had."""
    server.token = "let-me-in"

    assert Gateway(tmp_path / "a", server.url, clocks).look() is None
    assert Gateway(tmp_path / "b", server.url, clocks, token="let-me-in").look() == 1


@pytest.mark.parametrize("url", ["http://10.0.0.1/v1/snapshot", "ftp://x/y", "snapshot", "http://"])
def test_nothing_goes_over_the_network_in_clear(url: str) -> None:
    """Token and verdicts need TLS, but on this machine."""
    with pytest.raises(InputError, match="https://"):
        HttpFetcher(url)


def test_tags_are_compared_as_http_says() -> None:
    """Lists, weak tags and the star."""
    for header in ('"a"', 'W/"a"', '"b", "a"', "*"):
        assert etag_matches(header, '"a"')
    for other in (None, "", '"b"', "a"):
        assert not etag_matches(other, '"a"')


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_thread_keeps_looking(tmp_path: Path, server: SnapshotServer) -> None:
    """Through a server that fails for a while."""
    clock = SteadyClock()
    holder = SnapshotHolder(tmp_path / "held", VERIFY_KEYS, clock=clock)
    refresher = Refresher(holder, HttpFetcher(server.url), clock, seconds=0.02)
    refresher.start()
    try:
        assert holder.snapshot is not None
        server.status = 500
        _until(lambda: refresher.failures["unreachable"] > 0)
        _lifted(server)
        server.status = None
        _until(lambda: holder.snapshot is not None and holder.snapshot.header.sequence == 2)
    finally:
        refresher.stop()
