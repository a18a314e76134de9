"""Turns what an import staged into parts of the lake, each exchange once."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.lake.manifest import Manifest, Part, flush_to_disk
from stillwatch.lake.merging import MERGED_TABLES, canonical_first, merge_rows
from stillwatch.lake.network import (
    NETWORK,
    NetworkNews,
    days_around,
    fresh_rows,
    join_network,
    with_network,
)
from stillwatch.lake.parquet_source import parquet_source, quoted_text
from stillwatch.lake.queries import load_query
from stillwatch.lake.sketch import sketch_exchanges
from stillwatch.lake.staging import ORDINAL, Staging
from stillwatch.records import EXCHANGES, StillwatchError

__all__ = ["Added", "LakeWriter"]

_MEMORY_LIMIT = "1GB"
# Rows in a row group: enough to compress well, few enough that their texts fit in memory.
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True)
class Added:
    """What a commit brought, over all tables but the quarantine.

    Attributes:
        imported: New rows, and rows of small tables that say something new.
        duplicates: Rows the lake, or the import itself, had already.
        network: What became of proxies' rows; None where the lake has none.
    """

    imported: int = 0
    duplicates: int = 0
    network: NetworkNews | None = None


@dataclass(slots=True)
class LakeWriter:
    """Takes batches in any order and adds them to the lake in one commit.

    Of two exchanges with one id the first stays; it may get its network from a proxy's row of
    the same request. Rows of the small tables are merged by key: a later value fills or corrects
    an earlier one, and a null takes nothing away.
    """

    TABLES: ClassVar[tuple[str, ...]] = ("exchanges", "sketches", NETWORK, *MERGED_TABLES)

    path: Path
    manifest: Manifest
    staging: Staging
    added: Added = field(default_factory=Added)
    _domains: dict[str, str] = field(default_factory=dict)
    _sharers: int = 0

    def add(self, table: str, rows: pa.Table) -> None:
        """Stage rows in canonical form; extra columns are kept.

        Args:
            table: `exchanges`, `network`, `accounts`, `credentials`, `model_releases` or
                `quarantine`.
            rows: Every required column filled.
        """
        if rows.num_rows:
            self.staging.add(table, rows)

    def reveal_domains(self, domain_by_token: dict[str, str], *, shared_by: int) -> None:
        """At the commit, show the e-mail domains in clear that this many accounts share."""
        self._domains = domain_by_token
        self._sharers = shared_by

    def commit(self, *, now: datetime) -> Manifest:
        """Add what was staged; if it says nothing new, the lake stays as it is, to the byte."""
        with _database_errors(self.path), duckdb.connect() as database:
            _configure(database, spill=self.staging.folder / "spill")
            self.staging.close()
            manifest = self._add_network(database)
            fresh_days = self._find_fresh_exchanges(database)
            news = self._join_network(database, manifest, fresh_days)
            manifest = self._add_exchanges(database, manifest, fresh_days, news)
            manifest = self._fill_stored(database, manifest, news, now)
            manifest = self._merge_tables(database, manifest, now)
        if manifest is not self.manifest or not manifest.tables:
            manifest.write(self.path)
        return manifest

    def _add_network(self, database: duckdb.DuckDBPyConnection) -> Manifest:
        """All rows of proxies' logs, by day; which have an exchange is found out after."""
        added = []
        for group in self.staging.groups(NETWORK):
            day = group.rpartition("/")[2]
            stored = [self.path / p.path for p in self.manifest.parts(NETWORK) if _day(p) == day]
            query = fresh_rows(self.staging.files(group), stored)
            part = self._write(database, query, f"{group}/{uuid.uuid4().hex}.parquet")
            if part.rows:
                added.append(part)
        fresh = sum(part.rows for part in added)
        self._count(fresh, self.staging.rows.get(NETWORK, 0) - fresh)
        return self.manifest.with_parts({NETWORK: added}) if added else self.manifest

    def _find_fresh_exchanges(self, database: duckdb.DuckDBPyConnection) -> list[str]:
        """Fill the table `fresh`; the days of staging that hold exchanges, if any is fresh."""
        days = self.staging.groups("exchanges")
        if not days:
            return []
        stored = [self.path / part.path for part in self.manifest.parts("exchanges")]
        staged = [path for day in days for path in self.staging.files(day)]
        _view_ids(database, "stored_ids", stored)
        _view_ids(database, "staged_ids", staged, with_ordinal=True)
        database.execute(load_query("import_fresh_exchanges"))
        fresh: int = database.execute("select count(*) from fresh").fetchall()[0][0]
        self._count(fresh, self.staging.rows["exchanges"] - fresh)
        return days if fresh else []

    def _join_network(
        self, database: duckdb.DuckDBPyConnection, manifest: Manifest, fresh_days: list[str]
    ) -> NetworkNews:
        groups = [*fresh_days, *self.staging.groups(NETWORK)]
        if not groups or not manifest.parts(NETWORK):
            return NetworkNews()
        # The row of an exchange is a day away at most, and so are the others that it fits.
        near = days_around((group.rpartition("/")[2] for group in groups), 2)
        news = join_network(
            database,
            network=[self.path / part.path for part in manifest.parts(NETWORK)],
            stored=[self.path / part.path for part in manifest.parts("exchanges")],
            staged=[path for day in fresh_days for path in self.staging.files(day)],
            near=lambda path: path.parent.name in near,
        )
        self.added = replace(self.added, network=news)
        return news

    def _add_exchanges(
        self,
        database: duckdb.DuckDBPyConnection,
        manifest: Manifest,
        days: list[str],
        news: NetworkNews,
    ) -> Manifest:
        exchanges, sketches = [], []
        for group in days:
            rows = load_query("import_day").replace(
                "$staged", parquet_source(self.staging.files(group))
            )
            day = group.rpartition("/")[2]
            if day in news.fresh_days:
                rows = with_network(rows)
            name = f"{day}/{uuid.uuid4().hex}.parquet"
            part = self._write_exchanges(database, rows, name, with_sketches=True)
            if part.rows:
                exchanges.append(part)
                sketches.append(Part(f"sketches/{name}", part.rows))
        if not exchanges:
            return manifest
        return manifest.with_parts({"exchanges": exchanges, "sketches": sketches})

    def _fill_stored(
        self,
        database: duckdb.DuckDBPyConnection,
        manifest: Manifest,
        news: NetworkNews,
        now: datetime,
    ) -> Manifest:
        """Write stored exchanges anew that have a network now, row for row as they were."""
        for old in manifest.parts("exchanges"):
            if self.path / old.path not in news.parts:
                continue
            rows = with_network(f"select * from {parquet_source([self.path / old.path])}")
            new = self._write_exchanges(database, rows, _next_version(old), with_sketches=False)
            if new.rows != old.rows:
                raise StillwatchError(
                    "the stored exchanges changed while they were read.",
                    where=str(self.path / old.path),
                    remedy="The lake is as it was. Please report this.",
                )
            manifest = manifest.with_part_replaced("exchanges", old, new, now=now)
        return manifest

    def _write_exchanges(
        self, database: duckdb.DuckDBPyConnection, rows: str, name: str, *, with_sketches: bool
    ) -> Part:
        """Exchanges in their order and, row for row beside them, the sketches of their text."""
        query = load_query("import_in_order").replace("$rows", rows)
        reader: pa.RecordBatchReader = database.sql(query).to_arrow_reader(_ROWS_AT_ONCE)
        schema = canonical_first(reader.schema, EXCHANGES)
        exchange_file = _PartFile(self.path / "exchanges" / name)
        sketch_file = _PartFile(self.path / "sketches" / name)
        with exchange_file, sketch_file:
            for batch in reader:
                if batch.num_rows:
                    canonical = batch.select(schema.names).cast(schema)
                    exchange_file.write(canonical)
                    if with_sketches:
                        sketch_file.write(sketch_exchanges(canonical))
        return Part(f"exchanges/{name}", exchange_file.rows)

    def _write(self, database: duckdb.DuckDBPyConnection, query: str, name: str) -> Part:
        with _PartFile(self.path / name) as part:
            for batch in database.sql(query).to_arrow_reader(_ROWS_AT_ONCE):
                if batch.num_rows:
                    part.write(batch)
        return Part(name, part.rows)

    def _merge_tables(
        self, database: duckdb.DuckDBPyConnection, manifest: Manifest, now: datetime
    ) -> Manifest:
        for table in MERGED_TABLES:
            staged = self.staging.files(table)
            if not staged:
                continue
            merged = merge_rows(
                database,
                table,
                stored=[self.path / part.path for part in self.manifest.parts(table)],
                staged=staged,
                domain_by_token=self._domains,
                domain_shared_by=self._sharers,
            )
            if table != "quarantine":
                self._count(merged.news, self.staging.rows[table] - merged.news)
            if merged.rows is None:
                continue
            name = f"{table}/{uuid.uuid4().hex}.parquet"
            with _PartFile(self.path / name) as part:
                for batch in merged.rows.to_batches(_ROWS_AT_ONCE):
                    part.write(batch)
            manifest = manifest.with_replaced(table, Part(name, part.rows), now=now)
        return manifest

    def _count(self, imported: int, duplicates: int) -> None:
        self.added = replace(
            self.added,
            imported=self.added.imported + imported,
            duplicates=self.added.duplicates + duplicates,
        )


