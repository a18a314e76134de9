"""A simulated world divided: what attackers send on their own decision, and everybody else's log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from stillwatch.evaluation.defence.reacting import Planned
from stillwatch.evaluation.defence.replacing import Face, face_of
from stillwatch.evaluation.world import Truth, read_truth
from stillwatch.records import EXCHANGES, Role
from stillwatch.simulation.frame import MINUTE

__all__ = ["Campaign", "Stage", "known_at", "read_stage"]

_TRUTH = ("distill", "campaign")
_USABLE = "ok"


@dataclass(frozen=True, slots=True)
class Campaign:
    """What one attacker would send if nobody defended.

    Attributes:
        label: In the truth.
        rows: The log's rows, with `distill` beside them, in order of time.
        plan: One entry a row.
        faces: Of the accounts it begins with.
    """

    label: str
    rows: tuple[Mapping[str, Any], ...]
    plan: tuple[Planned, ...]
    faces: Mapping[str, Face]

    def is_usable(self, number: int) -> bool:
        """Whether the answer to a row is worth anything to the attacker."""
        row = self.rows[number]
        return bool(row["distill"] and row["status"] == _USABLE)


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that is played.

    Attributes:
        others: Exchanges that no attacker decides on, owners of stolen credentials included, in
            order of time.
        begins, ends: The first and the last midnight of the log, us.
    """

    world: Path
    truth: Truth
    campaigns: tuple[Campaign, ...]
    others: pa.Table
    accounts: pa.Table
    credentials: pa.Table
    begins: int
    ends: int


def read_stage(world: Path) -> Stage:
    """The world in a folder, in memory: for some hundred thousand exchanges."""
    truth = read_truth(world)
    told = pq.read_table(world / "truth_exchanges.parquet", columns=["exchange_id", *_TRUTH])
    rows = ds.dataset(world / "exchanges").to_table().select(list(EXCHANGES.names))
    # Arrow joins no tables that hold lists.
    told = told.take(pc.index_in(rows["exchange_id"], told["exchange_id"]))
    for name in _TRUTH:
        rows = rows.append_column(name, told[name])
    rows = rows.sort_by([("started_at", "ascending"), ("exchange_id", "ascending")])
    decided = pa.array(_who_decides(rows, truth), pa.string())
    day = 24 * 60 * MINUTE
    started = rows["started_at"].cast(pa.int64())
    return Stage(
        world=world,
        truth=truth,
        campaigns=tuple(
            _campaign(label, rows.filter(pc.equal(decided, label)).to_pylist())
            for label in sorted(set(decided.to_pylist()) - {None})
        ),
        others=rows.filter(pc.is_null(decided)).select(list(EXCHANGES.names)),
        accounts=pq.read_table(world / "accounts.parquet"),
        credentials=pq.read_table(world / "credentials.parquet"),
        begins=pc.min(started).as_py() // day * day,
        ends=(pc.max(started).as_py() // day + 1) * day,
    )


def _who_decides(rows: pa.Table, truth: Truth) -> list[str | None]:
    """The campaign that sends each row, or None. The owner of a stolen key goes on by himself."""
    campaigns_of: dict[str, str] = {}
    for campaign in truth.campaigns:
        for account, role in campaign.roles.items():
            if role is not Role.COMPROMISED:
                campaigns_of.setdefault(account, campaign.name)
    return [
        label or campaigns_of.get(account)
        for label, account in zip(
            rows["campaign"].to_pylist(), rows["account_id"].to_pylist(), strict=True
        )
    ]


def _campaign(label: str, rows: list[dict[str, Any]]) -> Campaign:
    plan = [
        Planned(n, row["account_id"], _microseconds(row["started_at"]), bool(row["distill"]))
        for n, row in enumerate(rows)
    ]
    of_account: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        of_account[row["account_id"]].append(row)
    faces = {
        account: face_of([row for row in mine if row["distill"]] or mine)
        for account, mine in of_account.items()
    }
    return Campaign(label, tuple(rows), tuple(plan), faces)


def known_at(accounts: pa.Table, moment: datetime) -> pa.Table:
    """The accounts that had been opened by then, with nothing of what became of them later."""
    stamp = pa.scalar(moment, accounts.schema.field("created_at").type)
    there = accounts.filter(pc.less(accounts["created_at"], stamp))
    closed = pc.fill_null(pc.less(there["closed_at"], stamp), False)
    restored = pc.fill_null(pc.less(there["restored_at"], stamp), False)
    for name, happened in (
        ("closed_at", closed),
        ("closed_reason", closed),
        ("restored_at", restored),
    ):
        there = _replaced(there, name, pc.if_else(happened, there[name], None))
    status = pc.if_else(pc.and_(closed, pc.invert(restored)), there["status"], "active")
    # Who was closed and let in again is active in the end; meanwhile the closure stands.
    meanwhile = pc.and_(closed, pc.and_(pc.invert(restored), pc.equal(there["status"], "active")))
    return _replaced(there, "status", pc.if_else(meanwhile, "banned", status))


def _replaced(table: pa.Table, name: str, values: Any) -> pa.Table:
    field = table.schema.field(name)
    return table.set_column(table.column_names.index(name), field, values.cast(field.type))


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
