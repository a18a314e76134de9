"""What a commit will add: prepared while others may write, and renewed if one of them was first."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.lake.known_ids import KnownIds, is_worth_asking
from stillwatch.lake.making_sketches import MakingSketches
from stillwatch.lake.manifest import HISTORIES, NETWORK, Manifest, Part
from stillwatch.lake.merging import MERGED_TABLES, canonical_first, merge_rows
from stillwatch.lake.network import (
    NetworkNews,
    days_around,
    fresh_rows,
    join_network,
    with_network,
)
from stillwatch.lake.parquet_source import parquet_source
from stillwatch.lake.part_file import ROWS_AT_ONCE, PartFile
from stillwatch.lake.pieces import time_bounds
from stillwatch.lake.queries import load_query
from stillwatch.lake.staging import ORDINAL, Staging
from stillwatch.records import EXCHANGES, StillwatchError

__all__ = ["Draft"]


@dataclass(slots=True)
class Draft:
    """New files of a lake, still in the writer's folder, and the manifest they were made for.

    Attributes:
        folder: Where the files are; their names are those they get in the lake.
        seen: The manifest that the draft goes with.
        news: Of each staged table, how many rows say something new.
        told_before: Of each small table, how many rows say what has been corrected since.
        corrected: Of each small table, how many rows say what a later one says otherwise.
        network: What became of proxies' rows; None where there are none to join.
    """

    lake: Path
    staging: Staging
    database: duckdb.DuckDBPyConnection
    domain_by_token: dict[str, str]
    domain_shared_by: int
    seen: Manifest
    news: dict[str, int] = field(default_factory=dict)
    told_before: dict[str, int] = field(default_factory=dict)
    corrected: dict[str, int] = field(default_factory=dict)
    network: NetworkNews | None = None
    _exchanges: list[Part] = field(default_factory=list)
    _sketches: list[Part] = field(default_factory=list)
    _network: list[Part] = field(default_factory=list)
    _filled: list[tuple[Part, Part]] = field(default_factory=list)
    _merged: dict[str, Part] = field(default_factory=dict)
    _history: dict[str, Part] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._prepare_exchanges()
        for table in MERGED_TABLES:
            self._merge(table)

    @property
    def folder(self) -> Path:
        return self.staging.folder / "parts"

    @property
    def parts(self) -> list[Part]:
        """All files to move into the lake."""
        return [
            *self._exchanges,
            *self._sketches,
            *self._network,
            *(new for _, new in self._filled),
            *self._merged.values(),
            *self._history.values(),
        ]

    def renew(self, current: Manifest) -> None:
        """Make the draft go with this manifest: that of a lake to which others have added since.

        Rows that they brought are taken out of ours, and small tables are merged with theirs.
        Texts are not sketched again, so this costs what the others brought and the small tables:
        those that others changed, or of which values were corrected; and, where files were
        replaced, another look for our ids.
        Only where proxies' logs are in play, or rows we passed over are gone, all is prepared anew.
        """
        seen, self.seen = self.seen, current
        before, now = set(seen.parts("exchanges")), set(current.parts("exchanges"))
        has_network = self._network or current.parts(NETWORK)
        if has_network and _logs(seen) != _logs(current):
            self._prepare_exchanges()
        else:
            if now - before:
                self._drop_rows_of([p for p in current.parts("exchanges") if p not in before])
            if before - now and self._passed_over_what_is_gone():
                self._prepare_exchanges()
        for table in MERGED_TABLES:
            # What an import corrects holds until its commit, not until it was prepared.
            if current.parts(table) != seen.parts(table) or HISTORIES.get(table) in self._history:
                self._merge(table)

    def manifest(self, now: datetime) -> Manifest:
        """The lake with the draft in it; the very manifest that was seen if there is no news."""
        manifest = self.seen
        added = {
            "exchanges": self._exchanges,
            "sketches": self._sketches,
            NETWORK: self._network,
            **{table: [part] for table, part in self._history.items()},
        }
        if any(added.values()):
            manifest = manifest.with_parts({table: p for table, p in added.items() if p})
        if self._filled:
            manifest = manifest.with_parts_replaced("exchanges", dict(self._filled), now=now)
        for table, part in self._merged.items():
            manifest = manifest.with_replaced(table, part, now=now)
        return manifest

    def _prepare_exchanges(self) -> None:
        """All that depends on exchanges, and on what proxies' logs say of them."""
        self._add_network()
        days = self._find_fresh_exchanges()
        news = self._join_network(days)
        self._add_exchanges(days, news)
        self._fill_stored(news)

    def _add_network(self) -> None:
        """All rows of proxies' logs, by day; which have an exchange is found out after."""
        self._network = []
        for group in self.staging.groups(NETWORK):
            day = group.rpartition("/")[2]
            stored = [path for path in self._stored(NETWORK) if path.parent.name == day]
            query = fresh_rows(self.staging.files(group), stored)
            with PartFile(self.folder, f"{group}/{uuid.uuid4().hex}.parquet") as file:
                for batch in self.database.sql(query).to_arrow_reader(ROWS_AT_ONCE):
                    file.write(batch)
            if file.rows:
                self._network.append(file.part())
        if NETWORK in self.staging.rows:
            self.news[NETWORK] = sum(part.rows for part in self._network)

    def _find_fresh_exchanges(self) -> list[str]:
        """Fill the table `fresh`; the days of staging that hold exchanges, if any is fresh."""
        days = self.staging.groups("exchanges")
        if not days:
            return []
        self.news["exchanges"] = 0
        staged = [path for day in days for path in self.staging.files(day)]
        self._view_stored_ids(staged)
        self._view_ids("staged_ids", staged, with_ordinal=True)
        self.database.execute(load_query("import_fresh_exchanges"))
        fresh: int = self.database.execute("select count(*) from fresh").fetchall()[0][0]
        return days if fresh else []

    def _passed_over_what_is_gone(self) -> bool:
        """Whether the lake had exchanges of ours when the draft was made, and has them no more."""
        if not self.staging.groups("exchanges"):
            return False
        drafted = self.news["exchanges"]
        self._find_fresh_exchanges()
        self.news["exchanges"] = drafted
        fresh: int = self.database.execute("select count(*) from fresh").fetchall()[0][0]
        return fresh > drafted

    def _join_network(self, fresh_days: list[str]) -> NetworkNews:
        self.network = None
        groups = [*fresh_days, *self.staging.groups(NETWORK)]
        network = [*self._stored(NETWORK), *(self.folder / part.path for part in self._network)]
        if not groups or not network:
            return NetworkNews()
        # The row of an exchange is a day away at most, and so are the others that it fits.
        near = days_around((group.rpartition("/")[2] for group in groups), 2)
        self.network = join_network(
            self.database,
            network=network,
            stored=self._stored("exchanges"),
            staged=[path for day in fresh_days for path in self.staging.files(day)],
            near=lambda path: path.parent.name in near,
        )
        return self.network

    def _add_exchanges(self, days: list[str], news: NetworkNews) -> None:
        """Write each day's exchanges that the lake does not have, and sketch their texts."""
        self._exchanges, self._sketches = [], []
        pairs = []
        with MakingSketches() as sketching:
            for group in days:
                staged = parquet_source(self.staging.files(group))
                rows = load_query("import_day").replace("$staged", staged)
                day = group.rpartition("/")[2]
                if day in news.fresh_days:
                    rows = with_network(rows)
                name = f"{day}/{uuid.uuid4().hex}.parquet"
                sketches = PartFile(self.folder, f"sketches/{name}")
                bounds = time_bounds(self.database, staged, self.staging.bytes(group))
                pieces = [f"select * from ({rows}) where {bound}" for bound in bounds]
                # The last texts of a day are sketched while the next day is being read.
                sketching.begin(sketches)
                exchanges = self._write_exchanges(pieces, f"exchanges/{name}", sketching)
                sketching.end()
                pairs.append((exchanges, sketches))
        for pair in pairs:
            self._keep_pair(*pair)

    def _fill_stored(self, news: NetworkNews) -> None:
        """Write stored exchanges anew that have a network now, row for row as they were."""
        self._filled = []
        for old in self.seen.parts("exchanges"):
            path = self.lake / old.path
            if path not in news.parts:
                continue
            rows = with_network(f"select * from {parquet_source([path])}")
            new = self._write_exchanges([rows], old.next_path, None)
            if new.rows != old.rows:
                raise StillwatchError(
                    "the stored exchanges changed while they were read.",
                    where=str(path),
                    remedy="The lake is as it was. Please report this.",
                )
            self._filled.append((old, new.part()))

    def _write_exchanges(
        self, pieces: Sequence[str], name: str, sketching: MakingSketches | None
    ) -> PartFile:
        """Exchanges in their order; each batch is handed over for its sketches, too.

        Args:
            pieces: Queries, each of exchanges that come after those of the one before.
        """
        with PartFile(self.folder, name) as exchanges:
            for canonical in self._in_order(pieces):
                if canonical.num_rows:
                    if sketching is not None:
                        sketching.add(canonical)
                    exchanges.write(canonical)
        return exchanges

    def _in_order(self, pieces: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for rows in pieces:
            query = load_query("import_in_order").replace("$rows", rows)
            reader: pa.RecordBatchReader = self.database.sql(query).to_arrow_reader(ROWS_AT_ONCE)
            schema = canonical_first(reader.schema, EXCHANGES)
            for batch in reader:
                yield batch.select(schema.names).cast(schema)

    def _keep_pair(self, exchanges: PartFile, sketches: PartFile) -> None:
        if exchanges.rows:
            self._exchanges.append(exchanges.part())
            self._sketches.append(sketches.part())
            self.news["exchanges"] += exchanges.rows

    def _drop_rows_of(self, others: list[Part]) -> None:
        """Take out the exchanges whose ids somebody else has committed since."""
        pairs = list(zip(self._exchanges, self._sketches, strict=True))
        self._exchanges, self._sketches = [], []
        theirs = parquet_source(self.lake / part.path for part in others)
        for pair in pairs:
            query = (
                load_query("import_taken_rows")
                .replace("$ours", parquet_source([self.folder / pair[0].path]))
                .replace("$theirs", theirs)
            )
            taken = self.database.sql(query).fetchnumpy()["row"]
            if not len(taken):
                self._exchanges.append(pair[0])
                self._sketches.append(pair[1])
                continue
            keep = np.ones(pair[0].rows, bool)
            keep[taken] = False
            self.news["exchanges"] -= pair[0].rows
            name = f"{Path(pair[0].path).parent.name}/{uuid.uuid4().hex}.parquet"
            self._keep_pair(
                self._filtered(pair[0], f"exchanges/{name}", keep),
                self._filtered(pair[1], f"sketches/{name}", keep),
            )

    def _filtered(self, part: Part, name: str, keep: npt.NDArray[np.bool_]) -> PartFile:
        old = self.folder / part.path
        first = 0
        with PartFile(self.folder, name) as new, pq.ParquetFile(old) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE):
                new.write(batch.filter(pa.array(keep[first : first + batch.num_rows])))
                first += batch.num_rows
        old.unlink()
        return new

    def _merge(self, table: str) -> None:
        staged = self.staging.files(table)
        if not staged:
            return
        merged = merge_rows(
            self.database,
            table,
            stored=self._stored(table),
            history=self._stored(HISTORIES[table]) if table in HISTORIES else [],
            staged=staged,
            domain_by_token=self.domain_by_token,
            domain_shared_by=self.domain_shared_by,
            now=datetime.now(UTC),
        )
        self.news[table] = merged.news
        self.told_before[table] = merged.told_before
        self.corrected[table] = merged.corrected
        self._merged.pop(table, None)
        if merged.rows is not None:
            self._merged[table] = self._write_table(table, merged.rows)
        history = HISTORIES.get(table, "")
        self._history.pop(history, None)
        if merged.superseded is not None:
            self._history[history] = self._write_table(history, merged.superseded)

    def _write_table(self, table: str, rows: pa.Table) -> Part:
        with PartFile(self.folder, f"{table}/{uuid.uuid4().hex}.parquet") as file:
            for batch in rows.to_batches(ROWS_AT_ONCE):
                file.write(batch)
        return file.part()

    def _stored(self, table: str) -> list[Path]:
        return [self.lake / part.path for part in self.seen.parts(table)]

    def _view_stored_ids(self, staged: list[Path]) -> None:
        """Fill the view `stored_ids`: with all of the lake, or with those that matter."""
        stored = self.seen.parts("exchanges")
        if not is_worth_asking(self.staging.rows["exchanges"], sum(part.rows for part in stored)):
            self._view_ids("stored_ids", self._stored("exchanges"))
            return
        known = KnownIds(self.lake, self.staging.folder, self.database).among(staged, stored)
        self.database.register("known_ids", pa.table({"exchange_id": known}))
        self.database.execute("create or replace temp view stored_ids as from known_ids")

    def _view_ids(self, name: str, paths: list[Path], *, with_ordinal: bool = False) -> None:
        columns = f"exchange_id, {ORDINAL}" if with_ordinal else "exchange_id"
        source = f"select {columns} from {parquet_source(paths)}"
        if not paths:
            source = "select null::varchar as exchange_id"
        self.database.execute(f"create or replace temp view {name} as {source}")


def _logs(manifest: Manifest) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    return manifest.parts("exchanges"), manifest.parts(NETWORK)
