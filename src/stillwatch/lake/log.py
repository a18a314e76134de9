"""An exchange log, opened for reading: canonical Parquet files or a snapshot of a lake."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.lake.exchange_batches import (
    Digest,
    Located,
    Sketched,
    exchange_columns,
    file_batches,
    short_error,
    sketch_while_reading,
    unmatched_sketches,
)
from stillwatch.lake.queries import load_query
from stillwatch.records import (
    ACCOUNTS,
    CREDENTIALS,
    EXCHANGES,
    MODEL_RELEASES,
    TIMESTAMP,
    Column,
    InputError,
    Problem,
    TableSchema,
    conform,
)
from stillwatch.records.moments import moment_of_number, moment_of_text

__all__ = ["Log", "open_log", "parquet_files"]

CLOCK_TOLERANCE = timedelta(days=1)
"""A request may not start later than this after now: the sender's clock is wrong."""

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
"""No request to a hosted language model is older: such a time is a clock or a unit gone wrong."""

BATCH_ROWS = 32_768

_NUMBERS = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("FLOAT", "DOUBLE"),
}


@dataclass(slots=True)
class Log:
    """A log that can be read in order, batch by batch, or queried.

    Attributes:
        connection: DuckDB, in UTC, with the views `exchanges`, `accounts`, `credentials` and
            `model_releases`; each has every canonical column, typed nulls where it is absent.
        absent: For each table, the canonical columns that the input lacks.
        empty: For each table, those that it has and that hold nothing but nulls.
        as_of: What was known at this moment is taken, and nothing later.
        until: The moment that was asked for, if one was.
        contradicting: The columns in which rows of one account contradict each other, by account.
        problems: Files and rows that were left out, with the reason.
        left_out: How many exchanges were left out, by reason.
    """

    connection: duckdb.DuckDBPyConnection
    exchange_files: tuple[Path, ...]
    sketch_files: tuple[Path, ...]
    absent: dict[str, tuple[str, ...]]
    empty: dict[str, tuple[str, ...]]
    as_of: datetime
    until: datetime | None = None
    contradicting: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)

    def batches(self, columns: Sequence[str]) -> Iterator[Located]:
        """The exchanges in the order of the files, with canonical types, in bounded memory.

        Yields each batch with its file and the number of its first row. Every row of the file is
        there: what is later than `as_of` is for the caller to leave out with `usable`.
        """
        wanted = exchange_columns(columns)
        for path in self.exchange_files:
            yield from file_batches(path, wanted, batch_rows=BATCH_ROWS)

    def sketch_batches(self) -> Iterator[pa.RecordBatch]:
        """The stored sketches, row for row beside `batches`; empty if none are stored."""
        for path in self.sketch_files:
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(BATCH_ROWS)

    def digests(self, columns: Sequence[str], digest: Digest) -> Iterator[pa.RecordBatch]:
        """What `digest` makes of all exchanges, in the order of the files, with their sketches.

        Sketches are those that are stored, or made on the way.

        Args:
            columns: Those that the digest reads, beside the required ones.

        Raises:
            StillwatchError: Stored sketches do not lie beside their exchanges.
        """
        return digest(self._sketched(columns))

    def _sketched(self, columns: Sequence[str]) -> Iterator[Sketched]:
        number_of = {path: number for number, path in enumerate(self.exchange_files)}
        batches = self.batches(columns)
        if not self.sketch_files:
            for located, sketch in sketch_while_reading(batches):
                yield Sketched.of(located, sketch, number_of[located.path])
            return
        stored = self.sketch_batches()
        for located in batches:
            beside = next(stored, None)
            if beside is None or beside.num_rows != located.batch.num_rows:
                raise unmatched_sketches(located.path)
            yield Sketched.of(located, beside, number_of[located.path])

    def usable(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """Rows with an id, an account and a start before `as_of`; others are counted."""
        started = batch.column("started_at")
        complete = pc.and_(
            pc.and_(_filled(batch.column("exchange_id")), _filled(batch.column("account_id"))),
            pc.is_valid(started),
        )
        early = pc.fill_null(pc.less(started, pa.scalar(EARLIEST, TIMESTAMP)), False)
        latest = pa.scalar(datetime.now(UTC) + CLOCK_TOLERANCE, TIMESTAMP)
        future = pc.fill_null(pc.greater(started, latest), False)
        self._count("id, account or time is missing or no such value", pc.invert(complete))
        self._count("starts in the future", future)
        self._count(f"starts before {EARLIEST.year} (is its time in other units?)", early)
        known = pc.fill_null(pc.less(started, pa.scalar(self.as_of, TIMESTAMP)), False)
        return pc.and_(pc.and_(complete, pc.invert(pc.or_(early, future))), known)

    def ask(
        self,
        query: str,
        *,
        parameters: Mapping[str, object] | None = None,
        tables: Mapping[str, pa.Table] | None = None,
    ) -> pa.Table:
        """The answer to a named query (`queries/QUERY.sql`), in the order that it asks for.

        Args:
            parameters: What the query calls `$name`.
            tables: Tables that it reads beside the log's views, by name.
        """
        with self._lent(tables or {}):
            asked = self.connection.sql(load_query(query), params=dict(parameters or {}))
            answer: pa.Table = asked.to_arrow_table()
        return answer

    def ask_in_batches(
        self,
        query: str,
        tables: Mapping[str, pa.Table],
        digest: Callable[[pa.RecordBatch], pa.RecordBatch],
    ) -> Iterator[pa.RecordBatch]:
        """What `digest` makes of the answer to a named query, in bounded memory and in no order."""
        with self._lent(tables):
            yield from map(
                digest, self.connection.sql(load_query(query)).to_arrow_reader(BATCH_ROWS)
            )

    @contextmanager
    def _lent(self, tables: Mapping[str, pa.Table]) -> Iterator[None]:
        for name, table in tables.items():
            self.connection.register(name, table)
        try:
            yield
        finally:
            for name in tables:
                self.connection.unregister(name)

    def hide_repeated_ids(self) -> None:
        """Make the view `exchanges` show each id once, the earliest.

        For logs known to repeat some: a window over the whole log costs memory.
        """
        _show_once(self.connection, "exchanges")

    def give_back_memory(self) -> None:
        """Give the system back what large queries left in DuckDB's buffers.

        DuckDB keeps freed blocks until its limit is lowered: after the facts of a million exchanges
        were read, three quarters of a gigabyte that nobody needs again.
        """
        row = self.connection.execute("select current_setting('memory_limit')").fetchone()
        assert row is not None
        for limit in ("64MB", str(row[0])):
            self.connection.execute(f"set memory_limit = '{limit}'")

    def _count(self, reason: str, rows: pa.BooleanArray) -> None:
        number = pc.sum(rows).as_py() or 0
        if number:
            self.left_out[reason] = self.left_out.get(reason, 0) + number


def open_log(
    *,
    exchanges: Path | Sequence[Path],
    accounts: Path | Sequence[Path] | None = None,
    credentials: Path | Sequence[Path] | None = None,
    releases: Path | Sequence[Path] | None = None,
    sketches: Sequence[Path] = (),
    until: datetime | None = None,
    memory_limit: str | None = None,
) -> Log:
    """Open canonical Parquet for reading, and check that it can be read at all.

    A file that cannot be read is left out and named in `problems`, as long as another can.

    Args:
        exchanges: A file, a folder of files, or a list of either.
        until: Take only what was known at this moment.
        memory_limit: What its queries may take before they use the disk, in DuckDB's words; a
            gigabyte and 100 bytes an exchange if absent.

    Raises:
        InputError: Nothing readable, or a required column is missing.
    """
    problems: list[Problem] = []
    absent: dict[str, tuple[str, ...]] = {}
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set preserve_insertion_order = false")
    connection.execute("set enable_progress_bar = false")
    connection.execute(f"set temp_directory = '{_spill_folder()}'")
    connection.execute(load_query("prelude_duckdb"))
    as_of = until or datetime.now(UTC) + CLOCK_TOLERANCE
    given = {
        EXCHANGES: exchanges,
        ACCOUNTS: accounts,
        CREDENTIALS: credentials,
        MODEL_RELEASES: releases,
    }
    files: dict[str, tuple[Path, ...]] = {}
    for schema, paths in given.items():
        readable = _readable(parquet_files(paths or ()), schema, problems)
        if schema is EXCHANGES and not readable:
            raise _nothing_to_read(paths or (), problems)
        files[schema.name] = readable
        absent[schema.name] = _create_view(connection, schema, readable)
    connection.execute(f"set memory_limit = '{memory_limit or _working_memory(files)}'")
    for name in ("exchanges", "accounts"):
        connection.execute(f"create view {name} as {known_at(name, as_of)}")
    for schema in (CREDENTIALS, MODEL_RELEASES):
        connection.execute(f"create view {schema.name} as select * from raw_{schema.name}")
    return Log(
        connection=connection,
        exchange_files=files["exchanges"],
        sketch_files=tuple(sketches),
        absent=absent,
        empty={s.name: _empty_columns(s, files[s.name]) for s in given},
        as_of=as_of,
        until=until,
        contradicting=_take_accounts_once(connection),
        problems=problems,
    )


def _working_memory(files: Mapping[str, Sequence[Path]]) -> str:
    """Facts that accounts share are sorted whole, and grow with the log."""
    exchanges = sum(pq.read_metadata(path).num_rows for path in files[EXCHANGES.name])
    return f"{1_000_000_000 + 100 * exchanges} bytes"


def known_at(table: str, as_of: datetime) -> str:
    """The query for what was known at a moment, of `exchanges` or `accounts`."""
    stamp = as_of.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
    return load_query(f"{table}_known").replace("$as_of", f"'{stamp}'")


def _spill_folder() -> str:
    """A folder of our own (mode 0700) for what does not fit in memory, gone when we are."""
    folder = tempfile.mkdtemp(prefix="stillwatch-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder.replace("'", "''")


def parquet_files(paths: Path | Iterable[Path]) -> list[Path]:
    """The Parquet files that a path or paths name, folders searched, in a fixed order.

    Raises:
        InputError: A path does not exist.
    """
    found: list[Path] = []
    for path in [paths] if isinstance(paths, Path) else list(paths):
        if path.is_dir():
            found += sorted(p for p in path.rglob("*.parquet") if not p.name.startswith("."))
        elif path.exists():
            found.append(path)
        else:
            raise InputError(
                "there is no such file or folder.", where=str(path), remedy="Check the path."
            )
    return found


def _readable(paths: list[Path], schema: TableSchema, problems: list[Problem]) -> tuple[Path, ...]:
    good = []
    for path in paths:
        try:
            arrow = pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            what = (
                "it is empty."
                if path.stat().st_size == 0
                else f"it is no whole Parquet file ({short_error(error)})."
            )
            problems.append(Problem(str(path), what, "Write the file again; it was left out."))
            continue
        try:
            _check_columns(arrow, schema, path)
        except InputError as error:
            if len(paths) == 1:
                raise
            problems.append(Problem(str(path), error.what, f"{error.remedy} It was left out."))
            continue
        good.append(path)
    return tuple(good)


def _check_columns(arrow: pa.Schema, schema: TableSchema, path: Path) -> None:
    """Required columns, castable types, and no name twice."""
    twice = sorted({name for name in arrow.names if arrow.names.count(name) > 1})
    if twice:
        raise InputError(
            f"the column {twice[0]} is there twice.",
            where=str(path),
            remedy="Write each column once.",
        )
    conform(arrow.empty_table(), schema, where=str(path))


def _empty_columns(schema: TableSchema, paths: tuple[Path, ...]) -> tuple[str, ...]:
    """Columns that hold only nulls, as the statistics in the files' footers have it."""
    present: set[str] = set()
    filled: set[str] = set()
    for path in paths:
        footer = pq.read_metadata(path)
        for group in range(footer.num_row_groups):
            rows = footer.row_group(group)
            for number in range(rows.num_columns):
                chunk = rows.column(number)
                name = chunk.path_in_schema.split(".")[0]
                present.add(name)
                known = chunk.is_stats_set and chunk.statistics.has_null_count
                if not known or chunk.statistics.null_count < chunk.num_values:
                    filled.add(name)
    return tuple(n for n in schema.names if n in present - filled)


def _nothing_to_read(paths: Path | Sequence[Path], problems: list[Problem]) -> InputError:
    where = str(paths) if isinstance(paths, Path) else ", ".join(str(p) for p in paths)
    if problems:
        return InputError(f"none of its files can be read; the first: {problems[0]}", where=where)
    return InputError(
        "there is no Parquet file here.",
        where=where,
        remedy="Give a canonical Parquet file, or a folder of them, usually one a day.",
    )


def _create_view(
    connection: duckdb.DuckDBPyConnection, schema: TableSchema, paths: tuple[Path, ...]
) -> tuple[str, ...]:
    """A view with all canonical columns over the files; returns the columns they lack."""
    name = f"raw_{schema.name}"
    if not paths:
        connection.register(name, schema.empty())
        return schema.names
    types = _duckdb_types(connection, schema)
    selects, present_anywhere = [], set[str]()
    for group in _alike_in_times(paths, schema):
        listed = ", ".join("'" + str(p).replace("'", "''") + "'" for p in group)
        source = f"read_parquet([{listed}], union_by_name = true)"
        described = connection.execute(f"describe select * from {source}").fetchall()
        present = {row[0]: row[1] for row in described}
        present_anywhere |= set(present)
        parts = []
        for item in schema.columns:
            wanted = types[item.name]
            if item.name not in present:
                parts.append(f"null::{wanted} as {item.name}")
            elif present[item.name] == wanted:
                parts.append(item.name)
            else:
                parts.append(f"{_cast_in_sql(item, present[item.name], wanted)} as {item.name}")
        extra = [f'"{c}"' for c in present if c not in schema.names]
        selects.append(f"select {', '.join(parts + extra)} from {source}")
    connection.execute(f"create view {name} as {' union all by name '.join(selects)}")
    return tuple(c for c in schema.names if c not in present_anywhere)


def _alike_in_times(paths: tuple[Path, ...], schema: TableSchema) -> list[list[Path]]:
    """The files by how they write times: DuckDB cannot read numbers and timestamps as one column."""
    moments = {c.name for c in schema.columns if c.arrow_type == TIMESTAMP}
    groups: dict[frozenset[str], list[Path]] = {}
    for path in paths:
        numbers = frozenset(
            f.name
            for f in pq.read_schema(path)
            if f.name in moments and (pa.types.is_integer(f.type) or pa.types.is_floating(f.type))
        )
        groups.setdefault(numbers, []).append(path)
    return list(groups.values())


def _take_accounts_once(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """Make the view `accounts` show each account once; say in what rows of one contradict."""
    repeated = "select count(*) > count(distinct account_id) from accounts"
    if not connection.execute(repeated).fetchall()[0][0]:
        return {}
    _show_once(connection, "accounts")
    found: dict[str, tuple[str, ...]] = {}
    for account, name in connection.execute(load_query("accounts_contradicting")).fetchall():
        found[account] = (*found.get(account, ()), name)
    return found


def _show_once(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Make a view show each of its keys once; what it showed is `NAME_shipped`."""
    connection.execute(f"alter view {name} rename to {name}_shipped")
    connection.execute(f"create view {name} as {load_query(f'{name}_once')}")


def _cast_in_sql(item: Column, given: str, wanted: str) -> str:
    """A column as `conform` casts it, so that the views and the batches agree."""
    if item.arrow_type == TIMESTAMP and given in _NUMBERS:
        return moment_of_number(item.name)
    if item.arrow_type == TIMESTAMP and given == "VARCHAR":
        return moment_of_text(item.name)
    return f"try_cast({item.name} as {wanted})"


def _duckdb_types(connection: duckdb.DuckDBPyConnection, schema: TableSchema) -> dict[str, str]:
    empty = schema.empty()
    connection.register("canonical_types", empty)
    rows = connection.execute("describe select * from canonical_types").fetchall()
    connection.unregister("canonical_types")
    return {row[0]: row[1] for row in rows}


def _filled(values: pa.Array) -> pa.BooleanArray:
    return pc.fill_null(pc.not_equal(values, ""), False)
