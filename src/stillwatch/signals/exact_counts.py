"""How many members show something, against how many of the other accounts do: exactly.

Null: within strata of like opportunity, a group's members are a random draw from themselves and the
reference together. Then the number that shows it is a sum of hypergeometric numbers, whatever the
rates are (Cochran 1954, Mantel and Haenszel 1959; the exact conditional form is Gart 1970).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

__all__ = ["Outcome", "compare_counts"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class Outcome:
    """Members against the reference.

    Attributes:
        log_e: Log of the e-value of the exact one-sided p-value (`_calibrated`).
        largest: Log of its largest value: every member shows it.
        members, shown: Members that could show it, and those that do.
        reference, usual: The same among the reference.
    """

    __slots__ = ("largest", "log_e", "members", "reference", "shown", "usual")

    def __init__(self, drawn: list[tuple[int, int, int, int]]) -> None:
        """From (members, shown, reference, usual) of each stratum."""
        self.members, self.shown, self.reference, self.usual = (
            sum(stratum[i] for stratum in drawn) for i in range(4)
        )
        self.log_e = self.largest = 0.0
        if self.members and self.reference:
            self.log_e = _calibrated(_log_tail(drawn, self.shown))
            everyone = [(members, members, size, usual) for members, _, size, usual in drawn]
            self.largest = _calibrated(_log_tail(everyone, self.members))


def compare_counts(
    shows: BoolArray,
    in_group: IntArray,
    shows_in_group: BoolArray,
    stratum: IntArray,
    reference: BoolArray,
) -> Outcome:
    """Compare the accounts of one group with the reference.

    Args:
        shows: One flag an account: it shows the thing, to whomever.
        in_group: The members.
        shows_in_group: One flag a member: it shows it within the group, which is rarer.
        stratum: One number an account; -1 where it had no opportunity, which says nothing.
        reference: One flag an account.
    """
    of_member = stratum[in_group]
    drawn = []
    for number in np.unique(of_member[of_member >= 0]).tolist():
        others = reference & (stratum == number)
        mine = of_member == number
        drawn.append(
            (
                int(mine.sum()),
                int(shows_in_group[mine].sum()),
                int(others.sum()),
                int(shows[others].sum()),
            )
        )
    return Outcome([stratum for stratum in drawn if stratum[2]])


def _calibrated(log_p: float) -> float:
    """Log of (1 - p + p log p) / (p log² p), the mean of a p^(a - 1) over a in (0, 1).

    Each of these is an e-value of a p-value, and none need be chosen (Vovk and Wang 2021, section
    2); for p = 1 it is 1/2, the limit.
    """
    if log_p > -1e-3:
        return float(np.log(0.5) - log_p / 3)
    return float(np.log1p(-np.exp(log_p) * (1 - log_p)) - log_p - 2 * np.log(-log_p))


def _log_tail(drawn: list[tuple[int, int, int, int]], at_least: int) -> float:
    """Log of the chance that so many show it or more, given each stratum's total."""
    logs = np.zeros(1)
    for members, shown, size, usual in drawn:
        single = _log_hypergeometric(members, size + members, usual + shown)
        peak, own_peak = logs.max(), single.max()
        sums = np.convolve(np.exp(logs - peak), np.exp(single - own_peak))
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(sums, 0.0)) + peak + own_peak
    # Below e^-700 sums underflow: the bound stands for them, so that nothing is extrapolated.
    return float(np.clip(np.logaddexp.reduce(logs[at_least:]), -700.0, 0.0))


def _log_hypergeometric(draws: int, population: int, marked: int) -> FloatArray:
    """Log chance of k = 0 … draws marked ones among `draws` drawn without replacement."""
    k = np.arange(draws + 1)
    possible = (k <= marked) & (draws - k <= population - marked)
    kept = k[possible]
    logs = np.full(draws + 1, -np.inf)
    logs[possible] = (
        _log_choose(marked, kept)
        + _log_choose(population - marked, draws - kept)
        - _log_choose(population, np.array([draws]))
    )
    return logs


def _log_choose(n: int, k: IntArray) -> FloatArray:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))
