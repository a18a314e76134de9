"""Probing: phrasings are tried while most are refused, and what goes through is scaled up.

Card: `docs/signals/probing.md`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stillwatch.signals.peers import Figure, tell_of
from stillwatch.signals.request_columns import STATUSES
from stillwatch.signals.tell import Scene, Tell

__all__ = ["NAME", "fewer_refusals", "measure"]

FloatArray = npt.NDArray[np.float64]

NAME = "probing"
REFUSED = STATUSES.index("refused")
ANSWERED = STATUSES.index("ok")
MINIMUM_EXCHANGES = 16


def measure(scene: Scene) -> Tell:
    """Ask of each group whether its members are refused at first and answered later.

    Null: a member's refusals fall from its first half to its second as those of the reference
    accounts do; the figure is in standard deviations, so that all of them can be compared.
    """
    scores = fewer_refusals(scene)
    everybody = np.zeros(len(scores), np.int64)
    figures = [Figure("refusals fell, in standard deviations, by", scores, everybody)]
    text = "Most of its first requests were refused, and hardly any of the later ones."
    return tell_of(scene, NAME, text, figures)


def fewer_refusals(scene: Scene) -> FloatArray:
    """Refused part of an account's first half less that of its second, in standard deviations.

    Deviations are those of shuffled order; 0 where nothing was refused, NaN with too few exchanges
    whose end is known.
    """
    traffic = scene.traffic
    status = traffic.requests.status
    order = traffic.by_account.order
    order = order[np.isin(status[order], (REFUSED, ANSWERED))]
    owner = traffic.accounts[order]
    accounts = len(traffic.account_names)
    number = np.bincount(owner, minlength=accounts)
    place = np.arange(len(owner)) - (np.cumsum(number) - number)[owner]
    half = number // 2
    refused = status[order] == REFUSED
    early = np.bincount(owner, refused & (place < half[owner]), minlength=accounts)
    total = np.bincount(owner, refused, minlength=accounts)
    # The early refusals are hypergeometric if the order is shuffled.
    share = half / np.maximum(number, 1)
    spread = total * share * (1 - share) * (number - total) / np.maximum(number - 1, 1)
    score = np.where(total > 0, (early - total * share) / np.sqrt(np.maximum(spread, 1e-9)), 0.0)
    return np.where(number >= MINIMUM_EXCHANGES, np.clip(score, -50.0, 50.0), np.nan)
