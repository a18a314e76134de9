"""From the spool into the lake: what waited becomes rows of it, in few and large commits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch.identity import Key, Tokeniser, with_newer_tokens
from stillwatch.lake.readers import reading
from stillwatch.lake.store import Lake
from stillwatch.lake.writer import LakeWriter
from stillwatch.receiver.intake import refined_rows, unpacked_rejected
from stillwatch.receiver.joining import CallsOfSource
from stillwatch.receiver.otlp_pieces import unpacked_header, unpacked_pieces
from stillwatch.receiver.rejected_files import RejectedFiles
from stillwatch.receiver.spool import Kind, Spool, StoredBatch
from stillwatch.records import InputError
from stillwatch.sources.otlp import OtlpAdapter
from stillwatch.sources.quarantine import QUARANTINE

__all__ = ["Folded", "Folder"]

_REJECTED = "rejected"
_ROWS_AT_ONCE = 8_192
_BYTES_AT_ONCE = 64 * 2**20
# What one commit takes at most, so that its time and its room on the disk are bounded.
_MOST_ROWS = 500_000
_MOST_BYTES = 1_024 * 2**20


@dataclass(frozen=True, slots=True)
class Folded:
    """What one fold did.

    Attributes:
        imported, duplicates: Exchanges that are new in the lake, and those it had.
        rejected: Rows that went to the quarantine.
        left: Whether more waits than one fold takes.
    """

    imported: int = 0
    duplicates: int = 0
    rejected: int = 0
    left: bool = False


@dataclass(slots=True)
class Folder:
    """Folds the spool of a lake.

    Attributes:
        settle_seconds: For how long the pieces of a model call may come in. What comes later is a
            second telling of the same exchange, of which the lake keeps the first.
    """

    lake_path: Path
    key: Key
    spool: Spool
    settle_seconds: float = 30.0
    account_attributes: tuple[str, ...] = field(
        default_factory=lambda: OtlpAdapter().account_attributes
    )
    tokeniser: Tokeniser = field(init=False)

    def __post_init__(self) -> None:
        self.tokeniser = Tokeniser(self.key)

    def fold(self, *, everything: bool = False) -> Folded:
        """Bring what is due into the lake, in one commit, and take it from the spool.

        Args:
            everything: Also calls whose pieces may still come in.

        Raises:
            StillwatchError: The lake cannot be written; the spool stays as it is.
        """
        now = time.time()
        due, context, left = self._chosen(now, everything=everything)
        if not due:
            self._forget(context, now)
            return Folded()
        rejected = RejectedFiles(self.spool.path.parent / _REJECTED)
        try:
            with reading(self.lake_path):
                lake = Lake.open_or_create(self.lake_path, self.tokeniser.fingerprint)
                with lake.writer() as writer:
                    self._add_rows(writer, due)
                    self._add_calls(writer, due, context, rejected)
                    self._add_rejected(due, rejected)
                    if entries := rejected.finish():
                        writer.add(QUARANTINE.name, QUARANTINE.table(list[Any](entries)))
        finally:
            rejected.discard()
        added = writer.added
        self.spool.settle(
            removed=[batch for batch in due if batch.kind is not Kind.PIECES],
            folded=[batch for batch in due if batch.kind is Kind.PIECES],
            added={
                "folds": 1,
                "imported": added.imported,
                "duplicates": added.duplicates,
                "quarantined": rejected.count,
            },
        )
        self._forget(context, now)
        return Folded(added.imported, added.duplicates, rejected.count, left)

    def _chosen(
        self, now: float, *, everything: bool
    ) -> tuple[list[StoredBatch], list[StoredBatch], bool]:
        """Batches to fold, those that only complete others' calls, and whether more is due."""
        due: list[StoredBatch] = []
        context: list[StoredBatch] = []
        rows = size = 0
        left = False
        for batch in self.spool.stored():
            settles = batch.kind is Kind.PIECES and not everything
            if batch.is_folded or (settles and batch.received_at > now - self.settle_seconds):
                context.append(batch)
            elif due and (rows + batch.rows > _MOST_ROWS or size + batch.size > _MOST_BYTES):
                left = True
                if batch.kind is Kind.PIECES:
                    context.append(batch)
            else:
                due.append(batch)
                rows, size = rows + batch.rows, size + batch.size
        return due, context, left

    def _forget(self, context: Sequence[StoredBatch], now: float) -> None:
        """Headers are of use for as long as calls that they belong to may be told."""
        oldest = now - 3 * self.settle_seconds
        self.spool.settle(removed=[b for b in context if b.is_folded and b.received_at < oldest])

    def _add_rows(self, writer: LakeWriter, due: Sequence[StoredBatch]) -> None:
        waiting: list[pa.Table] = []
        size = rows = 0
        for batch in due:
            if batch.kind is not Kind.ROWS:
                continue
            waiting.append(self._rows(batch))
            rows, size = rows + waiting[-1].num_rows, size + waiting[-1].nbytes
            if rows >= _ROWS_AT_ONCE or size > _BYTES_AT_ONCE:
                _add(writer, waiting)
                waiting, size, rows = [], 0, 0
        _add(writer, waiting)

    def _rows(self, batch: StoredBatch) -> pa.Table:
        """The rows of a batch, with tokens of the key as it is now.

        Raises:
            InputError: They were made under another key.
        """
        with pa.ipc.open_stream(self.spool.data(batch)) as reader:
            rows = reader.read_all()
        if batch.key_fingerprint == self.tokeniser.fingerprint:
            return rows
        then = self.key.when(batch.key_fingerprint)
        beyond = self.key.since(then) if then else None
        if beyond is None:
            raise InputError(
                f"the spool holds exchanges under the key {batch.key_fingerprint}, and the key "
                f"given is {self.tokeniser.fingerprint}.",
                where=str(self.spool.path),
                remedy="Start the receiver with that key, or with what it was rotated to.",
            )
        return with_newer_tokens(rows, Tokeniser(beyond))

    def _add_calls(
        self,
        writer: LakeWriter,
        due: Sequence[StoredBatch],
        context: Sequence[StoredBatch],
        rejected: RejectedFiles,
    ) -> None:
        pieces = sorted((b for b in (*due, *context) if b.kind is Kind.PIECES), key=lambda b: b.id)
        are_due = {batch.id for batch in due}
        for source in sorted({batch.source for batch in due if batch.kind is Kind.PIECES}):
            of_source = [batch for batch in pieces if batch.source == source]
            for rows in _in_batches(self._calls(of_source, are_due)):
                table, wrong = refined_rows(
                    rows, source=source, log_format="otlp", tokeniser=self.tokeniser
                )
                _add(writer, [table] if table.num_rows else [])
                for line, reason in wrong:
                    # As told, in canonical columns: the pieces themselves nobody could mend.
                    told = json.dumps(rows[line] | {"source_id": source}, default=_as_text)
                    rejected.add("canonical", told.encode(), reason)

    def _calls(self, batches: Sequence[StoredBatch], are_due: set[int]) -> Iterator[dict[str, Any]]:
        calls = CallsOfSource(self.account_attributes)
        for batch in batches:
            around, keys = unpacked_header(self.spool.header(batch))
            is_due = batch.id in are_due
            calls.expect(around, keys, is_due=is_due, is_folded=batch.is_folded)
        for batch in batches:
            if not batch.is_folded:
                records = unpacked_pieces(self.spool.data(batch))
                for told in calls.add(records, is_due=batch.id in are_due):
                    yield told.row

    def _add_rejected(self, due: Sequence[StoredBatch], rejected: RejectedFiles) -> None:
        for batch in due:
            if batch.kind is Kind.REJECTED:
                for item in unpacked_rejected(self.spool.data(batch)):
                    rejected.add(batch.log_format, item.row, item.reason)


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _add(writer: LakeWriter, tables: list[pa.Table]) -> None:
    """Stage tables together: files of staging whose columns differ lie side by side."""
    if not tables:
        return
    try:
        writer.add("exchanges", pa.concat_tables(tables, promote_options="default"))
    except pa.ArrowException:
        for table in tables:  # an extra column of two types
            writer.add("exchanges", table)


def _in_batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
