"""Each stage of the scan replaced by the world's truth: where a missed campaign is lost.

The pipeline runs as it is, then with one stage's answer about the campaigns replaced by the right
one and everything after it computed anew, then with all stages replaced but one. A campaign that one
replacement alone recovers was lost there; one that is lost with all replaced but one, there at least.
Nothing is replaced about honest groups, so that whoever is reported besides is reported by the scan.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stillwatch.campaigns.clauses import all_act_as_one
from stillwatch.campaigns.crowds import DRAWS
from stillwatch.campaigns.declared import MINIMUM
from stillwatch.campaigns.looks import FIRST_STAGE, Look, one_look
from stillwatch.campaigns.reading import Evidence, read_evidence
from stillwatch.campaigns.weighing import (
    Decision,
    Raised,
    Weighed,
    WeighedGroup,
    as_look,
    ask_groups,
    decide,
    prepare,
    raise_groups,
    weigh_raised,
)
from stillwatch.evaluation.matching import HALF, match_findings
from stillwatch.evaluation.world import Truth, log_of_world, open_world_log, read_truth
from stillwatch.lake.purpose import OWN_WORK, PURPOSES
from stillwatch.linking.groups import Group

__all__ = ["STAGES", "TruthStages", "replace_stages"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

STAGES: dict[str, str] = {
    "linking": "the campaign's accounts and exchanges are one group, taken out of all others",
    "acts as one": "clause 1 has its largest e-value, and something ties the accounts",
    "undeclared": "clause 2 has its largest e-value",
    "purpose": "what each exchange of the campaign's accounts asks for is known",
    "collects": "the group outdoes its crowds, and every owner in what it collects",
    "multiplicity": "the group is the only one that was raised",
}
"""What is replaced by the truth, in the order of the pipeline, and by what."""


@dataclass(frozen=True, slots=True)
class _TrueExchanges:
    """Of each row of the traffic: the campaign it served, or -1; and its purpose where that is known.

    Attributes:
        purpose: As `Traffic.purpose`, with the truth for every exchange of a campaign's account.
    """

    campaign: IntArray
    purpose: npt.NDArray[np.uint8]


class TruthStages:
    """One world, and its pipeline with any of its stages replaced by the truth."""

    def __init__(self, evidence: Evidence, truth: Truth, world: Path, rate: float) -> None:
        """Raise the groups as the scan does, and those of the truth.

        Args:
            evidence: Of the log in the folder `world`, which holds its truth.
            rate: The false discovery rate.
        """
        self.evidence, self.truth, self.rate = evidence, truth, rate
        self._exchanges = _true_exchanges(evidence, truth, world)
        self._prepared = prepare(evidence.traffic)
        self._decided: dict[frozenset[str], tuple[Weighed, Decision, BoolArray]] = {}

    def found(self, stages: Collection[str] = ()) -> dict[str, bool]:
        """Of each campaign, whether it is found with these stages replaced."""
        weighed, _, reported = self.decided(stages)
        named = {
            str(number): self._names(group.named.accounts)
            for number, group in enumerate(weighed.groups)
            if reported[number]
        }
        matches = match_findings(self._campaigns, named)
        return {name: name in matches for name in self._campaigns}

    def honest_reported(self, stages: Collection[str] = ()) -> int:
        """How many groups are reported of which less than half serve one campaign."""
        weighed, _, reported = self.decided(stages)
        return int((reported & (self._served([g.group for g in weighed.groups]) < 0)).sum())

    def decided(self, stages: Collection[str] = ()) -> tuple[Weighed, Decision, BoolArray]:
        """All that was weighed with these stages replaced, what was decided, and who is reported."""
        key = frozenset(stages)
        if key not in self._decided:
            weighed = self._weigh(key)
            decision = decide(weighed, self.rate)
            reported = decision.reported.copy()
            if "multiplicity" in key:
                own = np.flatnonzero(self._served([g.group for g in weighed.groups]) >= 0)
                for number in own.tolist():
                    reported[number] = self._reported_alone(weighed, decision, number)
            self._decided[key] = weighed, decision, reported
        return self._decided[key]

    @cached_property
    def _campaigns(self) -> dict[str, frozenset[str]]:
        return {c.name: frozenset(c.roles) for c in self.truth.campaigns}

    @cached_property
    def _members(self) -> list[IntArray]:
        """The accounts of each campaign by their numbers in the traffic, ascending."""
        names = self.evidence.traffic.account_names
        return [np.flatnonzero(np.isin(names, list(c.roles))) for c in self.truth.campaigns]

    @cached_property
    def _raised(self) -> Raised:
        return raise_groups(self.evidence, self._prepared, with_clock=False)

    @cached_property
    def _raised_true(self) -> Raised:
        groups = _true_groups(self._raised.groups, self.evidence, self._members, self._exchanges)
        fragments = self._raised.fragments
        return ask_groups(self.evidence, self._prepared, fragments, groups, with_clock=False)

    def _names(self, accounts: IntArray) -> frozenset[str]:
        return frozenset(self.evidence.traffic.account_names[accounts].tolist())

    def _served(self, groups: list[Group]) -> IntArray:
        """The campaign that at least half of a group's accounts serve, or -1."""
        served = np.full(len(groups), -1)
        for campaign, members in enumerate(self._members):
            for number, group in enumerate(groups):
                if np.isin(group.accounts, members).sum() >= HALF * len(group.accounts):
                    served[number] = campaign
        return served

    def _weigh(self, stages: frozenset[str]) -> Weighed:
        raised = self._raised_true if "linking" in stages else self._raised
        own = self._served(raised.groups) >= 0
        if "acts as one" in stages:
            acts = all_act_as_one(raised.scores, len(own), own)
            raised = replace(
                raised,
                acts=[
                    replace(a, log_e=a.largest, left_out=a.left_out[:0]) if o else a
                    for a, o in zip(acts, own, strict=True)
                ],
                tied=[1.0 if o else t for t, o in zip(raised.tied, own, strict=True)],
            )
        if "undeclared" in stages:
            together = [
                replace(t, log_e=t.largest, openly=False) if o else t
                for t, o in zip(raised.together, own, strict=True)
            ]
            raised = replace(raised, together=together)
        evidence = self.evidence
        if "purpose" in stages:
            traffic = replace(evidence.traffic, purpose=self._exchanges.purpose)
            evidence = replace(evidence, traffic=traffic)
        weighed = weigh_raised(evidence, raised, only_deciding=True)
        if "collects" in stages:
            groups = [
                replace(g, score=np.inf, log_e_crowds=float(np.log(DRAWS + 1.0))) if o else g
                for g, o in zip(weighed.groups, own, strict=True)
            ]
            weighed = replace(weighed, groups=groups)
        return weighed

    def _reported_alone(self, weighed: Weighed, decision: Decision, number: int) -> bool:
        """Would it be reported if no other group had been raised? The owners stay those they were."""
        look = as_look(weighed)
        gone = np.zeros(len(weighed.traffic.account_names) + 1, np.bool_)  # the last: organisations
        for other in np.flatnonzero(decision.reached | look.openly).tolist():
            gone[look.accounts[other]] |= other != number
        alone = Look(
            accounts=[look.accounts[number]],
            named=[look.named[number]],
            openly=look.openly[[number]],
            log_e=look.log_e[[number]],
            tied=look.tied[[number]],
            log_e_tied=look.log_e_tied[[number]],
            log_e_crowds=look.log_e_crowds[[number]],
            scores=look.scores[[number]],
            owners=look.owners[~gone[look.owners]],
            owner_scores=look.owner_scores[~gone[look.owners]],
        )
        return bool(one_look(alone, self.rate).reported[0])

    def lost(self, campaign: int) -> dict[str, Any]:
        """What the scan as it is makes of a campaign: its largest group, and that group's evidence.

        Returns:
            `stage`: where it is lost first ("" if it is found); `pieces`: of each group that holds
            accounts of it, how many, and of how many, largest first; then of the largest group
            `named` and `named_own`, logs to base 10 of e-values (`acts`, `acts_largest`,
            `undeclared`, `ties`, `bound`), `tied`, `lean` (mean division score in standard
            deviations of that mean), `above` of `owners`, whether it outdoes its crowds, and
            `collects` (what its score alone would give) beside what it `needs` to be reported alone among
            those tested.
        """
        weighed, decision, _ = self.decided()
        own = self._members[campaign]
        name = self.truth.campaigns[campaign].name
        held = [len(np.intersect1d(g.group.accounts, own)) for g in weighed.groups]
        order = sorted((i for i, h in enumerate(held) if h), key=lambda i: (-held[i], i))
        pieces = [[held[i], len(weighed.groups[i].group.accounts)] for i in order]
        if not order:
            return {"stage": "linking", "pieces": []}
        number = order[0]
        group = weighed.groups[number]
        named_own = len(np.intersect1d(group.named.accounts, own))
        divided = group.acts.division_scores
        divided = divided[~np.isnan(divided)]
        above = decision.owners_like(group.score)
        tested = decision.reached | (np.arange(len(held)) == number)
        weights = [len(g.group.accounts) for g, t in zip(weighed.groups, tested, strict=True) if t]
        members = len(group.group.accounts)
        level = self.rate * (1 - FIRST_STAGE)
        stands = named_own >= HALF * len(own) and named_own >= HALF * len(group.named.accounts)
        ten = float(np.log(10.0))
        return {
            "stage": "" if self.found()[name] else _stage(group, decision, number, stands),
            "pieces": pieces[:4],
            "named": len(group.named.accounts),
            "named_own": named_own,
            "bound": float(decision.bounds[number]) / ten,
            "acts": group.acts.log_e / ten,
            "acts_largest": group.acts.largest / ten,
            "lean": float(divided.sum() / np.sqrt(len(divided))) if len(divided) else None,
            "undeclared": group.togetherness.log_e / ten,
            "tied": group.tied,
            "ties": group.log_e_tied / ten,
            "above": above,
            "owners": len(decision.reference),
            "outdoes_crowds": bool(group.log_e_crowds > 0),
            "collects": (len(decision.reference) + 1) / (above + 1),
            "needs": max(len(weights), sum(weights) / members) / level,
        }


