"""Release pivot: work that turns to a new model within a day of its release.

Card: `docs/signals/release_pivot.md`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stillwatch.signals.peers import Figure, like_accounts, tell_of
from stillwatch.signals.tell import Scene, Tell, silent

__all__ = ["NAME", "measure", "turned"]

FloatArray = npt.NDArray[np.float64]

NAME = "release_pivot"
DAY = 24 * 3_600_000_000
MOST = 0.5  # of the work of the second day: about as much as in the published case
STAKE = 0.8  # chance of turning that is staked on
MINIMUM_BEFORE = 4  # exchanges in the week before: who did not work then cannot turn
MINIMUM_AFTER = 3


def measure(scene: Scene) -> Tell:
    """Ask of each group whether its members turn to a new model sooner than their like.

    Null: a member turns to a new model as the reference accounts of like plan, volume and
    automation do that were at work before the release and after it.
    """
    turns = turned(scene)
    if turns is None:
        return silent(NAME, len(scene.groups))
    name = "turned to a model just released, 1 or 0:"
    figure = Figure(name, turns, like_accounts(scene), STAKE)
    text = "It turned to a new model within a day of the release, sooner than its like."
    return tell_of(scene, NAME, text, [figure])


def turned(scene: Scene) -> FloatArray | None:
    """1 for accounts that had turned to a new model a day after its release, 0 for others.

    Turned is who asks it in half or more of the second day's exchanges; the first day is left to
    turn in. Over several releases, whoever turned to any. NaN for accounts that were not at work in
    the week before and on the second day; None if nothing was released while the log ran.
    """
    traffic = scene.traffic
    accounts = len(traffic.account_names)
    if len(traffic) == 0:
        return None
    first, last = int(traffic.started[0]), int(traffic.started[-1])
    found = np.full(accounts, np.nan)
    seen = False
    for model, moment in zip(scene.releases.models, scene.releases.released, strict=True):
        if not first + DAY <= moment <= last - DAY:
            continue
        seen = True
        marks = [moment - 7 * DAY, moment, moment + DAY, moment + 2 * DAY]
        edges = np.searchsorted(traffic.started, marks)
        before = np.bincount(traffic.accounts[edges[0] : edges[1]], minlength=accounts)
        after = traffic.accounts[edges[2] : edges[3]]
        asks = traffic.requests.model[edges[2] : edges[3]] == model
        number = np.bincount(after, minlength=accounts)
        most = np.bincount(after, asks, minlength=accounts) >= MOST * number
        known = (before >= MINIMUM_BEFORE) & (number >= MINIMUM_AFTER)
        found = np.fmax(found, np.where(known, most, np.nan))
    return found if seen else None
