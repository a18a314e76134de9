"""Findings and accounts for tests of the policy: one campaign, and members as each test wants them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stillwatch.policy.rules import (
    Known,
    KnownAccount,
    KnownCampaign,
    Owner,
    Planned,
    Policy,
    Rule,
    Use,
    plan_steps,
    read_policy,
)
from stillwatch.records import AccountId, CampaignId, Role, Scope, Step, Target, Verdict

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
FIRST = NOW - timedelta(days=10)
CAMPAIGN = CampaignId("C-1")
BLOCK_ALL = Policy(rules=(Rule(name="all", step=Step.BLOCK),))


def campaign(**wishes: Any) -> KnownCampaign:
    given: dict[str, Any] = {
        "campaign_id": CAMPAIGN,
        "accounts": 20,
        "fdr_q": 0.001,
        "error_rate": 0.01,
        "first_seen": FIRST,
        "last_seen": NOW - timedelta(hours=1),
    }
    return KnownCampaign(**given | wishes)


def verdict(account: str = "a1", **wishes: Any) -> Verdict:
    given: dict[str, Any] = {
        "campaign_id": CAMPAIGN,
        "account_id": AccountId(account),
        "role": Role.OPERATOR,
        "e_value": 500.0,
        "fdr_q": 0.001,
        "share": 0.9,
        "credential_ids": ("cred_1",),
        "targets": (Target.CODE,),
        "first_flagged_at": NOW - timedelta(days=1),
    }
    return Verdict(**given | wishes)


def account(account_id: str = "a1", **wishes: Any) -> KnownAccount:
    given: dict[str, Any] = {
        "account_id": AccountId(account_id),
        "plan": "individual",
        "created_at": FIRST - timedelta(days=1),
        "exchanges": 100,
        "output_tokens": 1000,
    }
    return KnownAccount(**given | wishes)


def owned(account_id: str = "a1", **wishes: Any) -> KnownAccount:
    """An account of an organisation that is verified in every respect."""
    given: dict[str, Any] = {
        "owner": Owner(
            organisation="org",
            accounts=10,
            is_whole_on_one_domain=True,
            payers=1,
            main_payer="pay_1",
        ),
        "verified": "contract",
        "since": FIRST - timedelta(days=400),
        "payer": "pay_1",
        "plan": "enterprise",
    }
    return account(account_id, **given | wishes)


def use(subject: str = "cred_1", **wishes: Any) -> Use:
    given: dict[str, Any] = {
        "scope": Scope.CREDENTIAL,
        "subject": subject,
        "exchanges": 50,
        "serving": 50,
        "last_at": NOW - timedelta(hours=1),
        "output_tokens": 500,
    }
    return Use(**given | wishes)


def known(*accounts: KnownAccount, uses: dict[str, tuple[Use, ...]] | None = None, **wishes: Any) -> Known:  # fmt: skip
    given: dict[str, Any] = {
        "accounts": {a.account_id: a for a in accounts},
        "campaigns": {CAMPAIGN: campaign()},
        "uses": {(CAMPAIGN, AccountId(a)): found for a, found in (uses or {}).items()},
        "log_accounts": 10_000,
        "log_output_tokens": 10_000_000,
    }
    return Known(**given | wishes)


def decided(
    *verdicts: Verdict, policy: Policy = BLOCK_ALL, of: Known | None = None, **wishes: Any
) -> list[Planned]:
    of = of or known(account())
    return plan_steps(verdicts, policy, of, now=NOW, **wishes)


def written(tmp_path: Path, text: str) -> Policy:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    return read_policy(file)
