"""Turns what an import staged into parts of the lake, each exchange once."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from stillwatch.lake.call_events import CallNews
from stillwatch.lake.database import lake_database
from stillwatch.lake.draft import Draft
from stillwatch.lake.manifest import MANIFEST, TABLES, Manifest
from stillwatch.lake.network import NetworkNews
from stillwatch.lake.part_file import move_into_lake
from stillwatch.lake.readers import reading
from stillwatch.lake.staging import Staging
from stillwatch.lake.workplace import locked
from stillwatch.records import InputError, StillwatchError

__all__ = ["Added", "LakeWriter"]


@dataclass(frozen=True, slots=True)
class Added:
    """What a commit brought, over all tables but the quarantine.

    Attributes:
        imported: New rows, and rows of small tables that say something new.
        duplicates: Rows the lake, or the import itself, had already.
        network: What became of proxies' rows; None where the lake has none.
        told_before: Rows of small tables that say what has been corrected since; they are among
            the duplicates.
        corrected: Rows of small tables that say what a later row of the import says otherwise.
        calls: What became of events without their span; None where the import has none.
        otherwise: Exchanges among the duplicates that say something else than the one that holds.
    """

    imported: int = 0
    duplicates: int = 0
    network: NetworkNews | None = None
    told_before: int = 0
    corrected: int = 0
    calls: CallNews | None = None
    otherwise: int = 0


@dataclass(slots=True)
class LakeWriter:
    """Takes batches in any order and adds them to the lake in one commit.

    Others may write to the lake meanwhile. Of two exchanges with one id the first that was
    committed stays; it may get its network from a proxy's row of the same request. Rows of the
    small tables are merged by key: a later value fills or corrects an earlier one, a null takes
    nothing away, and a row that was corrected since it was told changes nothing when it comes again.
    """

    path: Path
    key_fingerprint: str
    staging: Staging
    added: Added = field(default_factory=Added)
    _domains: dict[str, str] = field(default_factory=dict)
    _sharers: int = 0

    def add(self, table: str, rows: pa.Table) -> None:
        """Stage rows in canonical form; extra columns are kept.

        Args:
            table: `exchanges`, `call_events`, `network`, `accounts`, `credentials`,
                `model_releases` or `quarantine`.
            rows: Every required column filled.
        """
        if rows.num_rows:
            self.staging.add(table, rows)

    def reveal_domains(self, domain_by_token: dict[str, str], *, shared_by: int) -> None:
        """At the commit, show the e-mail domains in clear that this many accounts share."""
        self._domains = domain_by_token
        self._sharers = shared_by

    def commit(self) -> Manifest:
        """Add what was staged; if it says nothing new, the lake stays as it is, to the byte.

        The new files are prepared while others may commit. Then, holding the lake's lock, what
        others have added since is taken account of, and the manifest is replaced.
        """
        self.staging.close()
        spill = self.staging.folder / "spill"
        with (
            reading(self.path),
            _database_errors(self.path),
            lake_database(spill, in_order=False) as database,
        ):
            draft = Draft(
                lake=self.path,
                staging=self.staging,
                database=database,
                domain_by_token=self._domains,
                domain_shared_by=self._sharers,
                seen=self.current(),
            )
            with locked(self.path):
                draft.renew(self.current())
                manifest = self._publish(draft)
        self._count(draft)
        return manifest

    def current(self) -> Manifest:
        """The lake's manifest as it is now; an empty one if there is no lake yet.

        Raises:
            InputError: Somebody made the lake meanwhile, under another key; or it lost its manifest.
        """
        if not (self.path / MANIFEST).exists():
            if any((self.path / table).exists() for table in TABLES):
                raise InputError(
                    "this lake has lost its manifest.",
                    where=str(self.path / MANIFEST),
                    remedy="Bring it back from a backup, or import the logs into a new lake.",
                )
            return Manifest(self.key_fingerprint)
        manifest = Manifest.read(self.path)
        manifest.require_key(self.key_fingerprint, lake=self.path)
        return manifest

    def _publish(self, draft: Draft) -> Manifest:
        """Move the draft's files into the lake, then name them in its manifest."""
        manifest = draft.manifest(datetime.now(UTC))
        if not (self.path / MANIFEST).exists():
            # Files of tables lie only where there is a lake: see `Leftovers`.
            Manifest(self.key_fingerprint).write(self.path)
        if manifest is draft.seen:
            return manifest
        move_into_lake(draft.parts, folder=draft.folder, lake=self.path)
        manifest.write(self.path)
        return manifest

    def _count(self, draft: Draft) -> None:
        counted = {t: n for t, n in self.staging.rows.items() if t != "quarantine"}
        imported = sum(draft.news[table] for table in {*counted, *draft.news} - {"quarantine"})
        waiting = draft.calls.waiting if draft.calls else 0
        self.added = Added(
            imported,
            duplicates=sum(counted.values()) - imported - waiting,
            network=draft.network,
            told_before=sum(draft.told_before.values()),
            corrected=sum(draft.corrected.values()),
            calls=draft.calls,
            otherwise=draft.otherwise,
        )


@contextmanager
def _database_errors(lake: Path) -> Iterator[None]:
    """A failure of the engine as a message; a full disk as the system would report it."""
    try:
        yield
    except duckdb.Error as error:
        if "No space left" in str(error):
            raise OSError(errno.ENOSPC, "No space left on device", str(lake)) from error
        raise StillwatchError(
            # The engine's own words may quote the log.
            f"the import could not be finished ({type(error).__name__}).",
            where=str(lake),
            remedy="The lake is as it was. If `stillwatch lake check` finds nothing wrong with it, "
            "please report this.",
        ) from error
