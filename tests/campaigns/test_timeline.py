"""When it was first known: the replay against real scans at each midnight."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from planted_logs import DAY, START, LogBook, members_of, planted
from stillwatch.campaigns.reading import read_evidence
from stillwatch.campaigns.timeline import weigh_until
from stillwatch.campaigns.weighing import (
    TIED,
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
        weigh_until(whole, prepare(whole.traffic), microseconds(midnight)),
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


def test_first_flagged_is_the_first_midnight_whose_scan_reports_the_account(tmp_path: Path) -> None:
    """`first_flagged_at` equals what `scan --until` says, member by member."""
    book = staggered()
    reported = {m: members_of(book.scan(tmp_path, until=m)) for m in MIDNIGHTS}

    members = book.scan(tmp_path, timeline=True).members.to_pylist()

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

    prepared = prepare(whole.traffic)
    cut = whole.until(late)

    assert_the_same(
        weigh_until(cut, prepare(cut.traffic), early), weigh_until(whole, prepared, early)
    )
