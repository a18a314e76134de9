"""Budgets of linked groups that several gateways share, in Redis or Valkey.

Without it each process has counters of its own, so that a group has its budget once in each. What is
counted is the same moment (GCRA, `counters.after_request`), in whole microseconds of the server's
clock, by a script that the server runs as one step. Only requests of throttled groups ask it.

A server that is away, slow, full or read-only refuses nobody: this process counts by itself until it
is back, which allows more and never less than the shared count.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from stillwatch.enforcement.clocks import since_boot
from stillwatch.enforcement.counters import PERIOD_SECONDS, ProcessCounters

__all__ = ["ServerUrlError", "SharedCounters"]

_log = logging.getLogger(__name__)
_PREFIX = "stillwatch:budget:"
_SCHEMES = ("redis", "rediss", "unix")

# A budget's share is rounded down: a group never has less than what the policy says.
_SCRIPT = """
local period = tonumber(ARGV[2])
local each = math.max(1, math.floor(period / tonumber(ARGV[1])))
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local used = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
if used < now or used > now + period + each then used = now end
used = used + each
local wait = used - period - now
if wait > 0 then return math.ceil(wait / 1000000) end
redis.call('SET', KEYS[1], string.format('%.0f', used), 'PX', math.ceil((used - now) / 1000) + 1)
return 0
"""


class ServerUrlError(ValueError):
    """An address that no server of counters can have."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The address of the shared counters {why}. Give it as redis://HOST:PORT/0, "
            "rediss://HOST:PORT/0 (TLS) or unix:///PATH/TO/SOCKET, without a password in it."
        )


class SharedCounters:
    """Counts in one Redis or Valkey server, and by itself while that does not answer.

    Args:
        url: `redis://`, `rediss://` or `unix://`. Nobody's password: addresses are seen in lists of
            processes and in configurations.
        user, password: Whom the server is to know; None where it asks for nobody.
        timeout_seconds: For how long one request may wait for the server.
        rest_seconds: For how long a server that failed is not asked again.
        failed: Called for each failure, such as to count it.
        clock: Seconds, by a clock that nobody sets.

    Raises:
        ServerUrlError: For another scheme, or a password in the address.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        timeout_seconds: float = 0.05,
        rest_seconds: float = 1.0,
        failed: Callable[[], None] | None = None,
        clock: Callable[[], float] = since_boot,
    ) -> None:
        _check(url)
        self._server = redis.Redis.from_url(
            url,
            username=user,
            password=password,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # Who waits for an answer is a request: it goes on, and a later one asks again.
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._server.register_script(_SCRIPT)
        self._own = ProcessCounters(clock)
        self._rest_seconds = rest_seconds
        self._failed = failed
        self._clock = clock
        self._lock = Lock()
        self._not_before: float | None = None

    @property
    def is_away(self) -> bool:
        """Whether the server failed when it was last asked."""
        return self._not_before is not None

    def wait_of(self, group: str, requests_per_minute: int) -> int:
        """See `Counters`."""
        if requests_per_minute < 1:
            return int(PERIOD_SECONDS)
        if self._may_ask():
            try:
                keys, values = [_PREFIX + group], [requests_per_minute, int(PERIOD_SECONDS * 1e6)]
                wait = int(self._script(keys=keys, args=values))
            except (redis.RedisError, OSError, ValueError, TypeError) as error:
                self._was_away(error)
            else:
                self._was_there()
                return wait
        return self._own.wait_of(group, requests_per_minute)

    def close(self) -> None:
        """Let go of the connections."""
        self._server.close()

    def _may_ask(self) -> bool:
        if self._not_before is None:
            return True
        with self._lock:
            now = self._clock()
            if self._not_before is not None and now < self._not_before:
                return False
            # One request asks whether it is back; the others do not wait with it.
            self._not_before = now + self._rest_seconds
            return True

    def _was_away(self, error: Exception) -> None:
        with self._lock:
            is_news = self._not_before is None
            self._not_before = self._clock() + self._rest_seconds
        if self._failed is not None:
            self._failed()
        if is_news:
            # Not the error's text: it may hold the server's address.
            _log.error(
                "the shared counters do not answer (%s); this process counts by itself",
                type(error).__name__,
            )

    def _was_there(self) -> None:
        if self._not_before is None:
            return
        with self._lock:
            self._not_before = None
        _log.warning("the shared counters answer again")


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ServerUrlError(f"begins with {parts.scheme!r}, which is not one of ours")
    if parts.password is not None or "password=" in parts.query:
        raise ServerUrlError("holds a password")
    if not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise ServerUrlError("names no server")
