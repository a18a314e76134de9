"""Why a campaign, account or group was found, or was not, in words for a terminal."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.dossier.claims import claims_of, headline_of
from stillwatch.dossier.words import (
    amount,
    e_value_in_words,
    figure,
    joined,
    link_kind,
    moment,
    odds,
    percent,
    rate_in_words,
)
from stillwatch.records import NOT_COLLECTING, Findings, InputError, Reason

__all__ = ["Explanation", "explain"]

_STRONGEST_LINKS = 5
_NEAR = 0.8
_DIGITS = re.compile(r"\d+")
_DIGIT_RUNS_OF_A_NUMBERED_ID = 2


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to "why?".

    Attributes:
        kind: `campaign`, `account` or `group`.
        verdict: One sentence.
        reasons: Each in words, with its figure and what is usual.
        lines: Further sentences, most important first.
        honest: The honest explanations considered, a line each part.
        facts: What a program may want besides.
    """

    id: str
    kind: str
    verdict: str
    reasons: tuple[Reason, ...]
    lines: tuple[str, ...] = ()
    honest: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def cleared(self) -> bool:
        """It was weighed and is in no campaign."""
        return self.kind != "campaign" and not self.facts.get("campaigns")

    def as_dict(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "id": self.id,
            "kind": self.kind,
            "verdict": self.verdict,
            "reasons": [reason.as_dict() for reason in self.reasons],
            **self.facts,
        }


def explain(
    findings: Findings, wanted: str, *, is_in_log: Callable[[str], bool] | None = None
) -> Explanation:
    """Why this campaign, account or group was found, what was weighed, or that nothing links it.

    Findings name only accounts that were weighed, so an account of the log that nothing links
    and one that does not exist look the same to them; the log tells which it is.

    Args:
        is_in_log: Whether the log has an account of this id; asked where the findings say nothing.
            Without it the words say that nobody knows.

    Raises:
        InputError: Unknown to the findings, and to the log or so close to a known id that it must
            be a slip of the pen.
    """
    campaigns = _rows(findings.campaigns, "campaign_id", wanted)
    if campaigns:
        return _explain_campaign(findings, campaigns[0])
    memberships = _rows(findings.members, "account_id", wanted)
    if memberships:
        return _explain_member(findings, wanted, memberships)
    weighed = _rows(findings.tested, "group_id", wanted)
    if weighed:
        return _explain_group(findings, weighed[0])
    groups = _groups_with(findings.tested, wanted)
    links = _links_of(findings.links, wanted)
    if groups or links:
        return _explain_cleared(wanted, groups, links)
    known = is_in_log(wanted) if is_in_log else None
    if not known:
        _suggest_instead_of(findings, wanted)
    if known is False:
        raise InputError(
            f"neither these findings nor the log they were made of know '{wanted}'.",
            remedy="Name an account as the log has it, one of the campaigns that the scan printed, "
            "or a group of `tested.parquet`.",
        )
    return _explain_unlinked(wanted, is_known=known is True)


def _explain_campaign(findings: Findings, campaign: dict[str, Any]) -> Explanation:
    name = campaign["campaign_id"]
    tested = next(iter(_rows(findings.tested, "campaign_id", name)), None)
    claims = claims_of(campaign, tested=tested, notes=findings.notes)
    reasons = tuple(
        Reason(
            signal=claim.name,
            text=f"{claim.title}. {claim.text or claim.meaning}",
            observed=claim.observed or f"e-value {figure(claim.e_value)}",
            baseline=claim.usual or "e-value 1 or less",
        )
        for claim in claims
    )
    roles = _counted(findings.members, name)
    return Explanation(
        id=name,
        kind="campaign",
        verdict=f"{headline_of(campaign)} (e-value {figure(campaign['e_value'])}, "
        f"{campaign['status']}).",
        reasons=reasons,
        lines=(str(campaign["summary"]), rate_in_words(campaign["fdr_q"])),
        honest=_honest_lines(tested["honest_explanation"] if tested else None),
        facts={
            "e_value": campaign["e_value"],
            "fdr_q": campaign["fdr_q"],
            "accounts": campaign["accounts"],
            "exchanges": campaign["exchanges"],
            "targets": campaign["targets"],
            "status": campaign["status"],
            "summary": campaign["summary"],
            "accounts_by_role": roles,
        },
    )


