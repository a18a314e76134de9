"""The small tables of a lake as they were known at an earlier moment."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from stillwatch.lake.database import lake_database
from stillwatch.lake.manifest import HISTORIES
from stillwatch.lake.merging import KEYS
from stillwatch.lake.parquet_source import parquet_source, quoted_name, quoted_text
from stillwatch.lake.queries import load_query
from stillwatch.lake.store import Lake
from stillwatch.records import ACCOUNTS, CREDENTIALS, MODEL_RELEASES

__all__ = ["files_known_at"]

_SCHEMAS = {schema.name: schema for schema in (ACCOUNTS, CREDENTIALS, MODEL_RELEASES)}
_DECLARATION = ("organization_id", "organization_since", "organization_verified")
# What came at a time of its own. Of accounts, whoever opens the log sees to it.
_EVENTS = {"credentials": ("revoked_at", "reported_leaked_at")}
_BEGINNINGS = {"credentials": "created_at"}


def files_known_at(lake: Lake, table: str, moment: datetime | None) -> list[Path]:
    """The files of a small table; at an earlier moment with the values that later imports changed.

    A value that was missing then and came later counts: what happened when is told by the columns
    that hold a time. Where nothing can be otherwise than today, these are the lake's own files,
    else a file of our own that goes when this process ends.

    Args:
        table: `accounts`, `credentials` or `model_releases`.
        moment: What was imported at this moment or later is taken back; None for today.
    """
    files, history = lake.files(table), lake.files(HISTORIES[table])
    if moment is None or not files or not (history or table in _EVENTS):
        return files
    folder = Path(tempfile.mkdtemp(prefix="stillwatch-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = folder / f"{table}.parquet"
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    with lake_database(folder / "spill") as database:
        today = parquet_source(files)
        then = parquet_source(history) if history else _no_history(today)
        values = _Values(
            table,
            today=_columns(database, today),
            kept=set(_columns(database, then)) & set(_SCHEMAS[table].names),
            moment=f"timestamptz {quoted_text(moment.astimezone(UTC).isoformat())}",
        )
        query = (
            load_query("export_table_then")
            .replace("$values", values.chosen())
            .replace("$was_there", values.was_there())
            .replace("$today", today)
            .replace("$history", then)
            .replace("$moment", values.moment)
            .replace("$key", ", ".join(KEYS[table]))
            .replace("$target", quoted_text(str(target)))
        )
        database.execute(query)
    return [target]


@dataclass(frozen=True, slots=True)
class _Values:
    """What each column was, of the row `today` and the row `earlier` that an import replaced.

    Attributes:
        today: The columns of the table.
        kept: Canonical ones that the history has.
        moment: As a value of SQL.
    """

    table: str
    today: list[str]
    kept: set[str]
    moment: str

    def chosen(self) -> str:
        """All columns of the table, in their order."""
        return ", ".join(f"{self._value(name)} as {quoted_name(name)}" for name in self.today)

    def was_there(self) -> str:
        """Whether the row's subject had begun."""
        name = _BEGINNINGS.get(self.table)
        if name not in self.today:
            return "true"
        return f"coalesce({self._told(name)} < {self.moment}, true)"

    def _value(self, name: str) -> str:
        if name in KEYS[self.table]:
            return f"today.{name}"
        if name in _DECLARATION and self.table == "accounts":
            return self._declared(name)
        if name == "email_domain" and name in self.kept:
            return _EMAIL_DOMAIN
        told = self._told(name)
        if name in _EVENTS.get(self.table, ()):
            return f"case when {told} < {self.moment} then {told} end"
        return told

    def _told(self, name: str) -> str:
        quoted = quoted_name(name)
        if name not in self.kept:
            return f"today.{quoted}"
        return f"coalesce(earlier.{quoted}, today.{quoted})"

    def _declared(self, name: str) -> str:
        """A declaration protects: that of then where it was the stronger one, else today's."""
        if not self.kept.issuperset(_DECLARATION):
            # Without a word on how it was verified, the plan decides, and not here.
            return f"today.{name}"
        return (
            f"case when {_STRENGTH.format(row='earlier')} > {_STRENGTH.format(row='today')} "
            f"then earlier.{name} else today.{name} end"
        )


_STRENGTH = (
    "case when {row}.organization_id is null then 0 "
    "when {row}.organization_verified in ('contract', 'kyc') then 2 "
    "when {row}.organization_verified = 'domain' then 1 else 0 end"
)
_IS_CLEAR = "({0} like '%.%' and not starts_with({0}, 'domain_'))"
# A domain is shown in clear once enough accounts share it, and has to look the same for all of them.
# So a token of then counts if today's domain is a token as well, or if it is still another's: else
# it may be what today stands there in clear.
_EMAIL_DOMAIN = (
    "case when earlier.email_domain is not null and ("
    f"{_IS_CLEAR.format('earlier.email_domain')} "
    f"or not {_IS_CLEAR.format('today.email_domain')} "
    "or earlier.email_domain in (select email_domain from $today)) "
    "then earlier.email_domain else today.email_domain end"
)


def _no_history(today: str) -> str:
    return f"(select *, null::timestamptz as superseded_at from {today} limit 0)"


def _columns(database: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    described = database.execute(f"describe select * from {source}").fetchall()
    return [row[0] for row in described]
