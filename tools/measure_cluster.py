"""What each stage of a scan on Spark costs an exchange, for docs/cluster.md.

    tools/measure_cluster.py WORLD

Prints a row a stage: processor's seconds of Spark (the Java process that plays the cluster on this
machine, and its Python workers) and of the driver's Python for a million exchanges, and the bytes
that came to the driver for one.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stillwatch.lake.log import open_log
from stillwatch.lake.spark.log import on_spark
from stillwatch.lake.spark.session import spark_session
from stillwatch.signals.traffic import read_traffic

_TICKS = os.sysconf("SC_CLK_TCK")
_ROW = "| {:<40} | {:>11} | {:>11} | {:>9} | {:>6} |"


def main(world: Path) -> None:
    """Run the stages one after the other, each once, after one that warms the workers."""
    with spark_session(None) as session:
        log = on_spark(
            open_log(
                exchanges=world / "exchanges",
                accounts=world / "accounts.parquet",
                releases=world / "model_releases.parquet",
            ),
            session,
        )
        exchanges = session.table("exchanges").count()
        print(f"{exchanges:,} exchanges, {session.sparkContext.defaultParallelism} cores")
        print(_ROW.format("stage", "cluster s/M", "driver s/M", "B/exchange", "wall s"))
        for name, stage in _stages(log).items():
            _measure(name, stage, exchanges)


def _stages(log: Any) -> dict[str, Callable[[], int]]:
    """Each stage gives the bytes that came to the driver."""

    def traffic() -> int:
        arrived = 0
        digests = log.digests

        def counted(*given: Any) -> Any:
            nonlocal arrived
            for part in digests(*given):
                arrived += part.nbytes
                yield part

        type(log).digests, before = lambda _log, *given: counted(*given), type(log).digests
        try:
            read_traffic(log)
        finally:
            type(log).digests = before
        return arrived

    def asked(query: str, **parameters: object) -> Callable[[], int]:
        return lambda: int(log.ask(query, parameters=parameters).nbytes)

    def members() -> int:
        chosen = log.connection.sql(
            "select 'C' as campaign_id, exchange_id, account_id from exchanges "
            "where account_id in (select account_id from accounts order by md5(account_id) limit 60)"
        ).to_arrow_table()
        return int(log.ask("member_traffic", tables={"attributed": chosen}).nbytes)

    return {
        "first digest of the log, workers cold": traffic,
        "digest: read, sketch, hash, send": traffic,
        "shared_facts": asked("shared_facts", hours=24),
        "handovers": asked("handovers"),
        "carried_history": asked("carried_history"),
        "member_traffic of 60 accounts": members,
    }


def _measure(name: str, stage: Callable[[], int], exchanges: int) -> None:
    cluster, own, began = _cluster_seconds(), time.process_time(), time.monotonic()
    arrived = stage()
    millions = exchanges / 1e6
    print(
        _ROW.format(
            name,
            f"{(_cluster_seconds() - cluster) / millions:.1f}",
            f"{(time.process_time() - own) / millions:.1f}",
            f"{arrived / exchanges:.0f}",
            f"{time.monotonic() - began:.0f}",
        ),
        flush=True,
    )


def _cluster_seconds() -> float:
    """Of the Java process that this one started, and of all that it started in turn."""
    times: dict[int, tuple[int, float]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            tail = (entry / "stat").read_text().rpartition(")")[2]
        except OSError:
            continue
        numbers = tail.split()
        seconds = sum(map(int, numbers[11:15])) / _TICKS
        times[int(entry.name)] = (int(numbers[1]), seconds)
    return sum(
        own for pid, (_, own) in times.items() if pid != os.getpid() and _is_ours(pid, times)
    )


def _is_ours(pid: int, times: dict[int, tuple[int, float]]) -> bool:
    while pid in times:
        if pid == os.getpid():
            return True
        pid = times[pid][0]
    return False


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", type=Path)
    main(parser.parse_args().world)
