"""All figures of one scan against one world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import fmean, median
from typing import Any

import duckdb
import pyarrow.compute as pc

from stillwatch.evaluation.accusations import (
    EVERYONE,
    Accusations,
    PopulationFlags,
    flags_by_population,
    wrongly_accused,
)
from stillwatch.evaluation.attribution import (
    AttributionTotals,
    CampaignExchanges,
    measure_attribution,
)
from stillwatch.evaluation.matching import HALF, match_findings
from stillwatch.evaluation.pairs import PairCounts, count_pairs
from stillwatch.evaluation.world import TrueCampaign, Truth
from stillwatch.records import Findings, InputError, Role

__all__ = ["CampaignScore", "Evaluation", "accusations_of", "evaluate_findings"]

_SECONDS_PER_HOUR = 3600.0
_NOTHING_SENT = CampaignExchanges(0, 0, None, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignScore:
    """How well one true campaign was found.

    Recalls of a campaign that was missed are 0, whatever pieces of it lie in some finding.

    Attributes:
        kind: Its population in the truth.
        finding: The finding that stands for it, or None.
        largest_piece: The part of its accounts that some one finding holds, even when that is
            too little for the campaign to count as found.
        wholeness: Of its accounts that lie in any finding, the part that lies in one; less than 1
            when it was found in pieces.
        purity: Of the finding's accounts that serve any campaign, the part that serves this one;
            less than 1 when the finding glues campaigns together.
        time_to_detection_hours: From its first exchange to the moment its first account was
            flagged.
        exchanges_before_flag_share: The part of its exchanges sent before their account was
            flagged, or by accounts never flagged.
    """

    campaign: str
    kind: str
    accounts: int
    exchanges: int
    found: bool
    finding: str | None
    account_recall: float
    account_precision: float | None
    pair_recall: float | None
    exchange_recall: float | None
    largest_piece: float
    wholeness: float | None
    purity: float | None
    time_to_detection_hours: float | None
    exchanges_before_flag_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A scan's figures. None means that there was nothing to divide by.

    The recalls are means over all campaigns of the world, missed ones as 0. The `pooled` ones
    count every account, pair or exchange once instead, and credit pieces of missed campaigns.

    Attributes:
        account_precision: Of accounts accused, the part accused rightly.
        pair_precision: Of pairs of accounts put into one finding, the part that serve one campaign.
        exchange_precision: Of exchanges attributed, the part that really collected.
        role_accuracy: Over accounts of found campaigns that their finding holds.
        honest_flagged: Honest accounts wrongly accused.
        honest_flagged_upper95: Upper bound of the share of honest accounts flagged.
        false_findings: Findings of which more than half of the accounts serve no campaign.
        time_to_detection: Hours over found campaigns: their number, the median and the worst.
    """

    account_precision: float | None
    account_recall: float | None
    account_recall_pooled: float | None
    pair_precision: float | None
    pair_recall: float | None
    pair_recall_pooled: float | None
    exchange_precision: float | None
    exchange_recall: float | None
    exchange_recall_pooled: float | None
    target_accuracy: float | None
    role_accuracy: float | None
    share_error: float | None
    honest_flagged: int
    honest_accounts: int
    honest_groups_flagged: int
    honest_groups: int
    honest_flagged_upper95: float | None
    honest_flagged_by_population: Mapping[str, PopulationFlags]
    time_to_detection: Mapping[str, float | int | None]
    findings: int
    false_findings: int
    campaigns_found: int
    campaigns_total: int
    campaigns: tuple[CampaignScore, ...]

    @property
    def everyone(self) -> PopulationFlags:
        """The flags of all honest populations together."""
        return PopulationFlags(
            flagged=self.honest_flagged,
            accounts=self.honest_accounts,
            groups_flagged=self.honest_groups_flagged,
            groups=self.honest_groups,
            upper95=self.honest_flagged_upper95,
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate_findings(
    truth: Truth, log: duckdb.DuckDBPyConnection, findings: Findings
) -> Evaluation:
    """Score `findings` against the truth of the world they were found in.

    Args:
        truth: From `read_truth`.
        log: The same world's tables, from `open_world_log`.
        findings: Of a scan of that world.

    Raises:
        InputError: The findings name accounts that this world does not have.
    """
    accusations = accusations_of(findings)
    _require_known_accounts(truth, findings, accusations)
    groups = {finding: members.keys() for finding, members in accusations.items()}
    true_groups = {campaign.name: campaign.roles.keys() for campaign in truth.campaigns}
    matches = match_findings(true_groups, groups)
    attribution = measure_attribution(
        log,
        findings,
        matches=matches,
        own_accounts={campaign.name: campaign.roles for campaign in truth.campaigns},
    )
    flagged_at = _first_flagged(findings)
    campaigns = tuple(
        _score_campaign(
            campaign,
            truth,
            accusations,
            finding=matches.get(campaign.name),
            sent=attribution.campaigns.get(campaign.name, _NOTHING_SENT),
            flagged_at=flagged_at,
        )
        for campaign in truth.campaigns
    )
    return _summarise(truth, accusations, campaigns, attribution, count_pairs(true_groups, groups))


def accusations_of(findings: Findings) -> Accusations:
    """By finding, the role each member is accused of; findings without members included."""
    accusations: dict[str, dict[str, Role]] = {
        finding: {} for finding in findings.campaigns["campaign_id"].to_pylist()
    }
    for row in findings.members.select(["campaign_id", "account_id", "role"]).to_pylist():
        accusations.setdefault(row["campaign_id"], {})[row["account_id"]] = Role(row["role"])
    return accusations


def _require_known_accounts(truth: Truth, findings: Findings, accusations: Accusations) -> None:
    """Accused or only weighed, whoever is in findings is in the world they were found in."""
    named = {account for members in accusations.values() for account in members}
    for row in findings.tested.to_pylist():
        named.update(row.get("account_ids") or ())
    unknown = sum(1 for account in named if not truth.knows(account))
    if unknown:
        raise InputError(
            f"{unknown} of the {len(named)} accounts in these findings are not in this world.",
            remedy="Give the world that was scanned.",
        )


def _first_flagged(findings: Findings) -> dict[tuple[str, str], datetime]:
    columns = ["campaign_id", "account_id", "first_flagged_at"]
    members = findings.members.select(columns)
    known = members.filter(pc.is_valid(members["first_flagged_at"]))
    return {
        (row["campaign_id"], row["account_id"]): row["first_flagged_at"]
        for row in known.to_pylist()
    }


def _score_campaign(
    campaign: TrueCampaign,
    truth: Truth,
    accusations: Accusations,
    *,
    finding: str | None,
    sent: CampaignExchanges,
    flagged_at: Mapping[tuple[str, str], datetime],
) -> CampaignScore:
    own = campaign.roles.keys()
    pieces = [own & members.keys() for members in accusations.values()]
    largest = max((len(piece) for piece in pieces), default=0)
    members = accusations[finding].keys() if finding is not None else frozenset()
    shared = own & members
    return CampaignScore(
        campaign=campaign.name,
        kind=campaign.kind,
        accounts=len(own),
        exchanges=sent.exchanges,
        found=finding is not None,
        finding=finding,
        account_recall=len(shared) / len(own),
        account_precision=_part(len(shared), len(members)),
        pair_recall=_part(_pairs(len(shared)), _pairs(len(own))),
        exchange_recall=_part(sent.recalled, sent.exchanges),
        largest_piece=largest / len(own),
        wholeness=_part(largest, len(set().union(*pieces))),
        purity=_part(len(shared), sum(1 for account in members if account in truth.roles)),
        time_to_detection_hours=_hours_to_detection(
            sent.first_exchange,
            [
                moment
                for (name, who), moment in flagged_at.items()
                if name == finding and who in own
            ],
        ),
        exchanges_before_flag_share=(
            None if finding is None else _part(sent.before_flag, sent.exchanges)
        ),
    )


def _hours_to_detection(first: datetime | None, flagged: list[datetime]) -> float | None:
    if first is None or not flagged:
        return None
    return (min(flagged) - first).total_seconds() / _SECONDS_PER_HOUR


def _summarise(
    truth: Truth,
    accusations: Accusations,
    campaigns: tuple[CampaignScore, ...],
    attribution: AttributionTotals,
    pairs: PairCounts,
) -> Evaluation:
    accused = {account for members in accusations.values() for account in members}
    wrong = wrongly_accused(truth, accusations)
    flags = flags_by_population(truth, wrong)
    everyone = flags.pop(EVERYONE)
    return Evaluation(
        account_precision=_part(len(accused - wrong), len(accused)),
        account_recall=_mean(c.account_recall for c in campaigns),
        account_recall_pooled=_part(len(accused & truth.roles.keys()), len(truth.roles)),
        pair_precision=pairs.precision,
        pair_recall=_mean(c.pair_recall for c in campaigns),
        pair_recall_pooled=pairs.recall,
        exchange_precision=attribution.precision,
        exchange_recall=_mean(c.exchange_recall for c in campaigns),
        exchange_recall_pooled=_part(attribution.right, attribution.collected),
        target_accuracy=attribution.target_accuracy,
        role_accuracy=_role_accuracy(truth, accusations, campaigns),
        share_error=attribution.share_error,
        honest_flagged=everyone.flagged,
        honest_accounts=everyone.accounts,
        honest_groups_flagged=everyone.groups_flagged,
        honest_groups=everyone.groups,
        honest_flagged_upper95=everyone.upper95,
        honest_flagged_by_population=flags,
        time_to_detection=_time_to_detection(campaigns),
        findings=len(accusations),
        false_findings=sum(
            1 for members in accusations.values() if _mostly_uninvolved(truth, members)
        ),
        campaigns_found=sum(1 for c in campaigns if c.found),
        campaigns_total=len(campaigns),
        campaigns=campaigns,
    )


def _role_accuracy(
    truth: Truth, accusations: Accusations, campaigns: tuple[CampaignScore, ...]
) -> float | None:
    right: list[bool] = []
    for campaign, score in zip(truth.campaigns, campaigns, strict=True):
        if score.finding is not None:
            members = accusations[score.finding]
            shared = campaign.roles.keys() & members.keys()
            right.extend(members[account] is campaign.roles[account] for account in shared)
    return _part(sum(right), len(right))


def _mostly_uninvolved(truth: Truth, members: Mapping[str, Role]) -> bool:
    involved = sum(1 for account in members if account in truth.roles)
    return involved < HALF * len(members)


def _time_to_detection(campaigns: tuple[CampaignScore, ...]) -> dict[str, float | int | None]:
    hours = [c.time_to_detection_hours for c in campaigns if c.time_to_detection_hours is not None]
    return {
        "campaigns": len(hours),
        "median_hours": median(hours) if hours else None,
        "worst_hours": max(hours, default=None),
    }


def _pairs(accounts: int) -> int:
    return accounts * (accounts - 1) // 2


def _part(right: int, whole: int) -> float | None:
    return right / whole if whole else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
