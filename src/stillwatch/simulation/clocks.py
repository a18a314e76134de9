"""When people and machines send: waking hours, offices, nightly jobs, bursts and lessons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stillwatch.simulation.frame import DAY, HOUR, MINUTE, SECOND, Floats, Ints

__all__ = ["WakingHours", "burst", "nightly", "office_hours", "steady", "turn_times"]


@dataclass(frozen=True, slots=True)
class WakingHours:
    """One person's habits.

    Attributes:
        utc_offset: Hours east of Greenwich.
        midday: Local hour around which the person's day is centred.
        weekend: Weight of a weekend day against a working day.
        evening: Part of the use that falls into the evening.
    """

    utc_offset: float
    midday: float
    weekend: float
    evening: float

    @staticmethod
    def draw(rng: np.random.Generator, utc_offset: float, *, at_work: bool = False) -> WakingHours:
        """The habits of someone in this time zone; at work means few evenings and weekends."""
        return WakingHours(
            utc_offset=utc_offset,
            midday=float(rng.normal(13.0, 1.3)),
            weekend=float(rng.beta(1.2, 9)) if at_work else float(rng.uniform(0.4, 1.6)),
            evening=float(rng.beta(1.5, 8)) if at_work else float(rng.beta(3, 3)),
        )

    def moments(self, rng: np.random.Generator, count: int, begin: int, end: int) -> Ints:
        """`count` sorted moments (us) between `begin` and `end`, or fewer if life is short."""
        first, last = begin // DAY, max(begin // DAY + 1, -(-end // DAY))
        days = np.arange(first, last)
        # 1970-01-01 was a Thursday.
        weekday = (days + 3) % 7
        weight = np.where(weekday >= 5, self.weekend, 1.0) * rng.gamma(0.7, 1.0, len(days))
        weight = weight + 1e-9
        chosen = rng.choice(days, size=count, p=weight / weight.sum())
        in_evening = rng.random(count) < self.evening
        hour = np.where(
            in_evening,
            rng.normal(self.midday + 7.2, 1.3, count),
            rng.normal(self.midday, 2.4, count),
        )
        local = chosen * DAY + (hour * HOUR).astype(np.int64)
        moments = np.sort(local - int(self.utc_offset * HOUR))
        return moments[(moments >= begin) & (moments < end)]


def office_hours(
    rng: np.random.Generator, count: int, begin: int, end: int, *, utc_offset: float
) -> Ints:
    """Moments within the working hours of working days."""
    return WakingHours(utc_offset, float(rng.normal(13.0, 0.4)), 0.01, 0.02).moments(
        rng, count, begin, end
    )


def nightly(
    rng: np.random.Generator, count: int, begin: int, end: int, *, minute_of_day: int, gap: float
) -> Ints:
    """A job that starts every day at the same minute and works off its list.

    Args:
        rng: The source of randomness.
        count: Exchanges over the whole window.
        begin: First moment, us.
        end: Last moment, us.
        minute_of_day: UTC minute at which it starts.
        gap: Median seconds between two requests.
    """
    days = np.arange(begin // DAY, max(begin // DAY + 1, -(-end // DAY)))
    per_day = rng.multinomial(count, np.full(len(days), 1 / len(days)))
    starts = days * DAY + minute_of_day * MINUTE + rng.integers(0, 40 * SECOND, len(days))
    parts = [
        start + np.cumsum(rng.lognormal(np.log(gap), 0.5, n) * SECOND).astype(np.int64)
        for start, n in zip(starts, per_day, strict=True)
    ]
    moments = np.sort(np.concatenate(parts))
    return moments[(moments >= begin) & (moments < end)]


def burst(rng: np.random.Generator, count: int, begin: int, *, gap: float) -> Ints:
    """One run through a list, with log-normal gaps of the given median in seconds."""
    gaps = rng.lognormal(np.log(gap), 0.7, count) * SECOND
    return begin + np.cumsum(gaps).astype(np.int64)


def steady(rng: np.random.Generator, count: int, begin: int, end: int) -> Ints:
    """Arrivals without any rhythm."""
    return np.sort(rng.integers(begin, max(end, begin + 1), count))


def turn_times(rng: np.random.Generator, starts: Ints, turns: Ints, *, pause: float = 70.0) -> Ints:
    """Times of all turns of conversations that start at `starts`.

    A person reads and types between turns: log-normal pauses with a median of `pause` seconds.
    """
    gaps: Floats = rng.lognormal(np.log(pause), 0.9, int(turns.sum())) * SECOND
    first = np.concatenate([[0], np.cumsum(turns)[:-1]]).astype(np.int64)
    gaps[first[turns > 0]] = 0.0
    running = np.cumsum(gaps)
    offset = running - np.repeat(running[first], turns)
    return np.repeat(starts, turns) + offset.astype(np.int64)
