"""An exchange log whose queries and sketches are computed on Apache Spark."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import pyarrow as pa

from stillwatch.lake.exchange_batches import Digest, exchange_columns
from stillwatch.lake.log import Log, known_at
from stillwatch.lake.queries import load_query
from stillwatch.lake.spark.session import failed_on_the_cluster
from stillwatch.lake.spark.tasks import Piece, digest_pieces, digest_rows, opened, pieces_of
from stillwatch.lake.spark.views import (
    in_sparks_marks,
    show_exchanges,
    show_small_tables,
    spark_text,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["SparkLog", "on_spark"]

_PIECE_ROWS = 32_768
"""What one task reads, at least: some 10 MB of digests, which come to the driver whole."""

_WAVES = 2
"""So many waves of tasks are under way at once: while one ends, the cores work on the next."""


@dataclass(slots=True, kw_only=True)
class SparkLog(Log):
    """A log that was opened here, and is read and queried in the cluster.

    Files are read where the executors are: they must see them under the same paths. The driver
    gets answers and digests, never a text; `connection` is for the few texts of a dossier.

    Attributes:
        session: With views of the same names and columns as those of `connection`.
    """

    session: SparkSession

    def digests(self, columns: Sequence[str], digest: Digest) -> Iterator[pa.RecordBatch]:
        """As `Log.digests`; the digest sees each piece of the log by itself, in an executor."""
        pieces = pieces_of(self.exchange_files, self.sketch_files, _PIECE_ROWS)
        wanted = exchange_columns(columns)
        cores = self.session.sparkContext.defaultParallelism
        with ThreadPoolExecutor(_WAVES) as pool:
            waiting: deque[Future[pa.Table]] = deque()
            for wave in _waves(pieces, cores):
                waiting.append(pool.submit(self._digested, wave, wanted, digest))
                if len(waiting) > _WAVES:
                    yield from opened(waiting.popleft().result())
            while waiting:
                yield from opened(waiting.popleft().result())

    def _digested(self, wave: Sequence[Piece], columns: Sequence[str], digest: Digest) -> pa.Table:
        """The digests of some pieces, one piece a task, in their order."""
        numbers = self.session.range(0, len(wave), 1, len(wave))
        work = digest_pieces(wave, columns, digest)
        return _collected(numbers.mapInArrow(work, "sealed binary"))

    def ask(
        self,
        query: str,
        *,
        parameters: Mapping[str, object] | None = None,
        tables: Mapping[str, pa.Table] | None = None,
    ) -> pa.Table:
        """As `Log.ask`, by the same text."""
        with self._lent(tables or {}):
            answer = self.session.sql(spark_text(query), args=dict(parameters or {}))
            return _collected(answer)

    def ask_in_batches(
        self,
        query: str,
        tables: Mapping[str, pa.Table],
        digest: Callable[[pa.RecordBatch], pa.RecordBatch],
    ) -> Iterator[pa.RecordBatch]:
        """As `Log.ask_in_batches`; the rows stay in the executors, what comes here is digested."""
        with self._lent(tables):
            answer = self.session.sql(spark_text(query))
            yield from opened(_collected(answer.mapInArrow(digest_rows(digest), "sealed binary")))

    @contextmanager
    def _lent(self, tables: Mapping[str, pa.Table]) -> Iterator[None]:
        for name, table in tables.items():
            self.session.createDataFrame(table).createOrReplaceTempView(name)
        try:
            yield
        finally:
            for name in tables:
                self.session.catalog.dropTempView(name)

    def hide_repeated_ids(self) -> None:
        """As `Log.hide_repeated_ids`, here and in the cluster."""
        Log.hide_repeated_ids(self)
        self.session.table("exchanges").createOrReplaceTempView("exchanges_shipped")
        once = self.session.sql(load_query("exchanges_once"))
        once.createOrReplaceTempView("exchanges")


def on_spark(log: Log, session: SparkSession) -> SparkLog:
    """The same log, read and queried by a session of Spark.

    What was found out when it was opened (problems, absent columns, contradicting accounts) stays.
    """
    show_exchanges(session, log.exchange_files)
    show_small_tables(session, log)
    for name in ("exchanges", "accounts"):
        session.sql(in_sparks_marks(known_at(name, log.as_of))).createOrReplaceTempView(name)
    if log.contradicting:
        session.table("accounts").createOrReplaceTempView("accounts_shipped")
        session.sql(load_query("accounts_once")).createOrReplaceTempView("accounts")
    return SparkLog(session=session, **{f.name: getattr(log, f.name) for f in fields(log)})


def _waves(pieces: Sequence[Piece], cores: int) -> Iterator[Sequence[Piece]]:
    """Pieces in runs that keep all cores busy, and that fit the driver beside each other."""
    most_rows = cores * 2 * _PIECE_ROWS
    wave: list[Piece] = []
    for piece in pieces:
        wave.append(piece)
        if sum(p.rows for p in wave) >= most_rows:
            yield wave
            wave = []
    if wave:
        yield wave


def _collected(frame: DataFrame) -> pa.Table:
    from pyspark.errors import PySparkException

    try:
        answer: pa.Table = frame.toArrow()
    except PySparkException as error:
        raise failed_on_the_cluster(error) from error
    return answer
