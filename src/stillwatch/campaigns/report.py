"""From decided groups to the tables of findings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.campaigns import explanations
from stillwatch.campaigns.attribution import Matches, attribute, match_profiles
from stillwatch.campaigns.counterfactuals import without_each_signal
from stillwatch.campaigns.crowds import DRAWS
from stillwatch.campaigns.exchanges import Attributed, attribute_exchanges
from stillwatch.campaigns.honest import claimed
from stillwatch.campaigns.reading import Evidence
from stillwatch.campaigns.roles import MemberTraffic, Place, roles_of
from stillwatch.campaigns.timeline import FirstFlags
from stillwatch.campaigns.weighing import Decision, Weighed, WeighedGroup, smallest_rates
from stillwatch.lake.log import Log
from stillwatch.lake.purpose import PURPOSES
from stillwatch.lake.scratch import rest
from stillwatch.linking.agreement import worth_of_agreeing
from stillwatch.linking.groups import Group
from stillwatch.linking.links import links_within
from stillwatch.records import (
    ATTRIBUTED_EXCHANGES,
    CAMPAIGNS,
    LINKS,
    MEMBERS,
    TESTED,
    ActorProfile,
    Campaign,
    CampaignStatus,
    Findings,
    Member,
    TestedGroup,
    strings_at,
)
from stillwatch.signals.naming import purposes_read_again
from stillwatch.signals.places import Places
from stillwatch.signals.targets import targets_of_campaign

__all__ = ["build_findings"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

ENDED_AFTER = timedelta(days=7)
EXAMPLES = 3
SHARE_NAMED = 0.05  # targets below this share of the exchanges are not named


@dataclass(frozen=True, slots=True)
class _Case:
    """One reported group on its way into the tables."""

    campaign_id: str
    index: int
    weighed: WeighedGroup
    exchanges: Attributed
    targets: IntArray


def build_findings(
    evidence: Evidence,
    weighed: Weighed,
    decision: Decision,
    log: Log,
    flags: FirstFlags,
    *,
    rate: float,
    as_of: datetime,
    notes: Mapping[str, Any],
    profiles: Sequence[ActorProfile] | None = None,
) -> Findings:
    """Assemble the five tables of a scan.

    Args:
        profiles: Known actors that each campaign is compared with; None leaves `actors` empty.
    """
    acting = [weighed.groups[i].group for i in np.flatnonzero(decision.reached)]
    reported = [
        (index, group, _exchanges(weighed, group, acting))
        for index, group in enumerate(weighed.groups)
        if decision.reported[index]
    ]
    rows = np.unique(np.concatenate([np.zeros(0, np.int64), *(e.rows for _, _, e in reported)]))
    shares = purposes_read_again(log, weighed.traffic, rows)
    cases = [
        _case(weighed, index, group, exchanges, shares[np.searchsorted(rows, exchanges.rows)])
        for index, group, exchanges in reported
    ]
    members = _member_traffic(log, weighed, cases)
    matches = (
        match_profiles(weighed.traffic, log, profiles) if profiles is not None and cases else None
    )
    rates = smallest_rates(weighed, [case.index for case in cases])
    campaigns, member_rows, links = [], [], [LINKS.empty()]
    worth = worth_of_agreeing(evidence.facts, evidence.attributes.strata)
    for case in cases:
        own = members.get(case.campaign_id, [])
        campaigns.append(_campaign(case, own, weighed, decision, rates[case.index], as_of, matches))
        member_rows += _members(case, own, evidence, weighed, flags)
        links.append(
            links_within(
                case.weighed.named,
                evidence.facts,
                worth,
                weighed.fragments,
                weighed.traffic.account_names,
            )
        )
        rest()
    less = without_each_signal(weighed, evidence.facts, decision, rate)
    clauses = {c.campaign_id: explanations.clause_words(weighed, decision, c.index) for c in cases}
    return Findings(
        campaigns=CAMPAIGNS.table(campaigns),
        members=MEMBERS.table(member_rows),
        exchanges=_attributed(weighed, cases),
        tested=TESTED.table(_tested(evidence, weighed, decision, cases, rate)),
        links=pa.concat_tables(links),
        notes={
            **notes,
            "assumptions": explanations.assumptions(
                rate, len(decision.reference), len(weighed.groups)
            ),
            "clauses": clauses,
            "without_signal": {c.campaign_id: less[c.index] for c in cases},
            "disprove": {c.campaign_id: explanations.disproofs(c.weighed) for c in cases},
        },
    )


def stable_id(prefix: str, text: str) -> str:
    """A short name that the same evidence always gets."""
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def _first_exchange(weighed: Weighed, group: WeighedGroup) -> str:
    return str(weighed.traffic.exchange_ids[int(group.group.rows[0])].as_py())


def _exchanges(weighed: Weighed, group: WeighedGroup, acting: Sequence[Group]) -> Attributed:
    """What serves the campaign.

    Whoever is in the group only for having been copied was weighed with it, and is not named.
    """
    elsewhere = np.zeros(len(weighed.traffic.account_names), np.bool_)
    for other in acting:
        if other is not group.group:
            elsewhere[other.accounts] = True
    elsewhere[np.setdiff1d(group.group.accounts, group.named.accounts)] = True
    attributed = attribute_exchanges(weighed.traffic, weighed.fragments, group.named, elsewhere)
    rest()
    return attributed


def _case(
    weighed: Weighed,
    index: int,
    group: WeighedGroup,
    exchanges: Attributed,
    shares: npt.NDArray[np.uint8],
) -> _Case:
    """Name the campaign after its first exchange: it keeps its name as it grows.

    Args:
        shares: How probable each purpose is, in 255ths, one row an exchange of the campaign.
    """
    return _Case(
        campaign_id=stable_id("C", _first_exchange(weighed, group)),
        index=index,
        weighed=group,
        exchanges=exchanges,
        targets=targets_of_campaign(shares, exchanges.rows, weighed.fragments),
    )


def _member_traffic(
    log: Log, weighed: Weighed, cases: list[_Case]
) -> dict[str, list[MemberTraffic]]:
    if not cases:
        return {}
    answer = log.ask("member_traffic", tables={"attributed": _attributed(weighed, cases)})
    found: dict[str, list[MemberTraffic]] = {}
    for row in answer.to_pylist():
        *facts, credentials, networks, clients = row.values()
        places = [
            [Place(*counted.values()) for counted in kind or ()] for kind in (networks, clients)
        ]
        member = MemberTraffic(*[*facts, sorted(credentials or ()), *places])
        found.setdefault(member.campaign_id, []).append(member)
    return found


def _attributed(weighed: Weighed, cases: list[_Case]) -> pa.Table:
    tables = []
    for case in cases:
        rows = case.exchanges.rows
        traffic = weighed.traffic
        tables.append(
            pa.table(
                {
                    "campaign_id": pa.repeat(case.campaign_id, len(rows)),
                    "exchange_id": traffic.exchange_ids.take(pa.array(rows)).cast(pa.string()),
                    "account_id": strings_at(traffic.account_names, traffic.accounts[rows]),
                    "target": strings_at(
                        np.array(PURPOSES), np.where(case.targets < 0, -1, case.targets)
                    ),
                    "e_value": case.exchanges.e_values,
                },
                schema=ATTRIBUTED_EXCHANGES.arrow,
            )
        )
    return pa.concat_tables(tables) if tables else ATTRIBUTED_EXCHANGES.empty()


def _campaign(
    case: _Case,
    members: list[MemberTraffic],
    weighed: Weighed,
    decision: Decision,
    rate: float,
    as_of: datetime,
    matches: Matches | None,
) -> Campaign:
    traffic, rows = weighed.traffic, case.exchanges.rows
    first, last = _moment(int(traffic.started[rows[0]])), _moment(int(traffic.started[rows[-1]]))
    shares = np.bincount(case.targets[case.targets >= 0], minlength=len(PURPOSES)) / len(rows)
    order = np.argsort(-shares, kind="stable")
    targets = [PURPOSES[i] for i in order if shares[i] >= SHARE_NAMED]
    acts = float(np.exp(min(case.weighed.acts.log_e, 690)))
    undeclared = float(np.exp(case.weighed.togetherness.log_e))
    collects = float(decision.e_collects[case.index])
    tokens = sum(m.serving_tokens for m in members)
    actors = (
        attribute(matches, case.weighed.named.accounts, first, last)
        if matches is not None
        else None
    )
    e_value = min(acts, undeclared, collects)
    return Campaign(
        campaign_id=case.campaign_id,
        accounts=len(members),
        exchanges=len(rows),
        first_seen=first,
        last_seen=last,
        e_value=e_value,
        e_acts_as_one=acts,
        e_undeclared=undeclared,
        e_collects=collects,
        fdr_q=rate,
        targets=targets,
        templates=len(case.weighed.named.fragments),
        actors=actors,
        estimated_tokens=tokens,
        status=CampaignStatus.ENDED if last < as_of - ENDED_AFTER else CampaignStatus.ACTIVE,
        summary=explanations.summary(
            accounts=len(members),
            exchanges=len(rows),
            tokens=tokens,
            targets=targets,
            days=(last.date() - first.date()).days + 1,
            q=rate,
            e=e_value,
            actors=actors,
            claimed_owner=claimed(case.weighed.togetherness.claim),
        ),
    )


def _members(
    case: _Case,
    members: list[MemberTraffic],
    evidence: Evidence,
    weighed: Weighed,
    flags: FirstFlags,
) -> list[Member]:
    traffic, rows = weighed.traffic, case.exchanges.rows
    rows_of = Places.of_column(traffic.accounts[rows])
    told = explanations.told_of_members(weighed, case.index)
    shared = _facts_of_members(evidence, case.weighed.named.accounts)
    accounts = np.searchsorted(traffic.account_names, [m.account_id for m in members])
    opened_with = evidence.facts.opened_with(accounts, len(traffic.account_names))
    roles = roles_of(members, evidence.declarations.created[accounts].tolist(), opened_with)
    found = []
    for member, account, role in zip(members, accounts.tolist(), roles, strict=True):
        own = rows_of.of(np.array([account]))
        shown = [str(traffic.exchange_ids[int(r)].as_py()) for r in rows[own[:EXAMPLES]]]
        reasons = explanations.member_reasons(
            weighed,
            case.weighed,
            member,
            account,
            shared.get(account, []),
            shown,
            told.get(account, []),
        ) + explanations.role_reasons(member, role)
        found.append(
            Member(
                campaign_id=case.campaign_id,
                account_id=member.account_id,
                e_value=float(case.exchanges.e_values[own].max(initial=1.0)),
                role=role,
                share=member.share,
                credential_ids=member.credentials,
                first_flagged_at=_moment(flags.of(account)),
                reasons=[r.as_dict() for r in reasons],
            )
        )
    return found


def _facts_of_members(
    evidence: Evidence, accounts: IntArray
) -> dict[int, list[tuple[str, int, int]]]:
    """For each member: (kind, holders inside, holders in the log) of what it shares inside."""
    facts = evidence.facts
    size = int(facts.value.max(initial=-1)) + 1
    everywhere = np.bincount(facts.value, minlength=size)
    member = facts.of_accounts(accounts)
    inside = np.bincount(facts.value[member], minlength=size)
    found: dict[int, dict[str, tuple[str, int, int]]] = {}
    for i in member[inside[facts.value[member]] > 1]:
        kind = facts.kinds[int(facts.kind[i])]
        value = facts.value[i]
        entry = (kind, int(inside[value]), int(everywhere[value]))
        best = found.setdefault(int(facts.accounts[i]), {})
        if kind not in best or entry[2] < best[kind][2]:
            best[kind] = entry
    return {a: sorted(kinds.values(), key=lambda e: e[2]) for a, kinds in found.items()}


def _tested(
    evidence: Evidence, weighed: Weighed, decision: Decision, cases: list[_Case], rate: float
) -> list[TestedGroup]:
    campaign_of = {case.index: case.campaign_id for case in cases}
    names = weighed.traffic.account_names
    return [
        TestedGroup(
            group_id=stable_id("G", _first_exchange(weighed, group)),
            accounts=len(_shown(group, index in campaign_of)),
            e_acts_as_one=float(np.exp(min(group.acts.log_e, 690))),
            e_undeclared=float(np.exp(group.togetherness.log_e)),
            e_collects=float(decision.e_collects[index]),
            e_acts_as_one_max=float(np.exp(min(group.acts.largest, 690))),
            e_undeclared_max=float(np.exp(group.togetherness.largest)),
            e_collects_max=float(min(len(decision.reference), DRAWS) + 1),
            honest_explanation=explanations.honest_explanation(
                weighed, decision, index, evidence.facts
            ),
            why_not_reported=explanations.why_not_reported(weighed, decision, index, rate),
            campaign_id=campaign_of.get(index),
            account_ids=[str(n) for n in names[_shown(group, index in campaign_of)]],
        )
        for index, group in enumerate(weighed.groups)
    ]


def _shown(group: WeighedGroup, reported: bool) -> IntArray:
    """Accounts of a group: all that were weighed, but of a campaign those that it names."""
    return group.named.accounts if reported else group.group.accounts


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)
