"""What is done to a world's log before a scan: columns taken away, labels exchanged.

The truth stays as it is. Each alteration is a function of the tables alone, so it gives the same
log on every run.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

__all__ = ["ALTERATIONS", "COMMUNITY", "alter"]

COMMUNITY = 300
"""Honest customers of the world where they all have one language, bank, network and hour."""

_TEXT = ("system_text", "input_text", "output_text")
_NETWORK = (
    "client_ip",
    "client_net_token",
    "client_asn",
    "client_country",
    "client_network",
    "signup_ip",
    "signup_net_token",
    "signup_asn",
)
_IDENTITY = (
    "payment_token",
    "payment_bin",
    "phone_token",
    "device_token",
    "email_domain",
    "email_token",
    "credential_id",
    "end_user_token",
    "client_metadata",
)
_METADATA = {
    "exchange_id",
    "account_id",
    "started_at",
    "finished_at",
    "access_path",
    "endpoint",
    "model",
    "status",
    "stop_reason",
    "input_tokens",
    "output_tokens",
    "max_output_tokens",
}
_WITHOUT_TEXT = 0.3
_HOUR = 3_600_000_000
_DAY = 24 * _HOUR

Tables = tuple[pa.Table, list[pa.Table]]
"""The accounts, and the exchanges day by day."""


def alter(world: Path, out: Path, name: str) -> Path:
    """Write the log of `world` to `out`, altered; tables that stay the same are linked.

    Args:
        world: A folder that `stillwatch simulate` wrote.
        out: A folder that does not exist yet.
        name: One of `ALTERATIONS`.
    """
    days = sorted((world / "exchanges").glob("*.parquet"))
    accounts, exchanges = ALTERATIONS[name](
        pq.read_table(world / "accounts.parquet"), [pq.read_table(day) for day in days]
    )
    (out / "exchanges").mkdir(parents=True)
    pq.write_table(accounts, out / "accounts.parquet", compression="zstd")
    for day, rows in zip(days, exchanges, strict=True):
        pq.write_table(rows, out / "exchanges" / day.name, compression="zstd")
    for table in ("credentials.parquet", "model_releases.parquet"):
        os.link(world / table, out / table)
    return out


def _without(names: Iterable[str]) -> Callable[[pa.Table, list[pa.Table]], Tables]:
    gone = set(names)

    def drop(accounts: pa.Table, days: list[pa.Table]) -> Tables:
        return _drop(accounts, gone), [_drop(day, gone) for day in days]

    return drop


def _drop(table: pa.Table, gone: set[str]) -> pa.Table:
    return table.select([name for name in table.column_names if name not in gone])


def _metadata_only(accounts: pa.Table, days: list[pa.Table]) -> Tables:
    kept = [[n for n in day.column_names if n in _METADATA] for day in days]
    bare = _drop(accounts, {*_NETWORK, *_IDENTITY})
    return bare, [day.select(names) for day, names in zip(days, kept, strict=True)]


def _some_without_text(accounts: pa.Table, days: list[pa.Table]) -> Tables:
    """Three in ten accounts, campaigns' included, whose contract keeps text out of the log."""
    names = accounts["account_id"].to_pylist()
    chosen = pa.array([name for name in names if _fraction(name) < _WITHOUT_TEXT])
    altered = []
    for day in days:
        silent = pc.is_in(day["account_id"], value_set=chosen)
        for column in _TEXT:
            day = _replace(day, column, pc.if_else(silent, None, day[column]))
        day = _replace(day, "retention", pc.if_else(silent, "no_text", "full"))
        altered.append(day)
    return accounts, altered


