"""The dates of a simulated world's members, against a scan until each midnight."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from planted_logs import DAY, members_of
from stillwatch.campaigns.scan import ScanSettings, scan
from stillwatch.lake.log import open_log
from stillwatch.records import Findings
from stillwatch.simulation import WORLDS, order_world, simulate

pytestmark = pytest.mark.slow


def test_first_flagged_holds_on_a_simulated_world(tmp_path: Path) -> None:
    """On the world of the demo every member's date is that of the first scan that reports it."""
    order = order_world(WORLDS["demo"], seed=2, accounts=1500)
    simulate(order, tmp_path / "world", processes=1)

    def scanned(until: datetime | None = None, *, timeline: bool = False) -> Findings:
        log = open_log(
            exchanges=tmp_path / "world" / "exchanges",
            accounts=tmp_path / "world" / "accounts.parquet",
            until=until,
        )
        return scan(log, ScanSettings(with_timeline=timeline), notes={})

    findings = scanned(timeline=True)
    start = datetime.fromtimestamp(order.frame.start / 1e6, UTC)
    midnights = [start + DAY * n for n in range(1, order.frame.days)]
    reported = {m: members_of(scanned(m, timeline=True)) for m in midnights}

    members = findings.members.to_pylist()
    assert members
    for member in members:
        then = [m for m in midnights if member["account_id"] in reported[m]]
        if then:
            assert member["first_flagged_at"] == then[0]
        else:
            assert member["first_flagged_at"] > midnights[-1]
