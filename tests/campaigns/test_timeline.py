"""When it was first known: the replay against real scans at each midnight."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from planted_logs import DAY, START, LogBook, members_of, planted
from stillwatch.campaigns.looks import TIED
from stillwatch.campaigns.reading import read_evidence
from stillwatch.campaigns.timeline import Replay
from stillwatch.campaigns.weighing import (
    Weighed,
    WeighedGroup,
    decide,
    prepare,
    weigh,
)
from stillwatch.signals.traffic import microseconds

MIDNIGHTS = [START + DAY * n for n in range(1, 7)]


def staggered(seed: int = 4) -> LogBook:
    """Workers join by and by, share cards and networks, and firms declare themselves late."""
    book, _ = planted(seed, workers=9, payment_token="card-1")
    book.campaign(6, days=range(3, 6), name="late", created_at=START + 2 * DAY)
    book.firm(12, name="young", organization_since=START + 2 * DAY)
    for number, row in enumerate(book.accounts):
        row["device_token"] = f"device-{number % 97}"
    for number, row in enumerate(book.exchanges):
        row["client_net_token"] = f"net-{number % 211}.{row['started_at'].day}"
        row["user_agent"] = f"client/{number % 13}"
    return book


def microseconds_of(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def names(weighed: Weighed, group: WeighedGroup) -> set[str]:
    return set(weighed.traffic.account_names[group.group.accounts].tolist())


def assert_the_same(one: Weighed, other: Weighed) -> None:
    assert one.traffic.account_names.tolist() == other.traffic.account_names.tolist()
    assert len(one.groups) == len(other.groups)
    for a, b in zip(one.groups, other.groups, strict=True):
        assert a.group.accounts.tolist() == b.group.accounts.tolist()
        assert a.group.rows.tolist() == b.group.rows.tolist()
        assert a.acts.log_e == b.acts.log_e
        assert a.togetherness == b.togetherness
        assert a.score == b.score
    assert np.array_equal(one.owners.scores, other.owners.scores)


@pytest.mark.parametrize("midnight", MIDNIGHTS[1::2])
def test_what_is_weighed_at_a_midnight_is_what_a_scan_until_then_weighs(
    tmp_path: Path, midnight: datetime
) -> None:
    """The replay is the same as reading only what was known then, group for group, bit for bit."""
    book = staggered()
    whole = book.evidence(tmp_path)
    then = book.evidence(tmp_path, until=midnight)

    assert_the_same(
        Replay(whole, prepare(whole.traffic), 0.01).weigh_until(microseconds(midnight)),
        weigh(then),
    )


def test_a_midnight_asks_the_tying_signals_about_whom_a_decision_hangs_on(tmp_path: Path) -> None:
    """A group that wording alone links, and that passes the clauses, is asked about as in a scan."""
    book, workers = planted(
        6, payment_token=None, payment_bin="400000", email_domain="mail.example"
    )
    for number, row in enumerate(book.accounts):
        row["device_token"] = f"device-{number}"
        row["payment_bin"] = row["payment_bin"] or f"5{number:05}"
        row["email_domain"] = row["email_domain"] or f"m{number % 50}.example"
    evidence = book.evidence(tmp_path)

    asked, all_asked = weigh(evidence, only_deciding=True), weigh(evidence)

    index = [set(workers) <= names(asked, group) for group in asked.groups].index(True)
    group = asked.groups[index]
    assert group.tied < TIED
    assert group.log_e_tied == all_asked.groups[index].log_e_tied != 0
    assert np.array_equal(decide(asked, 0.01).reported, decide(all_asked, 0.01).reported)


@pytest.mark.parametrize("joint", [False, True])
def test_first_flagged_is_the_first_midnight_whose_scan_reports_the_account(
    tmp_path: Path, joint: bool
) -> None:
    """`first_flagged_at` equals what `scan --until` says, member by member."""
    book = staggered()
    reported = {
        m: members_of(book.scan(tmp_path, until=m, rate=0.05, timeline=True, joint=joint))
        for m in MIDNIGHTS
    }

    members = book.scan(tmp_path, rate=0.05, timeline=True, joint=joint).members.to_pylist()

    assert len(members) >= 15
    for member in members:
        then = [m for m in MIDNIGHTS if member["account_id"] in reported[m]]
        # The last day has no midnight yet: the moment of the scan stands for it.
        if then:
            assert member["first_flagged_at"] == then[0]
        else:
            assert member["first_flagged_at"] > MIDNIGHTS[-2]


def test_an_account_that_no_midnight_flags_gets_the_moment_of_the_scan(tmp_path: Path) -> None:
    """Who becomes known on the last day is dated just after the log's last exchange."""
    book, workers = planted(5, days=[0], daily=36)

    findings = book.scan(tmp_path, until=START + timedelta(hours=23), timeline=True)

    assert members_of(findings) <= set(workers)
    last = max(
        e["started_at"]
        for e in book.exchanges
        if e["started_at"].hour < 23 and e["started_at"].day == START.day
    )
    for member in findings.members.to_pylist():
        assert member["first_flagged_at"] == last + timedelta(microseconds=1)