def _fraction(name: str) -> float:
    digest = hashlib.sha256(f"no_text {name}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _countries_renamed(accounts: pa.Table, days: list[pa.Table]) -> Tables:
    """Each country takes the label of the next: the same strata under other names."""
    names = sorted(set(accounts["country"].drop_null().to_pylist()))
    new = dict(zip(names, [*names[1:], *names[:1]], strict=True)) if names else {}

    def rename(table: pa.Table, column: str) -> pa.Table:
        if column not in table.column_names:
            return table
        values = [new.get(value, value) for value in table[column].to_pylist()]
        return _replace(table, column, pa.array(values, pa.string()))

    for column in ("country", "billing_country"):
        accounts = rename(accounts, column)
    return accounts, [rename(day, "client_country") for day in days]


def _countries_shuffled(accounts: pa.Table, days: list[pa.Table]) -> Tables:
    """Every account takes the country of another, at random."""
    order = pa.array(np.random.default_rng(1).permutation(accounts.num_rows))
    for column in ("country", "billing_country"):
        if column in accounts.column_names:
            accounts = _replace(accounts, column, accounts[column].take(order))
    country = dict(
        zip(accounts["account_id"].to_pylist(), accounts["country"].to_pylist(), strict=True)
    )
    return accounts, [
        _replace(
            day,
            "client_country",
            pa.array([country.get(who) for who in day["account_id"].to_pylist()], pa.string()),
        )
        for day in days
    ]


def _one_community(accounts: pa.Table, days: list[pa.Table]) -> Tables:
    """Three hundred customers of one country get one bank, one network, and one hour of the day.

    They are those of the commonest country, so that they write in one language. They were strangers
    and still are: what they ask and how much stays their own.
    """
    chosen = _neighbours(accounts)
    within = pc.is_in(accounts["account_id"], value_set=chosen)
    for column, value in (
        ("payment_bin", "990001"),
        ("signup_net_token", "net_one_community"),
        ("signup_ip", "ip_one_community"),
        ("signup_asn", 64_999),
    ):
        if column in accounts.column_names:
            kept = accounts[column]
            accounts = _replace(
                accounts, column, pc.if_else(within, pa.scalar(value, kept.type), kept)
            )
    return accounts, [_into_one_hour(day, chosen) for day in days]


def _neighbours(accounts: pa.Table) -> pa.Array:
    undeclared = accounts.filter(pc.is_null(accounts["organization_id"]))
    rows = undeclared.select(["account_id", "country"]).to_pylist()
    commonest = Counter(row["country"] for row in rows if row["country"]).most_common(1)
    country = commonest[0][0] if commonest else None
    names = sorted(row["account_id"] for row in rows if row["country"] == country)
    return pa.array(names[:COMMUNITY], pa.string())


def _into_one_hour(day: pa.Table, chosen: pa.Array) -> pa.Table:
    within = pc.is_in(day["account_id"], value_set=chosen)
    started = day["started_at"].cast(pa.int64()).to_numpy()
    squeezed = started - started % _DAY + 19 * _HOUR + (started % _DAY) // 24
    moved = pa.array(squeezed).cast(day["started_at"].type)
    if "finished_at" in day.column_names:
        lasted = pc.subtract(
            day["finished_at"].cast(pa.int64()), day["started_at"].cast(pa.int64())
        )
        ends = pc.add(pa.array(squeezed), lasted).cast(day["finished_at"].type)
        day = _replace(day, "finished_at", pc.if_else(within, ends, day["finished_at"]))
    day = _replace(day, "started_at", pc.if_else(within, moved, day["started_at"]))
    for column, value in (
        ("client_net_token", "net_one_community"),
        ("client_ip", "ip_one_community"),
        ("client_asn", 64_999),
    ):
        kept = day[column]
        day = _replace(day, column, pc.if_else(within, pa.scalar(value, kept.type), kept))
    return day.sort_by([("started_at", "ascending"), ("exchange_id", "ascending")])


def _replace(table: pa.Table, column: str, values: Any) -> pa.Table:
    if column not in table.column_names:
        return table.append_column(column, values)
    return table.set_column(table.column_names.index(column), column, values)


ALTERATIONS: dict[str, Callable[[pa.Table, list[pa.Table]], Tables]] = {
    "no_text": _without(_TEXT),
    "no_network": _without(_NETWORK),
    "no_identity": _without(_IDENTITY),
    "metadata_only": _metadata_only,
    "some_without_text": _some_without_text,
    "countries_renamed": _countries_renamed,
    "countries_shuffled": _countries_shuffled,
    "one_community": _one_community,
}
"""By name, from the tables of a log to those of the altered one."""
