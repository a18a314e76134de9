"""The rhythm of real clients: hourly volumes, burstiness and context sizes from public traces.

Half of the clients belong to the worlds one builds on, half to those one is judged on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from stillwatch.simulation.frame import HOUR, Floats, Frame, Ints
from stillwatch.simulation.text import Variety

__all__ = ["Rhythms", "load_rhythms"]

_HOURS_IN_PROFILE = 336


@dataclass(frozen=True, slots=True, eq=False)
class Rhythms:
    """Profiles of real clients.

    Attributes:
        hourly_requests: One row a client, 336 hours.
        hourly_burstiness: Coefficient of variation of the inter-arrival times, same shape.
        context_tokens: Input sizes of real coding requests.
    """

    hourly_requests: Floats
    hourly_burstiness: Floats
    context_tokens: Ints

    def client_times(
        self, rng: np.random.Generator, frame: Frame, count: int, begin: int, end: int
    ) -> Ints:
        """Arrival times (us, sorted) of `count` requests in the rhythm of one real client.

        The client's two weeks are shifted by its own hours and roughened, so that two
        accounts with the same profile do not march in step.
        """
        profile = int(rng.integers(len(self.hourly_requests)))
        shift = int(rng.integers(-11, 12)) + 168 * int(rng.integers(2))
        first = (begin - frame.start) // HOUR
        hours = np.arange(first, max(first + 1, (end - frame.start) // HOUR))
        source = (hours + shift) % _HOURS_IN_PROFILE
        weight = self.hourly_requests[profile][source] * rng.lognormal(0.0, 0.6, len(hours))
        if weight.sum() <= 0:
            weight = np.ones(len(hours))
        drawn = rng.multinomial(count, weight / weight.sum())
        busy = np.nonzero(drawn)[0]
        within = _renewal_fractions(rng, drawn[busy], self.hourly_burstiness[profile][source[busy]])
        started = frame.start + np.repeat(hours[busy], drawn[busy]) * HOUR + within * HOUR
        return np.sort(np.clip(started.astype(np.int64), begin, end - 1))

    def coding_tokens(self, rng: np.random.Generator, count: int) -> Ints:
        """Context sizes as coding assistants send them."""
        return self.context_tokens[rng.integers(0, len(self.context_tokens), count)]


def _renewal_fractions(rng: np.random.Generator, counts: Ints, burstiness: Floats) -> Floats:
    """Where in its hour each request falls, from gamma gaps with the hour's burstiness."""
    shape = np.repeat(1.0 / np.clip(burstiness, 0.3, 6.0) ** 2, counts)
    gaps = rng.gamma(shape) + 1e-9
    running = np.cumsum(gaps)
    ends = np.cumsum(counts) - 1
    before = np.concatenate([[0.0], running[ends[:-1]]]) if len(counts) else np.zeros(0)
    # One more gap lies between the last request and the end of the hour.
    last = rng.gamma(1.0 / np.clip(burstiness, 0.3, 6.0) ** 2) + 1e-9
    total = running[ends] - before + last if len(counts) else np.zeros(0)
    fractions: Floats = (running - np.repeat(before, counts)) / np.repeat(total, counts)
    return fractions


@cache
def load_rhythms(variety: Variety) -> Rhythms:
    """The clients of one half of the traces, or of both."""
    with (files("stillwatch.simulation") / "data" / "rhythms.npz").open("rb") as source:
        stored = np.load(source)
        arrays = {name: stored[name] for name in stored.files}
    half = {Variety.BUILD: 0, Variety.HELD_OUT: 1}.get(variety)

    def mine(rows: np.ndarray) -> np.ndarray:
        return rows if half is None else rows[half::2]

    return Rhythms(
        hourly_requests=mine(arrays["hourly_requests"]).astype(np.float64),
        hourly_burstiness=mine(arrays["hourly_burstiness"]).astype(np.float64),
        context_tokens=mine(arrays["code_context_tokens"]).astype(np.int64),
    )
