"""Level volumes: the members send nearly the same number of exchanges a day.

A dispatcher deals its work out evenly; the accounts of an honest group are uneven.
Card: `docs/signals/level_volumes.md`.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

from stillwatch.signals.owners import evenly
from stillwatch.signals.peers import LARGEST, LEAST_PEERS
from stillwatch.signals.tell import Scene, Tell, examples, silent

__all__ = ["NAME", "like_groups", "measure", "plan_and_age", "volumes"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

NAME = "level_volumes"
DAY = 86_400_000_000
MINIMUM_EXCHANGES = 16  # fewer have no volume a day to speak of
MINIMUM_MEMBERS = 5  # with a volume; the spread of fewer says nothing
AGES = np.array([7, 30, 180])  # days from sign-up to the first exchange of the log
DRAWS = 9_999  # groups that are drawn: no p-value is below one ten-thousandth
EXPONENTS = (0.3, 0.6)
SEED = 20_26
SHOWN = float(np.log(20))  # log of the e-value from which members are named
LEVEL = 1.5  # a named member sends at most so many times the median, and at least its inverse


def measure(scene: Scene) -> Tell:
    """Ask of each group whether its members' volumes a day are more even than those of their like.

    Null: within plan and age, the members' volumes are exchangeable with those of the reference
    accounts. The group is one of all groups with as many accounts of each plan and age that could
    be drawn from its members and the reference together; the p-value is its rank by coefficient of
    variation among `DRAWS` of them drawn at random and itself, and is valid whatever the law of the
    volumes (Phipson and Smyth 2010, "Permutation p-values should never be zero"). The mean over a
    of a p^(a - 1) is an e-value (Vovk and Wang 2021, section 2).
    """
    tell = silent(NAME, len(scene.groups))
    log_e, largest = tell.log_e, tell.largest
    observed, usual = list(tell.observed), list(tell.usual)
    members, rows = list(tell.members), list(tell.rows)
    volume, strata = volumes(scene), plan_and_age(scene)
    for number, group in enumerate(scene.groups):
        sampled = evenly(group.accounts, LARGEST)
        sampled = sampled[~np.isnan(volume[sampled])]
        if len(sampled) < MINIMUM_MEMBERS:
            continue
        drawn = like_groups(volume, strata, sampled, scene.reference)
        own = volume[sampled]
        spread = float(own.std() / own.mean())
        p = (1 + int((drawn <= spread * (1 + 1e-12)).sum())) / (DRAWS + 1)
        log_e[number], largest[number] = _log_e(p), _log_e(1 / (DRAWS + 1))
        observed[number] = f"volumes a day vary by {spread:.2f} of their mean"
        usual[number] = f"{np.median(drawn):.2f} in groups of accounts of the same plans and ages"
        if log_e[number] >= SHOWN:
            near = np.abs(np.log(own / np.median(own))) <= np.log(LEVEL)
            members[number] = sampled[near]
            rows[number] = examples(scene.traffic, group.rows, sampled[near])
    return Tell(
        signal=NAME,
        log_e=log_e,
        largest=largest,
        text="It sends nearly as much a day as the other members do.",
        observed=observed,
        usual=usual,
        members=members,
        rows=rows,
    )


def volumes(scene: Scene) -> FloatArray:
    """Exchanges a day from the account's first to its last, at least one day; NaN with too few."""
    traffic = scene.traffic
    accounts = len(traffic.account_names)
    exchanges = traffic.exchanges
    first, last = np.full(accounts, np.iinfo(np.int64).max), np.zeros(accounts, np.int64)
    np.minimum.at(first, traffic.accounts, traffic.started)
    np.maximum.at(last, traffic.accounts, traffic.started)
    days = np.maximum((last - np.minimum(first, last)) / DAY, 1.0)
    return np.where(exchanges >= MINIMUM_EXCHANGES, exchanges / days, np.nan)


def plan_and_age(scene: Scene) -> IntArray:
    """Number the strata: plan × age at the first exchange; across plans where a plan has few."""
    traffic, plan = scene.traffic, scene.attributes.plan
    accounts = len(traffic.account_names)
    first = np.full(accounts, np.iinfo(np.int64).max)
    np.minimum.at(first, traffic.accounts, traffic.started)
    created = scene.attributes.created
    age = np.searchsorted(AGES, (first - created) / DAY, side="right").astype(np.int64)
    age = np.where(created > 0, age, len(AGES) + 1)
    of_plan = age * (int(plan.max(initial=-1)) + 2) + plan + 1
    peers = np.bincount(of_plan[scene.reference], minlength=int(of_plan.max(initial=0)) + 1)
    return np.where(peers[of_plan] >= LEAST_PEERS, of_plan, -1 - age)


def like_groups(
    volume: FloatArray, strata: IntArray, members: IntArray, reference: npt.NDArray[np.bool_]
) -> FloatArray:
    """The coefficient of variation of `DRAWS` groups with as many accounts of each stratum.

    They are drawn from the members and the reference accounts that have a volume, without
    replacement.
    """
    pools, sizes, taken = [], [], []
    known = reference & ~np.isnan(volume)
    for stratum in np.unique(strata[members]).tolist():
        own = members[strata[members] == stratum]
        like = np.flatnonzero(known & (strata == stratum))
        pools.append(volume[np.union1d(own, like)])
        sizes.append(len(pools[-1]))
        taken.append(len(own))
    chance = np.random.default_rng(SEED).random((DRAWS, len(members)))
    return np.asarray(_spreads(np.concatenate(pools), np.array(sizes), np.array(taken), chance))


@nb.njit(cache=True, nogil=True)
def _spreads(pool, sizes, taken, chance):  # type: ignore[no-untyped-def]
    """Draw by partial shuffles: a shuffle of what was shuffled before is as random."""
    found = np.empty(chance.shape[0])
    for draw in range(chance.shape[0]):
        number, begin = 0, 0
        total, squares = 0.0, 0.0
        for s in range(sizes.shape[0]):
            for k in range(taken[s]):
                other = k + int(chance[draw, number] * (sizes[s] - k))
                value = pool[begin + other]
                pool[begin + other] = pool[begin + k]
                pool[begin + k] = value
                total += value
                squares += value * value
                number += 1
            begin += sizes[s]
        mean = total / number
        found[draw] = np.sqrt(max(squares / number - mean * mean, 0.0)) / mean
    return found


def _log_e(p: float) -> float:
    return float(np.log(np.mean([a * p ** (a - 1) for a in EXPONENTS])))
