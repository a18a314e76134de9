"""Blocks end when they said they would, whoever sets the clock of whichever machine."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from acting import NOW, Clocks, action, bearing, credential_token, decider, opened

from stillwatch.enforcement.clocks import SteadyClock, since_boot, this_boot
from stillwatch.records.actions import Step

_HOUR = 3_600.0
_AT = NOW.timestamp()


def test_a_wall_clock_that_is_set_changes_nothing() -> None:
    """Neither forward nor back; the difference is shown."""
    clocks = Clocks()
    clock = clocks.steady()
    for step in (5 * _HOUR, -9 * _HOUR):
        clocks.wall += step
        clocks.pass_by(10)

    assert clock.now() == _AT + 20
    assert clock.wall_offset == -4 * _HOUR


def test_the_first_word_of_a_server_sets_a_clock_that_was_wrong() -> None:
    """In both directions: a gateway three hours fast would end blocks early, a slow one late."""
    for wrong in (3 * _HOUR, -3 * _HOUR):
        clocks = Clocks(NOW + timedelta(seconds=wrong))
        clock = clocks.steady()
        clock.told(_AT)
        clocks.pass_by(60)

        assert clock.now() == _AT + 60
        assert clock.offset == -wrong


def test_later_words_of_servers_are_shown_and_not_followed() -> None:
    """A server whose clock was set does not prolong blocks, nor end them."""
    clocks = Clocks()
    clock = clocks.steady()
    clock.told(_AT)
    for wrong in (_HOUR, -_HOUR):
        clock.told(_AT + wrong)
        assert clock.offset == wrong

    assert clock.now() == _AT


def test_a_signed_moment_moves_the_clock_on_and_never_back() -> None:
    """A decision that was made is not in the future."""
    clock = Clocks().steady()
    clock.not_before(_AT - _HOUR)
    assert clock.now() == _AT
    clock.not_before(_AT + 5)
    assert clock.now() == _AT + 5


def test_a_restart_goes_on_counting_whatever_the_wall_clock_says(tmp_path: Path) -> None:
    """In one run of the machine the count is what counts."""
    clocks = Clocks()
    before = clocks.steady()
    before.told(_AT + 7)
    before.keep(tmp_path / "clock")
    clocks.pass_by(600)
    clocks.wall -= 20 * _HOUR
    after = clocks.steady()

    assert after.restore(tmp_path / "clock")
    assert after.now() == _AT + 607
    assert after.was_told


def test_after_a_boot_the_known_difference_counts_and_time_never_goes_back(tmp_path: Path) -> None:
    """A wall clock an hour slow stays an hour slow; one that was set back is not followed back."""
    clocks = Clocks(NOW - timedelta(hours=1))
    before = clocks.steady("first")
    before.told(_AT)
    before.keep(tmp_path / "clock")
    clocks.pass_by(600)
    clocks.counted = 3.0
    slow = clocks.steady("second")
    slow.restore(tmp_path / "clock")
    clocks.wall -= 48 * _HOUR
    set_back = clocks.steady("second")
    set_back.restore(tmp_path / "clock")

    assert slow.now() == _AT + 600
    assert set_back.now() == _AT
    assert not slow.was_told
    slow.told(_AT + 601)
    assert slow.now() == _AT + 601


def test_what_cannot_be_read_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    """The clock begins with the wall clock then."""
    clock = Clocks().steady()
    for text in ("", "{}", "[1]", '{"format": 9, "time": 1, "counted": 1, "wall": 1}'):
        (tmp_path / "clock").write_text(text)
        assert not clock.restore(tmp_path / "clock")
    assert not clock.restore(tmp_path / "missing")
    assert clock.now() == _AT


def test_a_block_ends_in_time_with_the_store_dead_for_a_week(tmp_path: Path) -> None:
    """After a restart too, and with a wall clock set back by a year."""
    known = {"acct-1": [credential_token("sk-1")]}
    snapshot = opened(tmp_path / "s", [action(1)], credentials=known)
    clocks = Clocks()
    clocks.steady().keep(tmp_path / "clock")
    clocks.wall -= 365 * 24 * _HOUR
    asks = decider(snapshot, clocks)
    asks._clock.restore(tmp_path / "clock")
    refused = []
    for seconds in (0, 7 * 24 * _HOUR - 1, 1):
        clocks.pass_by(seconds)
        refused.append(asks.decide(bearing("sk-1"), frozenset(Step)).is_refused)

    assert refused == [True, True, False]


def test_the_real_clock_counts() -> None:
    """On this machine, whose run has a name."""
    clock = SteadyClock(boot=this_boot())
    first = clock.now()

    assert clock.now() >= first
    assert abs(clock.wall_offset) < 60
    assert since_boot() > 0
