"""A full disk loses nothing that was acknowledged, and what is refused is said to be refused."""

from __future__ import annotations

import json
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from otlp_builders import model_call, traces
from stations import PROTOBUF, Station, exchanges, litellm

from stillwatch.receiver.spool import Spool
from stillwatch.records import StillwatchError


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file of this process can grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def spool_ends_at(spool: Spool, pages: int) -> Iterator[None]:
    """SQLite itself says that the disk is full."""
    spool._database.execute(f"pragma max_page_count = {pages}").fetchall()
    try:
        yield
    finally:
        spool._database.execute("pragma max_page_count = 1000000").fetchall()


@pytest.mark.parametrize("how", ["files", "pages"])
def test_each_sender_hears_that_the_disk_is_full(station: Station, how: str) -> None:
    """507, or 503 to OTLP, which sends again; then there is room, and all is taken again."""
    dice = random.Random(how)
    taken, statuses = set[str](), list[int]()
    limit = files_end_at(600_000) if how == "files" else spool_ends_at(station.intake._spool, 30)
    with limit:
        for number in range(0, 2_000, 20):
            rows = [
                row | {"input_text": dice.randbytes(1_000).hex()}
                for row in exchanges(20, first=number)
            ]
            reply = station.exchanges(rows)
            statuses.append(reply.status)
            if reply.status != 200:
                break
            taken |= {row["exchange_id"] for row in rows}
        large = dice.randbytes(400_000).hex()
        span = traces(model_call(1, **{"gen_ai.output.messages": large}))
        others = [
            station.post("litellm", json.dumps([litellm(1, model=large)]).encode()),
            station.post("traces", span.SerializeToString(), kind=PROTOBUF),
        ]
    again = station.exchanges(rows)
    station.fold()

    assert statuses[-1] == 507
    assert statuses[:-1] == [200] * (len(statuses) - 1)
    assert taken
    assert [reply.status for reply in others] == [507, 503]
    assert all(int(reply.headers["retry-after"]) for reply in (reply, *others))
    assert again.status == 200
    taken |= {row["exchange_id"] for row in rows}
    found = [row["exchange_id"] for row in station.rows("exchanges")]
    assert sorted(found) == sorted(taken)


def test_a_lake_that_cannot_grow_leaves_all_in_the_spool(station: Station) -> None:
    """The fold fails, nothing is lost, and it succeeds once there is room."""
    station.exchanges(exchanges(300))
    before = station.spool.backlog()

    with files_end_at(2_000), pytest.raises((StillwatchError, OSError)):
        station.fold()
    after = station.spool.backlog()
    folded = station.fold()

    assert after == before
    assert (folded.imported, folded.duplicates) == (300, 0)
    assert station.spool.backlog().rows == 0