def _explain_member(
    findings: Findings, account: str, memberships: Sequence[dict[str, Any]]
) -> Explanation:
    parts = [
        f"{m['campaign_id']} as {m['role']} with {percent(m['share'])} of its exchanges"
        for m in memberships
    ]
    lines = [
        f"{m['campaign_id']}: first flagged on {moment(m['first_flagged_at'])}; its clearest "
        f"exchange has an e-value of {figure(m['e_value'])}. "
        + e_value_in_words(
            m["e_value"],
            "an exchange were like those of accounts that act for themselves",
            of="exchanges",
        )
        for m in memberships
    ]
    links = _links_of(findings.links, account)
    return Explanation(
        id=account,
        kind="account",
        verdict=f"Account {account} serves {joined(parts)}.",
        reasons=tuple(
            Reason(**{**reason, "evidence": reason["evidence"] or []})
            for m in memberships
            for reason in m["reasons"] or []
        ),
        lines=(*lines, *_link_lines(account, links)),
        facts={
            "campaigns": [{k: v for k, v in m.items() if k != "reasons"} for m in memberships],
            "tested": [_group_facts(g) for g in _groups_with(findings.tested, account)],
            "links": links,
        },
    )


def _explain_unlinked(account: str, *, is_known: bool) -> Explanation:
    return Explanation(
        account,
        "account",
        f"Nothing links account {account}: no group that was weighed holds it.",
        (),
        ()
        if is_known
        else (
            "The log of these findings is not there to be asked, and findings do not list every "
            "account: check the id if in doubt.",
        ),
        facts={"campaigns": [], "tested": [], "links": []},
    )


def _explain_cleared(
    account: str, groups: Sequence[dict[str, Any]], links: Sequence[dict[str, Any]]
) -> Explanation:
    reasons = tuple(
        _weighed(g, "It was reported, and this account was left out of it.") for g in groups
    )
    where = f"was weighed in {amount(len(groups), 'group')}" if groups else "has links"
    return Explanation(
        account,
        "account",
        f"Account {account} is in no campaign. It {where}, and that did not suffice.",
        reasons,
        tuple(_link_lines(account, links)),
        honest=tuple(line for g in groups for line in _honest_lines(g["honest_explanation"])),
        facts={"campaigns": [], "tested": [_group_facts(g) for g in groups], "links": list(links)},
    )


def _explain_group(findings: Findings, group: dict[str, Any]) -> Explanation:
    """A group that was weighed: the campaign it became, or why it is none."""
    name, campaign = group["group_id"], group["campaign_id"]
    if campaign:
        found = _rows(findings.campaigns, "campaign_id", campaign)
        became = (
            f"Group {name} of {amount(group['accounts'], 'account')} is reported as {campaign}."
        )
        reasons = (_weighed(group, "It was reported."),)
        campaigns = [{"campaign_id": campaign, "accounts": c["accounts"]} for c in found]
    else:
        became = f"Group {name} of {amount(group['accounts'], 'account')} is not reported."
        reasons = (_weighed(group, ""),)
        campaigns = []
    return Explanation(
        name,
        "group",
        became,
        reasons,
        honest=_honest_lines(group["honest_explanation"]),
        facts={
            "campaigns": campaigns,
            "tested": [_group_facts(group)],
            "account_ids": group["account_ids"] or [],
        },
    )


