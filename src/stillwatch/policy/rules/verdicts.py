"""What we think, from what a scan found. Nothing is decided here."""

from __future__ import annotations

from stillwatch.records import Findings, Role, Target
from stillwatch.records.actions import Verdict
from stillwatch.records.words import AccountId, CampaignId

__all__ = ["verdicts_of"]


def verdicts_of(findings: Findings) -> list[Verdict]:
    """One verdict for each account and campaign, strongest evidence first."""
    campaigns = {row["campaign_id"]: row for row in findings.campaigns.to_pylist()}
    members = findings.members.drop_columns(["reasons"]).to_pylist()
    verdicts = [
        Verdict(
            campaign_id=CampaignId(row["campaign_id"]),
            account_id=AccountId(row["account_id"]),
            role=Role(row["role"]),
            e_value=row["e_value"],
            fdr_q=campaigns[row["campaign_id"]]["fdr_q"],
            share=row["share"],
            credential_ids=tuple(row["credential_ids"] or ()),
            targets=tuple(Target(t) for t in campaigns[row["campaign_id"]]["targets"] or ()),
            first_flagged_at=row["first_flagged_at"],
        )
        for row in members
        # A member of a campaign that the findings do not hold is nobody's finding.
        if row["campaign_id"] in campaigns
    ]
    return sorted(verdicts, key=lambda v: (v.fdr_q, -v.e_value, v.campaign_id, v.account_id))
