"""Several gateways share one budget, and a server of counters that fails refuses nobody."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import redis
from tests.stores.redis_server import PASSWORD, PROGRAMS, Server

from stillwatch.enforcement.shared_counters import SharedCounters

pytestmark = pytest.mark.stores


@pytest.fixture(params=PROGRAMS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """Redis, and then Valkey."""
    running = Server(request.param, tmp_path)
    running.start()
    yield running
    running.kill()


def _shared(server: Server, **changes: object) -> SharedCounters:
    # A minute for an answer: what a busy machine takes is nobody's failure here.
    values = {"password": PASSWORD, "timeout_seconds": 60.0, "rest_seconds": 0.0}
    return SharedCounters(server.url, **{**values, **changes})  # type: ignore[arg-type]


def _let_in(url: str, requests: int, budget: int) -> int:
    counters = SharedCounters(url, password=PASSWORD, timeout_seconds=60.0)
    assert not counters.is_away
    passed = sum(not counters.wait_of("group-tide", budget) for _ in range(requests))
    assert not counters.is_away
    return passed


def test_processes_at_once_share_one_budget(server: Server) -> None:
    """Four gateways let in one budget between them, and not one each."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=fresh) as gateways:
        asked = [gateways.submit(_let_in, server.url, 400, 2) for _ in range(4)]
        passed = sum(one.result(120) for one in asked)

    # Two at once; and of 1,600 requests in a second or so at most those that came back since.
    assert 2 <= passed <= 6


def test_waits_are_whole_seconds_and_groups_do_not_share(server: Server) -> None:
    """What a client is told is when there is room; another group has its own budget."""
    counters = _shared(server)
    assert [counters.wait_of("a", 2) > 0 for _ in range(4)] == [False, False, True, True]
    assert 1 <= counters.wait_of("a", 2) <= 30
    assert counters.wait_of("b", 1) == 0
    assert counters.wait_of("c", 0) == 60
    assert not counters.is_away


def test_nothing_is_kept_longer_than_it_counts(server: Server) -> None:
    """Each key ends with its budget's minute, and names the group alone."""
    _shared(server).wait_of("group-tide", 30)

    with redis.Redis.from_url(server.url, password=PASSWORD) as looking:
        (key,) = looking.keys("*")
        assert key == b"stillwatch:budget:group-tide"
        assert 0 < looking.pttl(key) <= 2_001


def test_a_value_of_nobody_refuses_nobody(server: Server) -> None:
    """Moments far ahead, such as after the server's clock was set back, and words, count as none."""
    counters = _shared(server)
    with redis.Redis.from_url(server.url, password=PASSWORD) as looking:
        for value in ("99999999999999999", "tide"):
            looking.set("stillwatch:budget:a", value)
            assert counters.wait_of("a", 1) == 0


def test_a_killed_server_refuses_nobody_and_is_used_again(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """While it is away this process counts by itself; both changes are logged once, without its address."""
    failures: list[int] = []
    counters = _shared(server, failed=lambda: failures.append(1))
    assert [counters.wait_of("a", 3) for _ in range(3)] == [0, 0, 0]
    assert counters.wait_of("a", 3) > 0

    server.kill()
    with caplog.at_level(logging.WARNING):
        assert [counters.wait_of("a", 3) for _ in range(3)] == [0, 0, 0]
        assert counters.wait_of("a", 3) > 0
        assert counters.is_away
        assert len(failures) == 4

        server.start()
        assert counters.wait_of("a", 3) == 0
        assert not counters.is_away

    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2
    assert not any("127.0.0.1" in text or PASSWORD in text for text in texts)


def test_a_server_that_hangs_is_waited_for_once_a_rest(server: Server) -> None:
    """A stopped process takes connections and answers none; most requests do not notice."""
    clock = [100.0]
    failures: list[int] = []
    counters = SharedCounters(
        server.url,
        password=PASSWORD,
        timeout_seconds=0.05,
        rest_seconds=1.0,
        failed=lambda: failures.append(1),
        clock=lambda: clock[0],
    )
    server.send(signal.SIGSTOP)
    try:
        assert [counters.wait_of("a", 50) for _ in range(20)] == [0] * 20
        assert len(failures) == 1
        clock[0] += 1.5
        assert [counters.wait_of("a", 50) for _ in range(20)] == [0] * 20
        assert len(failures) == 2
    finally:
        server.send(signal.SIGCONT)


def test_a_wrong_password_and_a_read_only_server_refuse_nobody(server: Server) -> None:
    """What the server says no to is counted here."""
    stranger = _shared(server, password="not it")
    assert stranger.wait_of("a", 1) == 0
    assert stranger.is_away

    with redis.Redis.from_url(server.url, password=PASSWORD) as looking:
        looking.replicaof("127.0.0.1", "1")
    counters = _shared(server)
    assert counters.wait_of("a", 1) == 0
    assert counters.is_away


def test_a_full_server_refuses_nobody(server: Server) -> None:
    """It may write nothing more, and says so."""
    with redis.Redis.from_url(server.url, password=PASSWORD) as looking:
        looking.config_set("maxmemory-policy", "noeviction")
        looking.config_set("maxmemory", "1")
    counters = _shared(server)
    assert counters.wait_of("a", 1) == 0
    assert counters.is_away


def test_the_documented_user_may_count_and_nothing_else(server: Server) -> None:
    """As docs/shared-counters.md says; and other keys are closed to it."""
    rights = ["+@scripting", "+get", "+set", "+time", "~stillwatch:budget:*"]
    with redis.Redis.from_url(server.url, password=PASSWORD) as looking:
        looking.execute_command("ACL", "SETUSER", "stillwatch", "on", ">tide", *rights)
    counters = _shared(server, user="stillwatch", password="tide")
    assert [counters.wait_of("a", 1) > 0 for _ in range(2)] == [False, True]
    assert not counters.is_away

    with (
        redis.Redis.from_url(server.url, username="stillwatch", password="tide") as looking,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        looking.get("other")
