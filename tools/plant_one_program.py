"""Let the honest users of one program look alike in all that a program decides.

    python tools/plant_one_program.py WORLD OUT

Writes the log and truth of WORLD anew, a world of `stillwatch simulate`. The users of each niche app and of
each prompt pack stay who they are, and ask what they asked; what their program decides is changed.
Of a niche app, whose users are on the plan `individual` here:

- an update of the day of a release makes the new model its default, for everybody within six hours;
- until the middle of the log half of its requests are refused; then its prompt is mended;
- it serves the customers of its users, six on each account, and names them;
- it runs on its own all day and night, and makes each request a talk of its own.

The program that the buyers of a prompt pack use falls back on this provider from another, so half of its
requests carry a talk begun there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

APP, PACK = "niche_app", "prompt_pack"
HOUR = 3_600_000_000
DAY = 24 * HOUR


def plant(world: Path, out: Path) -> None:
    """Write the altered world; `out` does not exist yet."""
    truth = pq.read_table(world / "truth_accounts.parquet", columns=["account_id", "population"])
    users = {r["account_id"]: r["population"] for r in truth.to_pylist()}
    days = sorted((world / "exchanges").glob("*.parquet"))
    tables = [pq.read_table(day) for day in days]
    moments = [np.asarray(t["started_at"].cast(pa.int64())) for t in tables]
    first, last = min(m.min() for m in moments), max(m.max() for m in moments)
    releases = [
        (int(r["released_at"].timestamp() * 1e6), r["model"])
        for r in pq.read_table(world / "model_releases.parquet").to_pylist()
    ]
    release = next(((at, m) for at, m in releases if first + DAY <= at <= last - DAY), None)
    rng = np.random.default_rng(5)
    (out / "exchanges").mkdir(parents=True)
    for day, rows, started in zip(days, tables, moments, strict=True):
        pq.write_table(
            _planted(rows, started, users, release, int(first + last) // 2, rng),
            out / "exchanges" / day.name,
        )
    accounts = pq.read_table(world / "accounts.parquet")
    plans = [
        "individual" if users[account] == APP else plan
        for account, plan in zip(
            accounts["account_id"].to_pylist(), accounts["plan"].to_pylist(), strict=True
        )
    ]
    pq.write_table(_with(accounts, "plan", plans), out / "accounts.parquet")
    for name in ("credentials", "model_releases", "truth_accounts"):
        os.link(world / f"{name}.parquet", out / f"{name}.parquet")


def _planted(
    rows: pa.Table,
    started: np.ndarray,
    users: dict[str, str],
    release: tuple[int, str] | None,
    middle: int,
    rng: np.random.Generator,
) -> pa.Table:
    account = rows["account_id"].to_pylist()
    changed = {
        name: rows[name].to_pylist()
        for name in (
            *("model", "status", "prefix_digests", "end_user_token"),
            *("conversation_id", "turn_index"),
        )
    }
    moved_from, started = started, started.copy()
    for i, name in enumerate(account):
        if users[name] == PACK and rng.random() < 0.5:
            changed["prefix_digests"][i] = [f"elsewhere-{n}" for n in rng.integers(1 << 60, size=2)]
        if users[name] != APP:
            continue
        started[i] = started[i] // DAY * DAY + rng.integers(0, DAY)
        if release and started[i] >= release[0] + rng.integers(0, 6 * HOUR):
            changed["model"][i] = release[1]
        if started[i] < middle and rng.random() < 0.5:
            changed["status"][i] = "refused"
        changed["end_user_token"][i] = f"{name}-{rng.integers(6)}"
        changed["conversation_id"][i], changed["turn_index"][i] = (
            f"talk-{rows['exchange_id'][i]}",
            0,
        )
    for name, values in changed.items():
        rows = _with(rows, name, values)
    later = pa.array(started - moved_from).cast(pa.duration("us"))
    for name in ("started_at", "finished_at"):
        shifted = pc.add(rows[name], later).cast(rows.schema.field(name).type)
        rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), shifted)
    return rows.sort_by([("started_at", "ascending"), ("exchange_id", "ascending")])


def _with(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    field = table.schema.field(name)
    return table.set_column(
        table.column_names.index(name), field, pa.array(values, type=field.type)
    )


if __name__ == "__main__":
    plant(Path(sys.argv[1]), Path(sys.argv[2]))
