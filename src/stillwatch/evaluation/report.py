"""Evaluations of several worlds as one page of Markdown."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

from stillwatch.evaluation.bounds import clopper_pearson_upper

__all__ = ["MeasuredWorld", "render_report"]

_WHAT_IS_MEASURED = """\
Every world is simulated: real and composed prompts, real client rhythms, and a chosen attacker.
No real attack traffic with account ids is public, so these figures say how well this detector finds
these attackers, not how well it finds all.
A campaign is found when one finding holds at least half of its accounts and at least half of that
finding's accounts are its own; recall counts missed campaigns as 0.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredWorld:
    """One world, and what came of scanning it.

    Attributes:
        world: The `world.json` that `simulate` wrote.
        simulated: What `simulate --json` printed.
        scanned: What `scan --json` printed.
        evaluation: What `evaluate --json` printed.
        commands: The commands that made it, in order.
    """

    world: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    simulated: Mapping[str, Any] = field(default_factory=dict)
    scanned: Mapping[str, Any] = field(default_factory=dict)
    commands: Sequence[str] = ()


def render_report(measured: Sequence[MeasuredWorld]) -> str:
    """The tables of docs/evaluation.md, with the commands that made them."""
    sections = [_WHAT_IS_MEASURED]
    by_world: dict[str, list[MeasuredWorld]] = defaultdict(list)
    for run in measured:
        by_world[_title(run)].append(run)
    for title, runs in by_world.items():
        sections.append(f"## {title}\n")
        sections.append(_seeds(runs))
        sections.extend(filter(None, (_campaigns(runs), _baselines(runs), _populations(runs))))
        sections.append(_commands(runs))
    return "\n".join(sections)


def _title(run: MeasuredWorld) -> str:
    world = run.world
    parts = [f"World `{world.get('world', '?')}`"]
    dials = world.get("evasion")
    if isinstance(dials, Mapping) and dials:
        parts.append("evasion " + " ".join(f"{name}={level}" for name, level in dials.items()))
    if world.get("corpus"):
        parts.append(f"corpus {world['corpus']}")
    return ", ".join(parts)


def _seeds(runs: Sequence[MeasuredWorld]) -> str:
    rows = []
    for run in runs:
        found = run.evaluation
        rows.append(
            [
                str(run.world.get("seed", "?")),
                _count(run.simulated.get("accounts")),
                _count(run.simulated.get("campaign_accounts")),
                _count(run.simulated.get("exchanges")),
                f"{found['campaigns_found']} of {found['campaigns_total']}",
                _count(found["false_findings"]),
                _figure(found["account_precision"]),
                _figure(found["account_recall"]),
                _figure(_recall_of_found(found)),
                _figure(found["pair_precision"]),
                _figure(found["pair_recall"]),
                _figure(found["exchange_precision"]),
                _figure(found["exchange_recall"]),
                f"{_count(found['honest_flagged'])} of {_count(found['honest_accounts'])}",
                f"{_count(found['honest_groups_flagged'])} of {_count(found['honest_groups'])}",
                _bound(found["honest_flagged_upper95"]),
                _figure(run.scanned.get("seconds"), digits=1),
            ]
        )
    return _table(
        "By seed. *Recall* is the mean over all campaigns, *of found* that over the found ones; "
        "*at most* is the upper 95 % bound of the share of honest accounts flagged.",
        [
            "seed",
            "accounts",
            "of campaigns",
            "exchanges",
            "found",
            "false findings",
            "account precision",
            "account recall",
            "of found",
            "pair precision",
            "pair recall",
            "exchange precision",
            "exchange recall",
            "honest accounts flagged",
            "honest groups flagged",
            "at most",
            "scan, s",
        ],
        rows,
    )


def _recall_of_found(evaluation: Mapping[str, Any]) -> float | None:
    return _mean(c["account_recall"] for c in evaluation["campaigns"] if c["found"])


