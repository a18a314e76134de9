"""Parquet files whose columns have other types, names and values than a log's."""

from __future__ import annotations

import decimal
import io
import random
from datetime import date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hostile_values import planted

__all__ = ["parquet_bytes"]


def parquet_bytes(rows: list[dict[str, Any]], draw: random.Random) -> bytes:
    """The rows as Parquet, some columns of them retyped, renamed, doubled, emptied or planted."""
    count = len(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: list[pa.Array] = []
    for name in names:
        values = [row.get(name) for row in rows]
        column = _time_column(values) if name.endswith("_at") else pa.array(values)
        columns.append(column)
    for _ in range(draw.choice((0, 1, 2, 5))):
        at, kind = draw.randrange(len(names)), draw.randrange(8)
        if kind == 0:
            names[at] = draw.choice(
                (planted(draw), "", " ", "_line", "LINE", "Model", "a\nb", "x" * 300, "email")
            )
        elif kind == 1:
            names.append(draw.choice((names[at], planted(draw), "extra")))
            columns.append(_odd_column(count, draw))
        elif kind == 2:
            columns[at] = pa.nulls(count)
        else:
            columns[at] = _odd_column(count, draw)
    table = pa.Table.from_arrays(columns, names=names)
    file = io.BytesIO()
    try:
        pq.write_table(
            table,
            file,
            compression=draw.choice(("none", "snappy", "gzip", "zstd", "lz4", "brotli")),
            row_group_size=draw.choice((1, 2, 1_000)),
            use_dictionary=draw.random() < 0.5,
            data_page_version=draw.choice(("1.0", "2.0")),
        )
    except (pa.ArrowException, OSError):
        file = io.BytesIO()
        pq.write_table(pa.table({"account_id": ["a"], "started_at": [1]}), file)
    return file.getvalue()


def _time_column(values: list[Any]) -> pa.Array:
    try:
        return pa.array([datetime.fromisoformat(str(v)) for v in values], pa.timestamp("us", "UTC"))
    except (ValueError, pa.ArrowException):
        return pa.array([str(v) for v in values])


def _odd_column(count: int, draw: random.Random) -> pa.Array:
    """A column of any type that Parquet can hold."""
    secret = planted(draw).encode("utf-8", "replace").decode()
    make = draw.choice(
        (
            lambda: pa.array([secret] * count),
            lambda: pa.array([secret] * count, pa.large_string()),
            lambda: pa.array([secret] * count).dictionary_encode(),
            lambda: pa.array([secret.encode()] * count, pa.binary()),
            lambda: pa.array([b"\xff\xfe" + secret.encode()] * count, pa.binary()).view(pa.string()),
            lambda: pa.array([b"1234567890123456"] * count, pa.binary(16)),
            lambda: pa.array([[secret, None]] * count),
            lambda: pa.array([[[secret]]] * count),
            lambda: pa.array([{"a": secret, secret: {"c": 1}}] * count),
            lambda: pa.array([[(secret, 1)]] * count, pa.map_(pa.string(), pa.int64())),
            lambda: pa.array([{"n": "x", "top_p": "y"}] * count),
            lambda: pa.array([2**63 - 1] * count),
            lambda: pa.array([2**64 - 1] * count, pa.uint64()),
            lambda: pa.array([draw.choice((1, 10**9, 10**12, 10**15, 10**18, -1)) for _ in range(count)]),
            lambda: pa.array([draw.choice((float("nan"), float("inf"), 1e300, 0.5)) for _ in range(count)]),
            lambda: pa.array([1.5] * count, pa.float32()),
            lambda: pa.array([True, None] * count)[:count],
            lambda: pa.array([2**62] * count, pa.timestamp("s")),
            lambda: pa.array([2**62] * count, pa.timestamp("us", "UTC")),
            lambda: pa.array([-(2**62)] * count, pa.timestamp("ms", "+14:00")),
            lambda: pa.array([2**62] * count, pa.timestamp("ns")),
            lambda: pa.array([0] * count, pa.timestamp("us", draw.choice(("Mars/Olympus", "+99:99")))),
            lambda: pa.array([date(1, 1, 1), date(9999, 12, 31)] * count, pa.date32())[:count],
            lambda: pa.array([2**31 - 1] * count, pa.int32()).view(pa.date32()),
            lambda: pa.array([time(12)] * count),
            lambda: pa.array([timedelta(1)] * count),
            lambda: pa.array([decimal.Decimal("1e10")] * count, pa.decimal128(38, 2)),
            lambda: pa.array([decimal.Decimal(10) ** 70] * count, pa.decimal256(76, 0)),
            lambda: pa.array(["2026-03-01T00:00:00Z", secret, ""] * count)[:count],
            lambda: pa.nulls(count),
        )
    )  # fmt: skip
    try:
        return make()
    except (pa.ArrowException, ValueError, OverflowError):
        return pa.array([secret] * count)
