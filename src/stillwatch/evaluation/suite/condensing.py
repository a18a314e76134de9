"""What is kept of a scan: its figures against the truth, small enough to commit."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stillwatch.evaluation.accusations import wrongly_accused
from stillwatch.evaluation.comparison import compare_with_baselines
from stillwatch.evaluation.found import read_canonical_findings
from stillwatch.evaluation.score import Evaluation, accusations_of, evaluate_findings
from stillwatch.evaluation.world import Truth, open_world_log, read_truth
from stillwatch.records import Findings

__all__ = ["condense"]

_LEVELS = (20.0, 100.0, 1000.0)
_APART = ("campaigns", "honest_flagged_by_population")
_OF_A_RIVAL = ("cutoff", "honest_groups_flagged")


def condense(world: Path, findings: Path, *, baselines: bool) -> dict[str, Any]:
    """Score the findings of one scan, and keep what the tables need.

    Returns:
        `figures` (the scalars of `stillwatch evaluate`), `campaigns`, `populations` (by name:
        accounts flagged, accounts, groups flagged, groups), `groups` (rows of accounts in an
        honest group, of them flagged, how many groups are so), `countries` (by country: accounts
        flagged, accounts, groups flagged, groups), `clauses` (of groups without a campaign's account, how many have
        a least clause of 20, 100 and 1,000), `digest` (the same for the same members in the same
        roles), `rates` (the `fdr_q` of each finding, and whether it is false).
    """
    truth = read_truth(world)
    found = read_canonical_findings(findings)
    with open_world_log(world) as log:
        result = evaluate_findings(truth, log, found)
        rivals = compare_with_baselines(truth, log, found) if baselines else ()
    accusations = accusations_of(found)
    wrong = wrongly_accused(truth, accusations)
    return {
        "figures": {k: v for k, v in result.as_json().items() if k not in _APART},
        "campaigns": [_rounded(campaign) for campaign in result.as_json()["campaigns"]],
        "populations": _populations(result),
        "groups": _group_kinds(truth, wrong),
        "countries": _countries(world, truth, wrong),
        "clauses": _clauses(truth, found),
        "digest": _digest(accusations),
        "rates": _rates(truth, found, accusations),
        "baselines": [
            {k: v for k, v in rival.as_json().items() if k not in _OF_A_RIVAL} for rival in rivals
        ],
    }


def _rounded(campaign: Mapping[str, Any]) -> dict[str, Any]:
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in campaign.items()}


def _populations(result: Evaluation) -> dict[str, list[int]]:
    return {
        name: [flags.flagged, flags.accounts, flags.groups_flagged, flags.groups]
        for name, flags in result.honest_flagged_by_population.items()
    }


def _group_kinds(truth: Truth, wrong: frozenset[str]) -> list[list[int]]:
    sizes: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    for account, owner in truth.honest.items():
        sizes[owner.group] += 1
        flagged[owner.group] += account in wrong
    kinds = Counter((size, flagged[group]) for group, size in sizes.items())
    return [[size, hit, number] for (size, hit), number in sorted(kinds.items())]


def _countries(world: Path, truth: Truth, wrong: frozenset[str]) -> dict[str, list[int]]:
    rows = pq.read_table(world / "accounts.parquet", columns=["account_id", "country"]).to_pylist()
    flagged: Counter[str] = Counter()
    accounts: Counter[str] = Counter()
    groups: dict[str, set[str]] = defaultdict(set)
    touched: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        owner = truth.honest.get(row["account_id"])
        if owner is None:
            continue
        country = row["country"] or "unknown"
        accounts[country] += 1
        groups[country].add(owner.group)
        if row["account_id"] in wrong:
            flagged[country] += 1
            touched[country].add(owner.group)
    return {
        name: [flagged[name], accounts[name], len(touched[name]), len(groups[name])]
        for name in sorted(accounts)
    }


def _clauses(truth: Truth, found: Findings) -> dict[str, Any]:
    """Of honest groups that were tested, how many have a least clause above each level."""
    least = [
        min(row["e_acts_as_one"], row["e_undeclared"], row["e_collects"])
        for row in found.tested.to_pylist()
        if not any(account in truth.roles for account in row.get("account_ids") or ())
    ]
    return {
        "honest_groups_tested": len(least),
        "at_least": [sum(value >= level for value in least) for level in _LEVELS],
    }


def _digest(accusations: Mapping[str, Mapping[str, Any]]) -> str:
    members = sorted(
        sorted((account, str(role)) for account, role in found.items())
        for found in accusations.values()
    )
    return hashlib.sha256(json.dumps(members).encode()).hexdigest()[:16]


def _rates(
    truth: Truth, found: Findings, accusations: Mapping[str, Mapping[str, Any]]
) -> list[list[Any]]:
    rows = found.campaigns.select(["campaign_id", "fdr_q"]).to_pylist()
    rates = []
    for row in rows:
        members = accusations[row["campaign_id"]]
        involved = sum(account in truth.roles for account in members)
        rates.append([row["fdr_q"], involved < 0.5 * len(members)])
    return rates
