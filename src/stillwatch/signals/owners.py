"""Owners: whose work is compared with whose.

An owner is an account that is linked to nobody, a declared organisation, or a group under test.
Each is judged on a bounded sample of its own work, so that a giant weighs as much as a beginner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

from stillwatch.lake.scratch import apart
from stillwatch.signals.places import first_of_each, numbered
from stillwatch.signals.traffic import Traffic

__all__ = [
    "Repeats",
    "Wording",
    "even_positions",
    "evenly",
    "evenly_each",
    "first_of_each",
    "numbered",
    "read_repeats",
    "read_wording",
]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

SAMPLE = 256  # exchanges of an account from which its own fixed wording is read


@dataclass(frozen=True, slots=True)
class Wording:
    """How much of each prompt is fixed wording that its account uses again and again.

    Attributes:
        fixed_share: Part of the prompt's shingles that recur in the account's other prompts; 0 for
            prompts too short to tell.
        single_turn: The account's conversation has this one exchange only, as far as the log tells:
            who was answered did not come back, whether or not another account went on. Clients that
            number everybody's conversations from one are thereby told apart, too.
        first_of_item: No earlier exchange of the account has the same input.
    """

    fixed_share: npt.NDArray[np.float32]
    single_turn: npt.NDArray[np.bool_]
    first_of_item: npt.NDArray[np.bool_]


def evenly(rows: IntArray, limit: int) -> IntArray:
    """At most `limit` of the rows, evenly spaced: the same rows whoever asks."""
    return np.asarray(rows[even_positions(len(rows), limit)])


def evenly_each(rows: IntArray, starts: IntArray, limit: int) -> tuple[IntArray, IntArray]:
    """`evenly` for each part `rows[starts[i] : starts[i + 1]]`, and where each begins then."""
    begins = np.concatenate([[0], np.cumsum(np.minimum(np.diff(starts), limit))])
    taken = np.empty(begins[-1], np.int64)
    _take_evenly(rows, starts, begins, limit, taken)
    return taken, begins


@nb.njit(cache=True, nogil=True)
def _take_evenly(rows, starts, begins, limit, taken):  # type: ignore[no-untyped-def]
    for part in range(len(starts) - 1):
        positions = even_positions(starts[part + 1] - starts[part], limit)
        for i in range(len(positions)):
            taken[begins[part] + i] = rows[starts[part] + positions[i]]


@nb.njit(cache=True, nogil=True)
def even_positions(size, limit):  # type: ignore[no-untyped-def]
    """At most `limit` of the numbers below `size`, evenly spaced."""
    if size <= limit:
        return np.arange(size)
    positions = np.empty(limit, np.int64)
    step = (size - 1) / max(limit - 1, 1)
    for i in range(limit - 1):
        positions[i] = int(i * step)
    positions[limit - 1] = size - 1 if limit > 1 else 0
    return positions


@dataclass(frozen=True, slots=True)
class Repeats:
    """What recurs in a log, exchange by exchange; the beginning of it is that of a shorter log.

    Attributes:
        first_of_item: No earlier exchange of the account has the same input.
        first_of_conversation: No earlier exchange of the account belongs to the same conversation.
        goes_on: The account's next exchange of the same conversation, or the number of exchanges.
    """

    first_of_item: npt.NDArray[np.bool_]
    first_of_conversation: npt.NDArray[np.bool_]
    goes_on: IntArray


def read_repeats(traffic: Traffic) -> Repeats:
    """Read what recurs in a log."""
    first_of_item = np.zeros(len(traffic), np.bool_)
    with np.errstate(over="ignore"):
        # Wrap-around multiplication is enough to keep apart what is one account's and another's.
        own = traffic.accounts.astype(np.int64) * np.int64(-7046029254386353131)
    first_of_item[first_of_each(numbered(own ^ traffic.input_hashes))] = True
    first, goes_on = _conversations(numbered(own ^ traffic.conversations))
    return Repeats(first_of_item, first, apart(goes_on))


@nb.njit(cache=True, nogil=True)
def _conversations(conversation):  # type: ignore[no-untyped-def]
    rows = len(conversation)
    first = np.zeros(rows, np.bool_)
    goes_on = np.full(rows, rows, np.int64)
    latest = np.full(rows, -1, np.int64)
    for i in range(rows):
        before = latest[conversation[i]]
        if before < 0:
            first[i] = True
        else:
            goes_on[before] = i
        latest[conversation[i]] = i
    return first, goes_on


def read_wording(traffic: Traffic, repeats: Repeats | None = None) -> Wording:
    """Read the fixed wording of every account.

    Args:
        repeats: Those of the traffic, if they were read before, or of a longer one.
    """
    repeats = repeats or read_repeats(traffic)
    rows = len(traffic)
    order, starts = traffic.by_account.order, traffic.by_account.starts
    fixed = np.zeros(rows, np.float32)
    _fixed_shares(order, starts, traffic.shingles.values, traffic.shingles.starts, fixed, SAMPLE)
    alone = repeats.first_of_conversation[:rows] & (repeats.goes_on[:rows] >= rows)
    return Wording(
        fixed,
        alone & (traffic.turns <= 0),
        repeats.first_of_item[:rows],
    )


@nb.njit(cache=True, nogil=True)
def _fixed_shares(order, starts, values, value_starts, fixed, limit):  # type: ignore[no-untyped-def]
    for account in range(starts.shape[0] - 1):
        begin, end = starts[account], starts[account + 1]
        size = end - begin
        if size < 3:
            continue
        step = max(1.0, size / limit)
        total = 0
        taken = 0
        position = 0.0
        while int(position) < size and taken < limit:
            row = order[begin + int(position)]
            total += value_starts[row + 1] - value_starts[row]
            position += step
            taken += 1
        pool = np.empty(total, np.int64)
        at = 0
        position = 0.0
        count = 0
        while int(position) < size and count < taken:
            row = order[begin + int(position)]
            for i in range(value_starts[row], value_starts[row + 1]):
                pool[at] = values[i]
                at += 1
            position += step
            count += 1
        pool.sort()
        # Wording is fixed if a tenth of the account's prompts have it, and at least three.
        least = max(3, int(0.1 * taken))
        kept = np.empty(total, np.int64)
        found = 0
        i = 0
        while i < total:
            j = i
            while j < total and pool[j] == pool[i]:
                j += 1
            if j - i >= least:
                kept[found] = pool[i]
                found += 1
            i = j
        frequent = kept[:found]
        for k in range(begin, end):
            row = order[k]
            length = value_starts[row + 1] - value_starts[row]
            if length == 0 or found == 0:
                continue
            hits = 0
            for i in range(value_starts[row], value_starts[row + 1]):
                place = np.searchsorted(frequent, values[i])
                if place < found and frequent[place] == values[i]:
                    hits += 1
            fixed[row] = hits / length
