"""What one account was given and another took over, and what histories accounts send in.

A reasoning block or a conversation that moves from one account to another is nearly exact evidence
that the two belong together. Nearly: blocks are published, people change accounts, routers pool
keys. So each value speaks once, for its first taker, and each account gives
and takes once: what a thousand readers present counts as one reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.lake.log import Log
from stillwatch.signals.traffic import Traffic

__all__ = ["KINDS", "Handovers", "History", "Passed", "read_handovers"]

IntArray = npt.NDArray[np.int64]

KINDS: tuple[str, ...] = ("reasoning_block", "conversation")
"""`Handovers.kind` holds positions in it."""

SUMS: tuple[str, ...] = ("presenting", "going_on", "carrying", "foreign_history")


@dataclass(frozen=True, slots=True)
class History:
    """What accounts sent in, one entry an account and day (UTC); sums are exchanges of that day.

    Attributes:
        accounts: Positions in the traffic's `account_names`.
        day: Its beginning, microseconds since 1970.
        presenting: Presented reasoning blocks.
        going_on: Were a later turn of a named conversation.
        carrying: Carried a history of two messages or more.
        foreign_history: Carried one that holds no answer of ours.
        example: An exchange with such a history, as a row of the traffic; -1 if none.
    """

    accounts: IntArray
    day: IntArray
    presenting: IntArray
    going_on: IntArray
    carrying: IntArray
    foreign_history: IntArray
    example: IntArray

    def total(self, name: str, accounts: int) -> IntArray:
        """One of the sums, for each of so many accounts."""
        return np.bincount(self.accounts, getattr(self, name), minlength=accounts).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Passed:
    """Handovers in which each value, each giver and each taker occurs once."""

    giver: IntArray
    taker: IntArray
    row: IntArray
    other_model: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Handovers:
    """Values that moved between accounts, in order of taking: one entry a value and taker.

    Attributes:
        kind: Position in `KINDS`.
        value: 60-bit hash of kind and value.
        giver, taker: Positions in the traffic's `account_names`; -1 where no longer known.
        given_at, taken_at: First moments, microseconds since 1970.
        given_again: When the same block was given a second time, 0 if never: it is nobody's own.
        row: The taker's exchange, as a row of the traffic.
        other_model: It was taken over with another model than the one that gave it.
        history: What each account sent in.
    """

    kind: IntArray
    value: IntArray
    giver: IntArray
    taker: IntArray
    given_at: IntArray
    taken_at: IntArray
    given_again: IntArray
    row: IntArray
    other_model: npt.NDArray[np.bool_]
    history: History

    def until(self, midnight: int, accounts: IntArray) -> Handovers:
        """What was known before a midnight (UTC, microseconds since 1970).

        Args:
            accounts: The accounts that had begun, ascending; numbered from 0 in the result.
        """
        known = self.taken_at < midnight
        cut = {f.name: getattr(self, f.name)[known] for f in fields(self) if f.name != "history"}
        cut["given_again"] = np.where(cut["given_again"] < midnight, cut["given_again"], 0)
        for side in ("giver", "taker"):
            cut[side] = np.searchsorted(accounts, cut[side]).astype(np.int64)
        past = self.history.day < midnight
        days = {f.name: getattr(self.history, f.name)[past] for f in fields(self.history)}
        days["accounts"] = np.searchsorted(accounts, days["accounts"]).astype(np.int64)
        return Handovers(**cut, history=History(**days))

    def passed(self, *kinds: str) -> Passed:
        """Handovers of these kinds, thinned so that no value or account speaks twice.

        In order of taking, each counts whose value, giver and taker have not counted before: a
        matching to which nothing could be added.
        """
        wanted = np.isin(self.kind, [KINDS.index(kind) for kind in kinds])
        at = np.flatnonzero(wanted & (self.given_again == 0))
        values, givers, takers = set[int](), set[int](), set[int]()
        chosen = []
        columns = (column[at].tolist() for column in (self.value, self.giver, self.taker))
        for place, (value, giver, taker) in enumerate(zip(*columns, strict=True)):
            if value in values or giver in givers or taker in takers:
                continue
            values.add(value)
            givers.add(giver)
            takers.add(taker)
            chosen.append(place)
        kept = at[chosen]
        return Passed(self.giver[kept], self.taker[kept], self.row[kept], self.other_model[kept])


def read_handovers(log: Log, traffic: Traffic) -> Handovers:
    """Read what moved between the accounts of a log, and what histories they sent in."""
    moved = log.ask("handovers")
    days = log.ask("carried_history")
    giver, taker = (_positions(moved[name], traffic) for name in ("giver", "taker"))
    rows = _rows(moved["exchange_id"], traffic)
    known = (giver >= 0) & (taker >= 0) & (rows >= 0)
    kind = pc.index_in(moved["kind"], value_set=pa.array(KINDS)).to_numpy().astype(np.int64)
    account = _positions(days["account_id"], traffic)
    held = account >= 0
    moments = ("value", "given_at", "taken_at", "given_again")
    return Handovers(
        kind=kind[known],
        giver=giver[known],
        taker=taker[known],
        row=rows[known],
        other_model=moved["other_model"].to_numpy()[known].astype(np.bool_),
        history=History(
            accounts=account[held],
            example=_rows(days["example"], traffic)[held],
            **{name: days[name].to_numpy()[held].astype(np.int64) for name in ("day", *SUMS)},
        ),
        **{name: moved[name].to_numpy()[known].astype(np.int64) for name in moments},
    )


def _positions(names: pa.ChunkedArray, traffic: Traffic) -> IntArray:
    """Where each name stands among the traffic's accounts; -1 where it has no exchanges."""
    wanted: Sequence[str] = names.to_pylist()
    if not wanted or len(traffic.account_names) == 0:
        return np.full(len(wanted), -1)
    given = np.asarray(wanted, dtype=np.str_)
    at = np.minimum(np.searchsorted(traffic.account_names, given), len(traffic.account_names) - 1)
    return np.where(traffic.account_names[at] == given, at, -1).astype(np.int64)


def _rows(ids: pa.ChunkedArray, traffic: Traffic) -> IntArray:
    """Where each exchange stands in the traffic; -1 where it is not there, or none is named."""
    wanted = ids.cast(pa.large_string()).combine_chunks()
    if isinstance(wanted, pa.ChunkedArray):
        wanted = pa.concat_arrays(wanted.chunks) if wanted.num_chunks else pa.array([], wanted.type)
    found = np.flatnonzero(
        pc.is_in(traffic.exchange_ids, value_set=wanted).to_numpy(zero_copy_only=False)
    )
    inside = pc.index_in(wanted, value_set=traffic.exchange_ids.take(pa.array(found)))
    position = pc.fill_null(inside, len(found)).to_numpy(zero_copy_only=False)
    rows: IntArray = np.append(found, -1)[position].astype(np.int64)
    return rows
