"""What a proxy's log says of the network, and its way to the exchanges of the same requests.

Rows of such a log are kept by day, all of them, beside the exchanges. Whichever of the two comes
later finds the other: a fresh exchange is written with its network, and a stored one is written
anew, once, into a file that takes the place of its old one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from stillwatch.lake.parquet_source import parquet_source
from stillwatch.lake.queries import load_query

__all__ = ["NetworkNews", "days_around", "fresh_rows", "join_network", "with_network"]

# Clocks of two machines differ by seconds; an id that comes again is another request's.
_ROOM = "'10 minutes'"
# A request that lasts longer is joined by its first day; so only days side by side matter.
_LONGEST = "'23 hours'"
# Of one id. A client that tries again does so a few times.
_MOST_ROWS = 64
_NOTHING = "(select null::varchar as request_id where false)"
_NO_EXCHANGES = "select null::varchar as exchange_id where false"


@dataclass(frozen=True, slots=True)
class NetworkNews:
    """What a commit found out.

    Attributes:
        joined: Exchanges that got their network now.
        doubled: Those of them for which the log has several rows; the first was taken.
        contested: Exchanges that got none, since an id stood for several clients or accounts.
        waiting: Requests of all such logs in the lake that no exchange is known of.
        fresh_days: Days with fresh exchanges that have a network now.
        parts: Files with stored exchanges that have one now.
    """

    joined: int = 0
    doubled: int = 0
    contested: int = 0
    waiting: int = 0
    fresh_days: frozenset[str] = frozenset()
    parts: tuple[Path, ...] = ()


def days_around(days: Iterable[str], reach: int) -> set[str]:
    """The days (`2026-01-31`), and those that are at most `reach` days away from one."""
    return {
        (date.fromisoformat(day) + timedelta(days=shift)).isoformat()
        for day in days
        for shift in range(-reach, reach + 1)
    }


def fresh_rows(staged: Sequence[Path], stored: Sequence[Path]) -> str:
    """The query of one day's rows that are new.

    Args:
        stored: The lake's files of that day.
    """
    query = load_query("import_network_fresh")
    return query.replace("$staged", _rows(staged)).replace("$stored", _rows(stored))


def join_network(
    database: duckdb.DuckDBPyConnection,
    *,
    network: Sequence[Path],
    stored: Sequence[Path],
    staged: Sequence[Path],
    near: Callable[[Path], bool],
) -> NetworkNews:
    """Find the network of every exchange that lacks one; leaves the table `network_joined`.

    Args:
        network: The lake's files of proxies' rows, those of this commit included.
        stored: The lake's files of exchanges.
        staged: Files with staged exchanges; those of the table `fresh` are meant.
        near: Whether a file of the lake is of a day that this commit can join.
    """
    rows = _rows([path for path in network if near(path)])
    rows = load_query("import_network_near").replace("$network", rows)
    database.execute(rows.replace("$most", str(_MOST_ROWS)))
    exchanges = _exchanges([path for path in stored if near(path)], staged)
    database.execute(f"create or replace temp view network_exchanges as {exchanges}")
    join = load_query("import_network_join")
    database.execute(join.replace("$room", _ROOM).replace("$longest", _LONGEST))
    joined, doubled, contested = database.execute(
        "select count(*) filter (not is_contested), "
        "count(*) filter (not is_contested and is_doubled), count(*) filter (is_contested) "
        "from network_joined"
    ).fetchall()[0]
    found = database.execute(
        "select distinct _part, (started_at::date)::varchar from network_exchanges "
        "where exchange_id in (select exchange_id from network_joined where not is_contested)"
    ).fetchall()
    waiting = load_query("import_network_waiting").replace("$network", _rows(network))
    waiting = waiting.replace("$exchanges", _exchanges(stored, staged))
    return NetworkNews(
        joined,
        doubled,
        contested,
        database.execute(waiting).fetchall()[0][0],
        frozenset(day for part, day in found if part is None),
        tuple(sorted({Path(part) for part, _ in found if part is not None})),
    )


def with_network(rows: str) -> str:
    """The query `rows` of exchanges, with what `join_network` found of them."""
    return load_query("import_network_fill").replace("$rows", f"({rows})")


def _exchanges(stored: Sequence[Path], staged: Sequence[Path]) -> str:
    sources = []
    if stored:
        listed = parquet_source(stored).removesuffix(")")
        sources.append(f"select * from {listed}, filename = '_part')")
    if staged:
        sources.append(load_query("import_day").replace("$staged", parquet_source(staged)))
    union = " union all by name ".join(f"(select * from ({s}))" for s in sources)
    query = load_query("import_network_exchanges")
    return query.replace("$exchanges", f"({union or _NO_EXCHANGES})")


def _rows(paths: Sequence[Path]) -> str:
    source = parquet_source(paths) if paths else _NOTHING
    return load_query("import_network_rows").replace("$rows", source)