def _day(part: Part) -> str:
    """The day of a file that lies in a day's folder."""
    return part.path.split("/")[1]


def _next_version(part: Part) -> str:
    """The name of the file that replaces this one, at the same place among the others."""
    day, _, file = part.path.removeprefix("exchanges/").partition("/")
    stem, _, version = file.removesuffix(".parquet").partition("-")
    return f"{day}/{stem}-{int(version or 0) + 1}.parquet"


class _PartFile:
    """A Parquet file that is on the disk when it is closed, and absent if it got no rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> _PartFile:
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
            self._writer = pq.ParquetWriter(self.path, batch.schema, compression="zstd")
        self._writer.write_batch(batch, row_group_size=_ROWS_AT_ONCE)
        self.rows += batch.num_rows

    def __exit__(self, *failure: object) -> None:
        if self._writer is not None:
            self._writer.close()
            if failure[0] is None:
                flush_to_disk(self.path)
                flush_to_disk(self.path.parent)
                flush_to_disk(self.path.parent.parent)


def _configure(database: duckdb.DuckDBPyConnection, *, spill: Path) -> None:
    database.execute("set TimeZone = 'UTC'")
    database.execute("set enable_progress_bar = false")
    database.execute("set preserve_insertion_order = false")
    database.execute(f"set memory_limit = '{_MEMORY_LIMIT}'")
    database.execute(f"set temp_directory = {quoted_text(str(spill))}")


def _view_ids(
    database: duckdb.DuckDBPyConnection,
    name: str,
    paths: list[Path],
    *,
    with_ordinal: bool = False,
) -> None:
    columns = f"exchange_id, {ORDINAL}" if with_ordinal else "exchange_id"
    source = f"select {columns} from {parquet_source(paths)}"
    database.execute(
        f"create temp view {name} as {source if paths else 'select null::varchar as exchange_id'}"
    )


@contextmanager
def _database_errors(lake: Path) -> Iterator[None]:
    """A failure of the engine as a message; a full disk as the system would report it."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error).splitlines()[0][:200]
        if "No space left" in str(error):
            raise OSError(errno.ENOSPC, "No space left on device", str(lake)) from error
        raise StillwatchError(
            f"the import could not be finished: {text}.",
            where=str(lake),
            remedy="The lake is as it was. Please report this.",
        ) from error
