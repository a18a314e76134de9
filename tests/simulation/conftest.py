"""Small worlds, made once for all tests of the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.simulation import WORLDS, Evasion, order_world, simulate


@dataclass(frozen=True)
class Tables:
    """A world, read back."""

    folder: Path

    def __getitem__(self, name: str) -> pa.Table:
        if name == "exchanges":
            return pq.read_table(self.folder / "exchanges")
        return pq.read_table(self.folder / f"{name}.parquet")

    def rows(self, name: str) -> list[dict]:
        return self[name].to_pylist()

    def joined(self) -> list[dict]:
        """Exchanges with their truth."""
        truth = {row["exchange_id"]: row for row in self.rows("truth_exchanges")}
        return [{**row, **truth[row["exchange_id"]]} for row in self.rows("exchanges")]


@pytest.fixture(scope="session")
def make_world(tmp_path_factory):
    """Simulate a world, once for each set of wishes."""
    made: dict[tuple, Tables] = {}

    def make(name: str = "tiny", *, level: str = "1", **wishes) -> Tables:
        key = (name, level, *sorted(wishes.items()))
        if key not in made:
            out = tmp_path_factory.mktemp("world") / "out"
            wishes = {"seed": 3, **wishes}
            order = order_world(WORLDS[name], dials=Evasion.parse(level), **wishes)
            simulate(order, out, processes=1)
            made[key] = Tables(out)
        return made[key]

    return make


@pytest.fixture(scope="session")
def tiny(make_world) -> Tables:
    return make_world()


@pytest.fixture(scope="session")
def everyone(make_world) -> Tables:
    """The full world, with so little traffic that a test can read it all."""
    return make_world("full", accounts=3000, exchanges=14_000, days=7)
