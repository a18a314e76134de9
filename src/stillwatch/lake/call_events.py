"""What the events of model calls say, on its way to the exchanges that their spans told.

A log of events knows the texts, and its spans, in another log, who asked. An exchange keeps what it
has; the events fill what it lacks. Where no exchange has their id, they are one by themselves if
they name an account, and else they wait in the quarantine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from stillwatch.lake.parquet_source import parquet_source, quoted_name, quoted_text
from stillwatch.lake.queries import load_query
from stillwatch.records import EXCHANGES

__all__ = ["CALL_EVENTS", "CallEvents", "CallNews"]

CALL_EVENTS = "call_events"
"""The table under which they are staged; the lake has none of this name."""

# What the span decides, or the source of the exchange alone.
_NOT_TOLD = frozenset({"exchange_id", "account_id", "started_at", "source_id"})
_TEXTS = ("system_text", "input_text", "output_text")


@dataclass(frozen=True, slots=True)
class CallNews:
    """What became of events without their span.

    Attributes:
        filled: Exchanges that got something from them.
        alone: Exchanges that they are by themselves.
        waiting: Events in the quarantine, for want of their span and of an account.
        kept: Entries of the quarantine that `--mended` would have settled, and that wait still.
        first: File and line of the first that waits.
        reason: Why, in words.
    """

    filled: int = 0
    alone: int = 0
    waiting: int = 0
    kept: int = 0
    first: str = ""
    reason: str = ""


class CallEvents:
    """The staged events of one import, against the exchanges of a lake and of the same import."""

    def __init__(self, database: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
        """Look at what is staged.

        Args:
            files: Staged files; there must be one.
        """
        self._database = database
        self._source = parquet_source(files)
        staged = self._names(f"select * from {self._source}")
        self._told = [c.name for c in EXCHANGES.columns if c.name in staged - _NOT_TOLD]
        account = "" if "account_id" in staged else ", null::varchar as account_id"
        self._rows = f"select *{account} from {self._source}"

    @property
    def ids(self) -> str:
        """The query of the ids and ordinals of those that can be exchanges by themselves."""
        return f"select exchange_id, _ordinal from ({self._rows}) where account_id is not null"

    def join(self, stored: Sequence[Path], staged: Sequence[tuple[str, Sequence[Path]]]) -> None:
        """Find the exchanges that lack what an event tells; leaves the table `call_matches`.

        Args:
            stored: The lake's files of exchanges.
            staged: Each day's staged exchanges; those of the table `fresh` are meant.
        """
        source = "select null::varchar as exchange_id, null::varchar as _part where false"
        if stored:
            listed = parquet_source(stored).removesuffix(")")
            source = f"select exchange_id, _part from {listed}, filename = '_part')"
        for day, files in staged:
            name = quoted_text(day)
            source += f" union all select exchange_id, {name} from ({_fresh_rows(files)})"
        query = load_query("import_call_matches").replace("$calls", f"({self._rows})")
        self._database.execute(query.replace("$exchanges", f"({source})"))
        fresh = dict(staged)
        for place in self.places():
            rows = f"select * from {parquet_source([Path(place)])}"
            if place in fresh:
                rows = _fresh_rows(fresh[place])
            query = load_query("import_call_gains").replace("$place", quoted_text(place))
            query = query.replace("$gains", self._gains(rows)).replace("$rows", f"({rows})")
            self._database.execute(query.replace("$told", self._told_at(place)))

    def places(self) -> list[str]:
        """The files of the lake, and the days of staged exchanges, that `join` found something for."""
        found = self._database.execute(
            "select distinct place from call_matches where has_news order by place"
        )
        return [row[0] for row in found.fetchall()]

    def with_told(self, rows: str, place: str) -> str:
        """The query `rows` of the exchanges of a place, with what the events say of them."""
        known = self._names(rows)
        filled = ", ".join(
            f"{self._value(name, known)} as {quoted_name(name)}" for name in self._told
        )
        query = load_query("import_call_fill").replace("$filled", filled)
        kept = [name for name in self._told if name in known]
        query = query.replace(
            "$exclude", f"exclude ({', '.join(map(quoted_name, kept))})" if kept else ""
        )
        return query.replace("$rows", f"({rows})").replace("$told", self._told_at(place))

    def news(self) -> CallNews:
        """What became of them; leaves the table `call_waiting`, as rows of the quarantine."""
        query = load_query("import_call_waiting").replace("$calls", f"({self._rows})")
        self._database.execute(query)
        filled, alone, waiting = self._database.execute(
            load_query("import_call_news").replace("$calls", f"({self._rows})")
        ).fetchall()[0]
        first = self._database.execute(
            "select file, line, reason from call_waiting order by file, line limit 1"
        ).fetchall()
        if not first:
            return CallNews(filled, alone)
        file, line, reason = first[0]
        return CallNews(filled, alone, waiting, 0, f"{file}, line {line}", reason)

    def write_waiting(self, path: Path, *, beside: Sequence[Path]) -> int:
        """Write the staged rows of the quarantine with those that wait, once `news` was asked.

        Args:
            beside: The staged rows of the quarantine.

        Returns:
            How many of those were to be settled, and wait still.
        """
        staged = "(select *, null::timestamptz as mended_at from call_waiting where false)"
        if beside:
            staged = parquet_source(beside)
        query = load_query("import_quarantine_of_calls").replace("$staged", staged)
        pq.write_table(self._database.sql(query).to_arrow_table(), path)
        still = load_query("import_calls_still_waiting").replace("$staged", staged)
        number: int = self._database.execute(still).fetchall()[0][0]
        return number

    def _told_at(self, place: str) -> str:
        """The first event of each exchange of a place."""
        return (
            f"(select * from {self._source} where _ordinal in "
            f"(select _ordinal from call_matches where place = {quoted_text(place)}))"
        )

    def _gains(self, rows: str) -> str:
        known = self._names(rows)
        return " or ".join(
            f"{self._value(name, known)} is distinct from "
            + (f"rows.{quoted_name(name)}" if name in known else "null")
            for name in self._told
        )

    def _value(self, name: str, known: set[str]) -> str:
        """What a column holds once the event was heard."""
        said = f"told.{quoted_name(name)}"
        if name in _TEXTS and "retention" in known:
            # Where a contract keeps text out of the log, another log brings none in.
            said = f"case when rows.retention is distinct from 'no_text' then {said} end"
        elif name == "retention":
            texts = [f"rows.{text} is null" for text in _TEXTS if text in known]
            said = f"case when {' and '.join(texts) or 'true'} then {said} end"
        if name not in known:
            return said
        if name == "status":
            # A refusal is told by its words.
            return "case when rows.status <> 'ok' then rows.status else coalesce(told.status, rows.status) end"
        return f"coalesce(rows.{quoted_name(name)}, {said})"

    def _names(self, rows: str) -> set[str]:
        return {row[0] for row in self._database.execute(f"describe {rows}").fetchall()}


def _fresh_rows(files: Sequence[Path]) -> str:
    return load_query("import_day").replace("$staged", parquet_source(files))
