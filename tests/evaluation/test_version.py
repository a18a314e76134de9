"""The benchmark's version follows its worlds: figures of two versions are not comparable."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stillwatch.evaluation.suite.suites import VERSION
from stillwatch.simulation import WORLDS, order_world, simulate

WORLDS_OF_VERSION = {
    2: {"build": "867a62c427e98641", "full": "52d35e9d0d084d0b"},
}
"""What every value of two small worlds comes to, by version; versions before these have no entry.

A changed simulator gives other worlds: raise `VERSION`, and add an entry. An entry is never changed.
"""


def fingerprint(world: Path) -> str:
    """Of all values of all tables, truth included, in their order."""
    digest = hashlib.sha256()
    for path in sorted(world.rglob("*.parquet")):
        digest.update(path.relative_to(world).as_posix().encode())
        digest.update(repr(pq.read_table(path, partitioning=None).to_pylist()).encode())
    return digest.hexdigest()[:16]


@pytest.mark.parametrize("name", ["build", "full"])
def test_a_changed_world_raises_the_version(tmp_path: Path, name: str) -> None:
    """Both halves of the simulator's variety, all campaigns: any change of theirs shows here."""
    assert max(WORLDS_OF_VERSION) == VERSION
    order = order_world(WORLDS[name], seed=7, accounts=300, exchanges=4000, days=5)
    simulate(order, tmp_path / "world", processes=1)

    assert fingerprint(tmp_path / "world") == WORLDS_OF_VERSION[VERSION][name], (
        "the simulator makes other worlds than the benchmark's version says"
    )
