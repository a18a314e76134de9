"""Looking again and again: what a scan may report, given every look at the log before it.

A log is looked at on the midnights (UTC) of its own days, whoever scans it and when. A group that
goes on from look to look is one hypothesis. Its evidence is a sum over its looks with weights that
add up to 1, which only grows and keeps a mean of at most 1: nothing needs to be adjusted when past
evidence is kept. Newcomers share an error budget over all looks. Proofs: `docs/statistics.md`,
"Looking daily".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from stillwatch.campaigns.evalues import SELECTION, e_bh, select_by_reference

__all__ = [
    "FIRST_LOOK",
    "FIRST_STAGE",
    "TIED",
    "History",
    "Look",
    "Outcome",
    "least_bound",
    "one_look",
]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

TIED = 0.5  # strangers share wording; one hand leaves facts on half of its accounts
FIRST_STAGE = 0.05  # part of the rate spent on clauses 1 and 2
SPENT = 0.9  # of what is left of the budget of clause 3, newcomers take no more than this
ROOM = 2.0  # their part lets a first test pass with one owner of the log above them
FIRST_WEIGHT = (0.5, 0.9)  # of a hypothesis' first test: least and most, as its log needs
FIRST_LOOK = SPENT * FIRST_WEIGHT[1]  # what a first test can have at most


@dataclass(frozen=True, slots=True)
class Look:
    """What was weighed at one moment, one entry a group, then one an owner.

    Attributes:
        accounts: The members, numbered as in the whole log.
        named: Those of them whom a report names.
        openly: One declared organisation owns them.
        log_e: Logs of the e-values of clauses 1 and 2, a row a group.
        tied: Part of the members that share a rare fact with another.
        log_e_tied: Log of the e-value of the signals that tie accounts otherwise.
        log_e_crowds: Log of the e-value of clause 3 against crowds drawn at random.
        scores: How much each looks like a harvest.
        owners, owner_scores: Every owner, or -1 for an organisation, and its score, ascending.
    """

    accounts: list[IntArray]
    named: list[IntArray]
    openly: BoolArray
    log_e: FloatArray
    tied: FloatArray
    log_e_tied: FloatArray
    log_e_crowds: FloatArray
    scores: FloatArray
    owners: IntArray
    owner_scores: FloatArray


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided at one look, one entry a group.

    Attributes:
        reported: It is reported.
        e_collects: Clause 3; 0 for those that did not reach it.
        reached: It passed clauses 1 and 2, and is not held back.
        passed: Whether it passed clause 1 and clause 2, a row a group.
        bounds: Log of the e-value that clauses 1 and 2 need if this look is all they have.
        held_back: Nothing but wording ties the accounts.
        reference: Scores of the owners that clause 3 was compared with, sorted.
    """

    reported: BoolArray
    e_collects: FloatArray
    reached: BoolArray
    passed: BoolArray
    bounds: FloatArray
    held_back: BoolArray
    reference: FloatArray


def least_bound(groups: int, rate: float) -> float:
    """Log of the e-value that clauses 1 and 2 must each reach at a single look."""
    return float(np.log(max(groups, 1) / (rate * FIRST_STAGE / 2)))


def one_look(look: Look, rate: float) -> Outcome:
    """Decide on one look as if there were no other: the rate is that of this look."""
    return _State(daily=False).advance(look, np.arange(len(look.accounts)), rate)


