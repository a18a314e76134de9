"""Given name: system texts of many accounts give the model one and the same other name.

A relay that sells our model as another provider's has to tell it who it is. So does the maker of a
product of its own brand, for as good a reason; this is shown and convicts nobody.
Card: `docs/signals/given_name.md`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stillwatch.signals.repeats import UNKNOWN, Population, population, together
from stillwatch.signals.tell import Scene, Tell, examples
from stillwatch.signals.traffic import Traffic

__all__ = ["NAME", "measure", "usual_names"]

IntArray = npt.NDArray[np.int64]

NAME = "given_name"
LEAST = 2  # exchanges of an account that give the name: one may be a play or a test
SHOWN = float(np.log(20))  # log of the e-value from which members are named


def measure(scene: Scene) -> Tell:
    """How many members give the model the same other name, and how rare that is elsewhere.

    Null: within plan and like numbers of exchanges, the names that the members' system texts give
    are exchangeable with those of the accounts outside the group. An account that gives none shows
    a value of its own, which nobody repeats. A group that one declared organisation owns names its
    own product, and nothing is said of it.
    """
    traffic = scene.traffic
    names = usual_names(traffic)
    of_all = _population(scene, names)
    log_e, largest, observed, usual, members, rows = [], [], [], [], [], []
    for group in scene.groups:
        own = group.accounts
        told = not group.openly and bool((names[own] > 0).any())
        log_e.append(of_all.log_e(own) if told else 0.0)
        largest.append(0.0 if group.openly else of_all.largest(own))
        holders = own[:0]
        observed.append("")
        usual.append("")
        if told and log_e[-1] >= SHOWN:
            part = of_all.most_shared(own)
            holders = part.holders
            observed[-1] = (
                f"{len(holders)} of {part.known} members give it one and the same other name"
            )
            usual[-1] = f"{part.elsewhere:.1%} of like accounts give it that name"
        members.append(holders)
        given = group.rows[_gives(traffic, names, group.rows)]
        rows.append(examples(traffic, given, holders))
    return Tell(
        signal=NAME,
        log_e=np.array(log_e),
        largest=np.array(largest),
        text="Its system texts tell the model that it is another, by a name that other members give.",
        observed=observed,
        usual=usual,
        members=members,
        rows=rows,
    )


def usual_names(traffic: Traffic) -> IntArray:
    """The name that each account gives most often, `LEAST` times or more, as a hash.

    0 where it gives none, `UNKNOWN` where it sends no system text at all.
    """
    accounts = len(traffic.account_names)
    usual = np.where(
        np.bincount(traffic.accounts, traffic.system_words > 0, minlength=accounts) > 0, 0, UNKNOWN
    )
    given = np.flatnonzero(traffic.given_names > 0)
    hashes, codes = np.unique(traffic.given_names[given], return_inverse=True)
    keys, counts = np.unique(
        traffic.accounts[given].astype(np.int64) * max(len(hashes), 1) + codes, return_counts=True
    )
    keys, counts = keys[counts >= LEAST], counts[counts >= LEAST]
    order = np.lexsort((-keys, counts))  # of equals the first; the last one written stays
    usual[keys[order] // max(len(hashes), 1)] = hashes[keys[order] % max(len(hashes), 1)]
    return usual


def _gives(traffic: Traffic, names: IntArray, rows: IntArray) -> npt.NDArray[np.bool_]:
    """Which of these exchanges give the usual name of their account."""
    given = traffic.given_names[rows]
    return np.asarray((given > 0) & (given == names[traffic.accounts[rows]]))


def _population(scene: Scene, names: IntArray) -> Population:
    """Every account's name among accounts of its plan that ask as much and send system texts."""
    exchanges = np.bincount(scene.traffic.accounts, minlength=len(names))
    alike = together(scene.attributes.plan + 1, np.log2(np.maximum(exchanges, 1)).astype(np.int64))
    _, codes = np.unique(names, return_inverse=True)
    none = names == 0
    values = codes.astype(np.int64)
    values[none] = len(names) + np.arange(int(none.sum()))
    values[names == UNKNOWN] = UNKNOWN
    return population(values, alike)
