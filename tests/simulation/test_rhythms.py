"""Clocks of people and machines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.simulation.clocks import WakingHours, turn_times
from stillwatch.simulation.frame import DAY, HOUR, Frame
from stillwatch.simulation.habits import split_into_turns
from stillwatch.simulation.rhythms import load_rhythms
from stillwatch.simulation.text import Variety

FRAME = Frame(seed=1, days=14)


@given(seed=st.integers(0, 2**32), count=st.integers(1, 400), begins=st.floats(0, 0.95))
@settings(max_examples=40, deadline=None)
def test_a_client_sends_all_it_should_within_its_life(seed, count, begins):
    """Whatever the profile, the times are sorted, complete and inside the window."""
    begin = FRAME.start + int(begins * FRAME.days) * DAY
    rng = np.random.default_rng(seed)

    times = load_rhythms(Variety.ALL).client_times(rng, FRAME, count, begin, FRAME.end)

    assert len(times) == count
    assert np.all(np.diff(times) >= 0)
    assert begin <= times[0]
    assert times[-1] < FRAME.end


def test_halves_of_the_traces_share_no_client():
    """What a detector is judged on has rhythms it has never seen."""
    build = load_rhythms(Variety.BUILD).hourly_requests
    held_out = load_rhythms(Variety.HELD_OUT).hourly_requests

    assert len(build) + len(held_out) == len(load_rhythms(Variety.ALL).hourly_requests)
    assert not any(np.array_equal(a, b) for a in build for b in held_out)


def test_people_sleep():
    """Few of a person's conversations start in the small hours of the local night."""
    rng = np.random.default_rng(2)
    night = []
    for _ in range(60):
        hours = WakingHours.draw(rng, 9)
        local = hours.moments(rng, 200, FRAME.start, FRAME.end) + 9 * HOUR
        night.append(np.mean(local % DAY // HOUR < 5))

    assert np.mean(night) < 0.05


@given(seed=st.integers(0, 2**32), count=st.integers(0, 300), mean=st.floats(1.1, 12))
@settings(max_examples=40, deadline=None)
def test_turns_add_up_and_follow_one_another(seed, count, mean):
    """No turn is lost, and each comes after the one before it."""
    rng = np.random.default_rng(seed)
    lengths = split_into_turns(rng, count, mean=mean)
    starts = np.sort(rng.integers(FRAME.start, FRAME.end, len(lengths)))

    times = turn_times(rng, starts, lengths) if len(lengths) else starts

    assert lengths.sum() == count
    assert len(times) == count
    for first, length in zip(np.cumsum(lengths) - lengths, lengths, strict=True):
        assert np.all(np.diff(times[first : first + length]) >= 0)


@pytest.mark.parametrize("days", [1, 2, 14, 30])
def test_the_release_and_the_outage_lie_within_the_window(days):
    """However short the world is."""
    frame = Frame(seed=1, days=days)

    assert frame.start <= frame.release < frame.end
    assert frame.start <= frame.outage[0] < frame.outage[1] < frame.end
