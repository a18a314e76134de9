"""Continuation: a conversation that one account began and another goes on with, by its own id.

Clients that merely count their conversations, and exercises that name theirs, begin each where
everybody does. Card: `docs/signals/continuation.md`.
"""

from __future__ import annotations

import numpy as np

from stillwatch.signals.taking_over import OPPORTUNITIES, measure_taking_over
from stillwatch.signals.tell import Scene, Tell

__all__ = ["NAME", "measure"]

NAME = "continuation"


def measure(scene: Scene) -> Tell:
    """How many members go on with a conversation that another member began.

    Null: the members are strangers. Then as many of them go on with somebody's conversation as of
    the reference accounts that go on with one, their own included, as often.
    """
    history = scene.handovers.history
    going_on = history.total("going_on", len(scene.traffic.account_names))
    return measure_taking_over(
        NAME,
        scene,
        scene.handovers.passed("conversation"),
        np.searchsorted(OPPORTUNITIES, going_on, side="right") - 1,
        text="It goes on with a conversation that another account of the group began.",
        what="a conversation that another began",
    )