@dataclass(slots=True)
class _State:
    """What all looks so far leave behind at one rate; arrays hold one entry a hypothesis.

    Attributes:
        daily: There may be further looks, so that weights and budget must last.
        arrivals: Looks that brought newcomers.
        share: Part of the budget of clauses 1 and 2.
        looks, tests: How often it was looked at, and how often it was tested in clause 3.
        rest: Weight left for further tests.
        log_m: Logs of the evidence of clauses 1 and 2 over all looks.
        left: What is left of the budget of clause 3.
        part: Part of the budget of clause 3, by groups as by accounts.
        collects: The evidence of clause 3 over all looks.
    """

    daily: bool
    arrivals: int = 0
    left: float = 1.0
    share: FloatArray = field(default_factory=lambda: np.zeros(0))
    looks: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    tests: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    log_m: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))
    part: FloatArray = field(default_factory=lambda: np.zeros(0))
    rest: FloatArray = field(default_factory=lambda: np.zeros(0))
    collects: FloatArray = field(default_factory=lambda: np.zeros(0))

    def copy(self) -> _State:
        arrays = ("share", "looks", "tests", "log_m", "part", "rest", "collects")
        return replace(self, **{name: getattr(self, name).copy() for name in arrays})

    def advance(self, look: Look, hypotheses: IntArray, rate: float) -> Outcome:
        """Take in one look and decide on it.

        Args:
            hypotheses: Which hypothesis each group is; newcomers have the numbers that follow.
        """
        self._raise(len(hypotheses) and int(hypotheses.max()) + 1)
        self.looks[hypotheses] += 1
        weight = self._weights(self.looks[hypotheses])
        self.log_m[hypotheses] = np.logaddexp(
            self.log_m[hypotheses], np.log(weight)[:, None] + look.log_e
        )
        bounds = np.log(2 / (rate * FIRST_STAGE)) - np.log(self.share[hypotheses])
        passed = self.log_m[hypotheses] >= bounds[:, None]
        held_back = (look.tied < TIED) & (look.log_e_tied < bounds)
        reached = passed.all(axis=1) & ~look.openly & ~held_back
        reference = _reference(look, reached)
        e_collects, reported = np.zeros(len(reached)), np.zeros(len(reached), np.bool_)
        if reached.any():
            e_collects[reached], reported[reached] = self._collect(
                look, np.flatnonzero(reached), hypotheses[reached], reference, rate
            )
        return Outcome(
            reported, e_collects, reached, passed, bounds - np.log(weight), held_back, reference
        )

    def _raise(self, number: int) -> None:
        """Newcomers take up their part of the budget."""
        new = number - len(self.share)
        if new <= 0:
            return
        self.arrivals += 1
        share = (1.0 / (self.arrivals * (self.arrivals + 1.0)) if self.daily else 1.0) / new
        self.share = np.concatenate([self.share, np.full(new, share)])
        self.log_m = np.concatenate([self.log_m, np.full((new, 2), -np.inf)])
        for name in ("looks", "tests", "part", "collects"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros(new, old.dtype)]))
        self.rest = np.concatenate([self.rest, np.ones(new)])

    def _collect(
        self, look: Look, groups: IntArray, tested: IntArray, reference: FloatArray, rate: float
    ) -> tuple[FloatArray, BoolArray]:
        """Clause 3 of the groups that reached it: its evidence so far, and who is reported."""
        accounts = np.array([float(len(look.accounts[g])) for g in groups])
        e_crowds = np.exp(look.log_e_crowds[groups])
        scores = np.where(e_crowds > 0, look.scores[groups], -np.inf)  # else nothing to report
        second = rate * (1 - FIRST_STAGE)
        if not self.daily:
            e_values = select_by_reference(scores, reference, second, accounts).e_values
            e_values = np.minimum(e_values, e_crowds)
            return e_values, e_bh(e_values, second, weights=accounts)
        largest = (len(reference) + 1.0) * second * SELECTION
        if largest * FIRST_LOOK < 1:
            return self.collects[tested], np.zeros(len(tested), np.bool_)
        self._enter(tested, largest)
        parts = np.stack([self.part[tested]] * 2)
        weight = self._spend(tested, largest * parts[0] * len(tested))
        # The threshold is set for evidence that has held since the first test.
        so_far = 1 - self.rest[tested]
        found = select_by_reference(scores, reference, second, accounts, so_far * parts).e_values
        self.collects[tested] += weight * np.minimum(found, e_crowds)
        e_values = self.collects[tested]
        return e_values, e_bh(e_values, second, weights=accounts, parts=parts)

    def _enter(self, tested: IntArray, largest: float) -> None:
        """Those that come to clause 3 for the first time take up their part of its budget.

        Args:
            largest: The largest e-value over the least that the whole budget asks for: the more
                owners there are to compare with, the less of the budget is enough.
        """
        new = tested[self.part[tested] == 0]
        if len(new) and self.daily:
            enough = len(new) * ROOM / (largest * FIRST_WEIGHT[0])
            spent = min(enough, SPENT * self.left)
            self.left -= spent
            self.part[new] = spent / len(new)

    def _spend(self, tested: IntArray, largest: FloatArray) -> FloatArray:
        """The weight of this test of each, from what it has left.

        The n-th test has 1 / (n (n + 1)), but a first one that could prove nothing with half has
        what it needs. Where no weight would do, none is spent.

        Args:
            largest: The largest e-value of each over the least that it needs.
        """
        needed = (1.0 + 1e-9) / np.maximum(largest, 1e-9)
        able = needed <= FIRST_WEIGHT[1]
        self.tests[tested[able]] += 1
        times = self.tests[tested]
        first = np.clip(needed, *FIRST_WEIGHT)
        weight = np.where(times == 1, first, self.rest[tested] / np.maximum(times + 1.0, 1.0))
        weight = np.where(able, weight, 0.0)
        self.rest[tested] -= weight
        return weight

    def _weights(self, times: IntArray) -> FloatArray:
        """Of the n-th look at a hypothesis: 1 / (n (n + 1)), which add up to 1."""
        return 1.0 / (times * (times + 1.0)) if self.daily else np.ones(len(times))