def replace_stages(world: Path, rate: float = 0.01) -> list[dict[str, Any]]:
    """Of each campaign of a world, with which stages replaced by the truth it is found.

    Args:
        world: A folder that `stillwatch simulate` wrote.
        rate: The false discovery rate.

    Returns:
        For each campaign, by name: `kind`, `accounts`, `found` (as it is), `with` (each stage alone
        replaced) and `without` (all replaced but this one), and `lost` (`TruthStages.lost`).

    Raises:
        InputError: The folder holds no world.
    """
    truth = read_truth(world)
    log = log_of_world(world)
    pipeline = TruthStages(read_evidence(log), truth, world, rate)
    plain = pipeline.found()
    alone = {stage: pipeline.found({stage}) for stage in STAGES}
    but = {stage: pipeline.found(STAGES.keys() - {stage}) for stage in STAGES}
    return [
        {
            "campaign": campaign.name,
            "kind": campaign.kind,
            "accounts": len(campaign.roles),
            "found": plain[campaign.name],
            "with": {stage: found[campaign.name] for stage, found in alone.items()},
            "without": {stage: found[campaign.name] for stage, found in but.items()},
            "lost": _rounded(pipeline.lost(number)),
        }
        for number, campaign in enumerate(truth.campaigns)
    ]