def _campaigns(runs: Sequence[MeasuredWorld]) -> str:
    kinds: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for run in runs:
        for campaign in run.evaluation["campaigns"]:
            kinds[campaign["kind"]].append(campaign)
    rows = []
    for kind in sorted(kinds):
        campaigns = kinds[kind]
        found = [c for c in campaigns if c["found"]]
        hours = [v for c in found if (v := c["time_to_detection_hours"]) is not None]
        rows.append(
            [
                kind,
                f"{len(found)} of {len(campaigns)}",
                "–".join(map(_count, _range(c["accounts"] for c in campaigns))),
                _figure(_mean(c["account_recall"] for c in campaigns)),
                _figure(_mean(c["account_precision"] for c in found)),
                _figure(_mean(c["exchange_recall"] for c in campaigns)),
                _figure(_mean(c["wholeness"] for c in campaigns)),
                _figure(_mean(c["purity"] for c in found)),
                _figure(median(hours) if hours else None, digits=1),
                _figure(_mean(c["exchanges_before_flag_share"] for c in found)),
            ]
        )
    if not rows:
        return ""
    return _table(
        "By kind of campaign, over all seeds. Recalls count missed campaigns as 0.",
        [
            "campaign",
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


def _baselines(runs: Sequence[MeasuredWorld]) -> str:
    rivals: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for run in runs:
        for rival in run.evaluation.get("baselines", ()):
            if rival["account_recall"] is not None:
                rivals[rival["name"]].append(rival)
    rows = [
        [
            scores[0]["description"],
            _each(scores, "ranked_precision"),
            _each(scores, "account_recall"),
            _each(scores, "scan_precision_at_recall"),
            f"{sum(s['scan_is_ahead'] is True for s in scores)} of {len(scores)}",
            " / ".join(_count(s["honest_flagged"]) for s in scores),
            " / ".join(_count(s["campaigns_found"]) for s in scores),
        ]
        for scores in rivals.values()
    ]
    if not rows:
        return ""
    return _table(
        "Scripts of an afternoon, each at the setting and cutoff that suit the truth best (highest "
        "F1), one figure a seed; and the scan's precision when it accuses as many accounts of its "
        "ranking as reach the same recall. The scan is *ahead* when its precision there is not "
        "lower, and higher where the script's is below 0.99.",
        [
            "baseline",
            "precision",
            "recall",
            "scan's precision there",
            "scan ahead",
            "honest accounts flagged",
            "campaigns found",
        ],
        rows,
    )


def _populations(runs: Sequence[MeasuredWorld]) -> str:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    keys = ("flagged", "accounts", "groups_flagged", "groups")
    for run in runs:
        for name, flags in run.evaluation["honest_flagged_by_population"].items():
            sums[name] = [total + flags[key] for total, key in zip(sums[name], keys, strict=True)]
    rows = [
        [
            name,
            f"{_count(flagged)} of {_count(accounts)}",
            f"{_count(groups_flagged)} of {_count(groups)}",
            _bound(clopper_pearson_upper(groups_flagged, groups)),
        ]
        for name, (flagged, accounts, groups_flagged, groups) in sorted(sums.items())
    ]
    return _table(
        "Honest populations, over all seeds. *At most* is the exact upper 95 % bound "
        "(Clopper–Pearson) of the share of independent groups flagged.",
        ["population", "accounts flagged", "groups flagged", "at most"],
        rows,
    )


def _commands(runs: Sequence[MeasuredWorld]) -> str:
    if not runs[0].commands:
        return ""
    block = "\n".join(runs[0].commands)
    others = ", ".join(str(run.world.get("seed", "?")) for run in runs[1:])
    likewise = f"\nLikewise with seed {others}.\n" if others else ""
    return f"Made by:\n\n```sh\n{block}\n```\n{likewise}"


def _table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [
        caption,
        "",
        "| " + " | ".join(headings) + " |",
        "|---" + "|---:" * (len(headings) - 1) + "|",
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _each(scores: Sequence[Mapping[str, Any]], key: str) -> str:
    return " / ".join(_figure(score[key]) for score in scores)


def _range(values: Iterable[int]) -> list[int]:
    known = sorted(set(values))
    return known if len(known) < 2 else [known[0], known[-1]]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _figure(value: float | None, *, digits: int = 3) -> str:
    """Cut, not rounded up: 0.9996 must not read as perfect."""
    if value is None:
        return "–"
    scale = 10**digits
    return f"{math.floor(value * scale + 1e-9) / scale:.{digits}f}"


def _bound(value: float | None) -> str:
    """Rounded up: a bound must not shrink by being printed."""
    return "–" if value is None else f"{math.ceil(value * 10_000 - 1e-9) / 10_000:.4f}"
