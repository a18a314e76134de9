"""Baseline 2: accounts whose prompts begin alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product

import duckdb

from stillwatch.evaluation.baselines.suspects import Proposal, SuspectGroup

__all__ = ["OPENING_CHARACTERS", "groups_sharing_a_prompt_opening"]

OPENING_CHARACTERS = 50

# 400 characters are cut first: fifty characters of normalised text hardly ever need more, and
# long documents would otherwise be normalised whole.
_SHARED_OPENINGS = f"""
CREATE OR REPLACE TEMP TABLE shared_openings AS
WITH openings AS (
  SELECT account_id, left(
    trim(regexp_replace(lower(nfc_normalize(left(input_text, 400))), '\\s+', ' ', 'g')),
    {OPENING_CHARACTERS}
  ) AS opening
  FROM exchanges WHERE input_text IS NOT NULL AND input_text <> ''
),
uses AS (SELECT opening, account_id, count(*) AS uses FROM openings GROUP BY opening, account_id),
volume AS (SELECT account_id, count(*) AS exchanges FROM exchanges GROUP BY account_id),
popular AS (SELECT opening FROM uses GROUP BY opening HAVING count(*) >= 2)
SELECT opening, account_id, uses, uses / exchanges AS share
FROM uses JOIN popular USING (opening) JOIN volume USING (account_id)
"""

_GROUPED = """
SELECT opening, account_id FROM shared_openings
WHERE uses >= $least_uses AND share >= $least_share
"""

_LEAST_USES = (1, 5, 20)
_LEAST_SHARES = (0.0, 0.1, 0.5)
# An opening that more accounts use is taken for a greeting or a public tool.
_MOST_ACCOUNTS_OF_AN_OPENING = (100, 1_000_000_000)


def groups_sharing_a_prompt_opening(log: duckdb.DuckDBPyConnection) -> Iterator[Proposal]:
    """Accounts by the first fifty normalised characters, scored by how many begin so."""
    log.execute(_SHARED_OPENINGS)
    for uses, share in product(_LEAST_USES, _LEAST_SHARES):
        rows = log.execute(_GROUPED, {"least_uses": uses, "least_share": share}).fetchall()
        members: dict[str, list[str]] = defaultdict(list)
        for opening, account in rows:
            members[opening].append(account)
        for most in _MOST_ACCOUNTS_OF_AN_OPENING:
            groups = [
                SuspectGroup(tuple(sorted(accounts)), float(len(accounts)))
                for accounts in members.values()
                if 2 <= len(accounts) <= most
            ]
            cap = f", openings of at most {most} accounts" if most < 1_000_000_000 else ""
            yield Proposal(
                f"at least {uses} prompts and {share:.0%} of its own begin so{cap}", groups
            )
