"""All that one dossier says, gathered from the findings and the log before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.dossier.wrappers import SamplePrompt, Wrapper, describe_wrappers
from stillwatch.lake.log import Log
from stillwatch.records import Findings

__all__ = ["Activity", "Case", "LinkKind", "MemberLink", "gather_cases"]

_SAMPLE_PROMPTS = 200
# More lines than this are a grey blot on paper; the table of kinds counts all of them.
_LINKS_DRAWN = 2_000
_HOURLY_UP_TO = timedelta(days=3)
_DAILY_UP_TO = timedelta(days=120)
_ROLE_ORDER = {"operator": 0, "mixed": 1, "compromised": 2}


@dataclass(frozen=True, slots=True)
class Activity:
    """Exchanges and active accounts in one hour, day or week."""

    start: datetime
    exchanges: int
    accounts: int


@dataclass(frozen=True, slots=True)
class MemberLink:
    """One kind of evidence between two members."""

    account_a: str
    account_b: str
    kind: str
    log_lr: float


@dataclass(frozen=True, slots=True)
class LinkKind:
    """How many pairs of members a kind of link joins, and how strongly (nats)."""

    kind: str
    pairs: int
    median_log_lr: float
    greatest_log_lr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One campaign with all that a reader needs in order to follow and to check it.

    Attributes:
        campaign: Its row of campaigns.parquet.
        members: Its rows of members.parquet, by role and then by evidence.
        tested: Its row of tested.parquet, if the scan kept one.
        unit: `hour`, `day` or `week`, the step of `activity`.
        hours, honest_hours: Share by hour of the day; the second over all other traffic.
        sampled_prompts, sampled_accounts: How many prompts with text the wrappers come from.
        notes: What the scan noted (scan.json).
    """

    campaign: dict[str, Any]
    members: tuple[dict[str, Any], ...]
    tested: dict[str, Any] | None
    unit: str
    activity: tuple[Activity, ...]
    hours: tuple[float, ...]
    honest_hours: tuple[float, ...]
    links: tuple[MemberLink, ...]
    link_kinds: tuple[LinkKind, ...]
    wrappers: tuple[Wrapper, ...]
    sampled_prompts: int
    sampled_accounts: int
    notes: dict[str, Any]

    @property
    def campaign_id(self) -> str:
        return str(self.campaign["campaign_id"])

    @property
    def members_by_role(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for member in self.members:
            counts[member["role"]] = counts.get(member["role"], 0) + 1
        return counts


def gather_cases(findings: Findings, log: Log) -> Iterator[Case]:
    """The case of each campaign, in the order of the findings. Reads the log three times in all."""
    with _registered(findings, log.connection) as connection:
        connection.execute(_query("campaign_exchanges"))
        honest_hours = _shares(connection.execute(_query("honest_hours")).fetchall())
        prompts = _sample_prompts(findings, connection)
        for campaign in findings.campaigns.to_pylist():
            name = campaign["campaign_id"]
            members = _of_campaign(findings.members, name)
            sample = [p for p in prompts.get(name, []) if p.input_text.strip()]
            unit, activity = _activity(connection, campaign)
            hours = connection.execute(_query("campaign_hours"), {"campaign_id": name})
            yield Case(
                campaign=campaign,
                members=tuple(
                    sorted(members, key=lambda m: (_ROLE_ORDER.get(m["role"], 9), -m["e_value"]))
                ),
                tested=next(iter(_of_campaign(findings.tested, name)), None),
                unit=unit,
                activity=activity,
                hours=_shares(hours.fetchall()),
                honest_hours=honest_hours,
                links=_links(connection, name),
                link_kinds=_link_kinds(connection, name),
                wrappers=describe_wrappers(prompts.get(name, [])),
                sampled_prompts=len(sample),
                sampled_accounts=len({prompt.account_id for prompt in sample}),
                notes=findings.notes,
            )


@contextmanager
def _registered(findings: Findings, connection: duckdb.DuckDBPyConnection) -> Iterator[Any]:
    """A cursor that sees the findings as tables, and leaves the log's connection as it was."""
    tables = {
        "dossier_attributed": findings.exchanges,
        "dossier_members": findings.members.select(["campaign_id", "account_id"]),
        "dossier_links": findings.links,
    }
    for name, table in tables.items():
        connection.register(name, table)
    try:
        yield connection
    finally:
        for name in tables:
            connection.unregister(name)
        connection.execute("drop table if exists dossier_exchanges")


def _query(name: str) -> str:
    return (files("stillwatch.dossier") / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def _of_campaign(table: pa.Table, campaign_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.filter(
        pc.fill_null(pc.equal(table["campaign_id"], campaign_id), False)
    ).to_pylist()
    return rows


def _activity(connection: Any, campaign: dict[str, Any]) -> tuple[str, tuple[Activity, ...]]:
    span = campaign["last_seen"] - campaign["first_seen"]
    unit = "hour" if span <= _HOURLY_UP_TO else "day" if span <= _DAILY_UP_TO else "week"
    found = connection.execute(
        _query("exchanges_over_time"), {"campaign_id": campaign["campaign_id"], "unit": unit}
    ).fetchall()
    if not found:
        return unit, ()
    step = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}[unit]
    counts = {start: (exchanges, accounts) for start, exchanges, accounts in found}
    start, last, buckets = min(counts), max(counts), []
    while start <= last:
        buckets.append(Activity(start, *counts.get(start, (0, 0))))
        start += step
    return unit, tuple(buckets)


def _shares(counts: list[tuple[int, float]]) -> tuple[float, ...]:
    by_hour = dict(counts)
    total = sum(by_hour.values())
    # Rounded: the engine adds in any order, and the same log must give the same page.
    return tuple(round(by_hour.get(hour, 0) / total, 6) if total else 0.0 for hour in range(24))


def _links(connection: Any, campaign_id: str) -> tuple[MemberLink, ...]:
    found = connection.execute(
        _query("campaign_links"), {"campaign_id": campaign_id, "links": _LINKS_DRAWN}
    )
    return tuple(MemberLink(*row) for row in found.fetchall())


def _link_kinds(connection: Any, campaign_id: str) -> tuple[LinkKind, ...]:
    found = connection.execute(_query("campaign_link_kinds"), {"campaign_id": campaign_id})
    return tuple(LinkKind(*row) for row in found.fetchall())


def _sample_prompts(findings: Findings, connection: Any) -> dict[str, list[SamplePrompt]]:
    members = zip(
        findings.members["campaign_id"].to_pylist(),
        findings.members["account_id"].to_pylist(),
        findings.members["role"].to_pylist(),
        strict=True,
    )
    roles = {(campaign, account): role for campaign, account, role in members}
    prompts: dict[str, list[SamplePrompt]] = {}
    found = connection.execute(_query("sample_prompts"), {"prompts": _SAMPLE_PROMPTS}).fetchall()
    for campaign_id, exchange_id, account_id, started_at, system_text, input_text in found:
        prompts.setdefault(campaign_id, []).append(
            SamplePrompt(
                exchange_id=exchange_id,
                account_id=account_id,
                started_at=started_at,
                # Only an operator's own text may be shown; a missing row shows nothing.
                may_be_shown=roles.get((campaign_id, account_id)) == "operator",
                system_text=system_text or "",
                input_text=input_text or "",
            )
        )
    return prompts
