"""The accounts of a lake as they were known at an earlier moment."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from stillwatch.lake.database import lake_database
from stillwatch.lake.manifest import ACCOUNT_HISTORY
from stillwatch.lake.parquet_source import parquet_source, quoted_name, quoted_text
from stillwatch.lake.queries import load_query
from stillwatch.lake.store import Lake
from stillwatch.records import ACCOUNTS

__all__ = ["accounts_known_at"]

# A domain is in clear or a token by how many accounts share it today: one log must show it in one
# way. A declaration protects, and has a column that says since when.
_OF_TODAY = (
    "account_id",
    "email_domain",
    "organization_id",
    "organization_since",
    "organization_verified",
)


def accounts_known_at(lake: Lake, moment: datetime | None) -> list[Path]:
    """The files of `accounts`; at an earlier moment with the values that later imports changed.

    A value that was missing then and came later counts: what happened when is told by the columns
    that hold a time. Where nothing was changed since, these are the lake's own files, otherwise a
    file of our own that goes when this process ends.

    Args:
        moment: What was imported at this moment or later is taken back; None for today.
    """
    files, history = lake.files("accounts"), lake.files(ACCOUNT_HISTORY)
    if moment is None or not history or not files:
        return files
    folder = Path(tempfile.mkdtemp(prefix="stillwatch-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = folder / "accounts.parquet"
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    with lake_database(folder / "spill") as database:
        today, then = parquet_source(files), parquet_source(history)
        known = _columns(database, then)
        values = ", ".join(
            f"coalesce(earlier.{quoted_name(name)}, today.{quoted_name(name)}) "
            f"as {quoted_name(name)}"
            if name in known and name in ACCOUNTS.names and name not in _OF_TODAY
            else f"today.{quoted_name(name)}"
            for name in _columns(database, today)
        )
        query = (
            load_query("export_accounts_then")
            .replace("$values", values)
            .replace("$today", today)
            .replace("$history", then)
            .replace("$moment", quoted_text(moment.astimezone(UTC).isoformat()))
            .replace("$target", quoted_text(str(target)))
        )
        database.execute(query)
    return [target]


def _columns(database: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    described = database.execute(f"describe select * from {source}").fetchall()
    return [row[0] for row in described]
