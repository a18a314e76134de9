"""Each stage replaced by the truth: what is replaced, what is left alone, and where a campaign is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from small_worlds import found_world, tiny_world
from stillwatch.campaigns.reading import read_evidence
from stillwatch.evaluation.suite.cells import Cell, WorldOf
from stillwatch.evaluation.suite.page.stages import stages_section
from stillwatch.evaluation.suite.running import Measured
from stillwatch.evaluation.truth_stages import STAGES, TruthStages, replace_stages
from stillwatch.evaluation.world import read_truth
from stillwatch.lake.log import open_log

RATE = 0.01


def stages_of(world: Path) -> TruthStages:
    log = open_log(exchanges=[world / "exchanges"], accounts=world / "accounts.parquet")
    return TruthStages(read_evidence(log), read_truth(world), world, RATE)


@pytest.fixture(scope="module")
def missed(tmp_path_factory: pytest.TempPathFactory) -> TruthStages:
    """Too little for the scan to find its campaign."""
    return stages_of(tiny_world(tmp_path_factory.mktemp("stages") / "world", seed=5))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world whose campaign is found."""
    return found_world(tmp_path_factory.mktemp("stages") / "world", seed=5)


def test_with_every_stage_replaced_the_campaign_is_found_and_nobody_else(
    missed: TruthStages,
) -> None:
    """The truth about the campaigns says nothing against honest groups."""
    assert not any(missed.found().values())
    assert all(missed.found(STAGES).values())
    assert missed.honest_reported(STAGES) == 0


def test_the_campaign_is_raised_whole_and_honest_groups_are_kept(missed: TruthStages) -> None:
    """Groups without any of its accounts stay as they were raised; one group holds all of them."""
    (campaign,) = missed.truth.campaigns
    names = missed.evidence.traffic.account_names
    own = set(np.flatnonzero(np.isin(names, list(campaign.roles))).tolist())

    before = [set(g.group.accounts.tolist()) for g in missed.decided()[0].groups]
    after = [set(g.group.accounts.tolist()) for g in missed.decided({"linking"})[0].groups]

    assert [accounts for accounts in after if accounts & own] == [own]
    assert all(accounts in after for accounts in before if not accounts & own)


def test_clauses_one_and_two_have_their_largest_values(missed: TruthStages) -> None:
    """Of the campaign's groups alone."""
    stages = {"linking", "acts as one", "undeclared"}
    weighed, decision, _ = missed.decided(stages)
    plain, _, _ = missed.decided({"linking"})
    (campaign,) = missed.truth.campaigns
    own = np.isin(weighed.traffic.account_names, list(campaign.roles))

    for number, (group, before) in enumerate(zip(weighed.groups, plain.groups, strict=True)):
        if own[group.group.accounts].all():
            assert group.acts.log_e == group.acts.largest
            assert group.togetherness.log_e == group.togetherness.largest
            assert not decision.held_back[number]
        else:
            assert (group.tied, group.togetherness) == (before.tied, before.togetherness)


def test_purpose_is_known_of_the_campaign_s_accounts_only(missed: TruthStages) -> None:
    """What honest accounts ask for is read from their words as before."""
    weighed, _, _ = missed.decided({"purpose"})
    (campaign,) = missed.truth.campaigns
    traffic = missed.evidence.traffic
    own = np.isin(traffic.account_names[traffic.accounts], list(campaign.roles))

    assert (weighed.traffic.purpose[own].max(axis=1) == 255).all()
    assert (weighed.traffic.purpose[~own] == traffic.purpose[~own]).all()


def test_what_the_scan_finds_is_found_with_any_stage_replaced(found: Path) -> None:
    """And it is lost nowhere."""
    (row,) = replace_stages(found, RATE)

    assert row["found"]
    assert all(row["with"].values())
    assert all(row["without"].values())
    assert row["lost"]["stage"] == ""
    assert row["lost"]["named_own"] == row["accounts"] == 30


def test_where_a_missed_campaign_is_lost_is_said_with_its_evidence(missed: TruthStages) -> None:
    """The stage at which it is lost is one of those there are, and its figures fall short there."""
    lost = missed.lost(0)

    assert lost["stage"] in STAGES
    assert lost["pieces"][0][0] <= 20
    if lost["stage"] == "collects":
        assert not lost["outdoes_crowds"] or lost["collects"] < lost["needs"]


def test_the_page_counts_what_is_found_and_lists_what_is_missed() -> None:
    """One campaign found as it is, and one that the truth about linking alone recovers."""
    everywhere = dict.fromkeys(STAGES, True)
    linking = {stage: stage == "linking" for stage in STAGES}
    cell = Cell(
        family="stages",
        name="build-cover-3-s1",
        world=WorldOf(world="build", seed=1),
        scans=(),
        how="stages",
        about={"half": "build", "dial": "cover", "level": 3},
    )
    one = {"kind": "hydra", "accounts": 40, "lost": {"stage": ""}}
    two = {"kind": "pivot", "accounts": 12, "lost": {"stage": "linking", "pieces": []}}
    result = {
        "stages": [
            {**one, "found": True, "with": everywhere, "without": everywhere},
            {**two, "found": False, "with": linking, "without": everywhere},
        ]
    }

    text = stages_section([Measured(cell, result, current=True)]).text

    assert "| build, cover 3 | 1 of 2 | 2 | 1 | 1 | 1 | 1 | 1 |" in text
    assert "| build, cover 3, seed 1: pivot | linking | linking | 12 | none | – |" in text
    assert "hydra" not in text
