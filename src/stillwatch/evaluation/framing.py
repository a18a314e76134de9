"""Attackers who want honest accounts to be accused: copies of an honest group, and a poisoned log.

Both are done to the log and the truth of a world that was simulated: who copies is a campaign's
account, who poisons is an account of a campaign of its own, `poison`. No honest account changes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.evaluation.rewriting import fill_with_own, reword

__all__ = ["FRAMES", "frame"]

IntArray = npt.NDArray[np.int64]

FRAMES = ("copies", "reworded", "template", "poison")
"""`copies`: half of what a campaign sends is taken from one honest group, text, client, addresses
and hours. `reworded`: so, too, with one word in seven changed. `template`: the same half takes the
group's wording, client, addresses and hours, and fills the wording with the campaign's own list.
`poison`: one account in twenty is the attacker's, and distorts what is usual."""

_POISONED = 0.05
_SEED = 20260303
_COPIED = (
    "system_text",
    "output_text",
    "user_agent",
    "tls_fingerprint",
    "client_ip",
    "client_net_token",
    "client_asn",
    "client_country",
    "client_network",
    "model",
    "temperature",
    "max_output_tokens",
    "output_tokens",
)
_DAY = 24 * 3_600_000_000


def frame(world: Path, out: Path, name: str) -> Path:
    """Write the log and the truth of `world`, framed, to `out`.

    Args:
        world: A folder that `stillwatch simulate` wrote; `copies` needs a campaign in it.
        out: A folder that does not exist yet.
        name: One of `FRAMES`.
    """
    tables = {
        "accounts": pq.read_table(world / "accounts.parquet"),
        "credentials": pq.read_table(world / "credentials.parquet"),
        "model_releases": pq.read_table(world / "model_releases.parquet"),
        "truth_accounts": pq.read_table(world / "truth_accounts.parquet"),
        "truth_exchanges": pq.read_table(world / "truth_exchanges.parquet"),
    }
    rows = pa.concat_tables(
        [pq.read_table(day) for day in sorted((world / "exchanges").glob("*.parquet"))]
    )
    rng = np.random.default_rng(_SEED)
    if name == "poison":
        rows = _poison(rows, tables, rng)
    else:
        rows = _copy_an_honest_group(rows, tables, rng, name)
    (out / "exchanges").mkdir(parents=True)
    ordered = rows.sort_by([("started_at", "ascending"), ("exchange_id", "ascending")])
    pq.write_table(ordered, out / "exchanges" / "all.parquet", compression="zstd")
    for table, value in tables.items():
        pq.write_table(value, out / f"{table}.parquet", compression="zstd")
    return out


def victims(truth: pa.Table, accounts: pa.Table) -> list[str]:
    """Whom the copies are to bring under suspicion: the largest honest group of no organisation.

    Nothing declares that these accounts belong together, so a scan cannot let them off for that.
    """
    alone = accounts.filter(pc.is_null(accounts["organization_id"]))["account_id"].combine_chunks()
    honest = truth.filter(
        pc.and_(pc.is_null(truth["campaign"]), pc.is_valid(truth["honest_group"]))
    )
    honest = honest.filter(pc.is_in(honest["account_id"], value_set=alone))
    sizes = honest["honest_group"].value_counts().to_pylist()
    largest = max(sizes, key=lambda row: (row["counts"], row["values"]))["values"]
    return sorted(
        honest.filter(pc.equal(honest["honest_group"], largest))["account_id"].to_pylist()
    )


