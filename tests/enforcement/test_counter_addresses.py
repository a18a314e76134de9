"""An address of shared counters that cannot be one is said so before the first request."""

from __future__ import annotations

import pytest

from stillwatch.enforcement.shared_counters import ServerUrlError, SharedCounters


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:6379", "http"),
        ("redis://:tide@127.0.0.1:6379/0", "password"),
        ("redis://127.0.0.1:6379/0?password=tide", "password"),
        ("redis:///0", "names no server"),
        ("unix://", "names no server"),
    ],
)
def test_an_address_that_is_none_says_what_to_write(url: str, why: str) -> None:
    """What is wrong and how it is written; never the password."""
    with pytest.raises(ServerUrlError, match=why) as refused:
        SharedCounters(url)
    assert "redis://HOST:PORT" in str(refused.value)
    assert "tide" not in str(refused.value)


def test_nobody_at_the_address_refuses_nobody() -> None:
    """The first request already finds nobody, and this process counts."""
    counters = SharedCounters("unix:///nowhere/at/all.sock")
    assert [counters.wait_of("a", 1) > 0 for _ in range(2)] == [False, True]
    assert counters.is_away
