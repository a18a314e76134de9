"""What is weighed against what in clause 3: groups by their lesser half, open owners whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planted_logs import DAY, START, planted
from stillwatch.campaigns.looks import History
from stillwatch.campaigns.weighing import as_look, decide, smallest_rates, weigh
from stillwatch.signals.collection import harvest_score, score_of_lesser_half


def test_a_group_is_weighed_by_its_lesser_half_and_an_open_owner_whole(tmp_path: Path) -> None:
    """An open owner in the reference has its full score: what stands there can only hide."""
    book, _ = planted(31, workers=14)
    declared = {
        "organization_id": "org-lab",
        "organization_verified": "contract",
        "organization_since": START - 300 * DAY,
        "email_domain": "lab.example",
    }
    sheet = "Lab sheet of the week. Think step by step, then write a hard question about: {}"
    book.campaign(4, wrapper=sheet, name="lab", daily=20, **declared)
    book.campaign(4, wrapper=sheet, name="labx", **declared)
    weighed = weigh(book.evidence(tmp_path))
    openly = [g for g in weighed.groups if g.togetherness.openly]

    assert openly
    for group in weighed.groups:
        rows = group.group.rows
        assert group.score == score_of_lesser_half(weighed.traffic, weighed.wording, rows)
    orgs = weighed.owners.scores[weighed.owners.accounts < 0]
    assert orgs.tolist() == [float(harvest_score(g.figures)) for g in openly]
    assert orgs[0] > openly[0].score


@pytest.mark.parametrize("idle", [4, 10])
def test_accounts_that_collect_little_lower_the_score(tmp_path: Path, idle: int) -> None:
    """Fourteen workers and some that do a twelfth of it: the more of them, the less is shown."""
    scores = []
    for number, size in enumerate((0, idle)):
        book, workers = planted(33, workers=14)
        workers = workers + book.campaign(size, daily=1, name="idle")
        weighed = weigh(book.evidence(tmp_path / str(number)))
        names = weighed.traffic.account_names
        group = max(weighed.groups, key=lambda g: len(set(names[g.group.accounts]) & set(workers)))
        scores.append(group.score)
    assert decide(weighed, 0.01).reported.any()
    assert scores[1] < scores[0]


@pytest.mark.parametrize("daily", [False, True], ids=["one look", "after other looks"])
def test_the_smallest_rate_is_that_of_the_whole_grid(tmp_path: Path, daily: bool) -> None:
    """Two lists of which one stands out more: rates that are not tried would report nothing."""
    book, _ = planted(34, workers=14)
    book.campaign(13, wrapper="Write code with tests, step by step: {}", name="coder", daily=4)
    weighed = weigh(book.evidence(tmp_path))
    if daily:
        history = History(len(weighed.traffic.account_names))
        history.add(as_look(weighed))
        weighed = replace(weighed, past=history)
    expected = dict.fromkeys(range(len(weighed.groups)), 1.0)
    for rate in np.geomspace(1.0, 1e-6, 241):
        for index in np.flatnonzero(decide(weighed, float(rate)).reported).tolist():
            expected[index] = float(rate)

    assert smallest_rates(weighed, list(expected)) == expected
    assert len(set(expected.values())) >= 2
    assert min(expected.values()) < 0.1
