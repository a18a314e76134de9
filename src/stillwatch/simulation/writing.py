"""Making a world and writing it down, day by day, in bounded memory."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch import __version__
from stillwatch.records import (
    ACCOUNTS,
    CREDENTIALS,
    EXCHANGES,
    MODEL_RELEASES,
    TRUTH_ACCOUNTS,
    TRUTH_EXCHANGES,
    Account,
    Credential,
    InputError,
    ModelRelease,
    TruthAccount,
    private_file,
    write_parquet,
)
from stillwatch.simulation.campaigns import CAMPAIGNS, Evasion
from stillwatch.simulation.cohort import Cohort
from stillwatch.simulation.frame import DAY, Frame, moment, token
from stillwatch.simulation.internet import Internet
from stillwatch.simulation.populations import POPULATIONS
from stillwatch.simulation.rhythms import load_rhythms
from stillwatch.simulation.rows import exchange_rows
from stillwatch.simulation.text import TextLibrary, Variety, load_text
from stillwatch.simulation.worlds import CohortPlan

__all__ = ["Order", "Written", "simulate"]

_EXCHANGES_IN_A_SHARD = 12_000
# Starting a second process costs more than it saves below this.
_WORTH_A_PROCESS = 20_000
_SHARED_DOMAIN = 20
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Everything that decides what a world looks like.

    Attributes:
        world: Name of the kind of world.
        frame: Seed, calendar and volume.
        cohorts: Who lives in it.
        dials: How hard its campaigns hide.
        variety: Which half of texts and rhythms it is made of.
        corpus: A folder with further prompts, or None.
    """

    world: str
    frame: Frame
    cohorts: tuple[CohortPlan, ...]
    dials: Evasion
    variety: Variety
    corpus: Path | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What was written."""

    exchanges: int
    accounts: int
    campaign_accounts: int


@dataclass(frozen=True, slots=True)
class _Shard:
    """Some cohorts that one process makes in one go."""

    order: Order
    number: int
    cohorts: tuple[CohortPlan, ...]
    scratch: Path


@dataclass(frozen=True, slots=True)
class _Day:
    """One day whose parts are put together."""

    name: str
    number: int
    pieces: tuple[Path, ...]
    out: Path


@dataclass(frozen=True, slots=True)
class _People:
    """The accounts of a shard."""

    accounts: list[Account]
    credentials: list[Credential]
    truth: list[TruthAccount]


def simulate(
    order: Order,
    out: Path,
    *,
    processes: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Written:
    """Make the world and leave it in `out`, whole or not at all.

    The result depends on `order` alone, not on the number of processes.

    Args:
        order: The world.
        out: A folder that does not exist, is empty, or holds an earlier world.
        processes: How many to use; by the size of the world if absent.
        progress: Told the part that is done.

    Raises:
        InputError: `out` holds something that is not a world.
    """
    _refuse_to_overwrite(out)
    expected = sum(plan.expected for plan in order.cohorts)
    if processes is None:
        processes = min(2, os.cpu_count() or 1) if expected > _WORTH_A_PROCESS else 1
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = out.parent / f".{out.name}.{os.getpid()}.partial"
    scratch = staging / "scratch"
    try:
        scratch.mkdir(parents=True, mode=0o700)
        (staging / "exchanges").mkdir(mode=0o700)
        with _pool(processes) as each:
            people = _make(order, scratch, each, progress)
            exchanges = _assemble(order, scratch, staging, each)
        _write_people(order, people, staging)
        campaign_accounts = len({t.account_id for p in people for t in p.truth if t.campaign})
        written = Written(exchanges, sum(len(p.accounts) for p in people), campaign_accounts)
        _describe(order, written, staging)
        shutil.rmtree(scratch)
        _replace(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return written


@contextmanager
def _pool(processes: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """A map over this process, or over several."""
    if processes <= 1:
        yield map
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_leave_interrupts) as pool:
        yield pool.map


def _leave_interrupts() -> None:
    """Ctrl-C is the parent's to answer: it ends the pool and removes what is half-written."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _make(
    order: Order,
    scratch: Path,
    each: Callable[..., Iterable[Any]],
    progress: Callable[[float], None] | None,
) -> list[_People]:
    shards = _shards(order, scratch)
    people: list[_People] = []
    for made in each(_make_shard, shards):
        people.append(made)
        if progress:
            progress(len(people) / len(shards))
    return people


def _shards(order: Order, scratch: Path) -> list[_Shard]:
    shards: list[_Shard] = []
    waiting: list[CohortPlan] = []
    volume = 0.0
    for plan in order.cohorts:
        waiting.append(plan)
        volume += plan.expected
        if volume >= _EXCHANGES_IN_A_SHARD:
            shards.append(_Shard(order, len(shards), tuple(waiting), scratch))
            waiting, volume = [], 0.0
    if waiting:
        shards.append(_Shard(order, len(shards), tuple(waiting), scratch))
    return shards


@lru_cache(maxsize=2)
def _library(variety: Variety, corpus: Path | None) -> TextLibrary:
    return load_text(variety, corpus)


