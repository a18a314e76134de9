"""Replay: signed reasoning that one account got and another presents.

A block is made for one conversation. Who presents a block that was issued to somebody else got it
from there; readers of a published block did too, which is why each block speaks once, for whoever
presented it first, and each account gives and takes once. Card: `docs/signals/replay.md`.
"""

from __future__ import annotations

import numpy as np

from stillwatch.signals.taking_over import OPPORTUNITIES, measure_taking_over
from stillwatch.signals.tell import Scene, Tell

__all__ = ["NAME", "measure"]

NAME = "replay"


def measure(scene: Scene) -> Tell:
    """How many members take over reasoning that another member was issued.

    Null: the members are strangers. Then as many of them take over somebody's block as of the
    reference accounts that present blocks as often, and hardly ever a fellow member's.
    """
    history = scene.handovers.history
    presenting = history.total("presenting", len(scene.traffic.account_names))
    return measure_taking_over(
        NAME,
        scene,
        scene.handovers.passed("reasoning_block"),
        np.searchsorted(OPPORTUNITIES, presenting, side="right") - 1,
        text="It presents signed reasoning that was issued to another account of the group.",
        what="signed reasoning issued to another",
    )
