"""The log that a command reads: canonical tables, a lake, or what a scan noted that it read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stillwatch.cli.swapped_tables import keep_of_their_table
from stillwatch.records import Findings, InputError

if TYPE_CHECKING:
    from stillwatch.lake.log import Log
    from stillwatch.lake.store import Lake

__all__ = ["GivenTables", "lake_to_read", "log_of_findings", "log_of_lake"]


@dataclass(frozen=True, slots=True)
class GivenTables:
    """Canonical Parquet, as it was named: files and folders."""

    exchanges: tuple[Path, ...] = ()
    accounts: Path | None = None
    credentials: Path | None = None
    releases: Path | None = None

    def opened(self, until: datetime | None) -> Log:
        """The log of these tables.

        Raises:
            InputError: Nothing of it can be read.
        """
        from stillwatch.lake.log import open_log

        given = {
            "exchanges": list(self.exchanges),
            "accounts": [self.accounts] if self.accounts else [],
            "credentials": [self.credentials] if self.credentials else [],
            "model_releases": [self.releases] if self.releases else [],
        }
        tables, left_out = keep_of_their_table(given)
        log = open_log(
            exchanges=tables["exchanges"],
            accounts=tables["accounts"],
            credentials=tables["credentials"],
            releases=tables["model_releases"],
            until=until,
        )
        log.problems += left_out
        return log

    def noted(self) -> dict[str, list[str]]:
        """As findings note it: absolute paths by table."""
        tables = {
            "exchanges": self.exchanges,
            "accounts": (self.accounts,),
            "credentials": (self.credentials,),
            "releases": (self.releases,),
        }
        return {
            name: [str(path.absolute()) for path in paths if path is not None]
            for name, paths in tables.items()
        }

    @classmethod
    def of_note(cls, noted: Mapping[str, list[str]]) -> GivenTables:
        """What `noted` made a note of."""
        one = {name: Path(noted[name][0]) for name in _SINGLE if noted.get(name)}
        return cls(tuple(map(Path, noted.get("exchanges", ()))), **one)


_SINGLE = ("accounts", "credentials", "releases")


def lake_to_read(path: Path) -> Lake:
    """A lake of which nothing is removed until the command ends.

    Raises:
        InputError: There is no lake, or it is damaged.
    """
    from stillwatch.lake.check import require_whole
    from stillwatch.lake.store import Lake

    lake = click.get_current_context().with_resource(Lake.reading(path))
    require_whole(lake)
    return lake


def log_of_lake(lake: Lake, until: datetime | None) -> Log:
    """The log that a lake holds, as it was known at a moment."""
    from stillwatch.lake.history import files_known_at
    from stillwatch.lake.log import open_log

    return open_log(
        exchanges=lake.files("exchanges"),
        accounts=files_known_at(lake, "accounts", until),
        credentials=files_known_at(lake, "credentials", until),
        releases=files_known_at(lake, "model_releases", until),
        sketches=lake.files("sketches"),
        until=until,
    )


def log_of_findings(findings: Findings, folder: Path) -> Log:
    """The log that findings come from.

    Raises:
        InputError: They do not say, or what they name is not there any more.
    """
    from stillwatch.lake.manifest import MANIFEST

    noted = findings.notes.get("tables")
    if noted:
        return GivenTables.of_note(noted).opened(None)
    log = findings.notes.get("log") or [""]
    if (Path(log[0]) / MANIFEST).is_file():
        return log_of_lake(lake_to_read(Path(log[0])), None)
    raise InputError(
        "these findings do not say which log they come from.",
        where=str(folder),
        remedy="Scan again, or put the log into a lake and name that with --lake.",
    )
