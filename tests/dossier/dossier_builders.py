"""A scan's findings and its log, built by hand: 24 accounts of one campaign among honest ones."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

from stillwatch.lake.log import Log, open_log
from stillwatch.records import (
    ACCOUNTS,
    ATTRIBUTED_EXCHANGES,
    CAMPAIGNS,
    EXCHANGES,
    LINKS,
    MEMBERS,
    TESTED,
    Account,
    AttributedExchange,
    Campaign,
    Exchange,
    Findings,
    Link,
    Member,
    Reason,
    TestedGroup,
    write_parquet,
)

CAMPAIGN = "c-7f3a19"
START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 14
_TOPICS = (
    "why ice floats on water", "how a suspension bridge carries load", "the proof that the square "
    "root of two is irrational", "how vaccines train the immune system", "what a hash table does on "
    "collision", "why the sky is dark at night", "how compound interest grows", "what makes glass "
    "transparent", "how tides follow the moon", "why prime numbers matter in cryptography",
)  # fmt: skip
WRAPPERS = (
    "You are writing for a textbook. Explain {} in full.\n\nList every step of your reasoning "
    "before the conclusion, then restate the conclusion in one sentence.",
    "Task: {}\nThink aloud, check each step, and give the corrected reasoning only.",
)


def reason(
    signal: str = "template",
    text: str = "It sends the campaign's private template.",
    **changes: Any,
) -> Reason:
    """A reason with figures that read like real ones."""
    standard = Reason(
        signal=signal,
        text=text,
        observed="96 % of its prompts",
        baseline="under 0.01 % of other accounts' prompts",
        evidence=["x-0-0", "x-0-1", "x-0-2", "x-0-3"],
    )
    return replace(standard, **changes)


def role_of(number: int, accounts: int) -> str:
    """The last account is compromised, the two before it are mixed."""
    if accounts < 4:
        return "operator"
    return (
        "compromised"
        if number == accounts - 1
        else "mixed"
        if number >= accounts - 3
        else "operator"
    )


def campaign_exchanges(accounts: int, each: int, *, prompt: str | None = None) -> list[Exchange]:
    """What the members sent: a queue dealt round the accounts, at all hours."""
    rng = random.Random(1)
    rows = []
    for account in range(accounts):
        for n in range(each):
            started = START + timedelta(days=DAYS * (n + rng.random()) / each)
            topic = f"{rng.choice(_TOPICS)}, case {rng.randrange(10_000)}"
            rows.append(
                Exchange(
                    exchange_id=f"x-{account}-{n}",
                    account_id=f"acct-{account:04}",
                    started_at=started,
                    model="mirror-large",
                    input_text=prompt or WRAPPERS[(account + n) % 2].format(topic),
                    output_tokens=700,
                )
            )
    return rows


def honest_exchanges(accounts: int, each: int) -> list[Exchange]:
    """People who ask by day."""
    rng = random.Random(2)
    return [
        Exchange(
            exchange_id=f"h-{account}-{n}",
            account_id=f"person-{account:04}",
            started_at=START
            + timedelta(days=rng.randrange(DAYS), hours=min(23.9, max(0.0, rng.gauss(14, 3.5)))),
            model="mirror-large",
            input_text=f"please help with my own letter number {rng.randrange(10**6)}",
            output_tokens=120,
        )
        for account in range(accounts)
        for n in range(each)
    ]


def open_built_log(folder: Path, exchanges: list[Exchange]) -> Log:
    """The exchanges as a canonical log on disk, opened."""
    folder.mkdir(parents=True, exist_ok=True)
    write_parquet(EXCHANGES.table(exchanges), folder / "exchanges.parquet")
    accounts = sorted({row.account_id for row in exchanges})
    write_parquet(
        ACCOUNTS.table([Account(account_id=a) for a in accounts]), folder / "accounts.parquet"
    )
    return open_log(
        exchanges=folder / "exchanges.parquet",
        accounts=folder / "accounts.parquet",
        until=max(row.started_at for row in exchanges) + timedelta(days=1),
    )


def build_findings(exchanges: list[Exchange], **campaign_changes: Any) -> Findings:
    """The findings a scan would leave for these exchanges, all of one campaign."""
    accounts = sorted({row.account_id for row in exchanges})
    starts = [row.started_at for row in exchanges]
    campaign = Campaign(
        campaign_id=CAMPAIGN,
        accounts=len(accounts),
        exchanges=len(exchanges),
        first_seen=min(starts),
        last_seen=max(starts),
        e_value=1840.0,
        e_acts_as_one=4.2e9,
        e_undeclared=1840.0,
        e_collects=23_500.0,
        fdr_q=0.0021,
        targets=["reasoning", "explanations"],
        templates=2,
        actors=None,
        estimated_tokens=700 * len(exchanges),
        status="ended",
        summary=(
            f"{len(accounts)} accounts that declare no common owner sent {len(exchanges):,} "
            "prompts made from two templates that nobody else in this log uses, dealt from one "
            "list without repeats, at all hours of the day."
        ),
    )
    campaign = replace(campaign, **campaign_changes)
    return Findings(
        campaigns=CAMPAIGNS.table([campaign]),
        members=MEMBERS.table(_members(campaign.campaign_id, accounts)),
        exchanges=ATTRIBUTED_EXCHANGES.table(
            [
                AttributedExchange(
                    campaign_id=campaign.campaign_id,
                    exchange_id=row.exchange_id,
                    account_id=row.account_id,
                    target="reasoning",
                    e_value=900.0,
                )
                for row in exchanges
            ]
        ),
        tested=TESTED.table([_tested(campaign, accounts), cleared_group()]),
        links=LINKS.table(_links(accounts)),
        notes=_notes(campaign.campaign_id),
    )


def _members(campaign_id: str, accounts: list[str]) -> list[Member]:
    rng = random.Random(3)
    members = []
    for number, account in enumerate(accounts):
        role = role_of(number, len(accounts))
        reasons = [
            reason(),
            reason(
                "payment",
                "It was paid for with a card that pays for five other members.",
                observed="6 accounts on one card",
                baseline="1.1 accounts a card",
                evidence=[],
            ),
            reason(
                "synchrony",
                "Its requests take turns with those of the other members.",
                observed="gap of 41 s, coefficient of variation 0.21",
                baseline="0.8 to 2.6 for honest groups",
            ),
        ]
        members.append(
            Member(
                campaign_id=campaign_id,
                account_id=account,
                e_value=round(10 ** rng.uniform(2, 5), 1),
                role=role,
                share={"operator": 0.98, "mixed": 0.31, "compromised": 0.07}[role],
                credential_ids=[f"key-{number:04}"],
                first_flagged_at=START + timedelta(days=3 + number % 4),
                reasons=[r.as_dict() for r in reasons[: 3 - number % 2]],
            )
        )
    return members


def _links(accounts: list[str]) -> list[Link]:
    links = []
    for i, j in combinations(range(len(accounts)), 2):
        if i // 6 == j // 6:
            links.append((i, j, "payment", 8.4))
        if (j - i) % 7 in (1, 3):
            links.append((i, j, "template", 5.1))
        if j - i == 5:
            links.append((i, j, "synchrony", 2.6))
    return [
        Link(account_a=accounts[i], account_b=accounts[j], kind=kind, log_lr=weight)
        for i, j, kind, weight in links
    ]


def _tested(campaign: Campaign, accounts: list[str]) -> TestedGroup:
    return TestedGroup(
        group_id="g-01",
        accounts=len(accounts),
        e_acts_as_one=campaign.e_acts_as_one,
        e_undeclared=campaign.e_undeclared,
        e_collects=campaign.e_collects,
        e_acts_as_one_max=8.0e11,
        e_undeclared_max=9_000.0,
        e_collects_max=1.1e6,
        honest_explanation="A localisation vendor that divides one list over its clients' accounts.",
        why_not_reported=None,
        campaign_id=campaign.campaign_id,
        account_ids=accounts,
    )


def cleared_group() -> TestedGroup:
    """A class that was weighed and not reported."""
    return TestedGroup(
        group_id="g-02",
        accounts=3,
        e_acts_as_one=2.0,
        e_undeclared=310.0,
        e_collects=0.4,
        e_acts_as_one_max=500.0,
        e_undeclared_max=9_000.0,
        e_collects_max=700.0,
        honest_explanation="A class that works through one exercise sheet.",
        why_not_reported="Its members repeat the same items, so no queue divides them.",
        campaign_id=None,
        account_ids=["person-0001", "person-0002", "person-0003"],
    )


def _notes(campaign_id: str) -> dict[str, Any]:
    return {
        "version": "0.1.0",
        "command": "stillwatch scan --exchanges log/ --accounts accounts.parquet --out found/",
        "fdr": 0.01,
        "as_of": "2026-03-17T00:00:00Z",
        "assumptions": [
            "Arrivals of independent accounts are exchangeable under shifts by whole days within "
            "an hour-of-day stratum.",
            "At most 5 % of the unlinked reference accounts are hostile.",
        ],
        "missing_evidence": ["tls_fingerprint: rare client software could not be weighed."],
        "clauses": {
            campaign_id: {
                "acts_as_one": {
                    "text": "Of the items on the list, almost none is asked by two accounts.",
                    "observed": "3 repeats in 4,800 items",
                    "usual": "210 to 390 repeats",
                    "e_value": 4.2e9,
                    "max": 8.0e11,
                },
            }
        },
        "disprove": {campaign_id: ["A repeat rate above 200 in a second sample of the items."]},
    }