def _make_shard(shard: _Shard) -> _People:
    order = shard.order
    internet = Internet(order.frame.seed)
    people = _People([], [], [])
    tables: list[pa.Table] = []
    for plan in shard.cohorts:
        cohort = Cohort(
            frame=order.frame,
            internet=internet,
            library=_library(order.variety, order.corpus),
            rhythms=load_rhythms(order.variety),
            rng=order.frame.rng(*plan.key),
            key=int(order.frame.rng(*plan.key, 1).integers(1 << 40)),
            population=plan.kind,
            expected=plan.expected,
            group=plan.group,
        )
        if plan.hostile:
            CAMPAIGNS[plan.kind].run(cohort, plan.size, order.dials)
        else:
            POPULATIONS[plan.kind].live(cohort, plan.size)
        tables.append(exchange_rows(cohort))
        people.accounts.extend(cohort.account_rows())
        people.credentials.extend(cohort.credentials)
        people.truth.extend(cohort.truth)
    _spill(pa.concat_tables(tables), shard)
    return people


def _spill(rows: pa.Table, shard: _Shard) -> None:
    """Leave the rows of each day where the day will be put together."""
    frame = shard.order.frame
    day = (rows["started_at"].cast(pa.int64()).to_numpy() - frame.start) // DAY
    order = np.argsort(day, kind="stable")
    cuts = np.searchsorted(day[order], np.arange(frame.days + 1))
    rows = rows.take(pa.array(order))
    for number in range(frame.days):
        low, high = int(cuts[number]), int(cuts[number + 1])
        if low == high:
            continue
        path = shard.scratch / f"{number:04d}-{shard.number:06d}.arrow"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            pa.OSFile(str(path), "wb") as sink,
            pa.ipc.new_file(sink, rows.schema, options=options) as writer,
        ):
            writer.write_table(rows.slice(low, high - low))


def _assemble(
    order: Order, scratch: Path, staging: Path, each: Callable[..., Iterable[Any]]
) -> int:
    days = [
        _Day(
            moment(order.frame.start + number * DAY).strftime("%Y-%m-%d"),
            number,
            tuple(sorted(scratch.glob(f"{number:04d}-*.arrow"))),
            staging,
        )
        for number in range(order.frame.days)
    ]
    counts = list(each(_assemble_day, [day for day in days if day.pieces]))
    with (
        private_file(staging / "truth_exchanges.parquet") as partial,
        pq.ParquetWriter(partial, TRUTH_EXCHANGES.arrow, compression="zstd") as writer,
    ):
        for path in sorted(scratch.glob("truth-*.parquet")):
            writer.write_table(pq.read_table(path))
    return sum(counts)


def _assemble_day(day: _Day) -> int:
    tables = []
    for path in day.pieces:
        with pa.memory_map(str(path)) as source:
            tables.append(pa.ipc.open_file(source).read_all())
    rows = pa.concat_tables(tables)
    rows = rows.take(
        pc.sort_indices(rows, [("started_at", "ascending"), ("exchange_id", "ascending")])
    )
    write_parquet(rows.select(list(EXCHANGES.names)), day.out / "exchanges" / f"{day.name}.parquet")
    truth = rows.select(list(TRUTH_EXCHANGES.names)).cast(TRUTH_EXCHANGES.arrow)
    write_parquet(truth, day.out / "scratch" / f"truth-{day.number:04d}.parquet")
    return int(rows.num_rows)


def _write_people(order: Order, people: Sequence[_People], staging: Path) -> None:
    accounts = [account for part in people for account in part.accounts]
    domains, counts = np.unique([a.email_domain or "" for a in accounts], return_counts=True)
    rare = {
        str(name): token("domain", order.frame.seed, name)
        for name, count in zip(domains, counts, strict=True)
        if count < _SHARED_DOMAIN
    }
    # The contract keeps a domain in clear only where twenty accounts or more share it.
    shown = [
        replace(a, email_domain=rare.get(a.email_domain or "", a.email_domain)) for a in accounts
    ]
    releases = [
        ModelRelease(model=name, released_at=moment(at))
        for name, at in order.frame.releases().items()
    ]
    credentials = [credential for part in people for credential in part.credentials]
    truth = [row for part in people for row in part.truth]
    write_parquet(ACCOUNTS.table(shown), staging / "accounts.parquet")
    write_parquet(CREDENTIALS.table(credentials), staging / "credentials.parquet")
    write_parquet(MODEL_RELEASES.table(releases), staging / "model_releases.parquet")
    write_parquet(TRUTH_ACCOUNTS.table(truth), staging / "truth_accounts.parquet")


def _describe(order: Order, written: Written, staging: Path) -> None:
    facts = {
        "world": order.world,
        "seed": order.frame.seed,
        "days": order.frame.days,
        "evasion": order.dials.as_dict(),
        "variety": order.variety.value,
        "corpus": order.corpus.name if order.corpus else "packaged",
        "populations": sorted({plan.kind for plan in order.cohorts if not plan.hostile}),
        "campaigns": sorted({plan.kind for plan in order.cohorts if plan.hostile}),
        "accounts": written.accounts,
        "campaign_accounts": written.campaign_accounts,
        "exchanges": written.exchanges,
        "version": __version__,
    }
    with private_file(staging / "world.json") as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n")


def _refuse_to_overwrite(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not (out / "world.json").is_file()):
        raise InputError(
            "there is something here that is not a simulated world.",
            where=str(out),
            remedy="Give another --out, or empty the folder yourself.",
        )


def _replace(staging: Path, out: Path) -> None:
    if out.exists():
        shutil.rmtree(out)
    os.replace(staging, out)
