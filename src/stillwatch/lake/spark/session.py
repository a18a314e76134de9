"""A Spark session that thinks like the embedded engine."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import stillwatch
from stillwatch.lake.queries import load_query
from stillwatch.records import InputError, StillwatchError

if TYPE_CHECKING:
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

__all__ = ["failed_on_the_cluster", "spark_session"]

_ALWAYS = {
    # Days are cut and moments written in the session's zone.
    "spark.sql.session.timeZone": "UTC",
    # Arithmetic that overflows, and text that is no number, must be an error and not a null.
    "spark.sql.ansi.enabled": "true",
    # Moments before the reform of the calendar would be refused; they are left out by the queries.
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    # Its page would show the queries to anybody who reaches the port.
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    # What comes to the driver is bounded by the driver's memory alone.
    "spark.driver.maxResultSize": "0",
}

_PARTITIONS_PER_CORE = 2
_SPLIT_BYTES = "32m"  # of a file: a small log in one piece would keep one core busy


@contextmanager
def spark_session(master: str | None) -> Iterator[SparkSession]:
    """Start Spark, or join a cluster, with the functions that the named queries need.

    Args:
        master: As Spark's `--master` takes it; this machine's cores if absent.

    Raises:
        InputError: PySpark is not installed, or Spark cannot be started or reached.
    """
    try:
        from pyspark import SparkConf
    except ImportError:
        raise InputError(
            "PySpark is not installed.",
            where="--engine spark",
            remedy="Install it with: pip install 'stillwatch[spark]' (and Java 17 or newer).",
        ) from None
    address = master or "local[*]"
    # The executors' Python; a cluster's own is named by the variable, as ever with Spark.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = SparkConf().setMaster(address).setAppName("stillwatch").setAll(list(_ALWAYS.items()))
    # On one machine, or where all see the same folders, executors need no installation of ours.
    conf.set("spark.executorEnv.PYTHONPATH", str(Path(stillwatch.__file__).parents[1]))
    if _is_on_this_machine(address):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        conf.set("spark.driver.host", "127.0.0.1").set("spark.driver.bindAddress", "127.0.0.1")
    with tempfile.TemporaryDirectory(prefix="stillwatch-") as folder:
        # Where it would keep tables that nobody makes: else a folder in the current one.
        conf.set("spark.sql.warehouse.dir", folder)
        session = _started(conf, address)
        try:
            _settle(session)
            yield session
        finally:
            session.stop()


def _started(conf: SparkConf, address: str) -> SparkSession:
    from pyspark.sql import SparkSession

    try:
        return SparkSession.builder.config(conf=conf).getOrCreate()
    except Exception as error:  # PySpark's own, and py4j's, which has no common one with it
        raise InputError(
            f"Spark cannot be started ({_first_line(error)}).",
            where=f"--master {address}",
            remedy="Check that the master is there, and that Java 17 or newer is installed.",
        ) from error


def _is_on_this_machine(address: str) -> bool:
    return address.startswith(("local", "spark://127.", "spark://localhost"))


def _settle(session: SparkSession) -> None:
    """Set what nobody has set, and define the functions of the named queries."""
    context = session.sparkContext
    given = context.getConf()
    if not given.contains("spark.sql.shuffle.partitions"):
        partitions = max(4, _PARTITIONS_PER_CORE * context.defaultParallelism)
        session.conf.set("spark.sql.shuffle.partitions", str(partitions))
    if not given.contains("spark.sql.files.maxPartitionBytes"):
        session.conf.set("spark.sql.files.maxPartitionBytes", _SPLIT_BYTES)
    for statement in load_query("prelude_spark").split(";\n"):
        if statement.strip():
            session.sql(statement)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def failed_on_the_cluster(error: Exception) -> StillwatchError:
    """What a failure in the cluster is for who started the scan.

    A message of an executor may quote what it read, so that only an error of ours is told.
    """
    text = str(error)
    if "No module named 'stillwatch" in text:
        return InputError(
            "the executors cannot import stillwatch.",
            where="--engine spark",
            remedy="Install the same version in the Python that the executors run "
            "(PYSPARK_PYTHON), on every worker.",
        )
    ours = re.search(r"stillwatch\.records\.errors\.\w+: (.+)", text)
    return StillwatchError(
        f"Spark gave up ({ours[1] if ours else type(error).__name__})",
        where="--engine spark",
        remedy="Check that every worker sees the log's files under the same paths; the executors' "
        "own logs, in the work folders of the workers, say more.",
    )
