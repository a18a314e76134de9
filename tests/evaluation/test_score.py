"""What the figures of an evaluation promise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hand_made_worlds import (
    START,
    WorldBuilder,
    findings_that_accuse,
    perfect_findings,
    two_rings_and_a_class,
    weighed_group,
)

from stillwatch.evaluation.score import Evaluation, evaluate_findings
from stillwatch.evaluation.world import STOLEN, open_world_log, read_truth
from stillwatch.records import Findings, InputError


def evaluate(world: WorldBuilder, findings: Findings, directory: Path) -> Evaluation:
    folder = world.write(directory / "world")
    with open_world_log(folder) as log:
        return evaluate_findings(read_truth(folder), log, findings)


def test_perfect_findings_score_one(tmp_path: Path) -> None:
    """Findings that repeat the truth have every precision and recall at 1 and accuse nobody."""
    world = two_rings_and_a_class()

    result = evaluate(world, perfect_findings(world), tmp_path)

    ones = [
        result.account_precision,
        result.account_recall,
        result.account_recall_pooled,
        result.pair_precision,
        result.pair_recall,
        result.pair_recall_pooled,
        result.exchange_precision,
        result.exchange_recall,
        result.exchange_recall_pooled,
        result.target_accuracy,
        result.role_accuracy,
    ]
    assert ones == [1.0] * len(ones)
    assert result.share_error == pytest.approx(0.0)
    assert (result.honest_flagged, result.false_findings, result.campaigns_found) == (0, 0, 2)


def test_empty_findings_recall_nothing_and_claim_no_precision(tmp_path: Path) -> None:
    """Without findings every recall is 0, and precision is null: nothing was claimed."""
    world = two_rings_and_a_class()

    result = evaluate(world, findings_that_accuse(world, {}), tmp_path)

    assert (result.account_recall, result.pair_recall, result.exchange_recall) == (0.0, 0.0, 0.0)
    assert result.account_precision is None
    assert result.pair_precision is None
    assert result.exchange_precision is None
    assert result.time_to_detection["median_hours"] is None


def test_a_world_without_campaigns_has_no_recall(tmp_path: Path) -> None:
    """Where there is nothing to find, recall is null and each accusation is false."""
    world = WorldBuilder()
    for number in range(4):
        world.honest(f"person-{number}")

    result = evaluate(world, findings_that_accuse(world, {"f": ["person-0", "person-1"]}), tmp_path)

    assert result.account_recall is None
    assert (result.account_precision, result.honest_flagged, result.false_findings) == (0.0, 2, 1)


def test_a_missed_campaign_counts_as_zero_even_when_a_piece_was_found(tmp_path: Path) -> None:
    """A finding with less than half of a campaign's accounts does not find it."""
    world = two_rings_and_a_class()
    findings = findings_that_accuse(
        world,
        {"f1": [f"amber-{n}" for n in range(6)], "f2": ["slate-0", "slate-1"]},
    )

    result = evaluate(world, findings, tmp_path)

    amber, slate = result.campaigns
    assert (amber.found, slate.found, slate.account_recall) == (True, False, 0.0)
    assert slate.largest_piece == pytest.approx(2 / 6)
    assert result.account_recall == pytest.approx(0.5)
    assert result.account_recall_pooled == pytest.approx(8 / 12)


def test_a_finding_that_is_mostly_others_does_not_find_a_campaign(tmp_path: Path) -> None:
    """All of a campaign's accounts do not suffice when most of the finding is somebody else."""
    world = two_rings_and_a_class()
    crowd = [f"person-{n}" for n in range(10)]
    findings = findings_that_accuse(world, {"f1": [*(f"amber-{n}" for n in range(6)), *crowd]})

    result = evaluate(world, findings, tmp_path)

    assert (result.campaigns_found, result.false_findings) == (0, 1)
    assert result.account_precision == pytest.approx(6 / 16)


