"""Worlds and findings small enough to check by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stillwatch.records import (
    ACCOUNTS,
    ATTRIBUTED_EXCHANGES,
    CAMPAIGNS,
    EXCHANGES,
    LINKS,
    MEMBERS,
    TESTED,
    TRUTH_ACCOUNTS,
    TRUTH_EXCHANGES,
    Account,
    AttributedExchange,
    Campaign,
    Exchange,
    Findings,
    Member,
    TestedGroup,
    TruthAccount,
    TruthExchange,
    write_parquet,
)

START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class WorldBuilder:
    """Collects the accounts of a story, then writes them as a world's folder."""

    accounts: list[Account] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    truth_accounts: list[TruthAccount] = field(default_factory=list)
    truth_exchanges: list[TruthExchange] = field(default_factory=list)

    def account(self, name: str, *, payment: str | None = None, ip: str | None = None) -> None:
        if all(account.account_id != name for account in self.accounts):
            self.accounts.append(Account(account_id=name, payment_token=payment, signup_ip=ip))

    def honest(
        self, name: str, *, population: str = "people", group: str | None = None, sends: int = 2
    ) -> None:
        self.account(name)
        self.truth_accounts.append(
            TruthAccount(account_id=name, population=population, honest_group=group)
        )
        for number in range(sends):
            self.sends(name, at=START + timedelta(hours=7 * number), text=f"{name} asks {number}")

    def serves(
        self,
        name: str,
        campaign: str,
        *,
        role: str = "operator",
        kind: str = "small_ring",
        group: str | None = None,
        collects: int = 4,
        cover: int = 0,
        start: datetime = START,
    ) -> None:
        self.account(name, payment=f"card-{campaign}")
        self.truth_accounts.append(
            TruthAccount(
                account_id=name, population=kind, honest_group=group, campaign=campaign, role=role
            )
        )
        for number in range(collects):
            self.sends(
                name,
                at=start + timedelta(hours=number),
                text=f"You write the very best training questions there are, number {number}",
                campaign=campaign,
                target="reasoning",
            )
        for number in range(cover):
            self.sends(name, at=start + timedelta(hours=number, minutes=30), text=f"cover {name}")

    def sends(
        self,
        name: str,
        *,
        at: datetime,
        text: str,
        campaign: str | None = None,
        target: str | None = None,
    ) -> None:
        exchange = f"{name}-{sum(e.account_id == name for e in self.exchanges)}"
        self.exchanges.append(
            Exchange(exchange_id=exchange, account_id=name, started_at=at, input_text=text)
        )
        self.truth_exchanges.append(
            TruthExchange(
                exchange_id=exchange,
                account_id=name,
                distill=campaign is not None,
                campaign=campaign,
                target=target,
            )
        )

    def write(self, directory: Path) -> Path:
        (directory / "exchanges").mkdir(parents=True)
        write_parquet(
            EXCHANGES.table(self.exchanges), directory / "exchanges" / "2026-03-01.parquet"
        )
        write_parquet(ACCOUNTS.table(self.accounts), directory / "accounts.parquet")
        write_parquet(
            TRUTH_ACCOUNTS.table(self.truth_accounts), directory / "truth_accounts.parquet"
        )
        write_parquet(
            TRUTH_EXCHANGES.table(self.truth_exchanges), directory / "truth_exchanges.parquet"
        )
        return directory


def two_rings_and_a_class() -> WorldBuilder:
    """Two campaigns of six accounts, a class of five, and ten people on their own."""
    world = WorldBuilder()
    for number in range(6):
        world.serves(f"amber-{number}", "amber", cover=1)
        world.serves(f"slate-{number}", "slate", kind="judge_only")
    for number in range(5):
        world.honest(f"pupil-{number}", population="class", group="class-1")
    for number in range(10):
        world.honest(f"person-{number}")
    return world


def perfect_findings(world: WorldBuilder, *, flagged_after: timedelta = timedelta(0)) -> Findings:
    """What a scan that knew the truth would leave behind."""
    accused: dict[str, dict[str, str]] = {}
    for row in world.truth_accounts:
        if row.campaign is not None:
            accused.setdefault(f"found-{row.campaign}", {})[row.account_id] = row.role or ""
    attributed = {
        f"found-{row.campaign}": [
            t.exchange_id for t in world.truth_exchanges if t.campaign == row.campaign
        ]
        for row in world.truth_accounts
        if row.campaign is not None
    }
    return findings_that_accuse(
        world, accused, attributed=attributed, flagged_at=START + flagged_after
    )


def weighed_group(accounts: Sequence[str], *, e_value: float) -> TestedGroup:
    """A group that was tested, with this e-value in every clause."""
    return TestedGroup(
        group_id="g",
        accounts=len(accounts),
        e_acts_as_one=e_value,
        e_undeclared=e_value,
        e_collects=e_value,
        e_acts_as_one_max=1e9,
        e_undeclared_max=1e9,
        e_collects_max=1e9,
        honest_explanation="a class",
        account_ids=list(accounts),
    )


def findings_that_accuse(
    world: WorldBuilder,
    accused: Mapping[str, Mapping[str, str] | Sequence[str]],
    *,
    attributed: Mapping[str, Sequence[str]] | None = None,
    flagged_at: datetime = START,
    e_values: Mapping[str, float] | None = None,
    tested: Sequence[TestedGroup] = (),
    target: str | None = "reasoning",
) -> Findings:
    """Findings with these members, by finding; a plain list accuses of being an operator."""
    members, exchanges, campaigns = [], [], []
    owners = {row.exchange_id: row.account_id for row in world.truth_exchanges}
    for finding, names in accused.items():
        roles = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names, "operator")
        ids = list((attributed or {}).get(finding, ()))
        campaigns.append(_campaign(finding, len(roles), len(ids), (e_values or {}).get(finding)))
        for name, role in roles.items():
            own = [t for t in world.truth_exchanges if t.account_id == name]
            members.append(
                Member(
                    campaign_id=finding,
                    account_id=name,
                    e_value=(e_values or {}).get(name, 1e6),
                    role=role,
                    share=sum(t.exchange_id in ids for t in own) / len(own) if own else 0.0,
                    credential_ids=[],
                    first_flagged_at=flagged_at,
                    reasons=[],
                )
            )
        exchanges += [
            AttributedExchange(
                campaign_id=finding,
                exchange_id=exchange,
                account_id=owners[exchange],
                target=target,
                e_value=1e6,
            )
            for exchange in ids
        ]
    return Findings(
        campaigns=CAMPAIGNS.table(campaigns),
        members=MEMBERS.table(members),
        exchanges=ATTRIBUTED_EXCHANGES.table(exchanges),
        tested=TESTED.table(list(tested)),
        links=LINKS.table([]),
    )


def _campaign(name: str, accounts: int, exchanges: int, e_value: float | None) -> Campaign:
    evidence = 1e6 if e_value is None else e_value
    return Campaign(
        campaign_id=name,
        accounts=accounts,
        exchanges=exchanges,
        first_seen=START,
        last_seen=START,
        e_value=evidence,
        e_acts_as_one=evidence,
        e_undeclared=evidence,
        e_collects=evidence,
        fdr_q=0.001,
        targets=["reasoning"],
        templates=1,
        estimated_tokens=0,
        status="active",
        summary="",
    )
