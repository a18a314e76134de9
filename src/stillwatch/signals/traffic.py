"""The log as columns in memory: one pass over the text, and everything else is arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.lake.exchange_batches import Sketched
from stillwatch.lake.given_names import GivenNames
from stillwatch.lake.log import Log
from stillwatch.lake.purpose import PURPOSES
from stillwatch.records import InputError
from stillwatch.signals.places import Places
from stillwatch.signals.request_columns import (
    REQUEST_COLUMNS,
    Requests,
    hash_strings,
    request_part,
)

__all__ = ["Ragged", "Traffic", "microseconds", "read_traffic"]

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


@dataclass(frozen=True, slots=True)
class Ragged:
    """A list of numbers for each exchange: `values[starts[i]:starts[i + 1]]`."""

    values: npt.NDArray[np.int64]
    starts: IntArray

    def prefix(self, rows: int) -> Ragged:
        """The lists of the first `rows` exchanges, without copying."""
        return Ragged(self.values[: self.starts[rows]], self.starts[: rows + 1])

    def row_numbers(self) -> IntArray:
        """For each value, the exchange it belongs to."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


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
        locators: (file, row) of each exchange in the log, to read its text again.
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
    output_words: npt.NDArray[np.int32]
    purpose: npt.NDArray[np.uint8]
    requests: Requests
    locators: IntArray
    files: tuple[Path, ...]

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
            output_words=self.output_words[:rows],
            purpose=self.purpose[:rows],
            requests=self.requests.prefix(rows),
            locators=self.locators[:rows],
            files=self.files,
        )


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, UTC."""
    return int(moment.timestamp() * 1_000_000)


def read_traffic(log: Log, *, progress: Callable[[int], None] = lambda _rows: None) -> Traffic:
    """Read the whole log once, sketching each text, or taking the lake's stored sketches.

    Memory: about 450 bytes an exchange of average length; the text itself is never kept.

    Args:
        progress: Called with the number of exchanges read so far.

    Raises:
        InputError: No exchange can be used.
    """
    parts: list[dict[str, pa.Array]] = []
    rows = 0
    for part in log.digests(_COLUMNS, _parts):
        usable = log.usable(part)
        parts.append(
            {
                name: column.filter(usable)
                for name, column in zip(part.schema.names, part.columns, strict=True)
            }
        )
        rows += part.num_rows
        progress(rows)
    if not any(len(part["exchange_id"]) for part in parts):
        raise _nothing_usable(log, rows)
    return _assemble(parts, log)


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
    for batch, sketch, locators in batches:
        part = _part(batch, sketch, locators)
        system_hashes = sketch.column("system_hash").to_numpy()
        given.see(batch.column("system_text"), batch.column("model"), system_hashes)
        names = given.of(system_hashes, part["request_model"].to_numpy())
        yield pa.RecordBatch.from_pydict({**part, "given_name": pa.array(names)})


def _part(batch: pa.RecordBatch, sketch: pa.RecordBatch, locators: pa.Array) -> dict[str, pa.Array]:
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
        "output_words": sketch.column("output_words"),
        "purpose": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(len(PURPOSES)), batch.num_rows, [None, pa.py_buffer(purpose.tobytes())]
        ),
        "locator": locators,
        **{f"request_{name}": column for name, column in request_part(batch).items()},
    }


def _assemble(parts: list[dict[str, pa.Array]], log: Log) -> Traffic:
    columns = {name: pa.chunked_array([part[name] for part in parts]) for name in parts[0]}
    parts.clear()
    # The texts are gone; what the allocator keeps of them, and of each column that is put in order,
    # would count until the end of the scan.
    release = pa.default_memory_pool().release_unused
    release()
    request_columns = {
        name.removeprefix("request_"): columns.pop(name)
        for name in [n for n in columns if n.startswith("request_")]
    }
    account = columns.pop("account_id").unify_dictionaries().combine_chunks()
    if isinstance(account, pa.ChunkedArray):
        account = (
            account.chunk(0)
            if account.num_chunks
            else pa.array([], pa.string()).dictionary_encode()
        )
    names, ranks = np.unique(
        np.asarray(account.dictionary.to_pylist(), dtype=np.str_), return_inverse=True
    )
    codes = ranks[account.indices.to_numpy(zero_copy_only=False)] if len(account) else ranks
    started = _numbers(columns.pop("started_at").cast(pa.int64()))
    ids = columns.pop("exchange_id").cast(pa.large_string()).combine_chunks()
    if isinstance(ids, pa.ChunkedArray):
        ids = pa.concat_arrays(ids.chunks)
    id_hashes = hash_strings(ids).to_numpy(zero_copy_only=False)
    order = np.lexsort((id_hashes, started))
    order = _without_repeated_ids(order, id_hashes, log)
    names, accounts = _in_use(names, codes[order])
    take = pa.array(order)
    conversation = columns.pop("conversation")
    known = _numbers(pc.fill_null(conversation, 0))[order]
    known = np.where(known == 0, -1 - np.arange(len(order)), known)
    purpose = columns.pop("purpose").combine_chunks()
    if isinstance(purpose, pa.ChunkedArray):
        purpose = pa.concat_arrays(purpose.chunks)
    shares = np.frombuffer(purpose.buffers()[1], np.uint8, len(purpose) * len(PURPOSES))
    shingles = _ragged(columns.pop("shingles"), order)
    release()
    terms = _ragged(columns.pop("terms"), order)
    release()
    requests = Requests.assemble(request_columns, order)
    request_columns.clear()
    release()
    traffic = Traffic(
        account_names=names,
        exchange_ids=ids.take(take),
        accounts=accounts,
        started=started[order],
        conversations=known,
        turns=_numbers(columns.pop("turn"))[order].astype(np.int32),
        output_tokens=_numbers(columns.pop("output_tokens"))[order].astype(np.int32),
        refused=columns.pop("refused").to_numpy()[order].astype(np.bool_),
        shingles=shingles,
        terms=terms,
        system_hashes=_numbers(columns.pop("system_hash"))[order],
        input_hashes=_numbers(columns.pop("input_hash"))[order],
        given_names=_numbers(columns.pop("given_name"))[order],
        input_words=_numbers(columns.pop("input_words"))[order].astype(np.int32),
        system_words=_numbers(columns.pop("system_words"))[order].astype(np.int32),
        output_words=_numbers(columns.pop("output_words"))[order].astype(np.int32),
        purpose=shares.reshape(-1, len(PURPOSES))[order],
        requests=requests,
        locators=_numbers(columns.pop("locator"))[order],
        files=log.exchange_files,
    )
    release()
    return traffic


def _in_use(
    names: npt.NDArray[np.str_], accounts: npt.NDArray[np.integer[Any]]
) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int32]]:
    """The names that have exchanges, and the accounts numbered anew."""
    used, numbered = np.unique(accounts.astype(np.int64), return_inverse=True)
    return names[used], numbered.astype(np.int32)


def _without_repeated_ids(order: IntArray, id_hashes: IntArray, log: Log) -> IntArray:
    """Keep the earliest exchange of each id; a log shipped twice must not count twice."""
    hashed = id_hashes[order]
    _, first = np.unique(hashed, return_index=True)
    if len(first) == len(order):
        return order
    log.left_out["the id was seen before"] = len(order) - len(first)
    log.hide_repeated_ids()
    return order[np.sort(first)]


def _numbers(column: pa.ChunkedArray) -> IntArray:
    numbers: IntArray = column.to_numpy().astype(np.int64, copy=False)
    return numbers


def _ragged(column: pa.ChunkedArray, order: IntArray) -> Ragged:
    """Reorder a list column row by row, holding only one copy of its values at a time."""
    values = np.concatenate(
        [c.flatten().to_numpy(zero_copy_only=False) for c in column.chunks] or [np.zeros(0)]
    )
    lengths = np.concatenate(
        [pc.list_value_length(c).to_numpy(zero_copy_only=False) for c in column.chunks]
        or [np.zeros(0)]
    ).astype(np.int64)
    old_starts = np.concatenate([[0], np.cumsum(lengths)])
    starts = np.concatenate([[0], np.cumsum(lengths[order])])
    return Ragged(_in_order(values, old_starts, order, starts), starts)


@nb.njit(cache=True, nogil=True)
def _in_order(values, old_starts, order, starts):  # type: ignore[no-untyped-def]
    ordered = np.empty(starts[-1], values.dtype)
    for row in range(len(order)):
        begin = old_starts[order[row]]
        for k in range(starts[row + 1] - starts[row]):
            ordered[starts[row] + k] = values[begin + k]
    return ordered
