"""Repeated checks: a few questions asked again and again, by several accounts, beside other work.

Who fears to be answered worse asks what he knows the answer to, above all after a refusal, a limit
or a ban. A monitor of a model's quality asks again as well, on a schedule and hardly anything else.
Card: `docs/signals/repeated_checks.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.signals.exact_counts import Outcome, compare_counts
from stillwatch.signals.places import ranked
from stillwatch.signals.request_columns import STATUSES
from stillwatch.signals.tell import Scene, Suspects, Tell, examples

__all__ = ["NAME", "Checks", "after_stops", "find_checks", "measure"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NAME = "repeated_checks"
HOUR = 3_600_000_000
DAY = 24 * HOUR
APART = HOUR  # between two askings: sooner is a retry, or several answers drawn at once
TIMES = 2  # askings of an account so far apart, from which a question is a check
SHARED = 3  # accounts that ask it so: two may quote each other
BESIDE = 0.5  # part of its exchanges from which who asks the same again does nothing else
SOON = HOUR  # after a stop
SHOWN = float(np.log(20))  # log of the e-value from which members are named
VOLUMES = np.array([12, 64, 256])  # exchanges of an account; with fewer, nothing is said of it
_ANSWERED = (STATUSES.index("ok"), -1)


@dataclass(frozen=True, slots=True)
class Checks:
    """Questions that several accounts ask again and again, one entry an asking after the first.

    Attributes:
        rows: The exchanges, in order of account, question and time.
        questions: Equal numbers for equal questions.
    """

    rows: IntArray
    questions: IntArray


def measure(scene: Scene) -> Tell:
    """How many members ask again what members ask again, and whether they do so after stops.

    Null of the first: the members are exchangeable with the reference accounts that ask as much. Of
    the second: within a day of an account, its checks are any of its exchanges, as far as the
    stops of members go. The e-value is the mean of the two.
    """
    traffic = scene.traffic
    accounts = len(traffic.account_names)
    checks = find_checks(scene)
    asks = np.zeros(accounts, np.bool_)
    asks[traffic.accounts[checks.rows]] = True
    exchanges = traffic.exchanges
    stratum = np.searchsorted(VOLUMES, exchanges, side="right") - 1
    log_e, largest, observed, usual, members, rows = [], [], [], [], [], []
    for group in scene.groups:
        own = _common(checks, traffic.accounts, group.accounts)
        asking = np.unique(traffic.accounts[own]).astype(np.int64)
        many = compare_counts(
            asks, group.accounts, np.isin(group.accounts, asking), stratum, scene.reference
        )
        timed = after_stops(scene, group, own)
        log_e.append(_mean(many.log_e, timed.log_e))
        largest.append(_mean(many.largest, timed.largest))
        told = log_e[-1] >= SHOWN
        observed.append(_in_words(many, timed) if told else "")
        usual.append(
            f"{many.usual} of {many.reference:,} other accounts that ask as much" if told else ""
        )
        members.append(asking if told else asking[:0])
        rows.append(examples(traffic, np.sort(own), members[-1]))
    return Tell(
        signal=NAME,
        log_e=np.array(log_e),
        largest=np.array(largest),
        text="It asks a few questions again and again beside its work, and so do other members.",
        observed=observed,
        usual=usual,
        members=members,
        rows=rows,
    )


def find_checks(scene: Scene) -> Checks:
    """Find the questions that `SHARED` accounts or more ask again, `TIMES` times and far apart.

    A question is the text of a talk of one turn. Askings count from one that was answered, `APART`
    or more after the one before. Who asks hardly anything else, as a monitor does, is left out.
    """
    traffic = scene.traffic
    accounts = len(traffic.account_names)
    order = traffic.by_account.order
    order = order[scene.wording.single_turn[order] & (traffic.input_words[order] > 0)]
    order = order[np.lexsort((traffic.input_hashes[order], traffic.accounts[order]))]
    owner, text = traffic.accounts[order], traffic.input_hashes[order]
    same = np.zeros(len(order), np.bool_)
    same[1:] = (owner[1:] == owner[:-1]) & (text[1:] == text[:-1])
    later, started = np.flatnonzero(same), traffic.started[order]
    before = np.isin(traffic.requests.status[order[later - 1]], _ANSWERED)
    again = np.zeros(len(order), np.bool_)
    again[later] = before & (started[later] - started[later - 1] >= APART)
    pair = np.cumsum(~same) - 1
    often = np.bincount(pair, again, minlength=len(pair))[pair] >= TIMES - 1
    exchanges = traffic.exchanges
    beside = np.bincount(owner, often, minlength=accounts) < BESIDE * exchanges
    kept = again & often & beside[owner]
    rows = order[kept]
    _, question = np.unique(text[kept], return_inverse=True)
    # How many accounts ask each: every pair of an account and a question counts once.
    pairs, first = np.unique(pair[kept], return_index=True)
    shared = np.bincount(question[first], minlength=len(pairs)) >= SHARED
    rows, question = rows[shared[question]], question[shared[question]]
    return Checks(rows, question)


def after_stops(scene: Scene, group: Suspects, checks: IntArray) -> Outcome:
    """How many of a group's checks follow a stop soon, against other exchanges of the same days.

    A stop is a refusal, a block or a limit that a member met over another text than the checks', or
    the closing of a member's account.

    Args:
        checks: The group's checks, as rows.
    """
    traffic, closed = scene.traffic, scene.attributes.closed[group.accounts]
    if len(checks) == 0:
        return Outcome([])
    rows = traffic.by_account.of(np.unique(traffic.accounts[checks]).astype(np.int64))
    texts = traffic.input_hashes
    stopped = traffic.by_account.of(group.accounts)
    stopped = stopped[traffic.refused[stopped]]
    stopped = stopped[~np.isin(texts[stopped], texts[checks])]
    stops = np.sort(np.concatenate([traffic.started[stopped], closed[closed > 0]]))
    last = np.searchsorted(stops, traffic.started[rows], side="left") - 1
    soon = (
        (last >= 0) & (traffic.started[rows] - stops[np.maximum(last, 0)] <= SOON)
        if len(stops)
        else np.zeros(len(rows), np.bool_)
    )
    is_check = np.isin(rows, checks)
    other = ~np.isin(texts[rows], texts[checks])
    _, of_day = ranked(traffic.accounts[rows].astype(np.int64) << 32 | traffic.started[rows] // DAY)
    size = int(of_day.max()) + 1
    drawn = [
        np.bincount(of_day, flags, minlength=size).astype(np.int64).tolist()
        for flags in (is_check, is_check & soon, other, other & soon)
    ]
    return Outcome([day for day in zip(*drawn, strict=True) if day[0] and day[2]])


def _common(checks: Checks, accounts: npt.NDArray[np.int32], members: IntArray) -> IntArray:
    """Checks of members, of questions that two of them or more ask again."""
    inside = np.isin(accounts[checks.rows], members)
    rows, questions = checks.rows[inside], checks.questions[inside]
    pairs = np.unique(questions << 32 | accounts[rows])
    common = np.bincount(pairs >> 32, minlength=int(questions.max(initial=-1)) + 1) > 1
    return rows[common[questions]]


def _mean(one: float, other: float) -> float:
    return float(np.logaddexp(one, other) - np.log(2))


def _in_words(many: Outcome, timed: Outcome) -> str:
    said = f"{many.shown} of {many.members} members ask again what other members ask again"
    if timed.members and timed.reference:
        said += (
            f"; {timed.shown / timed.members:.0%} of that within the hour after one of them was "
            f"stopped, and {timed.usual / timed.reference:.0%} of what they asked else on those days"
        )
    return said
