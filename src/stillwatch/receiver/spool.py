"""The spool: what was acknowledged and is not in the lake yet, in one SQLite file.

A batch is on the disk before its sender is told so: SQLite's log of writes is flushed with every
transaction (WAL, `synchronous = FULL`), and one transaction takes the batches of several senders. A
batch is removed only after the lake's commit. Who dies between the two leaves it to be folded again,
which changes nothing: the lake has each exchange once.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from stillwatch.records import InputError, StillwatchError, flush_to_disk

__all__ = ["SPOOL_FOLDER", "Backlog", "Batch", "Kind", "Spool", "SpoolError", "StoredBatch"]

SPOOL_FOLDER = ".receiver"
"""In the lake's folder; hidden, so that it counts for no file of the lake."""

_NAME = "spool.sqlite"
_FORMAT = 1
_PATIENCE_SECONDS = 60.0
# Large blobs on small pages are long chains.
_PAGE_BYTES = 16_384
_CHECKPOINT_PAGES = 2_000
# Removing holds the writer's lock, for which acknowledgements wait.
_REMOVED_AT_ONCE = 16 * 2**20
_SCHEMA = """
create table about (format integer not null, name text not null);
create table batches (
    id integer primary key autoincrement,
    received_at real not null,
    kind text not null,
    source text not null,
    log_format text not null,
    key_fingerprint text not null,
    rows integer not null,
    size integer not null,
    folded integer not null default 0);
create table contents (batch integer primary key, header blob not null, data blob not null);
create table totals (name text primary key, value integer not null);
"""


class SpoolError(StillwatchError):
    """The spool could not be written; nothing of what it was given counts as taken."""


