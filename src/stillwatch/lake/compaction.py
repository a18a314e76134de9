"""Many small files become few: the same rows in the same form, in one commit."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.lake.check import damage_of, unpaired
from stillwatch.lake.database import lake_database
from stillwatch.lake.manifest import HISTORIES, NETWORK, Manifest, Part
from stillwatch.lake.merging import KEYS, canonical_first
from stillwatch.lake.parquet_source import parquet_source, quoted_name
from stillwatch.lake.part_file import ROWS_AT_ONCE, PartFile, move_into_lake
from stillwatch.lake.pieces import time_bounds
from stillwatch.lake.queries import load_query
from stillwatch.lake.readers import reading
from stillwatch.lake.smallest import smallest
from stillwatch.lake.workplace import locked, workplace
from stillwatch.records import EXCHANGES, Problem, StillwatchError

__all__ = ["Compacted", "compact_lake"]

_ORDER = {NETWORK: "started_at, request_id, client_ip"} | {
    history: f"superseded_at, {', '.join(KEYS[table])}" for table, history in HISTORIES.items()
}
"""Of tables with many files but exchanges: the order of rows in one. The others have one file."""

_BYTES_BESIDE_TEXT = 200


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of a lake.

    Attributes:
        before, after: How many files it has; those that were replaced are not counted.
        merged: How many files went into others.
        rows: How many rows they hold; sketches, which lie beside exchanges, are not counted.
        overtaken: How many files stay since somebody else replaced them or their like meanwhile.
        problems: Files that are damaged; what was to be merged with them stays as it is.
    """

    before: int = 0
    after: int = 0
    merged: int = 0
    rows: int = 0
    overtaken: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Merge:
    """Files that become one.

    Attributes:
        old: By table, the files that go.
        new: By table, the one that comes.
    """

    old: dict[str, tuple[Part, ...]]
    new: dict[str, Part] = field(default_factory=dict)


def compact_lake(lake: Path, *, most_files: int = 1, enough_rows: int | None = None) -> Compacted:
    """Merge the files of each day of which there are more than `most_files`, and of the histories.

    Each goes with those that are smaller, so that a day that grows is not written anew each time:
    what a day of n equal files costs grows with n log n. Files are prepared while others import and
    read; where somebody replaced one of them meanwhile, those stay as they are. Replaced files stay
    for those who read them: see `remove_replaced`.

    Args:
        most_files: How many files a day may have, of exchanges and of proxies' rows each.
        enough_rows: Where only a little is to be done: files with as many rows are left alone and
            not counted, and what goes together ends with the file that makes it as many. All that
            is merged at one time has less than three times as many; the next call goes on.

    Raises:
        InputError: There is no lake here.
        StillwatchError: The lake holds a row twice.
    """
    seen = Manifest.read(lake)
    if not _merges(seen, most_files, enough_rows):
        return Compacted(_files(seen), _files(seen))
    with workplace(lake) as folder, reading(lake):
        seen = Manifest.read(lake)
        merges, problems = _without_damage(lake, _merges(seen, most_files, enough_rows))
        with lake_database(folder / "spill", in_order=False) as database:
            for merge in merges:
                _Merging(lake, folder / "parts", database).write(merge)
        with locked(lake):
            current = Manifest.read(lake)
            done = [merge for merge in merges if _is_there(merge, current)]
            after = current
            for merge in done:
                for table, new in merge.new.items():
                    now = datetime.now(UTC)
                    after = after.with_others(table, gone=merge.old[table], new=[new], now=now)
            if done:
                new_parts = [part for merge in done for part in merge.new.values()]
                move_into_lake(new_parts, folder=folder / "parts", lake=lake)
                after.write(lake)
    return Compacted(
        _files(seen),
        _files(after),
        sum(len(parts) for merge in done for parts in merge.old.values()),
        sum(part.rows for m in done for t, part in m.new.items() if t != "sketches"),
        sum(len(p) for m in merges if m not in done for p in m.old.values()),
        problems,
    )


def _merges(manifest: Manifest, most_files: int, enough_rows: int | None) -> list[_Merge]:
    """Which files go together. Exchanges take the sketches beside them along."""
    merges = []
    sketches = {part.place: part for part in manifest.parts("sketches")}
    broken = unpaired(manifest)
    pairs = [part for part in manifest.parts("exchanges") if part.place not in broken]
    for _, day in groupby(pairs, key=_folder):
        if some := smallest(tuple(day), most_files, enough_rows):
            beside = tuple(sketches[part.place] for part in some)
            merges.append(_Merge({"exchanges": some, "sketches": beside}))
    for _, day in groupby(manifest.parts(NETWORK), key=_folder):
        if some := smallest(tuple(day), most_files, enough_rows):
            merges.append(_Merge({NETWORK: some}))
    for history in HISTORIES.values():
        if some := smallest(manifest.parts(history), most_files, enough_rows):
            merges.append(_Merge({history: some}))
    return merges if enough_rows is None else _first(merges, enough_rows)


def _first(merges: list[_Merge], enough_rows: int) -> list[_Merge]:
    """As many of them as bring enough rows together."""
    rows = 0
    for number, merge in enumerate(merges):
        if rows >= enough_rows:
            return merges[:number]
        rows += sum(part.rows for part in next(iter(merge.old.values())))
    return merges


def _folder(part: Part) -> str:
    return str(Path(part.path).parent)


