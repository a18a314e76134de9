"""From the bodies of requests to batches on the disk: judged first, then durable, then answered.

Two threads: one judges what waits, the rows of several requests at once; the other puts what was
judged into the spool, several requests with one flush of the disk. Neither waits for the other.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch.identity import DomainCensus, Tokeniser
from stillwatch.listening.senders import DEFAULT_SOURCE
from stillwatch.receiver.bodies import RefusedError, unpacked_body
from stillwatch.receiver.limits import ReceiverLimits
from stillwatch.receiver.otlp_pieces import Pieces, packed_pieces, read_otlp
from stillwatch.receiver.reading import Rejected, RowsRead, read_canonical, read_litellm
from stillwatch.receiver.spool import Batch, Kind, Spool, SpoolError
from stillwatch.records import EXCHANGES, InputError
from stillwatch.sources.litellm import LitellmAdapter
from stillwatch.sources.otlp import OtlpAdapter
from stillwatch.sources.refining import LINE, Refiner
from stillwatch.sources.rows import narrowed, typed_rows

__all__ = [
    "Endpoint",
    "Intake",
    "Outcome",
    "Request",
    "packed_rejected",
    "packed_rows",
    "refined_rows",
    "unpacked_rejected",
]

_ROWS_AT_ONCE = 8_192
_BYTES_AT_ONCE = 32 * 2**20


class Endpoint(StrEnum):
    """What is sent, named by the end of its path."""

    TRACES = "traces"
    LOGS = "logs"
    EXCHANGES = "exchanges"
    LITELLM = "litellm"

    @property
    def is_otlp(self) -> bool:
        return self in (Endpoint.TRACES, Endpoint.LOGS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sender is told.

    Attributes:
        status: Of HTTP.
        accepted, rejected: Rows, spans or log records; of what was taken.
        reason: Why something was not taken, for people.
        is_full: Nothing was taken, because the disk is full or cannot be written.
    """

    status: int
    accepted: int = 0
    rejected: int = 0
    reason: str = ""
    is_full: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request whose body was read.

    Attributes:
        source: The sender, whatever the body says.
        answer: Called once, from another thread.
    """

    endpoint: Endpoint
    source: str
    body: bytes
    is_packed: bool
    is_json: bool
    answer: Callable[[Outcome], None] = field(compare=False)


@dataclass(slots=True)
class _Judged:
    """Batches that go to the disk together, and what is to be said once they are there."""

    batches: list[Batch] = field(default_factory=list)
    answers: list[tuple[Request, Outcome]] = field(default_factory=list)

    def without_batches(self, outcome: Outcome) -> _Judged:
        return _Judged([], [(request, outcome) for request, _ in self.answers])


class Intake:
    """Takes requests; `close` returns when all of them are answered.

    Args:
        on_flush: Told how many batches one flush made durable.
    """

    def __init__(
        self,
        lake: Path,
        tokeniser: Tokeniser,
        limits: ReceiverLimits,
        on_flush: Callable[[int], None] = lambda _batches: None,
    ) -> None:
        self._tokeniser = tokeniser
        self._limits = limits
        self._litellm = LitellmAdapter()
        self._account_attributes = OtlpAdapter().account_attributes
        self._spool = Spool.of_lake(lake)
        self._on_flush = on_flush
        self._asked: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._judged: queue.SimpleQueue[_Judged | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._judge_all, name="judging", daemon=True),
            threading.Thread(target=self._keep_all, name="keeping", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, request: Request) -> None:
        """Judge a request, make it durable, and answer it."""
        self._asked.put(request)

    def close(self) -> None:
        """Answer what was submitted, and let go of the spool."""
        self._asked.put(None)
        for thread in self._threads:
            thread.join()
        self._spool.close()

    def _judge_all(self) -> None:
        ended = False
        while not ended:
            requests, ended = _waiting(self._asked, lambda r: len(r.body), _BYTES_AT_ONCE)
            # Requests of one source and format are refined together: a batch of one costs as much
            # as a batch of a hundred.
            requests.sort(key=lambda r: (r.endpoint, r.source))
            for _, group in groupby(requests, key=lambda r: (r.endpoint, r.source)):
                self._judge_group(list(group))
        self._judged.put(None)

    def _judge_group(self, requests: Sequence[Request]) -> None:
        """Requests of one endpoint and one source."""
        judge = self._judge_otlp if requests[0].endpoint.is_otlp else self._judge_rows
        answered: set[int] = set()
        try:
            for judged in judge(requests):
                self._judged.put(judged)
                answered |= {id(request) for request, _ in judged.answers}
        except Exception as error:  # one request's mistake must not end the thread
            left = [request for request in requests if id(request) not in answered]
            if len(left) == 1:
                # Its own words may quote the request.
                reason = f"The request could not be judged ({type(error).__name__})."
                self._judged.put(_Judged([], [(left[0], Outcome(500, reason=reason))]))
            else:
                for request in left:
                    self._judge_group([request])

    def _judge_otlp(self, requests: Sequence[Request]) -> Iterator[_Judged]:
        for request in requests:
            judged = _Judged()
            try:
                pieces = self._pieces_of(request)
            except RefusedError as error:
                judged.answers.append((request, Outcome(error.status, reason=error.reason)))
                yield judged
                continue
            if pieces.records or pieces.around:
                header, data = packed_pieces(pieces)
                judged.batches.append(
                    Batch(Kind.PIECES, request.source, "otlp", len(pieces.records), data, header)
                )
            reason = "They have no time, or one that cannot be." if pieces.rejected else ""
            outcome = Outcome(200, pieces.read - pieces.rejected, pieces.rejected, reason)
            judged.answers.append((request, outcome))
            yield judged

    def _pieces_of(self, request: Request) -> Pieces:
        return read_otlp(
            unpacked_body(request.body, is_packed=request.is_packed, limits=self._limits),
            of_logs=request.endpoint is Endpoint.LOGS,
            is_json=request.is_json,
            limits=self._limits,
            account_attributes=self._account_attributes,
            now=datetime.now(UTC),
        )

    def _judge_rows(self, requests: Sequence[Request]) -> Iterator[_Judged]:
        judged, read = _Judged(), list[tuple[Request, RowsRead]]()
        rows = size = 0
        for request in requests:
            try:
                found = self._rows_of(request)
            except RefusedError as error:
                judged.answers.append((request, Outcome(error.status, reason=error.reason)))
                continue
            read.append((request, found))
            rows, size = rows + found.read, size + found.size
            # Bodies are small as they are sent; what they unpack to is held for one batch only.
            if rows >= _ROWS_AT_ONCE or size >= _BYTES_AT_ONCE:
                self._refine(read, judged)
                yield judged
                judged, read, rows, size = _Judged(), [], 0, 0
        if read:
            self._refine(read, judged)
        yield judged

    def _refine(self, read: Sequence[tuple[Request, RowsRead]], judged: _Judged) -> None:
        """Make batches of the rows of several requests, and say what became of each."""
        endpoint, source = read[0][0].endpoint, read[0][0].source
        log_format = "litellm" if endpoint is Endpoint.LITELLM else "canonical"
        rejected_by_request: list[list[Rejected]] = [list(rows.rejected) for _, rows in read]
        owners = [i for i, (_, rows) in enumerate(read) for _ in rows.rows]
        tellers = [told for _, rows in read for told in rows.told]
        every_row = [row for _, rows in read for row in rows.rows]
        for start in range(0, len(every_row), _ROWS_AT_ONCE):
            piece = every_row[start : start + _ROWS_AT_ONCE]
            table, wrong = refined_rows(
                piece, source=source, log_format=log_format, tokeniser=self._tokeniser
            )
            if table.num_rows:
                data, key = packed_rows(table), self._tokeniser.fingerprint
                batch = Batch(
                    Kind.ROWS, source, log_format, table.num_rows, data, key_fingerprint=key
                )
                judged.batches.append(batch)
            for line, reason in wrong:
                at = start + line
                rejected_by_request[owners[at]].append(Rejected(tellers[at](), reason))
        for (request, rows), rejected in zip(read, rejected_by_request, strict=True):
            reason = rejected[0].reason if rejected else ""
            outcome = Outcome(200, rows.read - len(rejected), len(rejected), reason)
            judged.answers.append((request, outcome))
        every_rejected = [item for items in rejected_by_request for item in items]
        if every_rejected:
            data = packed_rejected(every_rejected)
            judged.batches.append(
                Batch(Kind.REJECTED, source, log_format, len(every_rejected), data)
            )

    def _rows_of(self, request: Request) -> RowsRead:
        body = unpacked_body(request.body, is_packed=request.is_packed, limits=self._limits)
        found = (
            read_litellm(body, self._limits, self._litellm)
            if request.endpoint is Endpoint.LITELLM
            else read_canonical(body, self._limits)
        )
        found.size = len(body)
        return found

    def _keep_all(self) -> None:
        ended = False
        while not ended:
            waiting, ended = _waiting(self._judged, _size, _BYTES_AT_ONCE)
            batches = [batch for judged in waiting for batch in judged.batches]
            try:
                if batches:
                    self._spool.add(batches)
                    self._on_flush(len(batches))
            except (SpoolError, MemoryError) as error:
                reason = error.what if isinstance(error, SpoolError) else "Memory is short."
                failed = Outcome(503, reason=reason, is_full=True)
                waiting = [j.without_batches(failed) if j.batches else j for j in waiting]
            for judged in waiting:
                for request, outcome in judged.answers:
                    request.answer(outcome)


def refined_rows(
    rows: list[dict[str, Any]], *, source: str, log_format: str, tokeniser: Tokeniser
) -> tuple[pa.Table, list[tuple[int, str]]]:
    """Rows as the lake takes them, under the name of their sender.

    Args:
        rows: As `ParsedRow.row`; a `source_id` in them counts for nothing.

    Returns:
        The table, and position and reason of each row that was left out.
    """
    stamped = [_stamped(row, source) for row in rows]
    typed = typed_rows(stamped, EXCHANGES).table
    typed = typed.select([i for i, name in enumerate(typed.column_names) if name != LINE])
    numbered = typed.append_column(LINE, pa.array(range(len(rows)), pa.int64()))
    now = datetime.now(UTC)
    refiner = Refiner(log_format, tokeniser, {}, now, DomainCensus(tokeniser))
    try:
        refined = refiner.refine("exchanges", numbered, where=source)
    except InputError as error:
        # A column that all need is in none of them, or is of no use in all.
        return pa.table({}), [(line, f"{error.what} {error.remedy}") for line in range(len(rows))]
    return refined.rows, [(wrong.line, wrong.reason) for wrong in refined.rejected]


def _stamped(row: dict[str, Any], source: str) -> dict[str, Any]:
    narrow = dict(narrowed(row, EXCHANGES))
    narrow.pop("source_id", None)
    if source != DEFAULT_SOURCE:
        narrow["source_id"] = source
    return narrow


def packed_rows(table: pa.Table) -> bytes:
    """Rows as the spool keeps them."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def packed_rejected(rejected: Sequence[Rejected]) -> bytes:
    """Rejections as the spool keeps them."""
    values = [[item.row.decode("utf-8", "surrogateescape"), item.reason] for item in rejected]
    return json.dumps(values).encode()


def unpacked_rejected(data: bytes) -> list[Rejected]:
    """The rejections of `packed_rejected`."""
    return [
        Rejected(row.encode("utf-8", "surrogateescape"), reason) for row, reason in json.loads(data)
    ]


def _waiting(
    source: queue.SimpleQueue[Any], size: Callable[[Any], int], most: int
) -> tuple[list[Any], bool]:
    """What waits in a queue, at least one and at most so many bytes; and whether it has ended."""
    found: list[Any] = []
    total = 0
    item = source.get()
    while item is not None:
        found.append(item)
        total += size(item)
        if total > most:
            return found, False
        try:
            item = source.get_nowait()
        except queue.Empty:
            return found, False
    return found, True


def _size(judged: _Judged) -> int:
    return sum(len(batch.data) + len(batch.header) for batch in judged.batches)
