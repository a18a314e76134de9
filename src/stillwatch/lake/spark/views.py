"""The tables of a log as views of a Spark session, with the columns and types that queries know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.lake.exchange_batches import file_batches
from stillwatch.lake.log import Log
from stillwatch.lake.queries import load_query
from stillwatch.lake.spark.tasks import BATCH_ROWS, Piece, pieces_of
from stillwatch.records import ACCOUNTS, CREDENTIALS, EXCHANGES, MODEL_RELEASES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType, StructType

__all__ = ["in_sparks_marks", "show_exchanges", "show_small_tables", "spark_text"]

_FOREIGN_PIECE_ROWS = 131_072


def spark_text(query: str) -> str:
    """A named query as Spark takes it: three of its marks have other words there, or none."""
    return in_sparks_marks(load_query(query))


def in_sparks_marks(text: str) -> str:
    """A query with `:name` for `$name`, `* except` for `* exclude`, and no word on materialising.

    Spark decides by itself what it computes once.
    """
    text = re.sub(r"\$(\w+)", r":\1", text).replace("* exclude (", "* except (")
    return re.sub(r" as (not )?materialized \(", " as (", text)


def show_small_tables(session: SparkSession, log: Log) -> None:
    """Hand over the tables that fit anywhere, as they were read here.

    They may come from a file that only this machine has: what an account was at another moment.
    """
    for schema in (ACCOUNTS, CREDENTIALS, MODEL_RELEASES):
        columns = ", ".join(schema.names)
        table = log.connection.sql(f"select {columns} from raw_{schema.name}").to_arrow_table()
        frame = session.createDataFrame(table.cast(schema.arrow))
        frame.createOrReplaceTempView(f"raw_{schema.name}")
    for schema in (CREDENTIALS, MODEL_RELEASES):
        session.table(f"raw_{schema.name}").createOrReplaceTempView(schema.name)


def show_exchanges(session: SparkSession, files: Sequence[Path]) -> None:
    """Make the view `raw_exchanges` over the files.

    Spark reads those that have canonical types by itself. Others, such as files with moments in
    nanoseconds or as text, are read by the same code as everywhere, in the executors.
    """
    own: dict[tuple[str, ...], list[Path]] = {}
    foreign: list[Path] = []
    for path in files:
        columns = _canonical_columns(pq.read_schema(path))
        if columns is None or path.name.startswith(("_", ".")):  # Spark passes such names over
            foreign.append(path)
        else:
            own.setdefault(columns, []).append(path)
    frames = [_read_by_spark(session, columns, paths) for columns, paths in own.items()]
    if foreign:
        frames.append(_read_by_us(session, foreign))
    every = reduce(lambda one, other: one.unionAll(other), frames)
    every.createOrReplaceTempView("raw_exchanges")


def _canonical_columns(schema: pa.Schema) -> tuple[str, ...] | None:
    """The canonical columns of a file if all have their canonical types."""
    present = [c for c in EXCHANGES.columns if c.name in schema.names]
    alike = all(_alike(schema.field(c.name).type, c.arrow_type) for c in present)
    return tuple(c.name for c in present) if alike else None


def _alike(given: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_list(wanted) and (pa.types.is_list(given) or pa.types.is_large_list(given)):
        return _alike(given.value_type, wanted.value_type)
    if pa.types.is_string(wanted):
        return bool(pa.types.is_string(given) or pa.types.is_large_string(given))
    return bool(given.equals(wanted))


def _read_by_spark(
    session: SparkSession, columns: tuple[str, ...], paths: Sequence[Path]
) -> DataFrame:
    from pyspark.sql.functions import col, lit

    types = _spark_types()
    frame = session.read.schema(_spark_schema(columns)).parquet(*(_as_source(p) for p in paths))
    return frame.select(
        *(
            col(name) if name in columns else lit(None).cast(types[name]).alias(name)
            for name in EXCHANGES.names
        )
    )


def _read_by_us(session: SparkSession, paths: Sequence[Path]) -> DataFrame:
    pieces = pieces_of(paths, (), _FOREIGN_PIECE_ROWS)

    def work(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                yield from _canonical_batches(pieces[number])

    numbers = session.range(0, len(pieces), 1, len(pieces))
    return numbers.mapInArrow(work, _spark_schema(EXCHANGES.names))


def _canonical_batches(piece: Piece) -> Iterator[pa.RecordBatch]:
    batches = file_batches(
        piece.path, EXCHANGES.names, batch_rows=BATCH_ROWS, row_groups=piece.row_groups
    )
    for located in batches:
        yield located.batch.select(list(EXCHANGES.names))


def _as_source(path: Path) -> str:
    """A path as Spark takes it: of this file system, and no pattern."""
    return "file://" + re.sub(r"([\\*?\[\]{}^])", r"\\\1", str(path.absolute()))


def _spark_schema(columns: Sequence[str]) -> StructType:
    from pyspark.sql.types import StructField, StructType

    types = _spark_types()
    return StructType([StructField(name, types[name]) for name in columns])


def _spark_types() -> dict[str, DataType]:
    from pyspark.sql.pandas.types import from_arrow_schema

    return {field.name: field.dataType for field in from_arrow_schema(EXCHANGES.arrow)}
