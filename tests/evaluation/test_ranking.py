"""Precision at a given recall."""

from __future__ import annotations

import numpy as np
import pytest
from hand_made_worlds import findings_that_accuse, two_rings_and_a_class, weighed_group
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.evaluation.baselines import SuspectGroup
from stillwatch.evaluation.ranking import rank_findings, rank_groups

EVERYONE = [f"account-{n}" for n in range(12)]

scored = st.dictionaries(st.sampled_from(EVERYONE), st.integers(0, 3).map(float))
guilty_sets = st.frozensets(st.sampled_from(EVERYONE), min_size=1)


def alone(scores: dict[str, float]) -> list[SuspectGroup]:
    return [SuspectGroup((account,), score) for account, score in scores.items()]


@given(scored, guilty_sets)
def test_at_a_cutoff_precision_is_that_of_the_accounts_above_it(
    scores: dict[str, float], guilty: frozenset[str]
) -> None:
    """The recall of the accounts of at least some score gives their precision back."""
    ranking = rank_groups(alone(scores), guilty, EVERYONE)

    for least in set(scores.values()):
        above = {account for account, score in scores.items() if score >= least}
        reached = len(above & guilty)
        smallest = min(
            (
                len({a for a, s in scores.items() if s >= other})
                for other in set(scores.values())
                if len({a for a, s in scores.items() if s >= other} & guilty) == reached
            ),
        )
        if reached:
            assert ranking.precision_at_recall(reached / len(guilty)) == pytest.approx(
                reached / smallest
            )


def test_within_a_tie_the_list_is_drawn_at_random() -> None:
    """Half of the guilty in a block of equals costs half of that block."""
    guilty = frozenset(EVERYONE[:4])
    ranking = rank_groups([SuspectGroup(tuple(EVERYONE), 1.0)], guilty, EVERYONE)

    assert ranking.precision_at_recall(0.5) == pytest.approx(4 / 12)


def test_a_recall_beyond_the_ranked_accounts_falls_to_chance() -> None:
    """Accounts without a score come last, at random; the ranking says that it did not reach."""
    guilty = frozenset(EVERYONE[:4])
    ranking = rank_groups(alone(dict.fromkeys(EVERYONE[:2], 1.0)), guilty, EVERYONE)

    assert ranking.precision_at_recall(0.5) == 1.0
    assert ranking.precision_at_recall(1.0) == pytest.approx(4 / 12)
    assert (ranking.reaches(0.5), ranking.reaches(1.0)) == (True, False)


def test_the_best_cutoff_has_the_highest_f1() -> None:
    """Of all cutoffs the chosen one is that which trying each would choose."""
    rng = np.random.default_rng(3)
    scores = {name: float(rng.integers(0, 6)) for name in EVERYONE}
    guilty = frozenset(EVERYONE[3:8])
    by_hand = []
    for least in sorted(set(scores.values())):
        above = {name for name, score in scores.items() if score >= least}
        by_hand.append(2 * len(above & guilty) / (len(above) + len(guilty)))

    best = rank_groups(alone(scores), guilty, EVERYONE).best_cutoff()

    assert best is not None
    assert 2 * best.right / (best.accused + len(guilty)) == pytest.approx(max(by_hand))


def test_reported_accounts_come_before_weighed_ones() -> None:
    """A group that was weighed and not reported ranks below every reported member."""
    world = two_rings_and_a_class()
    weighed = weighed_group([f"pupil-{n}" for n in range(5)], e_value=1e9)
    findings = findings_that_accuse(
        world, {"f": [f"amber-{n}" for n in range(6)]}, e_values={"f": 40.0}, tested=[weighed]
    )
    guilty = frozenset(f"{name}-{n}" for name in ("amber", "slate") for n in range(6))
    everyone = [row.account_id for row in world.truth_accounts]

    ranking = rank_findings(findings, guilty, everyone)

    assert ranking.precision_at_recall(0.5) == 1.0
    assert (ranking.cutoffs[1].accused, ranking.cutoffs[1].right) == (11, 6)


def test_a_member_ranks_by_the_lesser_of_its_own_evidence_and_the_groups() -> None:
    """Strong evidence of the group does not carry an account that hardly belongs."""
    world = two_rings_and_a_class()
    findings = findings_that_accuse(
        world,
        {"f1": ["amber-0", "person-0"], "f2": ["slate-0"]},
        e_values={"f1": 1e6, "f2": 1e3, "person-0": 2.0},
    )
    guilty = frozenset({"amber-0", "slate-0"})
    everyone = [row.account_id for row in world.truth_accounts]

    ranking = rank_findings(findings, guilty, everyone)

    assert [c.score[1] for c in ranking.cutoffs[:3]] == [1e6, 1e3, 2.0]
