"""Which credentials the accounts of a lake have: what a gateway must know to know them again."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import pyarrow as pa

from stillwatch.lake.database import lake_database
from stillwatch.lake.manifest import MANIFEST
from stillwatch.lake.parquet_source import parquet_source
from stillwatch.lake.queries import load_query
from stillwatch.lake.store import Lake

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["KnownCredentials"]

_TABLES = ("credentials", "exchanges")


@dataclass(slots=True)
class KnownCredentials:
    """Tokens of credentials by account, from what was declared and from what was seen.

    What was read is kept until the lake has other files or other accounts are asked for.

    Attributes:
        lake: Its folder; a lake that is not there yet has no credentials.
    """

    lake: Path
    _read_of: tuple[frozenset[str], tuple[str, ...]] | None = None
    _found: dict[str, list[str]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, accounts: frozenset[str]) -> Mapping[str, Iterable[str]]:
        """The credentials of these accounts; an account without one is left out.

        Raises:
            InputError: The lake cannot be read.
        """
        if not accounts or not (self.lake / MANIFEST).exists():
            return {}
        with self._lock, Lake.reading(self.lake) as lake:
            files = {table: lake.files(table) for table in _TABLES}
            read_of = accounts, tuple(str(path) for paths in files.values() for path in paths)
            if read_of != self._read_of:
                self._found = _read([paths for paths in files.values() if paths], accounts)
                self._read_of = read_of
            return self._found


def _read(sources: list[list[Path]], accounts: frozenset[str]) -> dict[str, list[str]]:
    if not sources:
        return {}
    tables = " union all ".join(
        f"select account_id, credential_id from {parquet_source(paths)}" for paths in sources
    )
    found: dict[str, list[str]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="stillwatch-") as folder,
        lake_database(Path(folder) / "spill") as database,
    ):
        database.register("wanted", pa.table({"account_id": sorted(accounts)}))
        query = load_query("credentials_of").replace("$sources", tables)
        for account_id, credential_id in database.execute(query).fetchall():
            found.setdefault(account_id, []).append(credential_id)
    return found