def test_going_back_and_then_further_back_is_going_back_at_once(tmp_path: Path) -> None:
    """Evidence cut at one midnight can be cut again at an earlier one."""
    whole = read_evidence(staggered().open(tmp_path))
    late, early = microseconds(MIDNIGHTS[3]), microseconds(MIDNIGHTS[1])

    cut = whole.until(late)

    assert_the_same(
        Replay(cut, prepare(cut.traffic), 0.01).weigh_until(early),
        Replay(whole, prepare(whole.traffic), 0.01).weigh_until(early),
    )


def test_a_finer_grid_dates_what_a_scan_until_then_reports(tmp_path: Path) -> None:
    """Within the day before a flag, the moment is bisected to the hours of the grid."""
    book = staggered()
    found = book.scan(tmp_path, rate=0.05, timeline=True, grid_hours=6).members.to_pylist()
    daily = book.scan(tmp_path, rate=0.05, timeline=True).members.to_pylist()

    assert [m["account_id"] for m in found] == [m["account_id"] for m in daily]
    dated = {m["account_id"]: m["first_flagged_at"] for m in found}
    assert {moment.hour for moment in dated.values()} & {6, 12, 18}
    moment = min(dated.values())
    until = book.scan(tmp_path, until=moment, rate=0.05, timeline=True)
    before = book.scan(tmp_path, until=moment - timedelta(hours=6), rate=0.05, timeline=True)
    flagged = {account for account, when in dated.items() if when == moment}
    assert flagged <= members_of(until)
    assert not flagged & members_of(before)
    for one, other in zip(found, daily, strict=True):
        assert one["first_flagged_at"] <= other["first_flagged_at"]


@pytest.mark.parametrize("seed", [4, 11])
def test_a_campaign_keeps_its_name_as_it_grows(tmp_path: Path, seed: int) -> None:
    """Scans until one midnight after the other name it alike, whoever has joined meanwhile."""
    book = staggered(seed)
    scans = [book.scan(tmp_path, until=m, rate=0.05, timeline=True) for m in MIDNIGHTS]
    found = [s.campaigns.select(["campaign_id", "accounts"]).to_pylist() for s in scans]
    seen = [rows for rows in found if rows]

    assert len(seen) >= 3
    assert len({row["campaign_id"] for rows in seen for row in rows}) == 1
    assert seen[-1][0]["accounts"] > seen[0][0]["accounts"]


def test_a_day_without_news_is_no_look(tmp_path: Path) -> None:
    """A quiet day changes no date: history is made of the log's own days."""
    book, _ = planted(3)
    for row in book.exchanges:
        if row["started_at"] >= START + 2 * DAY:
            row["started_at"] += 3 * DAY
    evidence = book.evidence(tmp_path)

    midnights = Replay(evidence, prepare(evidence.traffic), 0.05)._midnights(
        evidence.traffic.started
    )

    days = [(m - microseconds(START)) // microseconds_of(DAY) for m in midnights]
    assert days == [1, 2, 6, 7, 8]