def _files(manifest: Manifest) -> int:
    return sum(len(parts) for parts in manifest.tables.values())


def _is_there(merge: _Merge, manifest: Manifest) -> bool:
    return all(set(parts) <= set(manifest.parts(table)) for table, parts in merge.old.items())


def _without_damage(lake: Path, merges: list[_Merge]) -> tuple[list[_Merge], tuple[Problem, ...]]:
    """Merges of files that are what was written: what is damaged must not get a new digest."""
    problems = [
        Problem(
            str(lake / part.path), damage, f"See `stillwatch lake check --lake {lake}`; it stays."
        )
        for merge in merges
        for table, parts in merge.old.items()
        for part in parts
        if (damage := damage_of(lake, table, part))
    ]
    damaged = {problem.where for problem in problems}
    whole = [
        merge
        for merge in merges
        if not any(str(lake / p.path) in damaged for parts in merge.old.values() for p in parts)
    ]
    return whole, tuple(problems)


@dataclass(frozen=True, slots=True)
class _Merging:
    """Writes merged files.

    Attributes:
        folder: Where they are prepared.
    """

    lake: Path
    folder: Path
    database: duckdb.DuckDBPyConnection

    def write(self, merge: _Merge) -> None:
        """Fill in `new`.

        Raises:
            StillwatchError: There are not as many rows in it as in the old, or not in their order.
        """
        pieces = self._pieces(merge)
        for table, parts in merge.old.items():
            name = f"{_folder(parts[0])}/{self._stem(merge)}.parquet"
            with PartFile(self.folder, name) as file:
                for batch in self._rows(table, merge, pieces):
                    file.write(batch)
            merge.new[table] = file.part()
            if file.rows != sum(part.rows for part in parts):
                raise _not_the_same(self.lake / table)
        if "sketches" in merge.new and not self._lie_side_by_side(merge):
            raise _not_the_same(self.lake / "sketches")

    def _stem(self, merge: _Merge) -> str:
        """One name for exchanges and their sketches."""
        named = next(iter(merge.new.values()), None)
        return Path(named.path).stem if named else uuid.uuid4().hex

    def _rows(self, table: str, merge: _Merge, pieces: list[str]) -> Iterator[pa.RecordBatch]:
        paths = [self.lake / part.path for part in merge.old[table]]
        source = parquet_source(paths)
        if table == "exchanges":
            for piece in pieces:
                rows = f"select * from {source} where {piece}"
                for batch in self._read(
                    load_query("import_in_order").replace("$rows", rows), paths
                ):
                    yield batch.select(canonical_first(batch.schema, EXCHANGES).names)
        elif table == "sketches":
            query = load_query("import_merged_sketches").replace("$sketches", source)
            query = query.replace("$exchanges", self._source("exchanges", merge))
            for piece in pieces:
                yield from self._read(query.replace("$piece", piece), paths)
        else:
            query = load_query("import_merged").replace("$source", source)
            yield from self._read(query.replace("$order", _ORDER[table]), paths)

    def _source(self, table: str, merge: _Merge) -> str:
        return parquet_source(self.lake / part.path for part in merge.old[table])

    def _pieces(self, merge: _Merge) -> list[str]:
        """Of exchanges, the pieces that fit into memory: all that takes much of it is text."""
        if "exchanges" not in merge.old:
            return []
        source = self._source("exchanges", merge)
        described = self.database.execute(f"describe select * from {source}").fetchall()
        texts = [
            f"coalesce(strlen({quoted_name(r[0])}), 0)" for r in described if r[1] == "VARCHAR"
        ]
        size = f"select sum({_BYTES_BESIDE_TEXT} + {' + '.join(texts)}) from {source}"
        return time_bounds(self.database, source, int(self.database.execute(size).fetchall()[0][0]))

    def _read(self, query: str, paths: list[Path]) -> Iterator[pa.RecordBatch]:
        reader: pa.RecordBatchReader = self.database.sql(query).to_arrow_reader(ROWS_AT_ONCE)
        schema = _as_written(reader.schema, paths)
        with closing(reader):
            for batch in reader:
                yield batch.select(schema.names).cast(schema)

    def _lie_side_by_side(self, merge: _Merge) -> bool:
        files = [self.folder / merge.new[table].path for table in ("exchanges", "sketches")]
        with pq.ParquetFile(files[0]) as exchanges, pq.ParquetFile(files[1]) as sketches:
            ids = [
                f.iter_batches(ROWS_AT_ONCE, columns=["exchange_id"]) for f in (exchanges, sketches)
            ]
            return all(
                one.column(0).equals(other.column(0)) for one, other in zip(*ids, strict=True)
            )


def _as_written(schema: pa.Schema, paths: list[Path]) -> pa.Schema:
    """The columns with the types they have in all files that have them."""
    types: dict[str, set[pa.DataType]] = {}
    for path in paths:
        for item in pq.read_schema(path):
            types.setdefault(item.name, set()).add(item.type)
    fields = [
        pa.field(f.name, types[f.name].pop() if len(types[f.name]) == 1 else f.type) for f in schema
    ]
    return pa.schema(fields)


def _not_the_same(place: Path) -> StillwatchError:
    return StillwatchError(
        "the merged rows are not those of the files.",
        where=str(place),
        remedy="The lake is as it was. See `stillwatch lake check`.",
    )
