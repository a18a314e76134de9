"""Logs with columns taken away and labels exchanged."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.evaluation.suite.altering import ALTERATIONS, alter
from stillwatch.simulation import WORLDS, order_world, simulate


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("altering") / "world"
    simulate(order_world(WORLDS["tiny"], seed=5, accounts=120, days=2, exchanges=900), place)
    return place


@pytest.mark.parametrize("name", ALTERATIONS)
def test_rows_stay_the_same(world: Path, tmp_path: Path, name: str) -> None:
    """Whatever is taken away or exchanged, each account keeps its exchanges."""
    altered = alter(world, tmp_path / "altered", name)

    for table in ("exchanges", "accounts.parquet"):
        keys = ["exchange_id", "account_id"] if table == "exchanges" else ["account_id"]
        before = pq.read_table(world / table, columns=keys).to_pylist()
        after = pq.read_table(altered / table, columns=keys).to_pylist()
        assert sorted(map(str, after)) == sorted(map(str, before))


def test_text_is_gone(world: Path, tmp_path: Path) -> None:
    """Neither prompts nor answers are in the log."""
    altered = pq.read_table(alter(world, tmp_path / "altered", "no_text") / "exchanges")

    assert not {"system_text", "input_text", "output_text"} & set(altered.column_names)


def test_some_accounts_have_no_text(world: Path, tmp_path: Path) -> None:
    """About three in ten accounts are silent altogether, and no other account loses a word."""
    altered = pq.read_table(alter(world, tmp_path / "altered", "some_without_text") / "exchanges")
    before = pq.read_table(world / "exchanges")

    silent = altered.filter(pc.equal(altered["retention"], "no_text"))
    heard = altered.filter(pc.equal(altered["retention"], "full"))
    accounts = set(silent["account_id"].to_pylist())
    assert silent["input_text"].null_count == silent.num_rows
    assert not accounts & set(heard["account_id"].to_pylist())
    assert 0.15 < len(accounts) / len(set(before["account_id"].to_pylist())) < 0.45
    kept = before.filter(pc.is_in(before["exchange_id"], value_set=heard["exchange_id"]))
    assert kept["input_text"].null_count == heard["input_text"].null_count


def test_renamed_countries_are_the_same_strata(world: Path, tmp_path: Path) -> None:
    """Every label moves, and accounts that shared one still do."""
    before = pq.read_table(world / "accounts.parquet")["country"].to_pylist()
    altered = alter(world, tmp_path / "altered", "countries_renamed")
    after = pq.read_table(altered / "accounts.parquet")["country"].to_pylist()

    pairs = {(a, b) for a, b in zip(before, after, strict=True) if a is not None}
    assert all(a != b for a, b in pairs)
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_neighbours_share_a_network_and_an_hour(world: Path, tmp_path: Path) -> None:
    """The community's exchanges all fall into one hour, and come from one network."""
    altered = pq.read_table(alter(world, tmp_path / "altered", "one_community") / "exchanges")
    community = altered.filter(pc.equal(altered["client_net_token"], "net_one_community"))

    assert community.num_rows > 100
    assert set(pc.hour(community["started_at"]).to_pylist()) == {19}
    assert pc.all(pc.less_equal(community["started_at"], community["finished_at"])).as_py()
