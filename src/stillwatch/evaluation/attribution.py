"""Exchanges against truth: which were attributed rightly, to what, and how soon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from stillwatch.records import Findings

__all__ = [
    "AttributionTotals",
    "CampaignExchanges",
    "measure_attribution",
]

# The exchanges that really collected, with the moment of each.
_COLLECTED = """
CREATE OR REPLACE TEMP TABLE collected AS
SELECT truth.exchange_id, truth.account_id, truth.campaign, truth.target, log.started_at
FROM truth_exchanges AS truth
LEFT JOIN exchanges AS log USING (exchange_id)
WHERE truth.distill AND truth.campaign IS NOT NULL
"""

_TOTALS = """
WITH attributed AS (SELECT DISTINCT exchange_id FROM findings_exchanges)
SELECT count(*) AS attributed, count(collected.exchange_id) AS right_ones
FROM attributed LEFT JOIN (SELECT DISTINCT exchange_id FROM collected) AS collected
USING (exchange_id)
"""

# An abstention (null) differs from every target, so it counts as wrong.
_TARGETS = """
WITH attributed AS (
  SELECT exchange_id, min(target) AS target FROM findings_exchanges GROUP BY ALL
)
SELECT count(*), count(*) FILTER (attributed.target IS NOT DISTINCT FROM collected.target)
FROM attributed JOIN collected USING (exchange_id)
WHERE collected.target IS NOT NULL
"""

# One row a campaign. `matched` says which finding stands for it, if any.
_BY_CAMPAIGN = """
WITH attributed AS (SELECT DISTINCT campaign_id, exchange_id FROM findings_exchanges),
flagged AS (
  SELECT campaign_id, account_id, min(first_flagged_at) AS flagged_at
  FROM findings_members GROUP BY ALL
)
SELECT
  collected.campaign,
  count(*) AS exchanges,
  count(attributed.exchange_id) AS recalled,
  min(collected.started_at) AS first_exchange,
  count(*) FILTER (
    flagged.flagged_at IS NULL OR collected.started_at < flagged.flagged_at
  ) AS before_flag
FROM collected
LEFT JOIN matched USING (campaign)
LEFT JOIN attributed
  ON attributed.campaign_id = matched.campaign_id
  AND attributed.exchange_id = collected.exchange_id
LEFT JOIN flagged
  ON flagged.campaign_id = matched.campaign_id
  AND flagged.account_id = collected.account_id
GROUP BY collected.campaign
"""

# The part of an account's exchanges that truly serve the campaign, against what the finding says.
_SHARES = """
WITH volume AS (SELECT account_id, count(*) AS exchanges FROM truth_exchanges GROUP BY ALL),
served AS (SELECT campaign, account_id, count(*) AS exchanges FROM collected GROUP BY ALL)
SELECT avg(abs(members.share - coalesce(served.exchanges, 0) / volume.exchanges))
FROM findings_members AS members
JOIN matched USING (campaign_id)
JOIN own_accounts USING (campaign, account_id)
JOIN volume USING (account_id)
LEFT JOIN served USING (campaign, account_id)
"""


@dataclass(frozen=True, slots=True)
class CampaignExchanges:
    """The exchanges of one true campaign, against the finding that stands for it.

    Attributes:
        exchanges: Those that really collected for it.
        recalled: Of them, attributed to its finding.
        first_exchange: The first of them, or None when it sent nothing.
        before_flag: Of them, sent before the finding had flagged their account, or by accounts
            that it never flagged.
    """

    exchanges: int
    recalled: int
    first_exchange: datetime | None
    before_flag: int


@dataclass(frozen=True, slots=True)
class AttributionTotals:
    """Attributed exchanges of all findings.

    Attributes:
        attributed: Distinct exchanges attributed to any finding.
        right: Of them, those that really collected for a campaign.
        target_accuracy: Of attributed exchanges that collect, the part whose target is named
            rightly; to abstain counts as wrong.
        share_error: Mean absolute error of the members' shares, over accounts of found campaigns.
        collected: Exchanges that really collected, found or not.
        campaigns: By true campaign.
    """

    attributed: int
    right: int
    target_accuracy: float | None
    share_error: float | None
    collected: int
    campaigns: Mapping[str, CampaignExchanges]

    @property
    def precision(self) -> float | None:
        return self.right / self.attributed if self.attributed else None


def measure_attribution(
    log: duckdb.DuckDBPyConnection,
    findings: Findings,
    *,
    matches: Mapping[str, str],
    own_accounts: Mapping[str, Mapping[str, object]],
) -> AttributionTotals:
    """Compare attributed exchanges with the truth in `log`.

    Args:
        log: From `open_world_log`.
        findings: Of the scan that is evaluated.
        matches: Finding by true campaign, for those found.
        own_accounts: The accounts of each true campaign.
    """
    log.execute(_COLLECTED)
    log.register("findings_exchanges", findings.exchanges)
    log.register("findings_members", findings.members)
    log.register("matched", _matched(matches))
    log.register("own_accounts", _own(own_accounts))
    attributed, right = _one(log, _TOTALS)
    weighed, named = _one(log, _TARGETS)
    campaigns = {
        row[0]: CampaignExchanges(row[1], row[2], row[3], row[4])
        for row in log.execute(_BY_CAMPAIGN).fetchall()
    }
    (collected,) = _one(log, "SELECT count(DISTINCT exchange_id) FROM collected")
    (share_error,) = _one(log, _SHARES)
    return AttributionTotals(
        attributed=attributed,
        right=right,
        target_accuracy=named / weighed if weighed else None,
        share_error=share_error,
        collected=collected,
        campaigns=campaigns,
    )


def _one(log: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    # All rows are fetched: a result half read would keep the connection busy.
    rows = log.execute(query).fetchall()
    return tuple(rows[0]) if rows else ()


def _matched(matches: Mapping[str, str]) -> pa.Table:
    columns = {"campaign": list(matches), "campaign_id": list(matches.values())}
    schema = pa.schema([("campaign", pa.string()), ("campaign_id", pa.string())])
    return pa.table(columns, schema=schema)


def _own(own_accounts: Mapping[str, Mapping[str, object]]) -> pa.Table:
    pairs = [(name, account) for name, accounts in own_accounts.items() for account in accounts]
    columns = {"campaign": [p[0] for p in pairs], "account_id": [p[1] for p in pairs]}
    schema = pa.schema([("campaign", pa.string()), ("account_id", pa.string())])
    return pa.table(columns, schema=schema)
