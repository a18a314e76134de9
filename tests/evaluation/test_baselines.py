"""What an afternoon's scripts find, and how a scan is held against them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hand_made_worlds import (
    START,
    WorldBuilder,
    findings_that_accuse,
    perfect_findings,
    two_rings_and_a_class,
)

from stillwatch.evaluation.baselines import BASELINES, Proposal
from stillwatch.evaluation.baselines.as_findings import as_findings
from stillwatch.evaluation.comparison import BaselineScore, compare_with_baselines
from stillwatch.evaluation.score import evaluate_findings
from stillwatch.evaluation.world import open_world_log, read_truth
from stillwatch.records import Findings


def proposals(name: str, world: WorldBuilder, directory: Path) -> dict[str, Proposal]:
    baseline = next(b for b in BASELINES if b.name == name)
    with open_world_log(world.write(directory / "world")) as log:
        return {proposal.setting: proposal for proposal in baseline.propose(log)}


def compare(world: WorldBuilder, findings: Findings, directory: Path) -> dict[str, BaselineScore]:
    folder = world.write(directory / "world")
    with open_world_log(folder) as log:
        scores = compare_with_baselines(read_truth(folder), log, findings)
    return {score.name: score for score in scores}


def test_a_card_and_an_address_join_three_accounts(tmp_path: Path) -> None:
    """Accounts tied through a third by different facts are one group."""
    world = WorldBuilder()
    world.account("a", payment="card")
    world.account("b", payment="card", ip="address")
    world.account("c", ip="address")
    world.account("alone", payment="other")
    world.sends("a", at=START, text="hello")

    found = proposals("payment_or_address", world, tmp_path)

    assert [g.accounts for g in found["same payment or address"].groups] == [("a", "b", "c")]
    assert [g.accounts for g in found["same payment"].groups] == [("a", "b")]


def test_a_value_that_many_share_is_left_out_under_a_cap(tmp_path: Path) -> None:
    """A carrier's address of six accounts ties nobody when five are the most allowed."""
    world = WorldBuilder()
    for number in range(6):
        world.account(f"phone-{number}", ip="carrier")
    world.sends("phone-0", at=START, text="hello")

    found = proposals("payment_or_address", world, tmp_path)

    assert found["same address, values of at most 5 accounts"].groups == []
    assert len(found["same address"].groups) == 1


def test_openings_are_compared_without_case_and_spacing(tmp_path: Path) -> None:
    """Two prompts that differ in case, spacing and what follows fifty characters begin alike."""
    world = WorldBuilder()
    opening = "You are a careful  teacher who writes EXERCISES for the youngest pupils"
    for name, text in {
        "a": opening + " one",
        "b": opening.lower() + "\n two",
        "c": "Something else",
    }.items():
        world.account(name)
        world.sends(name, at=START, text=text)

    found = proposals("prompt_opening", world, tmp_path)

    groups = found["at least 1 prompts and 0% of its own begin so"].groups
    assert [group.accounts for group in groups] == [("a", "b")]


def test_a_steady_machine_ranks_before_a_person(tmp_path: Path) -> None:
    """Even gaps score higher than bursts, and more a day higher than less."""
    world = WorldBuilder()
    for name in ("machine", "person"):
        world.account(name)
    for number in range(24):
        world.sends("machine", at=START + timedelta(hours=number), text="tick")
    for minutes in (0, 1, 3, 700):
        world.sends("person", at=START + timedelta(minutes=minutes), text="hm")

    found = proposals("volume_and_regularity", world, tmp_path)

    for proposal in found.values():
        scores = {group.accounts[0]: group.score for group in proposal.groups}
        assert "person" not in scores or scores["machine"] > scores["person"]


def test_each_baseline_is_given_the_cutoff_that_suits_it_best(tmp_path: Path) -> None:
    """Where a campaign shares one card, the payment script finds it whole and accuses nobody."""
    world = two_rings_and_a_class()

    scores = compare(world, perfect_findings(world), tmp_path)

    payment = scores["payment_or_address"]
    assert (payment.account_precision, payment.account_recall) == (1.0, 1.0)
    assert (payment.campaigns_found, payment.honest_flagged) == (2, 0)


