"""One queue of tasks: each is answered once, or a fixed number of times, whoever takes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stillwatch.simulation.campaigns.scheduling import Slots
from stillwatch.simulation.frame import Ints

__all__ = ["Deal", "deal"]


@dataclass(frozen=True, slots=True)
class Deal:
    """Which task each slot carries.

    Attributes:
        slots: The slots in use; the last ones may have been given back.
        task: Number of the task in each slot.
        statuses: How each request ended.
        tasks: How many tasks the queue holds.
    """

    slots: Slots
    task: Ints
    statuses: list[str]
    tasks: int


def deal(
    rng: np.random.Generator, slots: Slots, *, copies: int, refused: float, limited: float
) -> Deal:
    """Deal tasks to slots in order of time.

    A request that is limited or fails goes to the next slot, whoever has it: real
    collectors fail over. A refusal is an answer, so the task counts as done.

    Args:
        rng: The source of randomness.
        slots: Moments and workers, by time.
        copies: How often each task is answered.
        refused: Part of the requests that the model refuses.
        limited: Part of the requests that the rate limit stops.
    """
    luck = rng.random(len(slots.started))
    failed = luck < limited + 0.006
    answered = ~failed
    tasks = int(answered.sum()) // copies
    done = np.cumsum(answered)
    # Slots after the last complete round of copies are given back.
    used = int(np.searchsorted(done, tasks * copies)) + 1 if tasks else 0
    order = np.tile(np.arange(tasks), copies)
    position: Ints = (done - answered)[:used]
    statuses = np.where(luck < limited, "rate_limited", np.where(failed, "error", "ok"))
    statuses = np.where(answered & (luck > 1 - refused), "refused", statuses)[:used]
    return Deal(slots.first(used), order[position], statuses.tolist(), tasks)