def _reference(look: Look, reached: BoolArray) -> FloatArray:
    """Members of a group under test are not owners of their own; those of an open one are its."""
    taken = np.zeros(int(look.owners.max(initial=-1)) + 2, np.bool_)  # the last is organisations'
    for accounts, out in zip(look.accounts, reached | look.openly, strict=True):
        if out:
            taken[accounts[accounts < len(taken) - 1]] = True
    return look.owner_scores[~taken[look.owners]]


class History:
    """All looks at a log before the present one."""

    def __init__(self, accounts: int) -> None:
        """Begin before the first look.

        Args:
            accounts: Accounts of the whole log.
        """
        self._accounts = accounts
        self._members: list[IntArray] = []  # of each hypothesis, when last seen
        self._looks: list[tuple[Look, IntArray]] = []
        self._states: dict[float, tuple[int, _State]] = {}
        self._ahead: dict[float, tuple[int, Look, _State]] = {}  # where the last decision led

    @property
    def most_owners(self) -> int:
        """Owners at the look that had the most."""
        return max((len(look.owners) for look, _ in self._looks), default=0)

    def add(self, look: Look) -> None:
        """Take a look into the history."""
        hypotheses = self.hypotheses(look)
        self._looks.append((look, hypotheses))
        for accounts, hypothesis in zip(look.accounts, hypotheses.tolist(), strict=True):
            self._members[hypothesis : hypothesis + 1] = [accounts]

    def decide(self, look: Look, rate: float) -> Outcome:
        """Decide on a look, which is not taken into the history."""
        state = self._state(rate)
        ahead = state.copy()
        outcome = ahead.advance(look, self.hypotheses(look), rate)
        self._ahead[rate] = (len(self._looks), look, ahead)
        return outcome

    def _state(self, rate: float) -> _State:
        """What all looks leave behind; a look that was decided and then taken in is not done twice."""
        done, state = self._states.get(rate, (0, _State(daily=True)))
        before, look, ahead = self._ahead.pop(rate, (-1, None, state))
        if before == done < len(self._looks) and self._looks[done][0] is look:
            done, state = done + 1, ahead
        for past, hypotheses in self._looks[done:]:
            state.advance(past, hypotheses, rate)
        self._states[rate] = (len(self._looks), state)
        return state

    def hypotheses(self, look: Look) -> IntArray:
        """Which hypothesis each group goes on with; newcomers get the numbers that follow.

        A group goes on with the hypothesis most of whose accounts, when last seen, are in it; of
        several, with the one that gives it the most accounts, then the oldest. The accounts were
        linked; nothing that tests them is looked at.
        """
        group_of = np.full(self._accounts, -1)
        for number, accounts in enumerate(look.accounts):
            group_of[accounts] = number
        best = [(0, -1)] * len(look.accounts)
        for hypothesis, members in enumerate(self._members):
            groups = group_of[members]
            groups = groups[groups >= 0]
            if 2 * len(groups) <= len(members):
                continue
            counts = np.bincount(groups)
            number = int(counts.argmax())
            if 2 * counts[number] > len(members) and counts[number] > best[number][0]:
                best[number] = (int(counts[number]), hypothesis)
        found = np.array([hypothesis for _, hypothesis in best], np.int64)
        new = found < 0
        found[new] = len(self._members) + np.arange(int(new.sum()))
        return found
