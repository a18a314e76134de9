"""The clauses that need the log: who acts as one, and what is collected.

1. *Acts as one.* Null: the members of the group are exchangeable with the other accounts of this
   log, each seen among those it is linked to, or among strangers with prompts of like length, and
   compared with those that say as much.
3. *Collects.* Null: the group's work is some owner's own use, exchangeable with the work of the
   owners of this log.

What links a group (wording and facts it shares) is not what tests it: clause 1 looks at how items
were dealt out and when, on words that are not the template's; clause 3 at what is asked and what
becomes of the answer. Clause 2 is in `declared`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from stillwatch.campaigns.evalues import conformal_martingale, largest_martingale
from stillwatch.linking.groups import Group
from stillwatch.signals import division, synchrony
from stillwatch.signals.owners import Wording, evenly
from stillwatch.signals.traffic import Traffic

__all__ = [
    "MINIMUM_WORK",
    "ActsAsOne",
    "Scores",
    "Work",
    "all_act_as_one",
    "own_work",
    "score_accounts",
    "strict_bound",
]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Binning = Callable[[FloatArray], IntArray]

POOL = 24  # strangers that are compared with each other, as in a group of middling size
LARGEST_POOL = 48  # members of a group that are looked at
MINIMUM_WORK = 5  # exchanges below which an account says too little to be compared
SEED = 20_26
LEAN = 3.0  # standard deviations by which the mean of one queue's scores may exceed 0
WHOLE = 0.9  # part of clause 1's stake that is on all members; the rest is on their parts
STRICT = 1e-4  # family-wise level at which groups leave the reference of the others
PROMPTS = np.array([8, 16, 32])  # edges of the strata in which accounts are compared
EXCHANGES = np.array([32, 128, 512])
SCORING_THREADS = 2  # pools are scored apart from each other; the result is the same


@dataclass(frozen=True, slots=True)
class Scores:
    """Division and synchrony of every account that says enough, in its own pool.

    Attributes:
        accounts: The accounts, in the order of their names.
        group: Number of the group each was scored in; -1 among strangers.
        division, synchrony: The scores; NaN where the log cannot tell.
        prompts, exchanges: What the two scores rest on.
    """

    accounts: IntArray
    group: IntArray
    division: FloatArray
    prompts: IntArray
    synchrony: FloatArray
    exchanges: IntArray


@dataclass(frozen=True, slots=True)
class ActsAsOne:
    """Clause 1 for one group: logs of e-values, and the scores behind them.

    The scores are those of the `sampled` members, in that order.
    `log_e` is that of division alone. A common clock has honest causes that no null of ours holds
    (an app's timer, a release, a timetable), so it is shown and never convicts: taken as an
    alternative, it let such crowds through on worlds built to try it.
    Of the `left_out`, `log_e` says nothing: it is the evidence that the others act as one.
    """

    log_e: float
    largest: float
    log_e_synchrony: float
    sampled: IntArray
    division_scores: FloatArray
    synchrony_scores: FloatArray
    division_reference: IntArray
    synchrony_reference: IntArray
    left_out: IntArray


@dataclass(frozen=True, slots=True)
class Work:
    """The own work of every account: of account i, `rows[starts[i] : starts[i + 1]]`."""

    rows: IntArray
    starts: IntArray

    def of(self, account: int) -> IntArray:
        return self.rows[self.starts[account] : self.starts[account + 1]]

    def only(self, accounts: IntArray) -> Work:
        """The work of these accounts, in their order."""
        sizes = np.diff(self.starts)[accounts]
        begins = np.concatenate([[0], np.cumsum(sizes)])
        index = np.repeat(self.starts[accounts] - begins[:-1], sizes) + np.arange(begins[-1])
        return Work(self.rows[index], begins)


def own_work(traffic: Traffic, wording: Wording) -> Work:
    """The templated part of each account's exchanges, if it has one; else all of them.

    A group is judged on the exchanges that carry its templates; so is an account.
    """
    rows, starts = traffic.by_account.order, traffic.by_account.starts
    accounts = len(starts) - 1
    owner = np.repeat(np.arange(accounts), np.diff(starts))
    templated = wording.fixed_share[rows] >= 0.3
    narrow = np.bincount(owner[templated], minlength=accounts) >= MINIMUM_WORK
    kept = templated | ~narrow[owner]
    sizes = np.bincount(owner[kept], minlength=accounts)
    return Work(rows[kept], np.concatenate([[0], np.cumsum(sizes)]))


def score_accounts(
    traffic: Traffic,
    work: Work,
    groups: list[Group],
    *,
    like: synchrony.LikeTraffic | None = None,
) -> Scores:
    """Score every account among those it is linked to, and the others among strangers.

    Args:
        like: Score synchrony too, beside this traffic; it decides nothing.
    """
    generator = np.random.default_rng(SEED)
    pools = [(number, *_pool_of(traffic, group)) for number, group in enumerate(groups)]
    linked = [g.accounts for g in groups]
    pools += [(-1, *pool) for pool in _strangers(traffic, work, linked, generator)]

    def score(pool: tuple[int, IntArray, list[IntArray]]) -> tuple[Any, ...]:
        number, members, rows = pool
        apart = groups[number].rows if number >= 0 else np.concatenate(rows)
        return _score(traffic, members, rows, number, apart, like)

    with ThreadPoolExecutor(SCORING_THREADS) as threads:
        parts = list(threads.map(score, pools))
    if not parts:
        return Scores(*(np.zeros(0, t) for t in (int, int, float, int, float, int)))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return Scores(*(column[order] for column in columns))


def all_act_as_one(
    scores: Scores, groups: int, known: npt.NDArray[np.bool_] | None = None
) -> list[ActsAsOne]:
    """Clause 1 for every group, step by step.

    The reference is every account outside the group. Groups shown to act as one at a strict
    family-wise level leave the reference of the others, which are then weighed anew: a sequentially
    rejective procedure (Goeman and Solari 2010). A reference full of campaigns would hide one more.

    Args:
        known: Groups that are known to act as one, and stand in no reference; none in a log.
    """
    bound = strict_bound(groups)
    shown = np.zeros(groups, np.bool_) if known is None else known
    binned = _binned(scores)
    while True:
        outside = ~np.isin(scores.group, np.flatnonzero(shown))
        acts = [_acts_as_one(scores, binned, number, outside) for number in range(groups)]
        reached = np.array([a.log_e >= bound for a in acts], np.bool_) | shown
        if (reached == shown).all():
            return acts
        shown = reached


def strict_bound(groups: int) -> float:
    """Log of the e-value from which on a group stands in the way of no other's comparison."""
    return float(np.log(max(groups, 1) / STRICT))


def acts_as_one(scores: Scores, number: int, reference: npt.NDArray[np.bool_]) -> ActsAsOne:
    """Clause 1 for one group: conformal test martingales over its members, by name."""
    return _acts_as_one(scores, _binned(scores), number, reference)


_Binned = tuple[IntArray, IntArray]  # bin and stratum of each score; -1 where there is none


def _binned(scores: Scores) -> tuple[_Binned, _Binned]:
    """Division and synchrony, as the martingales read them."""

    def column(values: FloatArray, amounts: IntArray, edges: IntArray, bins_of: Binning) -> _Binned:
        known = ~np.isnan(values)
        strata = np.where(known, np.searchsorted(edges, amounts, side="right"), -1)
        return np.where(known, bins_of(values), -1), strata

    return (
        column(scores.division, scores.prompts, PROMPTS, division.bins_of),
        column(scores.synchrony, scores.exchanges, EXCHANGES, synchrony.bins_of),
    )


def _acts_as_one(
    scores: Scores,
    binned: tuple[_Binned, _Binned],
    number: int,
    reference: npt.NDArray[np.bool_],
) -> ActsAsOne:
    inside = scores.group == number
    reference = reference & ~inside
    divide = division.bets(), len(PROMPTS) + 1
    log_division, most_division, division_reference = _martingale(
        binned[0], inside, reference, *divide
    )
    divided = scores.division[inside]
    apart = np.flatnonzero(inside)[_left_out(divided)]
    weighed = inside.copy()
    weighed[apart] = False
    if len(apart):
        log_division, _, _ = _martingale(binned[0], weighed, reference, *divide)
    log_synchrony, _, synchrony_reference = _martingale(
        binned[1], inside, reference, synchrony.bets(), len(EXCHANGES) + 1
    )
    consistent = _dealt_at_random(scores.division[weighed])
    members = int((~np.isnan(divided)).sum())
    return ActsAsOne(
        log_e=log_division + _log_stake(members, len(apart)) if consistent else -np.inf,
        largest=most_division + _log_stake(members, 0),
        log_e_synchrony=log_synchrony,
        sampled=scores.accounts[inside],
        division_scores=divided,
        synchrony_scores=scores.synchrony[inside],
        division_reference=division_reference,
        synchrony_reference=synchrony_reference,
        left_out=scores.accounts[apart],
    )


def _left_out(scores: FloatArray) -> IntArray:
    """Positions of the highest scores, as few as leave the others a mean that dealing allows.

    Nobody where the mean of all is allowed, or none that half of them have. A stolen key carries its
    owner's subjects beside the queue's, and scores high. Whom to leave out may be chosen by the scores,
    because every choice has a stake of its own (`_log_stake`).
    """
    order = np.argsort(-scores, kind="stable")  # what is not a number comes last
    for number in range(int((~np.isnan(scores)).sum()) // 2 + 1):
        if _dealt_at_random(scores[order[number:]]):
            return np.sort(order[:number])
    return order[:0]


def _log_stake(members: int, left_out: int) -> float:
    """Log of the part of clause 1's stake that is on this choice of members.

    `WHOLE` is on all of them; the rest is dealt evenly over the numbers that may be left out, up to
    half, and over the choices of as many. The stakes add up to 1, so what one choice, however chosen,
    contributes is at most a mean of e-values (`docs/statistics.md`, theorem 1a).
    """
    if left_out == 0:
        return float(np.log(WHOLE))
    choices = gammaln(members + 1) - gammaln(left_out + 1) - gammaln(members - left_out + 1)
    return float(np.log1p(-WHOLE) - np.log(members // 2) - choices)


def _dealt_at_random(scores: FloatArray) -> bool:
    """Is the members' mean score what random dealing allows?

    Under one queue each score has mean 0 and variance 1 (exact moments), and the mean of k of them a
    standard deviation of about 1 / sqrt(k). Many accounts that each lean a little to subjects of
    their own are a crowd, however rare crowds with so small a lean are in this log. A score beyond
    `LEAN` counts as `LEAN`: a stranger whom the queue's items drew in, with subjects all his own,
    says nothing of the others, and clause 1 has its price for him. An e-value times an event is an
    e-value still: this can only take evidence away.
    """
    known = np.clip(scores[~np.isnan(scores)], -LEAN, LEAN)
    return len(known) == 0 or float(known.sum()) <= LEAN * np.sqrt(len(known))


def _pool_of(traffic: Traffic, group: Group) -> tuple[IntArray, list[IntArray]]:
    """The members that are looked at, and the rows of each."""
    accounts = traffic.accounts[group.rows].astype(np.int64)
    chosen = evenly(group.accounts, LARGEST_POOL)
    by_account = np.argsort(accounts, kind="stable")
    first = np.searchsorted(accounts[by_account], chosen, side="left")
    last = np.searchsorted(accounts[by_account], chosen, side="right")
    return chosen, [group.rows[by_account[a:b]] for a, b in zip(first, last, strict=True)]


def _strangers(
    traffic: Traffic, work: Work, linked: list[IntArray], generator: np.random.Generator
) -> list[tuple[IntArray, list[IntArray]]]:
    """Pools of accounts in no group, drawn at random among those with prompts of like length."""
    exchanges = traffic.exchanges
    enough = np.flatnonzero(exchanges >= MINIMUM_WORK)
    alone = np.setdiff1d(enough, np.concatenate(linked)) if linked else enough
    own = work.only(alone)
    length = _medians(traffic.input_words, own.rows, own.starts)
    pools = []
    sorted_alone = alone[np.argsort(length, kind="stable")]
    for stratum in np.array_split(sorted_alone, max(len(alone) // (POOL * 8), 1)):
        shuffled = generator.permutation(stratum)
        for pool in np.array_split(shuffled, max(len(shuffled) // POOL, 1)):
            if len(pool) > 1:
                pools.append((pool, [work.of(int(a)) for a in pool]))
    return pools


@nb.njit(cache=True, nogil=True)
def _medians(values, rows, starts):  # type: ignore[no-untyped-def]
    found = np.zeros(len(starts) - 1)
    for i in range(len(found)):
        found[i] = np.median(values[rows[starts[i] : starts[i + 1]]])
    return found


def _score(
    traffic: Traffic,
    members: IntArray,
    pool: list[IntArray],
    number: int,
    apart: IntArray,
    like: synchrony.LikeTraffic | None,
) -> tuple[IntArray, IntArray, FloatArray, IntArray, FloatArray, IntArray]:
    clock = (
        (np.full(len(pool), np.nan), np.array([len(rows) for rows in pool], np.int64))
        if like is None
        else synchrony.common_clock(traffic, members, pool, apart, like)
    )
    return (
        members,
        np.full(len(members), number),
        *division.own_subjects(traffic.prompts, pool),
        *clock,
    )


def _martingale(
    binned: _Binned,
    inside: npt.NDArray[np.bool_],
    outside: npt.NDArray[np.bool_],
    bets: FloatArray,
    strata: int,
) -> tuple[float, float, IntArray]:
    """Log e-value, its largest, and the reference, with like amounts compared with like.

    Given its stratum, a member is exchangeable with the reference of that stratum under the null;
    the strata's martingales run one after the other.
    """
    bins, stratum = binned
    members, reference = _counts(bins, stratum, inside, outside, len(bets), strata)
    value = largest = 0.0
    everywhere = np.zeros(len(bets), np.int64)
    for here in np.unique(stratum[members]).tolist():
        own = bins[members[stratum[members] == here]]
        value += conformal_martingale(reference[here], own, bets)
        largest += largest_martingale(reference[here], len(own), bets)
        everywhere += reference[here]
    return value, largest, everywhere


@nb.njit(cache=True, nogil=True)
def _counts(bins, stratum, inside, outside, width, strata):  # type: ignore[no-untyped-def]
    """Where the members with a score stand, and the reference's scores by stratum and bin."""
    reference = np.zeros((strata, width), np.int64)
    members = np.empty(len(bins), np.int64)
    number = 0
    for i in range(len(bins)):
        if bins[i] < 0:
            continue
        if inside[i]:
            members[number] = i
            number += 1
        elif outside[i]:
            reference[stratum[i], bins[i]] += 1
    return members[:number], reference
