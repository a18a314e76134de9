"""The honest reading that is contradicted least, and what stands against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from planted_logs import JUDGE, TUTOR, LogBook, planted
from stillwatch.campaigns.counterfactuals import without_each_signal
from stillwatch.campaigns.declared import Claim
from stillwatch.campaigns.honest import Circumstances, circumstances_of, strongest_explanation
from stillwatch.campaigns.weighing import Decision, Weighed, decide, weigh
from stillwatch.signals.shared_facts import Facts


def weighed_of(book: LogBook, folder: Path) -> tuple[Weighed, Decision, Facts]:
    evidence = book.evidence(folder)
    weighed = weigh(evidence)
    return weighed, decide(weighed, 0.01), evidence.facts


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> tuple[Weighed, Decision, Facts, int]:
    book, _ = planted(5, workers=14)
    weighed, decision, facts = weighed_of(book, tmp_path_factory.mktemp("campaign"))
    return weighed, decision, facts, int(decision.reported.argmax())


def test_a_campaign_is_read_as_an_owners_own_work(campaign) -> None:
    """Clauses 1 and 2 are contradicted more than clause 3 ever can be on a log this small."""
    weighed, decision, facts, index = campaign
    group = weighed.groups[index]
    reading, favouring, against = strongest_explanation(
        circumstances_of(weighed, group, facts), group, decision, index
    )

    assert "own work" in reading
    assert "member's traffic" in favouring
    assert "owners of this log" in against
    assert "e-value" not in against


def test_what_one_owner_would_share_speaks_for_its_own_work(campaign) -> None:
    """One card and one network are as an agency's or a clinic's accounts would have them."""
    weighed, decision, facts, index = campaign
    group = weighed.groups[index]
    seen = replace(circumstances_of(weighed, group, facts), one_payer=1.0, one_network=0.75)
    _, favouring, _ = strongest_explanation(seen, group, decision, index)

    assert favouring.startswith(
        "100% of the members share one card; 75% of the members share one network; it is "
    )


def test_an_app_is_read_as_independent_users(tmp_path: Path) -> None:
    """Clause 1 is contradicted by nothing: each keeps to subjects of its own."""
    book = LogBook(7)
    book.people(60)
    book.people(30, wrapper=TUTOR, name="club")
    weighed, decision, facts = weighed_of(book, tmp_path)
    group = max(weighed.groups, key=lambda g: len(g.group.accounts))
    index = weighed.groups.index(group)
    reading, _, against = strongest_explanation(
        circumstances_of(weighed, group, facts), group, decision, index
    )

    assert "ndependent users" in reading or "Strangers" in reading
    assert against == "nothing: clause 1 shows no list that they would share"


def _figures_of(campaign, **changes: object) -> tuple[str, str, str]:
    """The reading of the campaign's group, had the decision on it been another."""
    weighed, decision, facts, index = campaign
    group = weighed.groups[index]
    other = {}
    for name, value in changes.items():
        other[name] = getattr(decision, name).copy()
        other[name][index] = value
    seen = circumstances_of(weighed, group, facts)
    return strongest_explanation(seen, group, replace(decision, **other), index)


def test_a_group_that_wording_alone_ties_is_read_as_strangers(campaign) -> None:
    """It was never asked what it collects, so no count of owners speaks for or against it."""
    reading, _, against = _figures_of(campaign, held_back=True, reached=False, e_collects=0.0)

    assert "own work" not in reading
    assert "owners of this log" not in against
    assert "e-value of" in against


def test_what_a_group_collects_is_no_reading_where_it_was_not_asked(campaign) -> None:
    """A claim that was not looked at has nothing against it, and is not the reading for that."""
    reading, _, against = _figures_of(campaign, reached=False, e_collects=0.0)

    assert "own work" not in reading
    assert not against.startswith("nothing")


def test_crowds_that_collect_as_much_are_named(campaign) -> None:
    """Not "nothing (0 owners look as much like collection)", which contradicts itself."""
    weighed, decision, facts, index = campaign
    group = replace(weighed.groups[index], log_e_crowds=-float("inf"))
    e_collects = decision.e_collects.copy()
    e_collects[index] = 0.0
    _, _, against = strongest_explanation(
        circumstances_of(weighed, group, facts),
        group,
        replace(decision, e_collects=e_collects),
        index,
    )

    assert against.startswith("nothing (crowds of as many accounts")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repeated": 0.9, "span": 86_400_000_000}, "exam, workshop or hackathon"),
        ({"repeated": 0.9, "span": 30 * 86_400_000_000}, "course"),
        ({"instructed": 0.9}, "app or agent"),
        ({"outsiders": 500}, "became known"),
        ({"span": 86_400_000_000}, "event"),
        ({}, "came to the same wording"),
    ],
)
def test_the_kind_of_crowd_is_told_by_its_figures(
    campaign, changes: dict[str, float], said: str
) -> None:
    """Each kind of crowd has a mark of its own."""
    weighed, decision, _, index = campaign
    group = weighed.groups[index]
    crowd = replace(group, acts=replace(group.acts, log_e=0.0))
    plain = Circumstances(
        accounts=14,
        repeated=0.0,
        outsiders=0,
        focus=0.9,
        span=30 * 86_400_000_000,
        independent=0.9,
        one_payer=0.0,
        one_network=0.0,
        claim=Claim(),
        instructed=0.0,
    )

    reading, _, _ = strongest_explanation(replace(plain, **changes), crowd, decision, index)

    assert said in reading


def test_nothing_is_said_for_a_reading_that_its_figure_contradicts(campaign) -> None:
    """That no member keeps to subjects of its own does not speak for independent users."""
    reading, favouring, against = _figures_of(campaign, held_back=True, reached=False)

    assert "ndependent users" in reading
    assert favouring == "no more than that wording is easily shared"
    assert "subjects of their own, an e-value of" in against


def test_each_finding_says_what_it_would_be_without_each_signal(campaign) -> None:
    """Without the cards nothing but wording ties these accounts; without division nothing stands."""
    weighed, decision, facts, index = campaign
    found = without_each_signal(weighed, facts, decision, 0.01)[index]

    assert found["division"].startswith("not reported")
    assert found["collection"].startswith("not reported")
    assert found["payment"].startswith("not reported: wording alone")


def test_a_finding_with_two_ties_survives_the_loss_of_one(tmp_path: Path) -> None:
    """Cards and telephones tie the same accounts: either suffices."""
    book, workers = planted(5, workers=14)
    for row in book.accounts:
        if row["account_id"] in workers:
            row["phone_token"] = f"phone-{int(row['account_id'][1:]) // 5}"
    weighed, decision, facts = weighed_of(book, tmp_path)
    (found,) = without_each_signal(weighed, facts, decision, 0.01).values()

    assert found["division"].startswith("not reported")
    assert not any("wording alone" in words for words in found.values())


def test_the_template_is_the_judges(campaign) -> None:
    """The story is the one that the other tests rely on."""
    weighed, _, _, index = campaign
    assert weighed.groups[index].group.by_wording
    assert "{}" in JUDGE
