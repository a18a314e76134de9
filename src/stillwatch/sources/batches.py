"""Requests and results of batches, brought together in bounded memory.

A batch is two files, joined by a `custom_id` that the customer chose and that other customers
choose too. A result is therefore given the text of a request only if no other request fits it:
the wrong text would speak against the wrong account.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from stillwatch.records import StillwatchError
from stillwatch.sources.adapter import ParsedRow, Unreadable
from stillwatch.sources.call_lines import Told
from stillwatch.sources.values import text

__all__ = ["BatchFiles", "BatchLine"]

# As the providers name the files of a batch.
_BATCH_NAME = re.compile(r"(?:msg)?batch_[A-Za-z0-9]{6,64}")
_ALONE = (
    "A batch's request without its result: import the batch's output file in the same run, from "
    "the same folder, or with the same batch_id on the lines of both."
)
_AMBIGUOUS = (
    "Several requests fit one result of a batch: keep each batch in a folder of its own, or put "
    "a batch_id on the lines of both files."
)
# A call whose log says nothing of the request.
_NOT_LOGGED: dict[str, Any] = {"request": {"method": "POST"}}
_SCHEMA = """
create table files (id integer primary key, path blob unique);
create table batches (batch text, folder blob, created text);
create table requests (
    id integer primary key, custom_id text, folder blob, batch text, account text,
    file integer, line integer, used integer default 0, digest blob, data blob);
create unique index same_request on requests (custom_id, folder, batch, account, digest);
create index requests_of_batch on requests (custom_id, batch, account);
create table results (
    id integer primary key, custom_id text, folder blob, batch text, account text,
    file integer, line integer, data blob);
