"""Rows as queries one after the other in time, each of rows that fit into memory."""

from __future__ import annotations

from itertools import pairwise

import duckdb

__all__ = ["time_bounds"]

_BYTES_SORTED_AT_ONCE = 128 * 2**20


def time_bounds(database: duckdb.DuckDBPyConnection, source: str, size: int) -> list[str]:
    """Conditions on `started_at`, each of a piece that fits into memory, in order of time.

    The engine could sort more by way of the disk, though in far more memory.

    Args:
        source: The rows, as a part of a query.
        size: How many bytes they take in memory.
    """
    count = -(-size // _BYTES_SORTED_AT_ONCE)
    if count <= 1:
        return ["true"]
    shares = [k / count for k in range(1, count)]
    found = database.execute(
        f"select approx_quantile(epoch_us(started_at), {shares}) from {source}"
    ).fetchall()[0][0]
    bounds = [f"make_timestamp({bound})::timestamptz" for bound in sorted(set(found))]
    first = [f"started_at < {bounds[0]}"]
    inner = [f"started_at >= {a} and started_at < {b}" for a, b in pairwise(bounds)]
    return [*first, *inner, f"started_at >= {bounds[-1]}"]
