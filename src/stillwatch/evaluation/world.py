"""A simulated world as the evaluation sees it: who did what, and the log that shows it."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.lake.log import Log, open_log
from stillwatch.records import (
    ACCOUNTS,
    EXCHANGES,
    TRUTH_ACCOUNTS,
    TRUTH_EXCHANGES,
    InputError,
    Role,
    TableSchema,
    conform,
)

__all__ = [
    "STOLEN",
    "HonestAccount",
    "TrueCampaign",
    "Truth",
    "log_of_world",
    "open_world_log",
    "read_truth",
]

STOLEN = "owners of stolen credentials"
"""The population under which the honest owners of compromised accounts are counted."""

# Enough for the joins of two million exchanges; what exceeds it goes to a temporary folder.
_MEMORY_LIMIT = "1GB"


@dataclass(frozen=True, slots=True)
class TrueCampaign:
    """A campaign of the world: its kind, and each account's role in it."""

    name: str
    kind: str
    roles: Mapping[str, Role]


@dataclass(frozen=True, slots=True)
class HonestAccount:
    """Someone who may not be accused; a person without a group is a group of their own."""

    population: str
    group: str


@dataclass(frozen=True, slots=True)
class Truth:
    """Who is behind each account.

    Attributes:
        campaigns: In order of name. An account may serve two of them.
        roles: For each account that serves a campaign, every role it has.
        honest: Every account with an honest owner, compromised accounts included.
    """

    campaigns: tuple[TrueCampaign, ...]
    roles: Mapping[str, frozenset[Role]]
    honest: Mapping[str, HonestAccount]

    def knows(self, account: str) -> bool:
        return account in self.roles or account in self.honest

    def is_wrong_accusation(self, account: str, role: Role) -> bool:
        """Whether `role` accuses an honest owner.

        To call an account compromised accuses nobody, if it was. Any other role on a
        compromised account, and any role on an account that no campaign used, does.
        """
        true_roles = self.roles.get(account, frozenset())
        if not true_roles:
            return True
        return true_roles == {Role.COMPROMISED} and role is not Role.COMPROMISED


def read_truth(world: Path) -> Truth:
    """The truth about the accounts of the world in folder `world`.

    Raises:
        InputError: The folder holds no world, or its truth cannot be read.
    """
    path = world / "truth_accounts.parquet"
    rows = conform(_read(path), TRUTH_ACCOUNTS, where=str(path)).table
    return truth_from_rows(rows.select(list(TRUTH_ACCOUNTS.names)).to_pylist())


def truth_from_rows(rows: list[dict[str, Any]]) -> Truth:
    """The truth from the rows of `truth_accounts`."""
    roles: dict[str, set[Role]] = defaultdict(set)
    campaigns: dict[str, dict[str, Role]] = defaultdict(dict)
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row["campaign"] is None:
            continue
        role = Role(row["role"] or Role.OPERATOR)
        roles[row["account_id"]].add(role)
        campaigns[row["campaign"]][row["account_id"]] = role
        # A compromised account may carry its owner's population: that is not the campaign's kind.
        kinds[row["campaign"]][row["population"]] += 1 if role is Role.COMPROMISED else 1_000_000
    honest = {}
    for row in rows:
        account = row["account_id"]
        if account not in roles:
            honest[account] = HonestAccount(row["population"], row["honest_group"] or account)
        elif roles[account] == {Role.COMPROMISED}:
            honest[account] = HonestAccount(STOLEN, row["honest_group"] or account)
    return Truth(
        campaigns=tuple(
            TrueCampaign(name, _most_common(kinds[name]), campaigns[name])
            for name in sorted(campaigns)
        ),
        roles={account: frozenset(found) for account, found in roles.items()},
        honest=honest,
    )


def _most_common(kinds: Counter[str]) -> str:
    return max(sorted(kinds), key=lambda kind: kinds[kind])


def log_of_world(world: Path) -> Log:
    """What a scan of the world reads: its log, without the truth.

    Raises:
        InputError: The folder holds no world.
    """
    return open_log(
        exchanges=[world / "exchanges"],
        accounts=world / "accounts.parquet",
        credentials=world / "credentials.parquet",
        releases=world / "model_releases.parquet",
    )


@contextmanager
def open_world_log(world: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The world's tables as views `exchanges`, `accounts` and `truth_exchanges`.

    Columns that the world did not write are there as nulls.

    Raises:
        InputError: A table is missing or lacks a required column.
    """
    places = {
        EXCHANGES: world / "exchanges",
        ACCOUNTS: world / "accounts.parquet",
        TRUTH_EXCHANGES: world / "truth_exchanges.parquet",
    }
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
        connection.execute("SET temp_directory = $spill", {"spill": spill})
        for schema, place in places.items():
            _create_view(connection, schema, place)
        yield connection


def _create_view(connection: duckdb.DuckDBPyConnection, schema: TableSchema, place: Path) -> None:
    files = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
    if not files or not files[0].is_file():
        raise _no_world(place)
    present: set[str] = set()
    for file in files:
        present.update(_columns(file))
    missing = [name for name in schema.required if name not in present]
    if missing:
        raise InputError(
            f"the {schema.name} table lacks {', '.join(missing)}.",
            where=str(place),
            remedy="Simulate the world again.",
        )
    listing = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    columns = ", ".join(
        f'"{column.name}"' if column.name in present else f'NULL AS "{column.name}"'
        for column in schema.columns
    )
    connection.execute(
        f"CREATE VIEW {schema.name} AS "
        f"SELECT {columns} FROM read_parquet([{listing}], union_by_name = true)"
    )


def _columns(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path) from error


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise _no_world(path)
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path) from error


def _no_world(place: Path) -> InputError:
    return InputError(
        f"there is no simulated world here: {place.name} is missing.",
        where=str(place.parent),
        remedy="Give the folder that `stillwatch simulate --out DIR` wrote.",
    )


def _unreadable(path: Path) -> InputError:
    return InputError(
        "the file cannot be read as Parquet.",
        where=str(path),
        remedy="Simulate the world again.",
    )
