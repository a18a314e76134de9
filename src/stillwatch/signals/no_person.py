"""No person there: nobody follows up on an answer, corrects it or asks again.

Card: `docs/signals/no_person.md`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stillwatch.signals.peers import Figure, like_accounts, tell_of
from stillwatch.signals.tell import Scene, Tell

__all__ = ["NAME", "measure", "untouched"]

FloatArray = npt.NDArray[np.float64]

NAME = "no_person"
MINIMUM_EXCHANGES = 12


def measure(scene: Scene) -> Tell:
    """Ask of each group whether its members leave answers alone as no person does.

    Null: a member follows up and repeats as the reference accounts of like plan and volume do.
    Jobs and pipelines do not follow up either; so this corroborates and convicts nobody.
    """
    strata = like_accounts(scene, by_automation=False)
    figures = [Figure("part of the answers that nobody came back to:", untouched(scene), strata)]
    return tell_of(scene, NAME, "Nobody follows up, corrects or asks again.", figures)


def untouched(scene: Scene) -> FloatArray:
    """Part of each account's exchanges that are the only turn of their talk and no repetition.

    NaN for accounts with too few exchanges, or whose log knows no turns.
    """
    traffic, wording = scene.traffic, scene.wording
    accounts = len(traffic.account_names)
    exchanges = traffic.exchanges
    alone = wording.single_turn & wording.first_of_item
    part = np.bincount(traffic.accounts, alone, minlength=accounts) / np.maximum(exchanges, 1)
    told = np.bincount(traffic.accounts, traffic.turns >= 0, minlength=accounts) > 0
    return np.where((exchanges >= MINIMUM_EXCHANGES) & told, part, np.nan)