@pytest.mark.parametrize(
    ("true_role", "claimed", "wrong"),
    [
        ("operator", "operator", False),
        ("operator", "mixed", False),
        ("mixed", "mixed", False),
        ("mixed", "operator", False),
        ("compromised", "compromised", False),
        ("compromised", "operator", True),
        ("compromised", "mixed", True),
    ],
)
def test_only_the_owner_of_a_stolen_credential_can_be_wronged_by_a_role(
    tmp_path: Path, true_role: str, claimed: str, wrong: bool
) -> None:
    """`operator` or `mixed` on a compromised account accuses its honest owner."""
    world = WorldBuilder()
    world.serves("first", "amber", role=true_role)
    world.serves("second", "amber", role="operator")

    result = evaluate(
        world,
        findings_that_accuse(world, {"f": {"first": claimed, "second": "operator"}}),
        tmp_path,
    )

    assert result.account_precision == (0.5 if wrong else 1.0)
    assert result.honest_flagged == (1 if wrong else 0)
    assert result.role_accuracy == (1.0 if claimed == true_role else 0.5)


def test_owners_of_stolen_credentials_are_an_honest_population(tmp_path: Path) -> None:
    """A compromised account's owner counts among the honest who may not be accused."""
    world = WorldBuilder()
    world.serves("victim", "amber", role="compromised")
    world.serves("thief", "amber")

    result = evaluate(world, findings_that_accuse(world, {"f": ["victim", "thief"]}), tmp_path)

    assert result.honest_flagged_by_population[STOLEN].flagged == 1


def test_honest_groups_are_counted_once_however_many_members_are_flagged(tmp_path: Path) -> None:
    """A class flagged whole is one group; people without a group are one each."""
    world = two_rings_and_a_class()
    accused = [*(f"pupil-{n}" for n in range(5)), "person-0", "person-1"]

    result = evaluate(world, findings_that_accuse(world, {"f": accused}), tmp_path)

    assert (result.honest_flagged, result.honest_groups_flagged) == (7, 3)
    assert (result.honest_accounts, result.honest_groups) == (15, 11)
    pupils = result.honest_flagged_by_population["class"]
    assert (pupils.flagged, pupils.accounts, pupils.groups_flagged, pupils.groups) == (5, 5, 1, 1)


def test_detection_is_timed_from_the_first_exchange_of_the_campaign(tmp_path: Path) -> None:
    """Hours run from the campaign's first exchange; later exchanges came after the flag."""
    world = two_rings_and_a_class()

    result = evaluate(world, perfect_findings(world, flagged_after=timedelta(hours=2)), tmp_path)

    assert result.campaigns[0].time_to_detection_hours == pytest.approx(2.0)
    assert result.campaigns[0].exchanges_before_flag_share == pytest.approx(0.5)
    assert result.time_to_detection["median_hours"] == pytest.approx(2.0)


def test_accounts_never_flagged_keep_sending_before_any_flag(tmp_path: Path) -> None:
    """Exchanges of a campaign's account that no finding holds count as sent before the flag."""
    world = two_rings_and_a_class()
    findings = findings_that_accuse(
        world, {"f": ["amber-0", "amber-1", "amber-2"]}, flagged_at=START
    )

    result = evaluate(world, findings, tmp_path)

    assert result.campaigns[0].exchanges_before_flag_share == pytest.approx(0.5)


def test_abstaining_from_a_target_is_wrong(tmp_path: Path) -> None:
    """A null target counts against target accuracy."""
    world = two_rings_and_a_class()
    own = [t.exchange_id for t in world.truth_exchanges if t.campaign == "amber"]
    findings = findings_that_accuse(
        world, {"f": [f"amber-{n}" for n in range(6)]}, attributed={"f": own}, target=None
    )

    result = evaluate(world, findings, tmp_path)

    assert result.target_accuracy == 0.0


def test_cover_traffic_attributed_to_a_campaign_lowers_exchange_precision(tmp_path: Path) -> None:
    """An account's own use is not the campaign's, even when the account is."""
    world = two_rings_and_a_class()
    everything = [t.exchange_id for t in world.truth_exchanges if t.account_id.startswith("amber")]
    findings = findings_that_accuse(
        world, {"f": [f"amber-{n}" for n in range(6)]}, attributed={"f": everything}
    )

    result = evaluate(world, findings, tmp_path)

    assert result.exchange_precision == pytest.approx(4 / 5)
    assert result.campaigns[0].exchange_recall == 1.0
    assert result.share_error == pytest.approx(1 / 5)


