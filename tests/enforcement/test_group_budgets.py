"""A budget of a group is what it says, and never more than that is refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stillwatch.enforcement.counters import PERIOD_SECONDS, ProcessCounters, after_request


@given(
    st.integers(1, 50),
    st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=120),
)
def test_no_minute_has_more_than_two_budgets_and_no_wait_is_in_vain(
    budget: int, pauses: list[float]
) -> None:
    """A full budget at once and the even rate; who waits as told is let in."""
    now, used_until = 1_000.0, 0.0
    passed = []
    for pause in pauses:
        now += pause
        used_until, wait = after_request(used_until, now, budget)
        if wait:
            assert wait <= PERIOD_SECONDS
            _, again = after_request(used_until, now + wait, budget)
            assert again == 0
        else:
            passed.append(now)
    for begin in passed:
        assert sum(begin <= moment < begin + PERIOD_SECONDS for moment in passed) <= 2 * budget


def test_an_idle_group_has_its_whole_budget_again() -> None:
    """After a minute, and not more than it."""
    clock = [5.0]
    counters = ProcessCounters(lambda: clock[0])
    for _ in range(3):
        assert [counters.wait_of("g", 4) > 0 for _ in range(5)] == [False] * 4 + [True]
        clock[0] += 3 * PERIOD_SECONDS


def test_no_budget_is_no_request() -> None:
    """And waits are never longer than a minute."""
    assert ProcessCounters(lambda: 0.0).wait_of("g", 0) == 60


def test_a_count_of_before_a_boot_refuses_nobody() -> None:
    """A clock that began anew finds moments that lie far ahead."""
    assert after_request(9_999_999.0, 5.0, 2)[1] == 0


def test_a_budget_that_was_changed_holds_at_once() -> None:
    """Counted is a moment and not a number of requests."""
    counters = ProcessCounters(lambda: 0.0)
    assert [counters.wait_of("g", 60) for _ in range(60)] == [0] * 60

    assert counters.wait_of("g", 60) == 1
    assert counters.wait_of("g", 1) == 60
