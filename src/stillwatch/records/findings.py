"""Findings: what a scan leaves behind, one frozen type a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from stillwatch.records.schema import TIMESTAMP, TableSchema, column, table_schema

__all__ = [
    "ATTRIBUTED_EXCHANGES",
    "CAMPAIGNS",
    "FINDINGS_TABLES",
    "LINKS",
    "MEMBERS",
    "TESTED",
    "AttributedExchange",
    "Campaign",
    "Findings",
    "Link",
    "Member",
    "Reason",
    "TestedGroup",
]

_STRING = pa.string()
_FLOAT = pa.float64()
_INT = pa.int64()
_STRINGS = pa.list_(pa.string())
_REASON = pa.struct(
    [
        ("signal", _STRING),
        ("text", _STRING),
        ("observed", _STRING),
        ("baseline", _STRING),
        ("evidence", _STRINGS),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why an account belongs: a sentence, its figure, what is usual, and where to look."""

    signal: str
    text: str
    observed: str
    baseline: str
    evidence: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            "signal": self.signal,
            "text": self.text,
            "observed": self.observed,
            "baseline": self.baseline,
            "evidence": self.evidence,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A group that passed the test."""

    campaign_id: str = column(_STRING, "stable id", required=True)
    accounts: int = column(_INT, "number of members", required=True)
    exchanges: int = column(_INT, "number of attributed exchanges", required=True)
    first_seen: datetime = column(TIMESTAMP, "first own exchange", required=True)
    last_seen: datetime = column(TIMESTAMP, "last own exchange", required=True)
    e_value: float = column(_FLOAT, "least of the three clause e-values", required=True)
    e_acts_as_one: float = column(_FLOAT, "evidence against independent users", required=True)
    e_undeclared: float = column(_FLOAT, "evidence against openly together", required=True)
    e_collects: float = column(_FLOAT, "evidence against an owner's own use", required=True)
    fdr_q: float = column(_FLOAT, "smallest FDR at which it is reported", required=True)
    targets: list[str] = column(_STRINGS, "what is collected, by share", required=True)
    templates: int = column(_INT, "prompt templates used", required=True)
    actors: list[dict[str, Any]] | None = column(
        pa.list_(pa.struct([("actor", _STRING), ("coverage", _FLOAT)])), "hypotheses"
    )
    estimated_tokens: int = column(_INT, "output tokens harvested", required=True)
    status: str = column(_STRING, "active or ended", required=True)
    summary: str = column(_STRING, "one paragraph of plain words", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An account in a campaign."""

    campaign_id: str = column(_STRING, "the campaign", required=True)
    account_id: str = column(_STRING, "the account", required=True)
    e_value: float = column(
        _FLOAT, "evidence that it belongs: of its clearest exchange", required=True
    )
    role: str = column(_STRING, "operator, mixed or compromised", required=True)
    share: float = column(_FLOAT, "part of its exchanges that serve it", required=True)
    credential_ids: list[str] = column(_STRINGS, "credentials that served it", required=True)
    first_flagged_at: datetime = column(TIMESTAMP, "earliest sufficient moment", required=True)
    reasons: list[dict[str, Any]] = column(pa.list_(_REASON), "why", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributedExchange:
    """An exchange attributed to a campaign."""

    campaign_id: str = column(_STRING, "the campaign", required=True)
    exchange_id: str = column(_STRING, "the exchange", required=True)
    account_id: str = column(_STRING, "who was billed", required=True)
    target: str | None = column(_STRING, "what was collected; null when unsure")
    e_value: float = column(_FLOAT, "evidence that it serves the campaign", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedGroup:
    """A group that was weighed, reported or not."""

    group_id: str = column(_STRING, "stable id of the group", required=True)
    accounts: int = column(_INT, "number of accounts", required=True)
    e_acts_as_one: float = column(_FLOAT, "clause 1", required=True)
    e_undeclared: float = column(_FLOAT, "clause 2", required=True)
    e_collects: float = column(_FLOAT, "clause 3", required=True)
    e_acts_as_one_max: float = column(_FLOAT, "largest possible on this log", required=True)
    e_undeclared_max: float = column(_FLOAT, "largest possible on this log", required=True)
    e_collects_max: float = column(_FLOAT, "largest possible on this log", required=True)
    honest_explanation: str = column(_STRING, "the strongest one", required=True)
    why_not_reported: str | None = column(_STRING, "null if it was reported")
    campaign_id: str | None = column(_STRING, "the campaign it became, if reported")
    account_ids: list[str] | None = column(_STRINGS, "who was weighed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Evidence that two accounts act as one."""

    account_a: str = column(_STRING, "one account", required=True)
    account_b: str = column(_STRING, "the other, greater in string order", required=True)
    kind: str = column(_STRING, "which fact they share", required=True)
    log_lr: float = column(_FLOAT, "log-likelihood ratio in nats", required=True)


CAMPAIGNS = table_schema("campaigns", Campaign)
MEMBERS = table_schema("members", Member)
ATTRIBUTED_EXCHANGES = table_schema("exchanges", AttributedExchange)
TESTED = table_schema("tested", TestedGroup)
LINKS = table_schema("links", Link)
FINDINGS_TABLES: tuple[TableSchema, ...] = (CAMPAIGNS, MEMBERS, ATTRIBUTED_EXCHANGES, TESTED, LINKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that one scan leaves behind, as Arrow tables of the five schemas above.

    The attributed exchanges may be millions of rows, hence tables and not lists.
    """

    campaigns: pa.Table
    members: pa.Table
    exchanges: pa.Table
    tested: pa.Table
    links: pa.Table
    notes: dict[str, Any] = field(default_factory=dict)

    def table(self, name: str) -> pa.Table:
        return getattr(self, name)
