"""Worlds in which somebody wants honest accounts to be accused."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from small_worlds import found_world, tiny_world
from stillwatch.campaigns.scan import ScanSettings, scan
from stillwatch.evaluation.framing import FRAMES, frame, victims
from stillwatch.evaluation.world import open_world_log, read_truth
from stillwatch.lake.log import open_log


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("framing") / "world", seed=11)


@pytest.mark.parametrize("name", FRAMES)
def test_nothing_of_an_honest_account_is_changed(world: Path, tmp_path: Path, name: str) -> None:
    """Whoever frames them touches neither their rows nor their truth."""
    framed = frame(world, tmp_path / "framed", name)
    honest = read_truth(world).honest

    before, after = (pq.read_table(place / "exchanges").to_pylist() for place in (world, framed))
    own = [row for row in before if row["account_id"] in honest]
    kept = {row["exchange_id"]: row for row in after if row["account_id"] in honest}
    assert all(kept[row["exchange_id"]] == row for row in own)
    assert len(own) == len(kept)
    assert read_truth(framed).honest == honest
    with open_world_log(framed) as log:
        assert log.execute(
            "SELECT count(*) FROM exchanges ANTI JOIN truth_exchanges USING (exchange_id)"
        ).fetchall() == [(0,)]


def test_copies_look_like_the_group_they_copy(world: Path, tmp_path: Path) -> None:
    """About half of what the campaign sends is the group's, from the group's addresses."""
    framed = frame(world, tmp_path / "framed", "copies")
    truth = read_truth(world)
    (campaign,) = truth.campaigns
    group = victims(
        pq.read_table(world / "truth_accounts.parquet"), pq.read_table(world / "accounts.parquet")
    )
    rows = pq.read_table(framed / "exchanges")
    theirs = rows.filter(pc.is_in(rows["account_id"], value_set=pa_list(group)))
    own = rows.filter(pc.is_in(rows["account_id"], value_set=pa_list(sorted(campaign.roles))))

    copied = pc.is_in(own["input_text"], value_set=theirs["input_text"].combine_chunks())
    assert 0.4 < pc.mean(copied).as_py() < 0.6
    sent_from = set(own.filter(copied)["client_net_token"].to_pylist())
    assert sent_from <= set(theirs["client_net_token"].to_pylist())


def test_reworded_copies_are_no_copies_word_for_word(world: Path, tmp_path: Path) -> None:
    """Less than half of what is copied stays as it was: texts of a few words, by chance."""
    framed = frame(world, tmp_path / "framed", "reworded")
    truth = read_truth(world)
    (campaign,) = truth.campaigns
    rows = pq.read_table(framed / "exchanges")
    own = pc.is_in(rows["account_id"], value_set=pa_list(sorted(campaign.roles)))
    honest = rows.filter(pc.invert(own))["input_text"].combine_chunks()

    again = pc.is_in(rows.filter(own)["input_text"], value_set=honest)
    assert pc.mean(again).as_py() < 0.25


def test_a_framer_with_a_list_of_his_own_still_collects(world: Path, tmp_path: Path) -> None:
    """What he sends in the group's wording is his list, and counts as collected."""
    framed = frame(world, tmp_path / "framed", "template")

    before, after = (pq.read_table(p / "truth_exchanges.parquet") for p in (world, framed))
    assert before.equals(after)


def test_poison_is_a_campaign_of_its_own(world: Path, tmp_path: Path) -> None:
    """One account in twenty is new, is nobody's honest account, and shares no fact."""
    framed = frame(world, tmp_path / "framed", "poison")
    truth = read_truth(framed)

    poisoned = next(c for c in truth.campaigns if c.name == "poison")
    accounts = pq.read_table(framed / "accounts.parquet")
    own = accounts.filter(pc.is_in(accounts["account_id"], value_set=pa_list(poisoned.roles)))
    assert 0.03 < len(poisoned.roles) / accounts.num_rows < 0.06
    assert len(set(own["payment_token"].to_pylist())) == own.num_rows


@pytest.fixture(scope="module", params=[3, 6])
def small_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return found_world(tmp_path_factory.mktemp("small") / "world", request.param)


@pytest.mark.parametrize("name", ["copies", "reworded", "template"])
def test_the_copied_are_not_accused_with_those_who_copy_them(
    small_world: Path, tmp_path: Path, name: str
) -> None:
    """The campaign is reported, but for one account, and nobody else: not the family, not a reader."""
    framed = frame(small_world, tmp_path / "framed", name)
    log = open_log(exchanges=framed / "exchanges", accounts=framed / "accounts.parquet")
    findings = scan(log, ScanSettings(rate=0.05, with_timeline=False), notes={})

    (campaign,) = read_truth(framed).campaigns
    named = set(findings.members["account_id"].to_pylist())
    assert named <= set(campaign.roles)
    assert len(named) >= len(campaign.roles) - 1


def pa_list(names):
    import pyarrow as pa

    return pa.array(sorted(names))