def test_two_campaigns_glued_together_lose_purity(tmp_path: Path) -> None:
    """A finding that joins two campaigns stands for one of them only, and is half pure."""
    world = two_rings_and_a_class()
    both = [f"{name}-{n}" for name in ("amber", "slate") for n in range(6)]

    result = evaluate(world, findings_that_accuse(world, {"f": both}), tmp_path)

    found = [c for c in result.campaigns if c.found]
    assert len(found) == 1
    assert found[0].purity == pytest.approx(0.5)
    assert result.account_precision == 1.0
    assert result.pair_precision == pytest.approx(30 / 66)


def test_a_campaign_in_two_pieces_loses_wholeness(tmp_path: Path) -> None:
    """When its accounts lie in two findings, the larger holds less than the whole."""
    world = two_rings_and_a_class()
    findings = findings_that_accuse(
        world,
        {"f1": [f"amber-{n}" for n in range(4)], "f2": ["amber-4", "amber-5"]},
    )

    result = evaluate(world, findings, tmp_path)

    assert result.campaigns[0].wholeness == pytest.approx(4 / 6)
    assert result.campaigns[0].purity == 1.0


def test_an_account_may_serve_two_campaigns(tmp_path: Path) -> None:
    """Its roles are judged by campaign, and the truth repeated still scores 1."""
    world = WorldBuilder()
    for name in ("amber", "slate"):
        for number in range(3):
            world.serves(f"{name}-{number}", name)
    world.serves("shared", "amber", role="mixed")
    world.serves("shared", "slate", role="operator")

    result = evaluate(world, perfect_findings(world), tmp_path)

    assert (result.account_recall, result.role_accuracy, result.pair_precision) == (1.0, 1.0, 1.0)


def test_findings_of_another_world_are_refused(tmp_path: Path) -> None:
    """Accounts the world does not have mean that the wrong folder was given."""
    world = two_rings_and_a_class()

    with pytest.raises(InputError, match="not in this world"):
        evaluate(world, findings_that_accuse(world, {"f": ["stranger"]}), tmp_path)


def test_findings_of_another_world_that_accuse_nobody_are_refused(tmp_path: Path) -> None:
    """Whom a scan weighed tells where it was made: nobody accused is no perfect score."""
    world = two_rings_and_a_class()
    findings = findings_that_accuse(world, {}, tested=[weighed_group(["stranger"], e_value=1.0)])

    with pytest.raises(InputError, match="1 of the 1 accounts in these findings are not in this"):
        evaluate(world, findings, tmp_path)


def test_a_folder_without_a_world_is_named_with_its_remedy(tmp_path: Path) -> None:
    """An empty folder is unusable input, and the message says what to give instead."""
    with pytest.raises(InputError, match="stillwatch simulate"):
        read_truth(tmp_path)


def test_names_do_not_matter(tmp_path: Path) -> None:
    """Other names for accounts, campaigns and findings leave every figure as it was."""
    figures = []
    for directory, letter in (("one", "a"), ("two", "z")):
        world = WorldBuilder()
        for number in range(5):
            world.serves(f"{letter}{9 - number}", f"{letter}-first", cover=number)
            world.serves(f"{letter}{90 - number}", f"m{letter}-second", role="mixed")
            world.honest(f"{letter}{900 - number}", group=f"{letter}-group")
        accused = {
            f"{letter}-f1": [f"{letter}{9 - n}" for n in range(4)] + [f"{letter}900"],
            f"b{letter}-f2": {f"{letter}{90 - n}": "mixed" for n in range(3)},
        }
        result = evaluate(world, findings_that_accuse(world, accused), tmp_path / directory)
        names = ("campaign", "finding")
        figures.append(
            result.as_json()
            | {
                "campaigns": sorted(
                    str({k: v for k, v in campaign.items() if k not in names})
                    for campaign in result.as_json()["campaigns"]
                )
            }
        )

    assert figures[0] == figures[1]


def test_findings_are_timed_only_by_accounts_that_are_the_campaigns_own(tmp_path: Path) -> None:
    """An honest account flagged early does not make the campaign detected early."""
    world = two_rings_and_a_class()
    late = perfect_findings(world, flagged_after=timedelta(hours=9))
    early = findings_that_accuse(world, {"found-amber": ["person-0"]}, flagged_at=START)
    members = pa.concat_tables([late.members, early.members])

    result = evaluate(world, replace(late, members=members), tmp_path)

    assert result.campaigns[0].time_to_detection_hours == pytest.approx(9.0)
