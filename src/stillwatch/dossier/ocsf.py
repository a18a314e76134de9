"""Campaigns as OCSF 1.8 Detection Findings (class 2004), for a provider's own SIEM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pyarrow.compute as pc

from stillwatch.dossier.claims import disproofs_of, headline_of
from stillwatch.dossier.hostile_text import visible
from stillwatch.dossier.words import CLAUSES
from stillwatch.records import CampaignStatus, Findings

__all__ = ["OCSF_VERSION", "detection_findings"]

OCSF_VERSION = "1.8.0"

_CATEGORY, _CLASS = 2, 2004
_CREATE, _CLOSE = 1, 3
_MEDIUM, _HIGH = 3, 4
_NEW, _RESOLVED = 1, 4
_STATISTICAL = 3
# A page of a SIEM takes tens of thousands of bytes; the findings hold every member.
_MOST_RESOURCES = 200
_MANY_ACCOUNTS = 100
_ATTACK = {
    "version": "2026.09",
    "technique": {"uid": "AML.T0024", "name": "Exfiltration via AI Inference API"},
    "sub_technique": {"uid": "AML.T0024.002", "name": "Extract AI Model"},
}


def detection_findings(
    findings: Findings, *, version: str, made_at: datetime
) -> Iterator[dict[str, Any]]:
    """One event a campaign, in the order of the findings.

    Accounts are named as the log names them: these events are for whoever has the log anyway, and
    for nobody else. They hold no prompt and no address.

    Args:
        version: Of stillwatch.
        made_at: When the events are made.
    """
    for campaign in findings.campaigns.to_pylist():
        yield _finding(campaign, findings, version=version, made_at=made_at)


def _finding(
    campaign: Mapping[str, Any], findings: Findings, *, version: str, made_at: datetime
) -> dict[str, Any]:
    is_over = campaign["status"] == CampaignStatus.ENDED
    activity = _CLOSE if is_over else _CREATE
    members = findings.members.filter(
        pc.equal(findings.members["campaign_id"], campaign["campaign_id"])
    )
    return {
        "category_uid": _CATEGORY,
        "class_uid": _CLASS,
        "activity_id": activity,
        "type_uid": _CLASS * 100 + activity,
        "time": _milliseconds(made_at),
        "start_time": _milliseconds(campaign["first_seen"]),
        "end_time": _milliseconds(campaign["last_seen"]),
        "severity_id": _HIGH if campaign["accounts"] >= _MANY_ACCOUNTS else _MEDIUM,
        "status_id": _RESOLVED if is_over else _NEW,
        "is_alert": True,
        "confidence_score": _confidence(campaign["fdr_q"]),
        "message": visible(str(campaign["summary"])),
        "metadata": {
            "version": OCSF_VERSION,
            "uid": f"{campaign['campaign_id']}:{_milliseconds(made_at)}",
            "product": {"name": "stillwatch", "vendor_name": "stillwatch", "version": version},
        },
        "finding_info": _info(campaign, findings.notes),
        "resources": _resources(members.slice(0, _MOST_RESOURCES).to_pylist()),
        "unmapped": _figures(campaign, findings.notes),
    }


def _info(campaign: Mapping[str, Any], notes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "uid": campaign["campaign_id"],
        "title": visible(headline_of(campaign)),
        "desc": "What would disprove it: "
        + visible(" ".join(disproofs_of(campaign["campaign_id"], notes))),
        "first_seen_time": _milliseconds(campaign["first_seen"]),
        "last_seen_time": _milliseconds(campaign["last_seen"]),
        "types": [visible(target) for target in campaign["targets"] or []],
        "analytic": {"name": "Linked accounts", "type_id": _STATISTICAL, "uid": "stillwatch.scan"},
        "attacks": [_ATTACK],
    }


def _resources(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "uid": visible(member["account_id"]),
            "type": "account",
            "labels": [f"role:{member['role']}"],
        }
        for member in members
    ]


def _figures(campaign: Mapping[str, Any], notes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "accounts": campaign["accounts"],
        "exchanges": campaign["exchanges"],
        "estimated_tokens": campaign["estimated_tokens"],
        "fdr_q": campaign["fdr_q"],
        **{f"e_{name}": campaign[f"e_{name}"] for name in CLAUSES},
        "log_as_of": str(notes.get("as_of") or ""),
    }


def _confidence(fdr_q: float) -> int:
    """What the rate of false findings leaves, of a hundred; it is no probability of guilt."""
    return max(0, min(100, round(100 * (1 - fdr_q))))


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
