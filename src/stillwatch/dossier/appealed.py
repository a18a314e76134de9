"""What a person reads before deciding an appeal: the evidence for and against one account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.dossier.claims import disproofs_of
from stillwatch.records import Findings, Reason

__all__ = ["Evidence", "evidence_about"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The latest scan's evidence about one account's part in one campaign.

    Attributes:
        is_member: Whether the latest scan still finds it in the campaign; where it does not, that
            alone speaks for the customer.
        share: Part of the account's exchanges that serve the campaign, between 0 and 1.
        reasons: What speaks for its part, each with its figure and what is usual.
        honest_explanation: The strongest one that was considered, with what speaks for and against.
        disproofs: What would end the finding.
    """

    is_member: bool
    role: str | None = None
    share: float | None = None
    e_value: float | None = None
    fdr_q: float | None = None
    first_flagged_at: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    honest_explanation: str = ""
    disproofs: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "is_member": self.is_member,
            "role": self.role,
            "share": self.share,
            "e_value": self.e_value,
            "fdr_q": self.fdr_q,
            "first_flagged_at": self.first_flagged_at,
            "reasons": [reason.as_dict() for reason in self.reasons],
            "honest_explanation": self.honest_explanation,
            "disproofs": list(self.disproofs),
        }


def evidence_about(findings: Findings, account_id: str, campaign_id: str) -> Evidence:
    """What a scan says of an account's part in a campaign, for and against."""
    campaign = _row(findings.campaigns, campaign_id=campaign_id)
    tested = _row(findings.tested, campaign_id=campaign_id)
    member = _row(findings.members, campaign_id=campaign_id, account_id=account_id)
    known: dict[str, Any] = {
        "honest_explanation": str(tested["honest_explanation"]) if tested else "",
        "disproofs": disproofs_of(campaign_id, findings.notes),
        "fdr_q": campaign["fdr_q"] if campaign else None,
    }
    if member is None:
        return Evidence(is_member=False, **known)
    return Evidence(
        is_member=True,
        role=member["role"],
        share=member["share"],
        e_value=member["e_value"],
        first_flagged_at=member["first_flagged_at"],
        reasons=tuple(
            Reason(**{**reason, "evidence": reason["evidence"] or []})
            for reason in member["reasons"] or []
        ),
        **known,
    )


def _row(table: pa.Table, **wanted: str) -> dict[str, Any] | None:
    for column, value in wanted.items():
        table = table.filter(pc.fill_null(pc.equal(table[column], value), False))
    rows: list[dict[str, Any]] = table.slice(0, 1).to_pylist()
    return rows[0] if rows else None
