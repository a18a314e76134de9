"""Everyone together: the figures of each world, kind of campaign, population and baseline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from stillwatch.evaluation.bounds import clopper_pearson_upper
from stillwatch.evaluation.suite.page import pooling
from stillwatch.evaluation.suite.page.tables import (
    Section,
    Target,
    at_least,
    at_most,
    bound,
    count,
    figure,
    mean,
    share,
    table,
)
from stillwatch.evaluation.suite.running import Measured

__all__ = ["worlds_section"]

_LARGE = 900_000


def worlds_section(measured: Sequence[Measured]) -> Section:
    """All populations and campaigns of each half, side by side."""
    mine = pooling.of_family(measured, "worlds")
    names = list(dict.fromkeys(m.cell.about["world"] for m in mine))
    by_name = {name: pooling.scans(pooling.where(mine, world=name)) for name in names}
    text = "\n".join(
        [
            _seeds(mine),
            _kinds(by_name),
            _rivals(by_name),
            _populations([scan for found in by_name.values() for scan in found]),
        ]
    )
    return Section("Everyone together", text, _targets(mine))


def _targets(mine: Sequence[Measured]) -> list[Target]:
    large = [m for m in mine if m.result and m.result["world"]["exchanges"] >= _LARGE]
    ran = large or [m for m in mine if m.result]
    found = pooling.scans(ran)
    kind = "a million exchanges" if large else "smaller than the million exchanges asked for"
    on = f"{len(ran)} world{'s' if len(ran) != 1 else ''}, {kind}" if ran else ""
    flagged, honest = pooling.honest_flags(found)
    organisations = pooling.organisations_flagged(found) if found else None
    hits = [c for c in pooling.campaigns(found) if c["found"]]
    return [
        at_most("no honest organisation or group touched", organisations, 0, on),
        at_most(
            "honest accounts flagged: 0.01 % or fewer",
            flagged / honest if honest else None,
            1e-4,
            on,
        ),
        at_most(
            "the same, upper 95 % bound over worlds and groups",
            pooling.honest_bound(found),
            1e-4,
            on,
        ),
        at_least("account precision 0.999", _worst(found, "account_precision"), 0.999, on),
        at_least("pair precision 0.999", _worst(found, "pair_precision"), 0.999, on),
        at_least("exchange precision 0.99", _worst(found, "exchange_precision"), 0.99, on),
        at_least(
            "exchange recall 0.90 within found campaigns",
            mean(c["exchange_recall"] for c in hits),
            0.90,
            on,
        ),
        at_most("share of a mixed account within 0.1", _greatest(found, "share_error"), 0.1, on),
        at_least(
            "target named right for 0.9 of exchanges",
            mean(pooling.figures(found, "target_accuracy")),
            0.9,
            on,
        ),
    ]


def _worst(found: Sequence[Mapping[str, Any]], key: str) -> float | None:
    return min((v for v in pooling.figures(found, key) if v is not None), default=None)


def _greatest(found: Sequence[Mapping[str, Any]], key: str) -> float | None:
    return max((v for v in pooling.figures(found, key) if v is not None), default=None)


def _seeds(mine: Sequence[Measured]) -> str:
    rows = []
    for m in mine:
        name = f"{m.cell.about['world']}, seed {m.cell.world.seed}"
        if not m.result:
            rows.append([name, "not run yet", *[""] * 14])
            continue
        world, scan = m.result["world"], m.result["scans"]["scan"]
        found = scan["figures"]
        rows.append(
            [
                name,
                count(world["accounts"]),
                count(world["campaign_accounts"]),
                count(world["exchanges"]),
                share(found["campaigns_found"], found["campaigns_total"]),
                count(found["false_findings"]),
                *(
                    figure(found[key])
                    for key in (
                        "account_precision",
                        "account_recall",
                        "pair_precision",
                        "pair_recall",
                        "exchange_precision",
                        "exchange_recall",
                        "target_accuracy",
                        "role_accuracy",
                    )
                ),
                share(found["honest_flagged"], found["honest_accounts"]),
                figure(scan["seconds"], digits=1),
            ]
        )
    return table(
        "By world. *build* and *held-out* are the two halves of the simulator's variety, each with "
        "its own campaigns; *full* has all campaigns, in the words and rhythms held out. Recalls "
        "are means over all campaigns, missed ones as 0.",
        [
            "world",
            "accounts",
            "of campaigns",
            "exchanges",
            "found",
            "false findings",
            "account precision",
            "account recall",
            "pair precision",
            "pair recall",
            "exchange precision",
            "exchange recall",
            "targets right",
            "roles right",
            "honest flagged",
            "scan, s",
        ],
        rows,
    )


def _kinds(by_name: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    kinds: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for name, found in by_name.items():
        for campaign in pooling.campaigns(found):
            kinds[(campaign["kind"], name)].append(campaign)
    rows = []
    for (kind, name), runs in sorted(kinds.items()):
        hits = [c for c in runs if c["found"]]
        hours = [c["time_to_detection_hours"] for c in hits]
        hours = [h for h in hours if h is not None]
        sizes = sorted({c["accounts"] for c in runs})
        rows.append(
            [
                kind,
                name,
                share(len(hits), len(runs)),
                count(sizes[0]) if len(sizes) == 1 else f"{sizes[0]:,}–{sizes[-1]:,}",
                figure(pooling.recall(runs)),
                figure(mean(c["account_precision"] for c in hits)),
                figure(mean(c["exchange_recall"] for c in runs)),
                figure(mean(c["wholeness"] for c in runs)),
                figure(mean(c["purity"] for c in hits)),
                figure(median(hours) if hours else None, digits=1),
                figure(mean(c["exchanges_before_flag_share"] for c in hits)),
            ]
        )
    return table(
        "By kind of campaign and world.",
        [
            "campaign",
            "world",
            "found",
            "accounts",
            "account recall",
            "account precision",
            "exchange recall",
            "wholeness",
            "purity",
            "hours to detection",
            "exchanges before the flag",
        ],
        rows,
    )


def _rivals(by_name: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    rows = []
    for name, found in by_name.items():
        rivals: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for scan in found:
            for rival in scan["baselines"]:
                rivals[rival["description"]].append(rival)
        if not rivals:
            continue
        rows.append(_own_row(name, found))
        for description, scores in rivals.items():
            rows.append(
                [
                    description,
                    name,
                    figure(mean(s["account_precision"] for s in scores)),
                    figure(mean(s["account_recall"] for s in scores)),
                    figure(mean(s["pair_precision"] for s in scores)),
                    figure(mean(s["pair_recall"] for s in scores)),
                    figure(mean(s["exchange_precision"] for s in scores)),
                    count(sum(s["honest_flagged"] for s in scores)),
                    count(sum(s["campaigns_found"] for s in scores)),
                    share(sum(s["scan_is_ahead"] is True for s in scores), len(scores)),
                ]
            )
    return table(
        "Beside the baselines, each at the setting and cutoff that suit the truth of that very "
        "world best (highest F1), which no user could choose. Recalls here count every account, "
        "pair and exchange once. The scan is *ahead* when, accusing as many accounts of its ranking "
        "as reach the baseline's recall, its precision is not lower, and higher where the "
        "baseline's is below 0.99.",
        [
            "",
            "world",
            "account precision",
            "account recall",
            "pair precision",
            "pair recall",
            "exchange precision",
            "honest accounts flagged",
            "campaigns found",
            "scan ahead",
        ],
        rows,
    )


def _own_row(name: str, found: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        "**stillwatch scan**",
        name,
        figure(mean(pooling.figures(found, "account_precision"))),
        figure(mean(pooling.figures(found, "account_recall_pooled"))),
        figure(mean(pooling.figures(found, "pair_precision"))),
        figure(mean(pooling.figures(found, "pair_recall_pooled"))),
        figure(mean(pooling.figures(found, "exchange_precision"))),
        count(pooling.honest_flags(found)[0]),
        count(sum(scan["figures"]["campaigns_found"] for scan in found)),
        "",
    ]


def _populations(found: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            name,
            share(flagged, accounts),
            share(groups_flagged, groups),
            bound(clopper_pearson_upper(groups_flagged, groups)),
        ]
        for name, (flagged, accounts, groups_flagged, groups) in pooling.populations(found).items()
    ]
    return table(
        "Honest populations, over these worlds. *At most* is the exact upper 95 % bound "
        "(Clopper–Pearson) of the share of independent groups flagged.",
        ["population", "accounts flagged", "groups flagged", "at most"],
        rows,
    )