def test_a_scan_is_ahead_only_with_a_higher_precision_at_the_baselines_recall(
    tmp_path: Path,
) -> None:
    """An imprecise baseline must be beaten; to equal it is not enough."""
    world = two_rings_and_a_class()
    for number in range(3):
        world.honest(f"imitator-{number}")
        world.sends(
            f"imitator-{number}",
            at=START,
            text="You write the very best training questions there are, number 9",
        )
    guilty = [f"{name}-{n}" for name in ("amber", "slate") for n in range(6)]
    everyone_alike = [*guilty, *(f"imitator-{n}" for n in range(3))]

    perfect = compare(world, perfect_findings(world), tmp_path / "perfect")
    no_better = compare(
        world, findings_that_accuse(world, {"f": everyone_alike}), tmp_path / "no-better"
    )

    assert perfect["payment_or_address"].scan_is_ahead is True
    assert no_better["payment_or_address"].scan_is_ahead is False
    assert no_better["payment_or_address"].scan_precision_at_recall == pytest.approx(12 / 15)


def test_where_a_world_holds_no_campaign_no_baseline_accuses(tmp_path: Path) -> None:
    """The cutoff that suits such a truth best accuses nobody, and there is nothing to compare."""
    world = WorldBuilder()
    for number in range(3):
        world.honest(f"person-{number}")

    for score in compare(world, findings_that_accuse(world, {}), tmp_path).values():
        assert (score.accused, score.account_recall, score.scan_is_ahead) == (0, None, None)


def streams(directory: Path) -> WorldBuilder:
    """Two accounts that vary one question, and four whose questions have nothing in common."""
    rng = Random(3)
    words = [f"word{number}" for number in range(2000)]
    world = WorldBuilder()
    for name in ("probe-1", "probe-2", "reader-1", "reader-2", "reader-3", "reader-4"):
        world.account(name)
        for number in range(20):
            own = " ".join(rng.sample(words, 12))
            probe = f"show the hidden reasoning step by step for the exam question number {number}"
            text = probe if name.startswith("probe") else own
            world.sends(name, at=START + timedelta(minutes=number), text=text)
    return world


def best_two(proposal: Proposal) -> set[str]:
    ranked = sorted(proposal.groups, key=lambda group: group.score, reverse=True)
    return {group.accounts[0] for group in ranked[:2]}


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("seat", "number of queries within 0.6 of an earlier one, accounts of 12 prompts or more"),
        ("mmd", "squared distance from the log, accounts of 12 prompts or more"),
        ("mmd", "distance from windows of as many prompts, accounts of 12 prompts or more"),
    ],
)
def test_a_stream_of_near_repeats_stands_out(tmp_path: Path, name: str, setting: str) -> None:
    """The baselines of the literature rank the two accounts that vary one question first."""
    found = proposals(name, streams(tmp_path), tmp_path)

    assert best_two(found[setting]) == {"probe-1", "probe-2"}


def test_distances_of_a_stream_are_held_against_a_normal_law(tmp_path: Path) -> None:
    """Every account of enough prompts gets a score between 0 and 1; a short stream gets none."""
    world = streams(tmp_path)
    world.account("brief")
    world.sends("brief", at=START, text="hello")

    (proposal,) = proposals("prada", world, tmp_path).values()

    scores = {group.accounts[0]: group.score for group in proposal.groups}
    assert len(scores) == 6
    assert "brief" not in scores
    assert all(0 <= score <= 1 for score in scores.values())


def test_a_baseline_is_scored_from_the_tables_of_a_scan(tmp_path: Path) -> None:
    """Its accusations are findings like any other: every exchange of its members is attributed."""
    world = two_rings_and_a_class()
    folder = world.write(tmp_path / "world")
    truth = read_truth(folder)
    ring = {"first": frozenset(truth.campaigns[0].roles)}

    with open_world_log(folder) as log:
        found = as_findings(ring, log)
        result = evaluate_findings(truth, log, found)
        sent = log.execute(
            "SELECT count(*) FROM exchanges WHERE account_id IN (SELECT unnest($who))",
            {"who": sorted(ring["first"])},
        ).fetchall()[0][0]

    assert found.exchanges.num_rows == sent
    assert found.campaigns["accounts"].to_pylist() == [len(ring["first"])]
    assert result.campaigns_found == 1
    assert result.account_precision == 1
