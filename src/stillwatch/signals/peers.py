"""An account beside its like: conformal comparison with the reference accounts of its stratum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.signals.owners import evenly
from stillwatch.signals.tell import Scene, Tell, examples

__all__ = ["AUTOMATED", "Figure", "like_accounts", "tell_of"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

AUTOMATED = 0.9  # part of single requests from which an account is compared with automated ones
LEAST_PEERS = 100  # with fewer reference accounts of its plan, an account is compared across plans
LARGEST = 256  # members of a group that are looked at
RARE = 0.2  # conformal p-value below which a member of a telling group is named
SHOWN = float(np.log(20))  # log of the e-value from which members are named
EXPONENTS = (0.3, 0.6)
_VOLUMES = np.array([16, 64, 256])


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of every account, more telling the higher it is.

    Attributes:
        name: What it is, in words, for a sentence "NAME VALUE".
        values: One an account; NaN where the log cannot tell.
        strata: Accounts of equal number are like each other.
        stake: Where values are 0 or 1, the chance of 1 that is staked on.
    """

    name: str
    values: FloatArray
    strata: IntArray
    stake: float | None = None


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one figure says of the members that have it.

    Attributes:
        log_e, largest: Logs of the e-value of each kind of bet, and of the most it could have been.
        telling: Members whose own figure is high.
    """

    log_e: list[float]
    largest: list[float]
    telling: IntArray


def like_accounts(scene: Scene, *, by_automation: bool = True) -> IntArray:
    """Number the strata: plan × volume × automated or not; across plans where a plan has few.

    A job, a pipeline or a product runs without a person for honest reasons, so accounts that send
    single requests are compared with accounts that do.
    """
    accounts = len(scene.traffic.account_names)
    exchanges = np.bincount(scene.traffic.accounts, minlength=accounts)
    stratum = np.searchsorted(_VOLUMES, exchanges, side="right").astype(np.int64)
    if by_automation:
        alone = np.bincount(scene.traffic.accounts, scene.wording.single_turn, minlength=accounts)
        stratum = 2 * stratum + (alone >= AUTOMATED * np.maximum(exchanges, 1))
    of_plan = stratum * (int(scene.attributes.plan.max(initial=-1)) + 2) + scene.attributes.plan + 2
    _, of_plan = np.unique(of_plan, return_inverse=True)
    peers = np.bincount(of_plan[scene.reference], minlength=int(of_plan.max(initial=-1)) + 1)
    return np.where(peers[of_plan] >= LEAST_PEERS, of_plan, -1 - stratum)


def tell_of(scene: Scene, signal: str, text: str, figures: Sequence[Figure]) -> Tell:
    """Compare the members of each group with their like on each figure.

    Null: within each stratum, the members' figures are exchangeable with those of the reference
    accounts. Each member in turn has a conformal p-value among the reference, the members before it
    and itself; these are independent and at least uniform, so the product of bets a p^(a - 1) is an
    e-value (Vovk, Gammerman and Shafer 2005, chapter 7; Vovk and Wang 2021, section 2). Of a figure
    that is 0 or 1, the bet is the stake over the share of the value in the same multiset. The mean
    over figures and bets is one under any dependence. No share is below one over the number
    compared, which bounds the largest.
    """
    peers = [_of_strata(figure, scene.reference) for figure in figures]
    log_e, largest, observed, usual, members, rows = [], [], [], [], [], []
    for group in scene.groups:
        sampled = evenly(group.accounts, LARGEST)
        read = [_one_by_one(figure, sampled, of) for figure, of in zip(figures, peers, strict=True)]
        log_e.append(_mean([e for one in read for e in one.log_e]))
        largest.append(_mean([e for one in read for e in one.largest]))
        telling = group.accounts[:0]
        if log_e[-1] >= SHOWN:
            telling = np.unique(np.concatenate([one.telling for one in read]))
        members.append(telling)
        rows.append(examples(scene.traffic, group.rows, telling))
        observed.append(_in_words(figures, [f.values[group.accounts] for f in figures]))
        usual.append(
            _in_words(
                figures,
                [_alike(f, of, group.accounts) for f, of in zip(figures, peers, strict=True)],
            )
        )
    return Tell(
        signal=signal,
        log_e=np.array(log_e),
        largest=np.array(largest),
        text=text,
        observed=observed,
        usual=usual,
        members=members,
        rows=rows,
    )


def _of_strata(figure: Figure, reference: npt.NDArray[np.bool_]) -> dict[int, FloatArray]:
    """The reference's values in each stratum, ascending."""
    taken = np.flatnonzero(reference & ~np.isnan(figure.values))
    order = taken[np.lexsort((figure.values[taken], figure.strata[taken]))]
    strata, starts = np.unique(figure.strata[order], return_index=True)
    parts = np.split(figure.values[order], starts[1:])
    return dict(zip(strata.tolist(), parts, strict=True)) if len(order) else {}


def _one_by_one(figure: Figure, members: IntArray, peers: dict[int, FloatArray]) -> _Reading:
    """Bet on each member whose figure is known, among its reference and the members before it."""
    members = members[~np.isnan(figure.values[members])]
    own = figure.values[members]
    as_high, size, ones, before, outside = np.ones((5, len(members)))
    for stratum in np.unique(figure.strata[members]).tolist():
        here = np.flatnonzero(figure.strata[members] == stratum)
        others, mine = peers.get(stratum, np.zeros(0)), own[here]
        before[here] = np.arange(len(here))
        size[here] = len(others) + 1.0 + before[here]
        as_high[here] = len(others) - np.searchsorted(others, mine, side="left")
        as_high[here] += np.tril(mine[None, :] >= mine[:, None]).sum(axis=1)
        outside[here] = (others == 1).sum()
        ones[here] = outside[here] + np.cumsum(mine == 1)
    if figure.stake is None:
        bets = [np.log(a) + (a - 1) * np.log(as_high / size) for a in EXPONENTS]
        most = [np.log(a) + (a - 1) * np.log(1 / size) for a in EXPONENTS]
        high = as_high <= RARE * size
    else:
        high = own == 1
        share = np.where(high, ones, size - ones) / size
        bets = [np.log(np.where(high, figure.stake, 1 - figure.stake) / share)]
        # Had every member shown it: the reference's ones, those of all before, and its own.
        most = [np.log(figure.stake * size / (outside + before + 1.0))]
    return _Reading([b.sum() for b in bets], [b.sum() for b in most], members[high])


def _mean(logs: Sequence[float]) -> float:
    return float(np.logaddexp.reduce(np.array(logs)) - np.log(len(logs)))


def _alike(figure: Figure, peers: dict[int, FloatArray], accounts: IntArray) -> FloatArray:
    """The values of the reference accounts in the strata of these accounts."""
    strata = np.unique(figure.strata[accounts]).tolist()
    return np.concatenate([peers.get(stratum, np.zeros(0)) for stratum in strata])


def _in_words(figures: Sequence[Figure], values: Sequence[FloatArray]) -> str:
    """The median of each figure, where it is known."""
    known = [own[~np.isnan(own)] for own in values]
    return ", ".join(
        f"{figure.name} {np.median(own):.2f}"
        for figure, own in zip(figures, known, strict=True)
        if len(own)
    )