def _stage(group: WeighedGroup, decision: Decision, number: int, stands: bool) -> str:
    """The first stage at which the scan as it is lets a group go."""
    if not stands:
        return "linking"
    if not decision.passed[number, 0] or decision.held_back[number]:
        return "acts as one"
    if not decision.passed[number, 1] or group.togetherness.openly:
        return "undeclared"
    return "collects"


def _true_groups(
    groups: list[Group], evidence: Evidence, members: list[IntArray], exchanges: _TrueExchanges
) -> list[Group]:
    """The campaigns as groups, and what is left of those that were raised without their accounts."""
    traffic = evidence.traffic
    everyone = np.unique(np.concatenate([*members, np.zeros(0, np.int64)]))
    kept = []
    for group in groups:
        rest = group
        if np.isin(group.accounts, everyone).any():
            rest = group.only(np.setdiff1d(group.accounts, everyone), traffic)
        if len(rest.accounts) >= MINIMUM and len(rest.rows):
            kept.append(rest)
    for campaign in range(len(members)):
        rows = np.flatnonzero(exchanges.campaign == campaign)
        accounts = np.unique(traffic.accounts[rows]).astype(np.int64)
        if len(accounts) >= MINIMUM:
            kept.append(Group(accounts, np.zeros(0, np.int64), rows, by_wording=False))
    return sorted(kept, key=lambda group: int(group.rows[0]))


def _true_exchanges(evidence: Evidence, truth: Truth, world: Path) -> _TrueExchanges:
    """The truth about each row of the traffic."""
    traffic = evidence.traffic
    numbers = {c.name: number for number, c in enumerate(truth.campaigns)}
    with open_world_log(world) as log:
        rows = log.execute(
            "SELECT exchange_id, campaign, distill, target FROM truth_exchanges "
            "WHERE account_id IN (SELECT account_id FROM truth_exchanges WHERE campaign IS NOT NULL)"
        ).fetchall()
    known: Mapping[str, tuple[int, int]] = {
        exchange: (
            numbers.get(campaign, -1) if distill else -1,
            PURPOSES.index(target if distill and target in PURPOSES else OWN_WORK),
        )
        for exchange, campaign, distill, target in rows
    }
    campaign = np.full(len(traffic), -1)
    purpose = traffic.purpose.copy()
    for row, exchange in enumerate(traffic.exchange_ids.to_pylist()):
        if exchange in known:
            campaign[row], asked = known[exchange]
            purpose[row] = 0
            purpose[row, asked] = 255
    return _TrueExchanges(campaign, purpose)


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Few digits, and no infinity, which JSON has no word for."""

    def short(value: Any) -> Any:
        if not isinstance(value, float):
            return value
        return round(value, 3) if np.isfinite(value) else None

    return {key: short(value) for key, value in values.items()}
