"""A log and the findings about it: operators, a reseller, and a robbed customer of a declared firm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch.lake.log import Log, open_log
from stillwatch.records import (
    ACCOUNTS,
    ATTRIBUTED_EXCHANGES,
    CAMPAIGNS,
    CREDENTIALS,
    EXCHANGES,
    LINKS,
    MEMBERS,
    TESTED,
    Findings,
    TableSchema,
    write_findings,
    write_parquet,
)

CAMPAIGN = "C-planted"
OPERATORS = tuple(f"op-{n:02d}" for n in range(12))
RESELLER, ROBBED, COLLEAGUE = "reseller", "robbed", "colleague"
FIRM = "firm-7"
SYSTEM = "You are the grader of an exam. Give a grade between one and ten, and say why."
DAYS = 6
A_DAY = 8


@dataclass(frozen=True, slots=True)
class Planted:
    """Files of a log that ends at `now`, and findings about it."""

    folder: Path
    now: datetime
    findings: Findings

    @property
    def tables(self) -> dict[str, Path]:
        names = ("exchanges", "accounts", "credentials")
        return {name: self.folder / f"{name}.parquet" for name in names}

    @property
    def findings_folder(self) -> Path:
        return self.folder / "findings"

    def log(self) -> Log:
        return open_log(**self.tables)

    def rewrite(self, findings: Findings) -> None:
        write_findings(findings, self.findings_folder)


def planted(folder: Path, now: datetime, **changes: Any) -> Planted:
    """Six days of traffic up to `now`, of which the last five days are flagged.

    Args:
        changes: Of the campaign's row.
    """
    folder.mkdir(parents=True, exist_ok=True)
    exchanges = list(_exchanges(now))
    own = [row for row in exchanges if row.pop("serves")]
    write_parquet(_table(EXCHANGES, exchanges), folder / "exchanges.parquet")
    write_parquet(_table(ACCOUNTS, list(_accounts(now))), folder / "accounts.parquet")
    write_parquet(_table(CREDENTIALS, list(_credentials(now))), folder / "credentials.parquet")
    findings = _findings(own, now, **changes)
    noted = {
        "exchanges": [str(folder / "exchanges.parquet")],
        "accounts": [str(folder / "accounts.parquet")],
        "credentials": [str(folder / "credentials.parquet")],
        "releases": [],
    }
    findings.notes.update(tables=noted, fdr=0.01)
    made = Planted(folder, now, findings)
    made.rewrite(findings)
    return made


def _table(schema: TableSchema, rows: list[dict[str, Any]]) -> pa.Table:
    return schema.table([dict.fromkeys(schema.names) | row for row in rows])


def _exchange(account: str, number: int, at: datetime, *, serves: bool, **more: Any) -> dict:
    return {
        "exchange_id": f"{account}-{number}-{'c' if serves else 'o'}",
        "account_id": account,
        "started_at": at,
        "model": "tern-2",
        "credential_id": f"cred-{account}",
        "output_tokens": 100,
        "status": "ok",
        "serves": serves,
        **more,
    }


def _exchanges(now: datetime) -> Iterator[dict[str, Any]]:
    start = now - timedelta(days=DAYS)
    for number in range(DAYS * A_DAY):
        at = start + (number + 1) * timedelta(days=1) / A_DAY
        for account in OPERATORS:
            yield _exchange(account, number, at, serves=True, system_text=SYSTEM)
        yield _exchange(RESELLER, number, at, serves=True, credential_id="cred-resold-1")
        yield _exchange(RESELLER, number, at, serves=False, credential_id="cred-resold-2")
        yield _exchange(ROBBED, number, at, serves=True, credential_id="cred-stolen")
        yield _exchange(ROBBED, number, at, serves=False)
        yield _exchange(COLLEAGUE, number, at, serves=False)
        for customer in range(400):
            if number % A_DAY == customer % A_DAY:
                yield _exchange(f"customer-{customer:03d}", number, at, serves=False)


def _accounts(now: datetime) -> Iterator[dict[str, Any]]:
    start = now - timedelta(days=DAYS)
    for n, account in enumerate((*OPERATORS, RESELLER)):
        yield {
            "account_id": account,
            "plan": "individual",
            "created_at": start - timedelta(hours=1),
            "payment_token": f"pay-{n}",
            "organization_verified": "none",
        }
    for account in (ROBBED, COLLEAGUE):
        yield {
            "account_id": account,
            "plan": "enterprise",
            "created_at": start - timedelta(days=300),
            "payment_token": "pay-firm",
            "organization_id": FIRM,
            "organization_verified": "contract",
            "organization_since": start - timedelta(days=300),
            "email_domain": "firm.example",
        }
    for customer in range(400):
        yield {
            "account_id": f"customer-{customer:03d}",
            "created_at": start - timedelta(days=90),
            "organization_verified": "none",
        }


def _credentials(now: datetime) -> Iterator[dict[str, Any]]:
    rows = [(account, f"cred-{account}") for account in (*OPERATORS, ROBBED, COLLEAGUE)]
    rows += [(RESELLER, "cred-resold-1"), (RESELLER, "cred-resold-2"), (ROBBED, "cred-stolen")]
    for account, credential in rows:
        yield {
            "credential_id": credential,
            "account_id": account,
            "created_at": now - timedelta(days=DAYS),
        }


def _findings(own: list[dict[str, Any]], now: datetime, **changes: Any) -> Findings:
    flagged = now - timedelta(days=DAYS - 1)
    midnight = flagged.replace(hour=0, minute=0, second=0, microsecond=0)
    roles = dict.fromkeys(OPERATORS, "operator") | {RESELLER: "mixed", ROBBED: "compromised"}
    campaign = {
        "campaign_id": CAMPAIGN,
        "accounts": len(roles),
        "exchanges": len(own),
        "first_seen": min(row["started_at"] for row in own),
        "last_seen": max(row["started_at"] for row in own),
        "e_value": 500.0,
        "e_acts_as_one": 500.0,
        "e_undeclared": 500.0,
        "e_collects": 500.0,
        "fdr_q": 0.001,
        "targets": ["grading"],
        "templates": 1,
        "estimated_tokens": 100 * len(own),
        "status": "active",
        "summary": "Planted.",
    }
    members = [
        {
            "campaign_id": CAMPAIGN,
            "account_id": account,
            "e_value": 500.0,
            "role": role,
            "share": 1.0 if role == "operator" else 0.5,
            "credential_ids": [],
            "first_flagged_at": midnight,
            "reasons": [],
        }
        for account, role in roles.items()
    ]
    attributed = [
        {
            "campaign_id": CAMPAIGN,
            "exchange_id": row["exchange_id"],
            "account_id": row["account_id"],
            "target": "grading",
            "e_value": 500.0,
        }
        for row in own
    ]
    return Findings(
        campaigns=_table(CAMPAIGNS, [campaign | changes]),
        members=_table(MEMBERS, members),
        exchanges=_table(ATTRIBUTED_EXCHANGES, attributed),
        tested=_table(TESTED, []),
        links=_table(LINKS, []),
    )
