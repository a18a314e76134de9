"""Accounts from most to least suspect, and the precision at a given recall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from itertools import groupby
from math import isnan

from stillwatch.evaluation.baselines import SuspectGroup
from stillwatch.records import Findings

__all__ = ["Cutoff", "Ranking", "rank_findings", "rank_groups"]

Score = tuple[int, float]
"""Tier first (2 reported, 1 weighed, 0 neither), then the figure within the tier."""

_REPORTED, _WEIGHED, _NEITHER = 2, 1, 0


@dataclass(frozen=True, slots=True)
class Cutoff:
    """What is right when every account of at least this score is accused."""

    score: Score
    accused: int
    right: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Every account of the log by score, in blocks of equal scores.

    Attributes:
        cutoffs: One a distinct score, highest first; the last accuses everybody.
        guilty: Accounts that serve a campaign, in any role.
    """

    cutoffs: tuple[Cutoff, ...]
    guilty: int

    def precision_at_recall(self, recall: float) -> float | None:
        """Expected precision of the shortest list that reaches `recall`.

        Accounts of one score are in no order, so a list that ends within such a block takes from
        it at random: the number accused grows in proportion to the number of right ones needed.
        """
        wanted = recall * self.guilty
        if wanted <= 0:
            return None
        accused, right = 0, 0
        for cutoff in self.cutoffs:
            if cutoff.right >= wanted:
                part = (wanted - right) / (cutoff.right - right)
                return wanted / (accused + part * (cutoff.accused - accused))
            accused, right = cutoff.accused, cutoff.right
        return wanted / accused if accused else None

    def reaches(self, recall: float) -> bool:
        """Whether accounts with a score of their own suffice for `recall`."""
        scored = [cutoff.right for cutoff in self.cutoffs if cutoff.score[0] != _NEITHER]
        return max(scored, default=0) >= recall * self.guilty

    def best_cutoff(self) -> Cutoff | None:
        """The cutoff of the highest F1 among accounts with a score of their own."""
        scored = [c for c in self.cutoffs if c.score[0] != _NEITHER and c.right]
        return max(scored, key=lambda c: 2 * c.right / (c.accused + self.guilty), default=None)


def rank_findings(findings: Findings, guilty: Set[str], everyone: Iterable[str]) -> Ranking:
    """The accounts as a scan ranks them.

    Members of reported campaigns come first, by the lesser of the campaign's e-value and the
    member's own: to accuse an account, the group must be a campaign *and* the account belong.
    Then come accounts of groups that were weighed and not reported, by the least of the three
    clauses. All other accounts share the last place. An account in several takes its best.
    """
    scores: dict[str, Score] = {}
    rows = findings.campaigns.select(["campaign_id", "e_value"]).to_pylist()
    groups = {row["campaign_id"]: _figure(row["e_value"]) for row in rows}
    for row in findings.members.select(["campaign_id", "account_id", "e_value"]).to_pylist():
        figure = min(groups.get(row["campaign_id"], 0.0), _figure(row["e_value"]))
        _keep_best(scores, row["account_id"], (_REPORTED, figure))
    for row in findings.tested.to_pylist():
        clauses = (row["e_acts_as_one"], row["e_undeclared"], row["e_collects"])
        figure = min(_figure(value) for value in clauses)
        for account in row.get("account_ids") or ():
            _keep_best(scores, account, (_WEIGHED, figure))
    return _ranking(scores, guilty, everyone)


def rank_groups(
    groups: Iterable[SuspectGroup], guilty: Set[str], everyone: Iterable[str]
) -> Ranking:
    """The accounts as a baseline ranks them: by the best score of a group that holds them."""
    scores: dict[str, Score] = {}
    for group in groups:
        for account in group.accounts:
            _keep_best(scores, account, (_WEIGHED, _figure(group.score)))
    return _ranking(scores, guilty, everyone)


def _ranking(scores: Mapping[str, Score], guilty: Set[str], everyone: Iterable[str]) -> Ranking:
    last: Score = (_NEITHER, 0.0)
    ranked = sorted(
        ((scores.get(account, last), account in guilty) for account in everyone), reverse=True
    )
    cutoffs, accused, right = [], 0, 0
    for score, block in groupby(ranked, key=lambda entry: entry[0]):
        members = list(block)
        accused += len(members)
        right += sum(is_guilty for _, is_guilty in members)
        cutoffs.append(Cutoff(score, accused, right))
    return Ranking(tuple(cutoffs), len(guilty))


def _keep_best(scores: dict[str, Score], account: str, score: Score) -> None:
    scores[account] = max(score, scores.get(account, score))


def _figure(value: float | None) -> float:
    return 0.0 if value is None or isnan(value) else value
