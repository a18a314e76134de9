"""A baseline's accusations as the tables of a scan, so that one scorer reads them all."""

from __future__ import annotations

from collections.abc import Mapping, Set

import duckdb
import pyarrow as pa

from stillwatch.records import (
    ATTRIBUTED_EXCHANGES,
    CAMPAIGNS,
    LINKS,
    MEMBERS,
    TESTED,
    Findings,
    Role,
)

__all__ = ["as_findings"]

_MEMBERS = f"""
SELECT campaign_id, account_id, 1.0 AS e_value, '{Role.OPERATOR.value}' AS role, 1.0 AS share,
  []::VARCHAR[] AS credential_ids, last AS first_flagged_at, [] AS reasons
FROM accused, (SELECT max(started_at) AS last FROM exchanges)
"""

_ATTRIBUTED = """
SELECT campaign_id, exchange_id, account_id, NULL::VARCHAR AS target, 1.0 AS e_value
FROM exchanges JOIN accused USING (account_id)
"""

_CAMPAIGNS = """
SELECT campaign_id, count(DISTINCT account_id) AS accounts, count(exchange_id) AS exchanges,
  min(started_at) AS first_seen, max(started_at) AS last_seen, 1.0 AS e_value,
  1.0 AS e_acts_as_one, 1.0 AS e_undeclared, 1.0 AS e_collects, 1.0 AS fdr_q,
  []::VARCHAR[] AS targets, 0 AS templates, NULL AS actors,
  coalesce(sum(output_tokens), 0) AS estimated_tokens, 'active' AS status,
  'accused by a baseline' AS summary
FROM accused LEFT JOIN exchanges USING (account_id) GROUP BY campaign_id
"""


def as_findings(groups: Mapping[str, Set[str]], log: duckdb.DuckDBPyConnection) -> Findings:
    """Findings that accuse each group of being one campaign.

    A baseline names no role and no exchange: every member counts as an operator, all of whose
    exchanges serve the campaign, flagged when the log ends. Evidence is 1 throughout, since it has
    none to give.

    Args:
        groups: Accounts by a name of the group.
        log: From `open_world_log`.
    """
    pairs = [(name, account) for name, accounts in groups.items() for account in sorted(accounts)]
    accused = pa.table(
        {"campaign_id": [p[0] for p in pairs], "account_id": [p[1] for p in pairs]},
        schema=pa.schema([("campaign_id", pa.string()), ("account_id", pa.string())]),
    )
    log.register("accused", accused)
    try:
        members = log.sql(_MEMBERS).to_arrow_table()
        attributed = log.sql(_ATTRIBUTED).to_arrow_table()
        campaigns = log.sql(_CAMPAIGNS).to_arrow_table()
    finally:
        log.unregister("accused")
    return Findings(
        campaigns=_shaped(campaigns, CAMPAIGNS.arrow),
        members=_shaped(members, MEMBERS.arrow),
        exchanges=_shaped(attributed, ATTRIBUTED_EXCHANGES.arrow),
        tested=TESTED.arrow.empty_table(),
        links=LINKS.arrow.empty_table(),
    )


def _shaped(table: pa.Table, schema: pa.Schema) -> pa.Table:
    # What no baseline has to say: hypotheses about actors are null, reasons are empty lists.
    blank: dict[str, list[str] | None] = {"actors": None, "reasons": []}
    columns = [
        pa.array([blank[field.name]] * table.num_rows, field.type)
        if field.name in blank
        else table[field.name].cast(field.type)
        for field in schema
    ]
    return pa.table(columns, schema=pa.schema([f.with_nullable(True) for f in schema]))
