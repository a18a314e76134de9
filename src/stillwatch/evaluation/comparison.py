"""The scan beside the baselines, by the same figures and at the same recall."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from stillwatch.evaluation.baselines import BASELINES, Baseline, Proposal
from stillwatch.evaluation.baselines.as_findings import as_findings
from stillwatch.evaluation.ranking import Cutoff, Ranking, rank_findings, rank_groups
from stillwatch.evaluation.score import evaluate_findings
from stillwatch.evaluation.world import Truth
from stillwatch.records import Findings

__all__ = ["NEARLY_CERTAIN", "BaselineScore", "compare_with_baselines"]

NEARLY_CERTAIN = 0.99
"""A baseline this precise need not be beaten, only equalled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineScore:
    """A baseline at the setting and cutoff that suit this world's truth best (highest F1).

    Its accusations become the tables of a scan (`as_findings`) and are read by the same scorer. It
    names no role and no exchange: each account counts as accused of being an operator, with all
    its exchanges attributed. Its recalls count every account, pair or exchange once.

    Attributes:
        account_precision: An account whose credential was stolen counts as wrongly accused.
        ranked_precision: Blind to roles, as the comparison with the scan needs it: an account is
            right when it serves a campaign in any role.
        scan_precision_at_recall: The scan's precision, just as blind, when it accuses as many
            accounts of its ranking as reach this baseline's `account_recall`.
        scan_reaches_recall: Whether accounts that the scan reported or weighed suffice for that;
            otherwise the rest are accounts drawn at random.
        scan_is_ahead: The scan's precision there is not lower, and higher where the baseline's is
            below 0.99. None where the baseline finds nobody.
    """

    name: str
    description: str
    setting: str
    cutoff: float | None
    accused: int
    account_precision: float | None
    account_recall: float | None
    pair_precision: float | None
    pair_recall: float | None
    exchange_precision: float | None
    exchange_recall: float | None
    campaigns_found: int
    honest_flagged: int
    honest_groups_flagged: int
    honest_flagged_upper95: float | None
    ranked_precision: float | None
    scan_precision_at_recall: float | None
    scan_reaches_recall: bool | None
    scan_is_ahead: bool | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def compare_with_baselines(
    truth: Truth, log: duckdb.DuckDBPyConnection, findings: Findings
) -> tuple[BaselineScore, ...]:
    """Score each baseline on the world's log, and the scan at its recall.

    Args:
        truth: From `read_truth`.
        log: The same world's tables, from `open_world_log`.
        findings: Of a scan of that world.
    """
    everyone = truth.roles.keys() | truth.honest.keys()
    scan = rank_findings(findings, truth.roles.keys(), everyone)
    return tuple(_score(baseline, truth, log, scan=scan) for baseline in BASELINES)


@dataclass(frozen=True, slots=True)
class _Choice:
    proposal: Proposal
    cutoff: Cutoff | None
    f1: float

    def accused_groups(self) -> dict[str, frozenset[str]]:
        """The groups at or above the cutoff, under names of their own."""
        if self.cutoff is None:
            return {}
        least = self.cutoff.score[1]
        return {
            str(number): frozenset(group.accounts)
            for number, group in enumerate(self.proposal.groups)
            if group.score >= least
        }


def _score(
    baseline: Baseline,
    truth: Truth,
    log: duckdb.DuckDBPyConnection,
    *,
    scan: Ranking,
) -> BaselineScore:
    choice = _best_choice(baseline, truth, log)
    groups = choice.accused_groups()
    accused = frozenset[str]().union(*groups.values())
    result = evaluate_findings(truth, log, as_findings(groups, log))
    right = len(accused & truth.roles.keys())
    recall, precision = result.account_recall_pooled, _part(right, len(accused))
    at_recall = None if recall is None else scan.precision_at_recall(recall)
    return BaselineScore(
        name=baseline.name,
        description=baseline.description,
        setting=choice.proposal.setting,
        cutoff=choice.cutoff.score[1] if choice.cutoff else None,
        accused=len(accused),
        account_precision=result.account_precision,
        account_recall=recall,
        pair_precision=result.pair_precision,
        pair_recall=result.pair_recall_pooled,
        exchange_precision=result.exchange_precision,
        exchange_recall=result.exchange_recall_pooled,
        campaigns_found=result.campaigns_found,
        honest_flagged=result.honest_flagged,
        honest_groups_flagged=result.honest_groups_flagged,
        honest_flagged_upper95=result.honest_flagged_upper95,
        ranked_precision=precision,
        scan_precision_at_recall=at_recall,
        scan_reaches_recall=None if recall is None else scan.reaches(recall),
        scan_is_ahead=_is_ahead(at_recall, precision),
    )


def _best_choice(baseline: Baseline, truth: Truth, log: duckdb.DuckDBPyConnection) -> _Choice:
    everyone = truth.roles.keys() | truth.honest.keys()
    best: _Choice | None = None
    for proposal in baseline.propose(log):
        ranking = rank_groups(proposal.groups, truth.roles.keys(), everyone)
        cutoff = ranking.best_cutoff()
        f1 = 2 * cutoff.right / (cutoff.accused + ranking.guilty) if cutoff else 0.0
        if best is None or f1 > best.f1:
            best = _Choice(proposal, cutoff, f1)
    if best is None:
        raise ValueError(f"the baseline {baseline.name} proposes nothing at all")
    return best


def _part(right: int, whole: int) -> float | None:
    return right / whole if whole else None


def _is_ahead(scan: float | None, baseline: float | None) -> bool | None:
    if scan is None or baseline is None:
        return None
    return scan >= baseline and (scan > baseline or baseline >= NEARLY_CERTAIN)