"""


@contextmanager
def _no_room_is_said() -> Iterator[None]:
    """No line of the log is at fault where the temporary file cannot grow: the import must end."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StillwatchError(
            f"the folder of temporary files is full, or cannot be written ({error}).",
            where=tempfile.gettempdir(),
            remedy="Free some room, or name another folder in TMPDIR, and import again.",
        ) from error


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One line of a batch's input or output file.

    Attributes:
        custom_id: What joins the two; it may be an address, and is never shown.
        around: What the log says beside request and result.
        request: `{"request": …}`, as `read_call` takes it; None in the output file.
        result: `{"response": …, "error": …}`, likewise; None in the input file.
        result_id: By which the provider names the result.
    """

    custom_id: str
    around: Mapping[str, Any]
    request: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    result_id: str | None = None


@dataclass(slots=True)
class BatchFiles:
    """Keeps the lines of batches in a temporary file of SQLite's, gone with the process."""

    _database: sqlite3.Connection | None = field(default=None, init=False)

    def keep_batch(self, path: Path, batch: Mapping[str, Any]) -> None:
        """Keep when a batch was made, for results that have no time of their own."""
        row = (
            text(batch.get("id")),
            os.fsencode(path.parent),
            json.dumps(batch.get("created_at")),
        )
        with _no_room_is_said():
            self._open().execute("insert into batches values (?, ?, ?)", row)

    def keep(self, path: Path, line: int, batch_line: BatchLine, *, account: str | None) -> None:
        """Keep a line until its other half may have been read.

        Args:
            account: Who is billed, where the line says so.
        """
        database = self._open()
        around = batch_line.around
        place = (
            batch_line.custom_id,
            os.fsencode(path.parent),
            text(around.get("batch_id")) or "",
            account or "",
            self._file(path),
            line,
        )
        whole = json.dumps(
            [dict(around), batch_line.request, batch_line.result, batch_line.result_id]
        ).encode()
        data = zlib.compress(whole, 1)
        if batch_line.result is None:
            # The same file twice is one request, not two that fit.
            statement = (
                "insert or ignore into requests "
                "(custom_id, folder, batch, account, file, line, digest, data) "
                "values (?, ?, ?, ?, ?, ?, ?, ?)"
            )
            row: tuple[object, ...] = (*place, sha256(whole).digest(), data)
        else:
            statement = (
                "insert into results (custom_id, folder, batch, account, file, line, data) "
                "values (?, ?, ?, ?, ?, ?, ?)"
            )
            row = (*place, data)
        with _no_room_is_said():
            database.execute(statement, row)

    def remaining(
        self, row_of: Callable[[object], Told]
    ) -> Iterator[tuple[Path, ParsedRow | Unreadable]]:
        """An exchange for each result, and a reason for each request that no result used.

        Args:
            row_of: Makes a row of an envelope with `request` and `response`.
        """
        if self._database is None:
            return
        with _no_room_is_said():
            yield from self._results(row_of)
            yield from self._requests_left()
        self._database.close()
        self._database = None

    def _results(
        self, row_of: Callable[[object], Told]
    ) -> Iterator[tuple[Path, ParsedRow | Unreadable]]:
        database = self._open()
        query = (
            "select custom_id, r.folder, batch, account, path, line, data "
            "from results r join files f on r.file = f.id order by r.id"
        )
        for custom_id, folder, batch, account, path, line, data in database.execute(query):
            around, _, result, result_id = json.loads(zlib.decompress(data))
            fitting = self._fitting(custom_id, folder, batch, account)
            request: Mapping[str, Any] = _NOT_LOGGED
            if len(fitting) == 1:
                database.execute("update requests set used = 1 where id = ?", (fitting[0][0],))
                asked_around, request, _, _ = json.loads(zlib.decompress(fitting[0][1]))
                around |= asked_around  # whoever asked, asked from there and then
            elif fitting:
                ids = [(found[0],) for found in fitting]
                database.executemany("update requests set used = 2 where id = ? and used = 0", ids)
            name = Path(os.fsdecode(path))
            envelope = self._batch_of(folder, batch, name, around, result_id)
            try:
                told = row_of({**envelope, **request, **result})
            except RecursionError:
                told = "The JSON is nested too deeply."
            if isinstance(told, str):
                yield name, Unreadable(line, told)
            elif told is not None:
                yield name, ParsedRow(line, told)

    def _fitting(
        self, custom_id: str, folder: bytes, batch: str, account: str
    ) -> list[tuple[int, bytes]]:
        """At most two requests that this result may answer: one decides, two leave it open.

        What one of both leaves unsaid does not speak against them.
        """
        accounts = "and account in (?, '')" if account else ""
        said_account = (account,) if account else ()
        batches = "and batch in (?, '')" if batch else ""
        said_batch = (batch,) if batch else ()
        query = "select id, data from requests where custom_id = ?"
        found = self._open().execute(
            f"{query} and folder = ? {batches} {accounts} limit 2",
            (custom_id, folder, *said_batch, *said_account),
        )
        rows: dict[int, bytes] = dict(found.fetchall())
        if batch:
            elsewhere = self._open().execute(
                f"{query} and batch = ? {accounts} limit 2", (custom_id, batch, *said_account)
            )
            rows |= dict(elsewhere.fetchall())
        return list(rows.items())

    def _batch_of(
        self,
        folder: bytes,
        batch: str,
        path: Path,
        around: Mapping[str, Any],
        result_id: str | None,
    ) -> dict[str, Any]:
        """The envelope of a result: which batch, since when, and under what id."""
        named = _BATCH_NAME.search(path.name)
        batch = batch or (named[0] if named else "")
        where, value = ("batch = ?", batch) if batch else ("folder = ?", folder)
        query = f"select distinct batch, created from batches where {where} limit 2"
        known = self._open().execute(query, (value,)).fetchall()
        envelope: dict[str, Any] = {**around, "endpoint": "batch", "batch_id": batch or None}
        if len(known) == 1:
            name, created = known[0]
            envelope["batch_id"] = batch or name
            envelope["batch_created_at"] = json.loads(created)
        if result_id is not None and envelope["batch_id"]:
            envelope["id"] = f"{envelope['batch_id']}:{result_id}"
        return envelope

    def _requests_left(self) -> Iterator[tuple[Path, ParsedRow | Unreadable]]:
        query = (
            "select path, line, used from requests r join files f on r.file = f.id "
            "where used <> 1 order by r.file, line"
        )
        for path, line, used in self._open().execute(query):
            yield Path(os.fsdecode(path)), Unreadable(line, _AMBIGUOUS if used else _ALONE)

    def _file(self, path: Path) -> int:
        database, name = self._open(), os.fsencode(path)
        database.execute("insert or ignore into files (path) values (?)", (name,))
        (number,) = database.execute("select id from files where path = ?", (name,)).fetchone()
        return int(number)

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            # An empty name is a file that SQLite unlinks at once: prompts outlive no crash.
            self._database = sqlite3.connect("")
            self._database.execute("pragma journal_mode = off")
            self._database.executescript(_SCHEMA)
        return self._database
