"""What a log knows of the accounts in campaigns, as the guard rails and the planning need it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stillwatch.identity.shapes import MakesTokens, shape_of_row
from stillwatch.policy.decided import NOTHING_DECIDED, Decided
from stillwatch.policy.rules.known import Known, KnownAccount, KnownCampaign, Owner, Use
from stillwatch.records import Findings, Scope
from stillwatch.records.words import AccountId, CampaignId

if TYPE_CHECKING:
    from stillwatch.lake.log import Log

__all__ = ["known_of"]

_Key = tuple[CampaignId, AccountId]


def known_of(
    log: Log, findings: Findings, keys: MakesTokens | None, decided: Decided = NOTHING_DECIDED
) -> Known:
    """What the log says of all members of the findings' campaigns.

    Args:
        keys: Of the lake; without them no shape of a request can be named, and none is acted on.
    """
    asked = pa.table({"account_id": pa.array(sorted(_members(findings)), pa.string())})
    attributed = findings.exchanges.select(["campaign_id", "exchange_id", "account_id"])
    totals = log.ask("policy_totals").to_pylist()[0]
    return Known(
        accounts={
            AccountId(row["account_id"]): _account(row)
            for row in log.ask("policy_accounts", tables={"asked": asked}).to_pylist()
        },
        campaigns=_campaigns(findings),
        uses=_uses(log, attributed, keys),
        log_accounts=totals["accounts"],
        log_output_tokens=totals["output_tokens"],
        is_by_plan="organization_verified" in log.absent["accounts"],
        allowed=decided.allowed,
        cleared=decided.cleared,
    )


def _members(findings: Findings) -> set[str]:
    return set(findings.members["account_id"].to_pylist())


def _account(row: Mapping[str, Any]) -> KnownAccount:
    owner = None
    if row["organization_id"] is not None:
        owner = Owner(
            organisation=row["organization_id"],
            accounts=row["owner_accounts"],
            is_whole_on_one_domain=bool(row["is_whole_on_one_domain"]),
            payers=row["payers"],
            main_payer=row["main_payer"],
        )
    return KnownAccount(
        account_id=AccountId(row["account_id"]),
        plan=row["plan"],
        created_at=row["created_at"],
        is_closed=bool(row["is_closed"]),
        was_restored=bool(row["was_restored"]),
        verification=row["verification"],
        owner=owner,
        verified=row["organization_verified"],
        since=row["organization_since"],
        payer=row["payment_token"],
        exchanges=row["exchanges"],
        output_tokens=row["output_tokens"],
    )


def _campaigns(findings: Findings) -> dict[CampaignId, KnownCampaign]:
    # Without a rate nobody knows what the scan was asked for, and then nothing was found.
    rate = float(findings.notes.get("fdr", 0.0))
    # What was erased since may be what any of them rests on: a new scan says.
    is_stale = bool(findings.notes.get("stale"))
    return {
        CampaignId(row["campaign_id"]): KnownCampaign(
            campaign_id=CampaignId(row["campaign_id"]),
            accounts=row["accounts"],
            fdr_q=row["fdr_q"],
            error_rate=rate,
            first_seen=row["first_seen"],
            last_seen=row["last_seen"],
            is_stale=is_stale,
        )
        for row in findings.campaigns.to_pylist()
    }


def _uses(log: Log, attributed: pa.Table, keys: MakesTokens | None) -> dict[_Key, tuple[Use, ...]]:
    found: dict[_Key, list[Use]] = defaultdict(list)
    lent = {"attributed": attributed}
    for row in log.ask("policy_uses", tables=lent).to_pylist():
        found[_key(row)].append(_use(row))
    if keys is not None:
        for row in log.ask("policy_shapes", tables=lent).to_pylist():
            subject = shape_of_row(keys, row)
            if subject is not None:
                found[_key(row)].append(_use({**_A_SHAPE, **row, "subject": subject}))
    return {key: _once(uses) for key, uses in found.items()}


_A_SHAPE = {"scope": Scope.SHAPE, "is_reported_leaked": False, "is_only_one": False}


def _key(row: Mapping[str, Any]) -> _Key:
    return CampaignId(row["campaign_id"]), AccountId(row["account_id"])


def _use(row: Mapping[str, Any]) -> Use:
    return Use(
        scope=Scope(row["scope"]),
        subject=row["subject"],
        exchanges=row["exchanges"],
        serving=row["serving"],
        last_at=row["last_at"],
        output_tokens=row["output_tokens"],
        is_reported_leaked=row["is_reported_leaked"],
        is_only_one=row["is_only_one"],
    )


def _once(uses: Iterable[Use]) -> tuple[Use, ...]:
    """Each subject once: texts that differ in inner space are one shape to nobody else's count."""
    return tuple({(use.scope, use.subject): use for use in uses}.values())
