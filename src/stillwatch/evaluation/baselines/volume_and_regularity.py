"""Baseline 3: accounts that behave like machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import duckdb

from stillwatch.evaluation.baselines.suspects import Proposal, SuspectGroup

__all__ = ["accounts_like_machines"]

_RHYTHMS = """
WITH gaps AS (
  SELECT account_id, started_at,
    epoch(started_at - lag(started_at) OVER (PARTITION BY account_id ORDER BY started_at)) AS gap
  FROM exchanges
)
SELECT account_id,
  count(*) / count(DISTINCT date_trunc('day', started_at)) AS exchanges_per_active_day,
  coalesce(stddev_pop(gap) / nullif(avg(gap), 0), 10) AS variation_of_gaps,
  count(DISTINCT hour(started_at)) AS hours_of_day
FROM gaps GROUP BY account_id
"""


class _Rhythm(NamedTuple):
    account: str
    exchanges_per_active_day: float
    variation_of_gaps: float
    hours_of_day: int


_SCORES: dict[str, Callable[[_Rhythm], float]] = {
    "most exchanges a day": lambda r: r.exchanges_per_active_day,
    "steadiest gaps": lambda r: -r.variation_of_gaps,
    "most hours of the day": lambda r: float(r.hours_of_day),
    "most exchanges a day for the variation of gaps": (
        lambda r: r.exchanges_per_active_day / (0.1 + r.variation_of_gaps)
    ),
}

_LEAST_PER_DAY = (1, 10, 50)


def accounts_like_machines(log: duckdb.DuckDBPyConnection) -> Iterator[Proposal]:
    """Each account by itself, scored by how much or how evenly it sends.

    Says nothing about who belongs together, so it has no pairs and finds no campaign.
    """
    rhythms = [_Rhythm(*row) for row in log.execute(_RHYTHMS).fetchall()]
    for (words, score), least in product(_SCORES.items(), _LEAST_PER_DAY):
        yield Proposal(
            f"{words}, at least {least} an active day",
            [
                SuspectGroup((rhythm.account,), score(rhythm))
                for rhythm in rhythms
                if rhythm.exchanges_per_active_day >= least
            ],
        )