def _weighed(group: Mapping[str, Any], reported: str) -> Reason:
    """What was weighed of a group, and why it was not reported, or the words for one that was."""
    return Reason(
        signal="tested_group",
        text=f"Group {group['group_id']} of {amount(group['accounts'], 'account')}: "
        + (group["why_not_reported"] or reported),
        observed=f"e-values {_e_values(group, '')}",
        baseline=f"1 is no evidence; on this log they could have been {_e_values(group, '_max')}",
    )


_CLAUSES = {"acts_as_one": "acts as one", "undeclared": "undeclared", "collects": "collects"}


def _e_values(group: Mapping[str, Any], which: str) -> str:
    """The e-values of the three claims, or with `_max` the largest that they could have been.

    What a group collects is asked only once the others have not held it back.
    """
    held_back = not (group["why_not_reported"] or NOT_COLLECTING).startswith(NOT_COLLECTING)
    values = {words: figure(group[f"e_{clause}{which}"]) for clause, words in _CLAUSES.items()}
    if held_back and not group[f"e_collects{which}"]:
        values["collects"] = "not asked"
    return ", ".join(f"{words} {value}" for words, value in values.items())


def _honest_lines(explanation: str | None) -> tuple[str, ...]:
    """The reading, and below it what speaks for it and what against."""
    if not explanation:
        return ()
    reading, _, rest = explanation.partition(" For it: ")
    favouring, _, against = rest.partition(" Against it: ")
    return (
        f"Honest explanation considered: {reading}",
        *([f"    for it: {favouring}"] if favouring else []),
        *([f"    against it: {against}"] if against else []),
    )


def _rows(table: pa.Table, column: str, value: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.filter(
        pc.fill_null(pc.equal(table[column], value), False)
    ).to_pylist()
    return rows


def _groups_with(tested: pa.Table, account: str) -> list[dict[str, Any]]:
    return [row for row in tested.to_pylist() if account in (row["account_ids"] or ())]


def _group_facts(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "account_ids"}


def _links_of(links: pa.Table, account: str) -> list[dict[str, Any]]:
    mine = links.filter(
        pc.or_(pc.equal(links["account_a"], account), pc.equal(links["account_b"], account))
    )
    rows: list[dict[str, Any]] = mine.sort_by([("log_lr", "descending")]).to_pylist()
    return rows[:_STRONGEST_LINKS]


def _link_lines(account: str, links: Iterable[dict[str, Any]]) -> list[str]:
    return [
        f"Linked to {link['account_b'] if link['account_a'] == account else link['account_a']}: "
        f"{link_kind(link['kind'])} ({odds(link['log_lr'])} likelier of one operator)."
        for link in links
    ]


def _counted(members: pa.Table, campaign_id: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in _rows(members, "campaign_id", campaign_id):
        counts[row["role"]] = counts.get(row["role"], 0) + 1
    return counts


def _suggest_instead_of(findings: Findings, wanted: str) -> None:
    campaigns = findings.campaigns["campaign_id"].to_pylist()
    accounts = [a for a in findings.members["account_id"].to_pylist() if _is_slip(wanted, a)]
    near = difflib.get_close_matches(wanted.strip(), [*campaigns, *accounts], n=1, cutoff=_NEAR)
    if near:
        raise InputError(
            f"these findings hold no campaign or account '{wanted}'.",
            remedy=f"Did you mean '{near[0]}'?",
        )
    if kind := re.fullmatch(r"([CG])-[0-9a-f]{10}", wanted.strip()):
        raise InputError(
            f"these findings hold no {'campaign' if kind[1] == 'C' else 'group'} '{wanted}'.",
            remedy="Name one of those that the scan printed."
            if kind[1] == "C"
            else "Name one of `tested.parquet`, or an account.",
        )


def _is_slip(wanted: str, known: str) -> bool:
    """Numbered accounts are neighbours by nature: another number is another account.

    An id with many runs of digits is a random one, and has no neighbours.
    """
    mine, theirs = _DIGITS.sub("#", wanted), _DIGITS.sub("#", known)
    return mine != theirs or mine.count("#") > _DIGIT_RUNS_OF_A_NUMBERED_ID
