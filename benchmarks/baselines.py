"""The plainest program for each job: it touches the same bytes and decides nothing.

Each prints one JSON object with its `seconds`, `rows` and `peak_memory_bytes`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq


def scan(exchanges: str) -> int:
    """DuckDB over the columns that a scan reads: count, lengths of texts, extremes of the rest."""
    row = (
        _connection()
        .execute(f"""
        select count(*),
            sum(strlen(system_text)), sum(strlen(input_text)), sum(strlen(output_text)),
            max(exchange_id), max(account_id), max(conversation_id), max(started_at),
            sum(turn_index), sum(output_tokens), max(status), max(credential_id),
            max(client_net_token), max(user_agent), max(tls_fingerprint), max(client_asn),
            max(reasoning_signature_issued), sum(len(reasoning_signatures_presented))
        from read_parquet('{exchanges}/*.parquet')
        """)
        .fetchone()
    )
    assert row is not None
    return int(row[0])


def rewrite(exchanges: str, out: str) -> int:
    """Read the exchanges and write them again."""
    rows = 0
    for path in sorted(Path(exchanges).glob("*.parquet")):
        table = pq.read_table(path)
        pq.write_table(table, out, compression="zstd")
        rows += table.num_rows
    return rows


def read_rows(path: str) -> int:
    """Every row of a Parquet file as Arrow, all columns."""
    with pq.ParquetFile(path) as file:
        return sum(batch.num_rows for batch in file.iter_batches())


def read_lines(path: str) -> int:
    """Every line of a file of JSON lines, decoded and nothing more."""
    with open(path, encoding="utf-8") as file:
        return sum(1 for line in file if json.loads(line))


def read_messages(path: str) -> int:
    """Every message of a Collector's file of protobuf, parsed and nothing more; counts spans."""
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    spans = 0
    with open(path, "rb") as file:
        while prefix := file.read(4):
            request = TracesData.FromString(file.read(int.from_bytes(prefix, "big")))
            spans += sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans)
    return spans


def join_truth(world: str, findings: str) -> int:
    """DuckDB joining what was found with the truth, once, and grouping the prompts' openings."""
    row = (
        _connection()
        .execute(f"""
        with found as (
            select count(*) as rows from read_parquet('{findings}/exchanges.parquet')
            join read_parquet('{world}/truth_exchanges.parquet') using (exchange_id)
        ), openings as (
            select count(*) as rows from (
                select left(input_text, 50), count(distinct account_id)
                from read_parquet('{world}/exchanges/*.parquet') group by 1)
        )
        select found.rows + openings.rows from found, openings
        """)
        .fetchone()
    )
    assert row is not None
    return int(row[0])


def campaign_texts(world: str, findings: str, campaign: str) -> int:
    """DuckDB reading the texts of one campaign's exchanges."""
    row = (
        _connection()
        .execute(
            f"""
        select count(*), sum(strlen(input_text)), sum(strlen(output_text))
        from read_parquet('{world}/exchanges/*.parquet') semi join (
            select exchange_id from read_parquet('{findings}/exchanges.parquet')
            where campaign_id = ?) using (exchange_id)
        """,
            [campaign],
        )
        .fetchone()
    )
    assert row is not None
    return int(row[0])


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = false")
    return connection


_PROGRAMS: dict[str, Callable[..., int]] = {
    "scan": scan,
    "rewrite": rewrite,
    "read-rows": read_rows,
    "read-lines": read_lines,
    "read-messages": read_messages,
    "join-truth": join_truth,
    "campaign-texts": campaign_texts,
}

if __name__ == "__main__":
    program = _PROGRAMS[sys.argv[1]]
    started = time.perf_counter()
    counted = program(*sys.argv[2:])
    seconds = time.perf_counter() - started
    # Not ru_maxrss: a program that starts inherits it from the process that started it.
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "rows": counted, "peak_memory_bytes": peak}))