def _copy_an_honest_group(
    rows: pa.Table, tables: dict[str, pa.Table], rng: np.random.Generator, name: str
) -> pa.Table:
    truth = tables["truth_accounts"]
    framed = pa.array(victims(truth, tables["accounts"]))
    hostile = truth.filter(pc.is_valid(truth["campaign"]))["account_id"].combine_chunks()
    own = np.flatnonzero(pc.is_in(rows["account_id"], value_set=hostile).to_numpy())
    models = np.flatnonzero(pc.is_in(rows["account_id"], value_set=framed).to_numpy())
    taken = np.sort(rng.choice(own, len(own) // 2, replace=False))
    source = np.arange(rows.num_rows)
    source[taken] = rng.choice(models, len(taken))
    texts = _texts(rows, taken, source, rng, name)
    for column in _COPIED:
        if column in rows.column_names:
            values = rows[column].combine_chunks().take(pa.array(source))
            rows = rows.set_column(rows.column_names.index(column), column, values)
    rows = rows.set_column(rows.column_names.index("input_text"), "input_text", texts)
    if name != "template":
        copied = rows["exchange_id"].take(pa.array(taken))
        tables["truth_exchanges"] = _no_longer_collected(tables["truth_exchanges"], copied)
    return _at_their_hours(rows, taken, source)


def _texts(
    rows: pa.Table, taken: IntArray, source: IntArray, rng: np.random.Generator, name: str
) -> pa.Array:
    """What each exchange asks once the taken ones are copied. A text that is absent stays absent."""
    inputs = rows["input_text"].to_pylist()
    written = [k for k in taken if inputs[k] is not None and inputs[source[k]] is not None]
    texts = np.array(inputs, dtype=object)[source]
    copied = [inputs[source[k]] for k in written]
    if name == "reworded":
        texts[written] = reword(copied, rng)
    elif name == "template":
        texts[written] = fill_with_own([inputs[k] for k in written], copied)
    return pa.array(texts.tolist(), rows["input_text"].type)


def _at_their_hours(rows: pa.Table, taken: IntArray, source: IntArray) -> pa.Table:
    """What was copied keeps its day and takes the moment of the day it was copied from."""
    started = np.array(rows["started_at"].cast(pa.int64()).to_numpy())
    shift = np.zeros(len(started), np.int64)
    shift[taken] = started[source[taken]] % _DAY - started[taken] % _DAY
    for column in ("started_at", "finished_at"):
        if column not in rows.column_names:
            continue
        kind = rows[column].type
        moments = rows[column].cast(pa.int64()).fill_null(0).to_numpy() + shift
        values = pa.array(moments).cast(kind)
        kept = pc.if_else(pc.is_valid(rows[column]), values, pa.scalar(None, kind))
        rows = rows.set_column(rows.column_names.index(column), column, kept)
    return rows


def _no_longer_collected(truth: pa.Table, copied: pa.ChunkedArray) -> pa.Table:
    """Copies serve the campaign, and collect nothing."""
    gone = pc.is_in(truth["exchange_id"], value_set=copied.combine_chunks())
    for column, value in (("distill", pa.scalar(False)), ("target", None), ("item", None)):
        kept = truth[column]
        blank = value if value is not None else pa.scalar(None, kept.type)
        truth = truth.set_column(
            truth.column_names.index(column), column, pc.if_else(gone, blank, kept)
        )
    return truth


def _poison(rows: pa.Table, tables: dict[str, pa.Table], rng: np.random.Generator) -> pa.Table:
    """Clones of honest accounts under new names, with no fact in common with anybody.

    Half of them ask the same twenty questions over and over, so that repeats look usual; half send
    at an even pace, round the clock, so that a steady client does.
    """
    accounts, truth = tables["accounts"], tables["truth_accounts"]
    honest = truth.filter(
        pc.and_(pc.is_null(truth["campaign"]), pc.is_null(truth["honest_group"]))
    )["account_id"].to_pylist()
    number = max(2, round(_POISONED * accounts.num_rows))
    chosen = sorted(rng.choice(sorted(set(honest)), min(number, len(honest)), replace=False))
    names = {old: f"poison-{i:05d}" for i, old in enumerate(chosen)}
    tables["accounts"] = pa.concat_tables([accounts, _new_accounts(accounts, names)])
    clones = rows.filter(pc.is_in(rows["account_id"], value_set=pa.array(chosen)))
    clones = _renamed(clones, names)
    texts = rng.choice(np.flatnonzero(pc.is_valid(rows["input_text"]).to_numpy()), 20)
    clones = _distorted(clones, rows["input_text"].combine_chunks().take(pa.array(texts)), rng)
    tables["truth_accounts"] = pa.concat_tables(
        [truth, _truth_of(truth.schema, list(names.values()))], promote_options="permissive"
    )
    tables["truth_exchanges"] = pa.concat_tables(
        [tables["truth_exchanges"], _unserved(tables["truth_exchanges"].schema, clones)]
    )
    return pa.concat_tables([rows, clones])


def _new_accounts(accounts: pa.Table, names: dict[str, str]) -> pa.Table:
    rows = accounts.filter(pc.is_in(accounts["account_id"], value_set=pa.array(list(names))))
    renamed = [names[old] for old in rows["account_id"].to_pylist()]
    rows = rows.set_column(0, "account_id", pa.array(renamed))
    for column in ("payment_token", "phone_token", "device_token", "email_token"):
        if column in rows.column_names:
            own = pa.array([f"{column}-{name}" for name in renamed])
            rows = rows.set_column(rows.column_names.index(column), column, own)
    return rows


def _renamed(clones: pa.Table, names: dict[str, str]) -> pa.Table:
    for column, prefix in (("exchange_id", "poison-"), ("conversation_id", "poison-")):
        if column in clones.column_names:
            values = pc.binary_join_element_wise(prefix, clones[column], "")
            clones = clones.set_column(clones.column_names.index(column), column, values)
    renamed = pa.array([names[old] for old in clones["account_id"].to_pylist()], pa.string())
    clones = clones.set_column(clones.column_names.index("account_id"), "account_id", renamed)
    if "credential_id" in clones.column_names:
        own = pc.binary_join_element_wise("key-", clones["account_id"], "")
        clones = clones.set_column(clones.column_names.index("credential_id"), "credential_id", own)
    return clones


def _distorted(clones: pa.Table, texts: pa.Array, rng: np.random.Generator) -> pa.Table:
    repeats = np.array([int(name[-1]) % 2 == 0 for name in clones["account_id"].to_pylist()])
    drawn = texts.take(pa.array(rng.integers(0, len(texts), clones.num_rows)))
    asked = pc.if_else(pa.array(repeats), drawn, clones["input_text"].combine_chunks())
    clones = clones.set_column(clones.column_names.index("input_text"), "input_text", asked)
    started = np.array(clones["started_at"].cast(pa.int64()).to_numpy())
    low, high = int(started.min()), int(started.max())
    even = low + ((high - low) * rng.permutation(len(started)) // max(1, len(started)))
    moved = np.where(repeats, started, even)
    for column in ("started_at", "finished_at"):
        if column in clones.column_names:
            kind = clones[column].type
            lasting = 0 if column == "started_at" else 2_000_000
            clones = clones.set_column(
                clones.column_names.index(column), column, pa.array(moved + lasting).cast(kind)
            )
    return clones


def _truth_of(schema: pa.Schema, names: list[str]) -> pa.Table:
    rows = [
        {"account_id": name, "population": "poison", "campaign": "poison", "role": "operator"}
        for name in names
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def _unserved(schema: pa.Schema, clones: pa.Table) -> pa.Table:
    ids = clones.select(["exchange_id", "account_id"]).to_pylist()
    return pa.Table.from_pylist([row | {"distill": False} for row in ids], schema=schema)