class Kind(StrEnum):
    """What a batch holds."""

    ROWS = "rows"
    PIECES = "pieces"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction makes durable.

    Attributes:
        source: The sender's name.
        log_format: As which format it was read.
        rows: How many exchanges, pieces or rejections it holds.
        header: What is needed of it before, and after, its content is; only pieces have one.
        key_fingerprint: Of the key under which its tokens were made; "" where it holds none.
    """

    kind: Kind
    source: str
    log_format: str
    rows: int
    data: bytes
    header: bytes = b""
    key_fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch in the spool, without its content.

    Attributes:
        received_at: Seconds since 1970.
        is_folded: Whether its exchanges are in the lake; only its header is left then.
    """

    id: int
    received_at: float
    kind: Kind
    source: str
    log_format: str
    key_fingerprint: str
    rows: int
    size: int
    is_folded: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for the lake.

    Attributes:
        oldest: When the first of it was received, in seconds since 1970; None where nothing waits.
    """

    batches: int = 0
    rows: int = 0
    size: int = 0
    oldest: float | None = None


class Spool:
    """One connection to the spool. Each thread and process opens its own.

    Args:
        path: The spool's file.
        connect: Opens the database; another one only in tests.
    """

    def __init__(self, path: Path, connect: Callable[[str], Any] | None = None) -> None:
        self.path = path
        self._database = (connect or _connection)(str(path))
        with _errors(path):
            self._prepare()
            ((self.name,),) = self._database.execute("select name from about").fetchall()

    @classmethod
    def of_lake(cls, lake: Path) -> Spool:
        """The lake's spool, made if there is none; nobody but its owner can read it.

        Raises:
            InputError: A newer version of stillwatch made it.
            SpoolError: The disk is full, or the file is damaged.
        """
        folder = lake / SPOOL_FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / _NAME
        if not path.exists():
            # SQLite gives its other files the mode of this one.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        spool = cls(path)
        for place in (folder, lake):
            flush_to_disk(place)
        return spool

    def add(self, batches: Iterable[Batch], *, now: float | None = None) -> None:
        """Make batches durable, all of them or none.

        Raises:
            SpoolError: The disk is full, or the file cannot be written; none of them is.
        """
        received_at = time.time() if now is None else now
        with self._transaction():
            for batch in batches:
                size = len(batch.data) + len(batch.header)
                ((number,),) = self._database.execute(
                    "insert into batches "
                    "(received_at, kind, source, log_format, key_fingerprint, rows, size) "
                    "values (?, ?, ?, ?, ?, ?, ?) returning id",
                    (
                        *(received_at, batch.kind.value, batch.source, batch.log_format),
                        *(batch.key_fingerprint, batch.rows, size),
                    ),
                ).fetchall()
                self._database.execute(
                    "insert into contents values (?, ?, ?)", (number, batch.header, batch.data)
                )

    def backlog(self) -> Backlog:
        """What waits for the lake now."""
        with _errors(self.path):
            (row,) = self._database.execute(
                "select count(*), coalesce(sum(rows), 0), coalesce(sum(size), 0), min(received_at) "
                "from batches where folded = 0"
            ).fetchall()
        return Backlog(*row)

    def stored(self) -> list[StoredBatch]:
        """All batches, in the order in which they came."""
        with _errors(self.path):
            rows = self._database.execute(
                "select id, received_at, kind, source, log_format, key_fingerprint, rows, size, folded "
                "from batches order by id"
            ).fetchall()
        return [
            StoredBatch(number, at, Kind(kind), source, log_format, key, count, size, bool(folded))
            for number, at, kind, source, log_format, key, count, size, folded in rows
        ]

    def data(self, batch: StoredBatch) -> bytes:
        """The content of a batch; empty once it is folded."""
        return self._content("data", batch)

    def header(self, batch: StoredBatch) -> bytes:
        """The header of a batch."""
        return self._content("header", batch)

    def settle(
        self,
        *,
        removed: Sequence[StoredBatch] = (),
        folded: Sequence[StoredBatch] = (),
        added: dict[str, int] | None = None,
    ) -> None:
        """What the lake has now is waited for no longer.

        Args:
            removed: Batches that nobody needs any more.
            folded: Batches whose header is still needed.
            added: Totals to raise, and by how much.
        """
        with self._transaction():
            for name, count in (added or {}).items():
                self._database.execute(
                    "insert into totals values (?, ?) "
                    "on conflict (name) do update set value = value + excluded.value",
                    (name, count),
                )
        for group in _groups(folded):
            numbers = [(batch.id,) for batch in group]
            with self._transaction():
                self._many("update batches set folded = 1 where id = ?", numbers)
                self._many("update contents set data = x'' where batch = ?", numbers)
        for group in _groups(removed):
            numbers = [(batch.id,) for batch in group]
            with self._transaction():
                self._many("delete from contents where batch = ?", numbers)
                self._many("delete from batches where id = ?", numbers)

    def totals(self) -> dict[str, int]:
        """What was folded since the spool was made."""
        with _errors(self.path):
            return dict(self._database.execute("select name, value from totals").fetchall())

    def shrink(self) -> None:
        """Give back the room of what was removed; until then its content stays in the file."""
        with _errors(self.path):
            self._database.execute("vacuum")
            self._database.execute("pragma wal_checkpoint(truncate)").fetchall()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _content(self, column: str, batch: StoredBatch) -> bytes:
        with _errors(self.path):
            found = self._database.execute(
                f"select {column} from contents where batch = ?", (batch.id,)
            ).fetchall()
        return bytes(found[0][0]) if found else b""

    def _many(self, statement: str, values: list[tuple[int]]) -> None:
        for value in values:
            self._database.execute(statement, value)

    def _prepare(self) -> None:
        execute = self._database.execute
        execute(f"pragma page_size = {_PAGE_BYTES}")
        execute("pragma journal_mode = wal").fetchall()
        execute("pragma synchronous = full")
        execute("pragma fullfsync = on")  # only macOS has two kinds of flushing
        execute(f"pragma wal_autocheckpoint = {_CHECKPOINT_PAGES}").fetchall()
        with self._transaction():
            tables = execute("select name from sqlite_master where name = 'about'").fetchall()
            if not tables:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    execute(statement)
                execute("insert into about values (?, ?)", (_FORMAT, uuid.uuid4().hex[:12]))
        ((found,),) = execute("select format from about").fetchall()
        if found != _FORMAT:
            raise InputError(
                f"this spool has format {found}, and this version reads {_FORMAT}.",
                where=str(self.path),
                remedy="Let the version that made it fold it: start it, and stop it with SIGTERM.",
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _errors(self.path):
            self._database.execute("begin immediate")
            try:
                yield
                self._database.execute("commit")
            except BaseException:
                # SQLite ends the transaction itself where it cannot write.
                if self._database.in_transaction:
                    self._database.execute("rollback")
                raise


def _connection(path: str) -> sqlite3.Connection:
    return sqlite3.connect(
        path, isolation_level=None, timeout=_PATIENCE_SECONDS, check_same_thread=False
    )


def _groups(batches: Sequence[StoredBatch]) -> Iterator[list[StoredBatch]]:
    group: list[StoredBatch] = []
    size = 0
    for batch in batches:
        group.append(batch)
        size += batch.size
        if size > _REMOVED_AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        full = code is not None and code & 0xFF == sqlite3.SQLITE_FULL
        what = "the disk is full" if full else f"the spool cannot be used ({error})"
        raise SpoolError(
            f"{what}; nothing was acknowledged that is not on the disk.",
            where=str(path),
            remedy="Free some room."
            if full
            else "Look at the disk. What was acknowledged before is in this file: keep it.",
        ) from error
