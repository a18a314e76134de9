"""Foreign history: conversations sent in whose answers we never gave.

A relay that serves several models under one name, or a collector that moves between providers, sends
us the end of talks that began elsewhere. So do a firm's fall-back from another provider, hand-written
examples, and a client that keeps only the end of a long talk. Card: `docs/signals/foreign_history.md`.
"""

from __future__ import annotations

import numpy as np

from stillwatch.signals.exact_counts import compare_counts
from stillwatch.signals.taking_over import OPPORTUNITIES
from stillwatch.signals.tell import Scene, Tell

__all__ = ["NAME", "measure"]

NAME = "foreign_history"
LEAST = 2  # exchanges: one may be an answer that was given before the log began
SHARE = 0.1  # of the exchanges that carry a history


def measure(scene: Scene) -> Tell:
    """How many members send in histories, or beginnings of answers, that are not ours.

    Null: the members are exchangeable with the reference accounts that carry a history, or begin the
    answer, as often.
    """
    traffic = scene.traffic
    accounts = len(traffic.account_names)
    history = scene.handovers.history
    prefilled = np.bincount(traffic.accounts[traffic.requests.prefill], minlength=accounts)
    carrying = history.total("carrying", accounts) + prefilled
    foreign = history.total("foreign_history", accounts) + prefilled
    shows = (foreign >= LEAST) & (foreign >= SHARE * carrying)
    stratum = np.searchsorted(OPPORTUNITIES, carrying, side="right") - 1
    outcomes = [
        compare_counts(shows, g.accounts, shows[g.accounts], stratum, scene.reference)
        for g in scene.groups
    ]
    members = [g.accounts[shows[g.accounts]] for g in scene.groups]
    example = history.example >= 0
    return Tell(
        signal=NAME,
        log_e=np.array([o.log_e for o in outcomes]),
        largest=np.array([o.largest for o in outcomes]),
        text="It sends in conversations whose answers were never given by us.",
        observed=[
            f"{o.shown} of {o.members} members send in histories or beginnings that are not ours"
            if o.members
            else ""
            for o in outcomes
        ],
        usual=[
            f"{o.usual} of {o.reference:,} other accounts that send in as many" for o in outcomes
        ],
        members=members,
        rows=[
            np.sort(history.example[example & np.isin(history.accounts, own)]) for own in members
        ],
    )
