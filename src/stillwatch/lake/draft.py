"""What a commit will add: prepared while others may write, and renewed if one of them was first."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.lake.call_events import CALL_EVENTS, CallEvents, CallNews
from stillwatch.lake.known_ids import KnownIds, is_worth_asking
from stillwatch.lake.known_otherwise import is_worth_comparing, known_otherwise
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

QUARANTINE = "quarantine"


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
        calls: What became of events without their span; None where there are none.
        otherwise: How many staged exchanges whose id was known say something else.
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
    calls: CallNews | None = None
    otherwise: int = 0
    _exchanges: list[Part] = field(default_factory=list)
    _sketches: list[Part] = field(default_factory=list)
    _network: list[Part] = field(default_factory=list)
    _filled: list[tuple[Part, Part]] = field(default_factory=list)
    _sketched_anew: list[tuple[Part, Part]] = field(default_factory=list)
    _events: CallEvents | None = None
    _merged: dict[str, Part] = field(default_factory=dict)
    _history: dict[str, Part] = field(default_factory=dict)

    def __post_init__(self) -> None:
        groups = self.staging.groups(CALL_EVENTS)
        if groups:
            files = [path for group in groups for path in self.staging.files(group)]
            self._events = CallEvents(self.database, files)
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
            *(new for _, new in self._sketched_anew),
            *self._merged.values(),
            *self._history.values(),
        ]

    def renew(self, current: Manifest) -> None:
        """Make the draft go with this manifest: that of a lake to which others have added since.

        Rows that they brought are taken out of ours, and small tables are merged with theirs.
        Texts are not sketched again, so this costs what the others brought and the small tables:
        those that others changed, or of which values were corrected; and, where files were
        replaced, another look for our ids.
        Only where proxies' logs or events without their spans are in play, or rows we passed over
        are gone, all is prepared anew.
        """
        seen, self.seen = self.seen, current
        before, now = set(seen.parts("exchanges")), set(current.parts("exchanges"))
        is_joined = self._network or current.parts(NETWORK) or self.calls
        if is_joined and _logs(seen) != _logs(current):
            self._prepare_exchanges()
        else:
            if now - before:
                self._drop_rows_of([p for p in current.parts("exchanges") if p not in before])
            if before - now and self._passed_over_what_is_gone():
                self._prepare_exchanges()
        for table in MERGED_TABLES:
            # What an import corrects holds until its commit, not until it was prepared.
            is_corrected = HISTORIES.get(table) in self._history
            # What waits in the quarantine depends on the exchanges.
            is_of_calls = table == QUARANTINE and self.calls is not None
            if current.parts(table) != seen.parts(table) or is_corrected or is_of_calls:
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
        if self._sketched_anew:
            anew = dict(self._sketched_anew)
            manifest = manifest.with_parts_replaced("sketches", anew, now=now)
        for table, part in self._merged.items():
            manifest = manifest.with_replaced(table, part, now=now)
        return manifest

    def _prepare_exchanges(self) -> None:
        """All that depends on exchanges, and on what other logs say of them."""
        self._add_network()
        days = self._find_fresh_exchanges()
        self._join_calls(days)
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
        days = sorted({*self._staged_days("exchanges"), *self._staged_days(CALL_EVENTS)})
        if not days:
            return []
        self.news["exchanges"] = 0
        self._view_stored_ids([path for day in days for path in self._staged(day)])
        self._view_staged_ids()
        self.database.execute(load_query("import_fresh_exchanges"))
        fresh: int = self.database.execute("select count(*) from fresh").fetchall()[0][0]
        self._compare_known(fresh)
        return days if fresh else []

    def _compare_known(self, fresh: int) -> None:
        """Count the exchanges that are known, and say something else; costs nothing without any."""
        self.otherwise = 0
        days = self._staged_days("exchanges")
        # Where events are staged, some of the fresh may be of theirs.
        if not days or (self._events is None and self.staging.rows["exchanges"] <= fresh):
            return
        staged = [path for day in days for path in self.staging.files(f"exchanges/{day}")]
        parts = [p for p in self.seen.parts("exchanges") if Path(p.path).parent.name in days]
        if is_worth_comparing(self.staging.rows["exchanges"], sum(part.rows for part in parts)):
            stored = [self.lake / part.path for part in parts]
            self.otherwise = known_otherwise(self.database, staged, stored)

    def _passed_over_what_is_gone(self) -> bool:
        """Whether the lake had exchanges of ours when the draft was made, and has them no more."""
        if "exchanges" not in self.news:
            return False
        drafted = self.news["exchanges"]
        self._find_fresh_exchanges()
        self.news["exchanges"] = drafted
        fresh: int = self.database.execute("select count(*) from fresh").fetchall()[0][0]
        return fresh > drafted

    def _join_network(self, fresh_days: list[str]) -> NetworkNews:
        self.network = None
        days = {*fresh_days, *self._staged_days(NETWORK)}
        network = [*self._stored(NETWORK), *(self.folder / part.path for part in self._network)]
        if not days or not network:
            return NetworkNews()
        # The row of an exchange is a day away at most, and so are the others that it fits.
        near = days_around(days, 2)
        self.network = join_network(
            self.database,
            network=network,
            stored=self._stored("exchanges"),
            staged=[path for day in fresh_days for path in self._staged(day)],
            near=lambda path: path.parent.name in near,
        )
        return self.network

    def _add_exchanges(self, days: list[str], news: NetworkNews) -> None:
        """Write each day's exchanges that the lake does not have, and sketch their texts."""
        self._exchanges, self._sketches = [], []
        pairs = []
        with MakingSketches() as sketching:
            for day in days:
                staged = parquet_source(self._staged(day))
                rows = load_query("import_day").replace("$staged", staged)
                rows = self._with_told(rows, day)
                if day in news.fresh_days:
                    rows = with_network(rows)
                name = f"{day}/{uuid.uuid4().hex}.parquet"
                sketches = PartFile(self.folder, f"sketches/{name}")
                size = sum(self.staging.bytes(f"{t}/{day}") for t in ("exchanges", CALL_EVENTS))
                bounds = time_bounds(self.database, staged, size)
                pieces = [f"select * from ({rows}) where {bound}" for bound in bounds]
                # The last texts of a day are sketched while the next day is being read.
                sketching.begin(sketches)
                exchanges = self._write_exchanges(pieces, f"exchanges/{name}", sketching)
                sketching.end()
                pairs.append((exchanges, sketches))
        for pair in pairs:
            self._keep_pair(*pair)

    def _fill_stored(self, news: NetworkNews) -> None:
        """Write stored exchanges anew that have a network or texts now, row for row as they were."""
        self._filled, self._sketched_anew = [], []
        told = set(self._events.places()) if self._events else set()
        pairs = zip(self.seen.parts("exchanges"), self.seen.parts("sketches"), strict=True)
        for old, old_sketches in pairs:
            path = self.lake / old.path
            if path not in news.parts and str(path) not in told:
                continue
            rows = self._with_told(f"select * from {parquet_source([path])}", str(path))
            if path in news.parts:
                rows = with_network(rows)
            if str(path) in told:
                sketches = PartFile(self.folder, old_sketches.next_path)
                with MakingSketches() as sketching:
                    sketching.begin(sketches)
                    new = self._write_exchanges([rows], old.next_path, sketching)
                    sketching.end()
                self._sketched_anew.append((old_sketches, sketches.part()))
            else:
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

    def _join_calls(self, fresh_days: list[str]) -> None:
        """Find what events without their span say, and of which exchanges."""
        if self._events is None:
            return
        self._events.join(
            self._stored("exchanges"), [(day, self._staged(day)) for day in fresh_days]
        )
        self.calls = self._events.news()
        self.news[CALL_EVENTS] = self.calls.filled

    def _with_told(self, rows: str, place: str) -> str:
        is_told = self._events is not None and place in self._events.places()
        return self._events.with_told(rows, place) if self._events and is_told else rows

    def _merge(self, table: str) -> None:
        staged = self.staging.files(table)
        if table == QUARANTINE and self._events and self.calls and self.calls.waiting:
            path = self.staging.folder / "quarantine-of-calls.parquet"
            kept = self._events.write_waiting(path, beside=staged)
            self.calls, staged = replace(self.calls, kept=kept), [path]
        self._merged.pop(table, None)
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

    def _staged_days(self, table: str) -> list[str]:
        return [group.rpartition("/")[2] for group in self.staging.groups(table)]

    def _staged(self, day: str) -> list[Path]:
        """Files with all that may be an exchange of this day."""
        tables = ("exchanges", CALL_EVENTS)
        return [path for table in tables for path in self.staging.files(f"{table}/{day}")]

    def _view_stored_ids(self, staged: list[Path]) -> None:
        """Fill the view `stored_ids`: with all of the lake, or with those that matter."""
        stored = self.seen.parts("exchanges")
        count = sum(self.staging.rows.get(table, 0) for table in ("exchanges", CALL_EVENTS))
        if is_worth_asking(count, sum(part.rows for part in stored)):
            known = KnownIds(self.lake, self.staging.folder, self.database).among(staged, stored)
            self.database.register("known_ids", pa.table({"exchange_id": known}))
            source = "from known_ids"
        elif stored:
            source = f"select exchange_id from {parquet_source(self._stored('exchanges'))}"
        else:
            source = "select null::varchar as exchange_id"
        self.database.execute(f"create or replace temp view stored_ids as {source}")

    def _view_staged_ids(self) -> None:
        groups = self.staging.groups("exchanges")
        files = [path for group in groups for path in self.staging.files(group)]
        columns = f"exchange_id, {ORDINAL}"
        sources = [f"select {columns}, false as _of_events from {parquet_source(files)}"] * any(
            files
        )
        if self._events:
            sources.append(f"select {columns}, true as _of_events from ({self._events.ids})")
        query = " union all ".join(sources)
        self.database.execute(f"create or replace temp view staged_ids as {query}")


def _logs(manifest: Manifest) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    return manifest.parts("exchanges"), manifest.parts(NETWORK)
