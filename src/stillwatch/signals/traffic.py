"""The log as columns in memory: one pass over the text, and everything else is arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.lake.exchange_batches import Sketched
from stillwatch.lake.given_names import GivenNames
from stillwatch.lake.log import Log
from stillwatch.lake.purpose import PURPOSES
from stillwatch.lake.scratch import apart, rest, taken
from stillwatch.records import InputError
from stillwatch.signals.places import Places
from stillwatch.signals.request_columns import (
    REQUEST_COLUMNS,
    Requests,
    hash_strings,
    request_part,
)
from stillwatch.signals.traffic_columns import TrafficColumns, in_order

__all__ = ["Prompts", "Ragged", "Traffic", "microseconds", "read_traffic"]

_COLUMNS = (
    "conversation_id",
    "turn_index",
    "system_text",
    "input_text",
    "output_text",
    "output_tokens",
    *(name for name in REQUEST_COLUMNS if name != "started_at"),
)

IntArray = npt.NDArray[np.int64]

SCATTERED = 1 << 12  # exchanges all over the log looked up at once: each brings 64 KiB into memory


@dataclass(frozen=True, slots=True)
class Ragged:
    """A list of numbers for each exchange: `values[starts[i]:starts[i + 1]]`."""

    values: npt.NDArray[np.int64]
    starts: IntArray

    def of(self, rows: IntArray) -> Ragged:
        """The lists of some exchanges, ascending, in memory."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        values = np.empty(starts[-1], np.int64)
        for first in range(0, len(rows), SCATTERED):
            some = rows[first : first + SCATTERED]
            in_order(self.values, self.starts, some, starts[first:], values)
            rest()
        return Ragged(values, starts)

    def prefix(self, rows: int) -> Ragged:
        """The lists of the first `rows` exchanges, without copying."""
        return Ragged(self.values[: self.starts[rows]], self.starts[: rows + 1])

    def row_numbers(self) -> IntArray:
        """For each value, the exchange it belongs to."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


@dataclass(frozen=True, slots=True)
class Prompts:
    """What division compares of exchanges.

    Attributes:
        items: Hash of each input.
        terms: Its words.
    """

    items: IntArray
    terms: Ragged


@dataclass(frozen=True)
class Traffic:
    """Exchanges in order of `started_at`, then `exchange_id`; one entry a column and exchange.

    Attributes:
        account_names: The accounts, sorted; `accounts` holds positions in it.
        started: Microseconds since 1970, UTC.
        conversations: Hash of the conversation's id; the exchange's own number (negative) where
            there is none.
        turns: `turn_index`, or -1 where it is unknown.
        refused: The exchange was refused, blocked or rate limited.
        given_names: Hash of the name that the system text gives the model, if it is another than
            that of the model asked for; 0 where it gives none.
        purpose: How probable each of `lake.purpose.PURPOSES` is, in 255ths; all zero without words.
        requests: How each was sent and how it ended.
    """

    account_names: npt.NDArray[np.str_]
    exchange_ids: pa.Array
    accounts: npt.NDArray[np.int32]
    started: IntArray
    conversations: IntArray
    turns: npt.NDArray[np.int32]
    output_tokens: npt.NDArray[np.int32]
    refused: npt.NDArray[np.bool_]
    shingles: Ragged
    terms: Ragged
    system_hashes: IntArray
    input_hashes: IntArray
    given_names: IntArray
    input_words: npt.NDArray[np.int32]
    system_words: npt.NDArray[np.int32]
    purpose: npt.NDArray[np.uint8]
    requests: Requests

    def __len__(self) -> int:
        return len(self.accounts)

    @cached_property
    def exchanges(self) -> IntArray:
        """How many exchanges each account has."""
        return np.bincount(self.accounts, minlength=len(self.account_names))

    @cached_property
    def by_account(self) -> Places:
        """Where each account's exchanges stand, in time order."""
        return Places.of_column(self.accounts)

    @property
    def prompts(self) -> Prompts:
        """Of all exchanges."""
        return Prompts(self.input_hashes, self.terms)

    def prompts_of(self, rows: IntArray) -> Prompts:
        """Of some exchanges, ascending, in memory: they may lie all over the log."""
        return Prompts(self.input_hashes[rows], self.terms.of(rows))

    def until(self, moment: int) -> Traffic:
        """The exchanges that started before `moment` (microseconds since 1970), as a view.

        Accounts that had not begun are gone, so that it is what a log of that moment gives.
        """
        rows = int(np.searchsorted(self.started, moment, side="left"))
        names, accounts = _in_use(self.account_names, self.accounts[:rows])
        return Traffic(
            account_names=names,
            exchange_ids=self.exchange_ids.slice(0, rows),
            accounts=accounts,
            started=self.started[:rows],
            conversations=self.conversations[:rows],
            turns=self.turns[:rows],
            output_tokens=self.output_tokens[:rows],
            refused=self.refused[:rows],
            shingles=self.shingles.prefix(rows),
            terms=self.terms.prefix(rows),
            system_hashes=self.system_hashes[:rows],
            input_hashes=self.input_hashes[:rows],
            given_names=self.given_names[:rows],
            input_words=self.input_words[:rows],
            system_words=self.system_words[:rows],
            purpose=self.purpose[:rows],
            requests=self.requests.prefix(rows),
        )


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, UTC."""
    return int(moment.timestamp() * 1_000_000)


def read_traffic(log: Log, *, progress: Callable[[int], None] = lambda _rows: None) -> Traffic:
    """Read the whole log once, sketching each text, or taking the lake's stored sketches.

    The text itself is never kept. What is, about 400 bytes an exchange of average length, lies in
    files (`lake.scratch`) where it is large.

    Args:
        progress: Called with the number of exchanges read so far.

    Raises:
        InputError: No exchange can be used.
    """
    columns = TrafficColumns()
    rows = 0
    for part in log.digests(_COLUMNS, _parts):
        columns.add(part, log.usable(part))
        rows += part.num_rows
        progress(rows)
    if not len(columns):
        raise _nothing_usable(log, rows)
    return _assemble(columns, log)


def _nothing_usable(log: Log, rows: int) -> InputError:
    """A scan of nothing must not read as "nothing found"."""
    reasons = "; ".join(f"{number:,}: {reason}" for reason, number in log.left_out.items())
    why = f" ({reasons})" if reasons else f", for none starts before {log.as_of:%Y-%m-%d %H:%M}"
    return InputError(
        f"none of the {rows:,} exchanges can be used{why}." if rows else "there is no exchange.",
        where=", ".join(str(path) for path in log.exchange_files[:3]),
        remedy="Check started_at, account_id and exchange_id, and --until if it was given.",
    )


def _parts(batches: Iterator[Sketched]) -> Iterator[pa.RecordBatch]:
    """The digest of the log: what stays of each exchange, with its account and its start."""
    given = GivenNames()
    for batch, sketch, _ in batches:
        part = _part(batch, sketch)
        system_hashes = sketch.column("system_hash").to_numpy()
        given.see(batch.column("system_text"), batch.column("model"), system_hashes)
        names = given.of(system_hashes, part["request_model"].to_numpy())
        yield pa.RecordBatch.from_pydict({**part, "given_name": pa.array(names)})


def _part(batch: pa.RecordBatch, sketch: pa.RecordBatch) -> dict[str, pa.Array]:
    status = batch.column("status")
    refused = pc.is_in(status, value_set=pa.array(["refused", "rate_limited", "blocked"]))
    purpose = sketch.column("purpose").flatten().to_numpy()
    conversation = batch.column("conversation_id")
    return {
        "exchange_id": batch.column("exchange_id"),
        "account_id": batch.column("account_id").dictionary_encode(),
        "started_at": batch.column("started_at"),
        "conversation": hash_strings(conversation),
        "turn": pc.fill_null(batch.column("turn_index"), -1).cast(pa.int32(), safe=False),
        "output_tokens": pc.fill_null(batch.column("output_tokens"), 0).cast(
            pa.int32(), safe=False
        ),
        "refused": refused,
        "shingles": sketch.column("shingles"),
        "terms": sketch.column("terms"),
        "system_hash": sketch.column("system_hash"),
        "input_hash": sketch.column("input_hash"),
        "input_words": sketch.column("input_words"),
        "system_words": sketch.column("system_words"),
        "purpose": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(len(PURPOSES)), batch.num_rows, [None, pa.py_buffer(purpose.tobytes())]
        ),
        **{f"request_{name}": column for name, column in request_part(batch).items()},
    }


def _assemble(columns: TrafficColumns, log: Log) -> Traffic:
    names, codes = columns.accounts()
    order = columns.order()
    order = _without_repeated_ids(order, columns.as_read("id_hash"), log)
    names, accounts = _in_use(names, taken(codes, order))
    conversations = columns.taken("conversation", order)
    alone = np.flatnonzero(conversations == 0)
    conversations[alone] = -1 - alone
    purpose = columns.taken("purpose", order).view(np.uint8).reshape(-1, len(PURPOSES))
    traffic = Traffic(
        account_names=names,
        exchange_ids=columns.strings("exchange_id", order),
        accounts=apart(accounts),
        started=columns.taken("started_at", order),
        conversations=conversations,
        turns=columns.taken("turn", order),
        output_tokens=columns.taken("output_tokens", order),
        refused=columns.taken("refused", order),
        shingles=Ragged(*columns.lists("shingles", order)),
        terms=Ragged(*columns.lists("terms", order)),
        system_hashes=columns.taken("system_hash", order),
        input_hashes=columns.taken("input_hash", order),
        given_names=columns.taken("given_name", order),
        input_words=columns.taken("input_words", order),
        system_words=columns.taken("system_words", order),
        purpose=purpose,
        requests=Requests(
            **{f.name: columns.taken(f"request_{f.name}", order) for f in fields(Requests)}
        ),
    )
    rest()
    return traffic


def _in_use(
    names: npt.NDArray[np.str_], accounts: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int32]]:
    """The names that have exchanges, and the accounts numbered anew."""
    used = np.bincount(accounts, minlength=len(names)) > 0
    if used.all():
        return names, accounts
    return names[used], (np.cumsum(used) - 1).astype(np.int32)[accounts]


def _without_repeated_ids(order: IntArray, id_hashes: IntArray, log: Log) -> IntArray:
    """Keep the earliest exchange of each id; a log shipped twice must not count twice."""
    ascending = np.sort(id_hashes)
    if not (ascending[1:] == ascending[:-1]).any():
        return order
    _, first = np.unique(id_hashes[order], return_index=True)
    log.left_out["the id was seen before"] = len(order) - len(first)
    log.hide_repeated_ids()
    return order[np.sort(first)]
