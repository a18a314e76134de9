"""The red team's rounds: each strategy simulated, scanned with its timeline, and counted."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from stillwatch.evaluation.found import read_canonical_findings
from stillwatch.evaluation.matching import match_findings
from stillwatch.evaluation.red_team import Outcome, Strategy, play, price
from stillwatch.evaluation.score import accusations_of
from stillwatch.evaluation.suite.cells import WorldOf
from stillwatch.evaluation.world import open_world_log, read_truth

__all__ = ["attack"]

Run = Callable[[list[str], Path], dict[str, Any]]

_QUANTILE = 0.999

# Before its account is flagged, or ever where it is not.
_ANSWERS = """
SELECT count(*) FROM truth_exchanges AS t JOIN exchanges AS e USING (exchange_id)
LEFT JOIN (
  SELECT account_id, min(first_flagged_at) AS flagged_at FROM flags GROUP BY account_id
) AS f ON f.account_id = t.account_id
WHERE t.distill AND (f.flagged_at IS NULL OR e.started_at < f.flagged_at)
"""


def attack(
    world: WorldOf, scratch: Path, run: Run, tables: Callable[[str], list[str]], *, rounds: int
) -> dict[str, Any]:
    """Play the rounds, and say what the scan costs the attacker.

    A limit on single accounts is set where one honest account in a thousand of the same world would
    exceed it, and the attacker begins by sending just so much from each account.

    Args:
        world: With one campaign; the volume of its accounts and its dials are his to change.
        scratch: A folder to work in, which holds `world` simulated.
        run: Runs a command of stillwatch in a folder.
        tables: Options of the scan that name the tables of a log's folder.
        rounds: His budget.
    """
    limit = _limit(scratch / "world")

    def attempt(strategy: Strategy) -> Outcome:
        played = replace(world, evasion=strategy.evasion, campaign_exchanges=strategy.each)
        for name in ("played", "findings"):
            shutil.rmtree(scratch / name, ignore_errors=True)
        run(["simulate", *played.words(), "--out", "played"], scratch)
        run(["scan", *tables("played"), "--out", "findings"], scratch)
        return _outcome(scratch / "played", scratch / "findings")

    return price(play(Strategy(each=limit), attempt, rounds=rounds), limit)


def _limit(world: Path) -> int:
    """The volume that one honest account in a thousand exceeds over the window."""
    with open_world_log(world) as log:
        rows = log.execute(
            "SELECT quantile_disc(sent, $q) FROM (SELECT count(*) AS sent FROM truth_exchanges "
            "GROUP BY account_id HAVING count(campaign) = 0)",
            {"q": _QUANTILE},
        ).fetchall()
    return int(rows[0][0])


def _outcome(world: Path, findings: Path) -> Outcome:
    truth = read_truth(world)
    found = read_canonical_findings(findings)
    (campaign,) = truth.campaigns
    flagged = {who for members in accusations_of(found).values() for who in members}
    with open_world_log(world) as log:
        log.register("flags", found.members.select(["account_id", "first_flagged_at"]))
        answers = int(log.execute(_ANSWERS).fetchall()[0][0])
    groups = {name: members.keys() for name, members in accusations_of(found).items()}
    seen = match_findings({campaign.name: campaign.roles.keys()}, groups)
    reasons = Counter(
        reason["signal"]
        for row in found.members.select(["campaign_id", "reasons"]).to_pylist()
        if row["campaign_id"] in seen.values()
        for reason in row["reasons"] or ()
    )
    return Outcome(
        accounts=len(campaign.roles),
        answers=answers,
        flagged=len(flagged & campaign.roles.keys()),
        reasons=dict(sorted(reasons.items())),
    )
