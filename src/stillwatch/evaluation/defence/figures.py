"""What a defended world comes to: the attackers' harvest, and everybody else's losses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from stillwatch.evaluation.bounds import clopper_pearson_upper, nested_upper
from stillwatch.evaluation.defence.playing import Played, Sent
from stillwatch.evaluation.defence.reacting import Answer
from stillwatch.evaluation.defence.stage import Campaign, Stage
from stillwatch.evaluation.world import STOLEN
from stillwatch.simulation.frame import DAY

__all__ = ["fall", "figures_of", "honest_bounds", "prevented"]


def figures_of(stage: Stage, played: Played) -> dict[str, Any]:
    """Everything that is told of one world, as JSON.

    `usable` counts answers that serve the attacker. Replacements' exchanges are among them, and so
    are those between the flag and the force.
    """
    return {
        "accounts": stage.accounts.num_rows,
        "exchanges": stage.others.num_rows + sum(len(c.rows) for c in stage.campaigns),
        "days": (stage.ends - stage.begins) // DAY,
        "campaigns": [_of_campaign(campaign, stage, played) for campaign in stage.campaigns],
        "honest": _honest(stage, played),
        "seconds_to_force": {
            "looks": len(played.waits),
            "median": round(median(played.waits), 2) if played.waits else None,
            "longest": round(max(played.waits), 2) if played.waits else None,
        },
    }


def _of_campaign(campaign: Campaign, stage: Stage, played: Played) -> dict[str, Any]:
    sent = played.sent[campaign.label]
    planned = [p.at for p in campaign.plan if campaign.is_usable(p.number)]
    got = [s for s in sent if s.is_usable and s.answer is Answer.ANSWERED]
    flagged = played.flagged_at.get(campaign.label)
    forced = played.forced_at.get(campaign.label)
    later = [s for s in got if flagged is not None and s.at >= flagged]
    return {
        "campaign": campaign.label,
        "accounts": len({p.account_id for p in campaign.plan}),
        "flagged_after_days": None if flagged is None else (flagged - stage.begins) / DAY,
        "usable_undefended": len(planned),
        "usable_defended": len(got),
        "after_flag_undefended": sum(flagged is not None and at >= flagged for at in planned),
        "after_flag_defended": len(later),
        "of_these_before_force": sum(forced is None or s.at < forced for s in later),
        "of_these_by_replacements": sum(s.is_replacement for s in later),
        "refused": _refused(sent),
        "lost_accounts": played.lost[campaign.label],
        "replacements": played.opened[campaign.label],
    }


def _refused(sent: Sequence[Sent]) -> int:
    return sum(s.answer is not Answer.ANSWERED for s in sent)


def _honest(stage: Stage, played: Played) -> dict[str, Any]:
    """Accounts that serve no campaign, by their independent groups; owners of stolen keys apart."""
    groups: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    exposed: dict[str, int] = defaultdict(int)
    stolen = {"accounts": 0, "touched": 0, "touched_whole": 0, "refused": 0}
    for account, honest in stage.truth.honest.items():
        touched = played.touched.get(account)
        if honest.population == STOLEN:
            stolen["accounts"] += 1
            stolen["touched"] += touched is not None
            stolen["touched_whole"] += touched is not None and touched.scope == "account"
            stolen["refused"] += played.refused.get(account, 0)
            continue
        groups[honest.group][0] += 1
        groups[honest.group][1] += touched is not None
        if touched is not None:
            exposed[honest.population] += 1
    kinds: dict[tuple[int, int], int] = defaultdict(int)
    for size, hit in groups.values():
        kinds[size, hit] += 1
    of_campaigns = stage.truth.roles.keys()
    return {
        "accounts": sum(size for size, _ in groups.values()),
        "exposed": sum(hit for _, hit in groups.values()),
        "exposed_by_population": dict(exposed),
        "refused_requests": sum(
            count for account, count in played.refused.items() if account not in of_campaigns
        ),
        "owners_of_stolen_keys": stolen,
        "groups": [[size, hit, count] for (size, hit), count in sorted(kinds.items())],
    }


def fall(worlds: Iterable[Mapping[str, Any]]) -> float | None:
    """Part by which the usable exchanges after the flag fall, over all flagged campaigns."""
    return _less(worlds, "after_flag_defended", "after_flag_undefended")


def prevented(worlds: Iterable[Mapping[str, Any]]) -> float | None:
    """Part of the undefended harvest that is prevented, over all campaigns, found or not."""
    return _less(worlds, "usable_defended", "usable_undefended")


def _less(worlds: Iterable[Mapping[str, Any]], defended: str, undefended: str) -> float | None:
    rows = [campaign for world in worlds for campaign in world["campaigns"]]
    whole = sum(row[undefended] for row in rows)
    return 1 - sum(row[defended] for row in rows) / whole if whole else None


def honest_bounds(worlds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Honest accounts exposed in several worlds, with upper 95 % bounds of their share.

    `upper95` takes accounts as they are counted (Clopper and Pearson). `upper95_by_groups` resamples
    worlds and honest groups, for members of one group are exposed together, and is never below
    Clopper and Pearson over groups.
    """
    accounts = sum(world["honest"]["accounts"] for world in worlds)
    exposed = sum(world["honest"]["exposed"] for world in worlds)
    groups = [[tuple(row) for row in world["honest"]["groups"]] for world in worlds]
    return {
        "accounts": accounts,
        "exposed": exposed,
        "upper95": clopper_pearson_upper(exposed, accounts),
        "groups": sum(count for rows in groups for _, _, count in rows),
        "upper95_by_groups": nested_upper(groups),
    }
