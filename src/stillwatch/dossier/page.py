"""The dossier as one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from stillwatch import __version__
from stillwatch.dossier import words
from stillwatch.dossier.case import Case
from stillwatch.dossier.charts import (
    draw_accounts,
    draw_evidence,
    draw_exchanges,
    draw_hours,
    hours_in_words,
)
from stillwatch.dossier.claims import claims_of, disproofs_of, headline_of
from stillwatch.dossier.link_graph import draw_link_graph
from stillwatch.dossier.templates import content_policy, environment, style_sheet
from stillwatch.dossier.wrappers import Wrapper

__all__ = ["render_page"]

# Of a long table this many rows stand open; the rest is one click away, and open on paper.
_MEMBERS_UNFOLDED = 40
_WRAPPERS_UNFOLDED = 4


def render_page(case: Case, *, command: str) -> str:
    """The page of one case.

    Every string that reaches the page is made visible and escaped by the template engine; only
    the style sheet and our own pictures are markup.
    """
    style = style_sheet()
    notes = case.notes
    return environment().get_template("page.html.jinja").render(
        policy=content_policy(style),
        style=style,
        version=notes.get("version") or __version__,
        campaign=case.campaign,
        headline=headline_of(case.campaign),
        rate=words.rate_in_words(case.campaign["fdr_q"]),
        clauses=claims_of(case.campaign, tested=case.tested, notes=notes),
        tested=case.tested,
        fdr=notes.get("fdr"),
        assumptions=_lines(notes.get("assumptions")),
        missing_evidence=_lines(notes.get("missing_evidence")),
        without_signal=_without_signal(case),
        unit=case.unit,
        evidence_picture=draw_evidence(case),
        exchanges_picture=draw_exchanges(case),
        accounts_picture=draw_accounts(case),
        hours_picture=draw_hours(case),
        hours_in_words=hours_in_words(case),
        targets=words.joined([words.TARGETS.get(t, t) for t in case.campaign["targets"] or []]),
        wrappers=case.wrappers,
        wrapper_lists=_wrapper_lists(case),
        wrapper_intro=_wrapper_intro(case),
        graph=draw_link_graph(case),
        link_kinds=case.link_kinds,
        members=case.members,
        unfolded=_MEMBERS_UNFOLDED if len(case.members) > _MEMBERS_UNFOLDED * 2 else None,
        roles=_roles(case),
        roles_in_words=_roles_in_words(case),
        disprove=disproofs_of(case.campaign_id, notes),
        command=command,
        as_of=_moment(notes.get("as_of")) or "not recorded",
        scanned_at=_moment(notes.get("scanned_at")),
    )  # fmt: skip


def _moment(noted: object) -> str:
    """A moment that the scan noted, in words."""
    return words.moment(datetime.fromisoformat(str(noted)).astimezone(UTC)) if noted else ""


def _lines(value: object) -> list[str]:
    return [str(line) for line in value] if isinstance(value, list) else []


def _without_signal(case: Case) -> list[str]:
    """One line for each outcome, with the signals that lead to it."""
    noted = (case.notes.get("without_signal") or {}).get(case.campaign_id)
    if not isinstance(noted, Mapping):
        return _lines(noted)
    signals: dict[str, list[str]] = {}
    for signal, outcome in noted.items():
        signals.setdefault(str(outcome), []).append(f"“{words.link_kind(str(signal))}”")
    return [f"Without {words.joined(names)}: {outcome}." for outcome, names in signals.items()]


def _wrapper_lists(case: Case) -> list[tuple[str, list[Wrapper], list[Wrapper]]]:
    """For prompts and system instructions: a title, the frequent wrappers, and the rarer ones."""
    lists = []
    for field, title in (("prompt", "Template"), ("system instructions", "System instructions")):
        own = [wrapper for wrapper in case.wrappers if wrapper.field == field]
        lists.append((title, own[:_WRAPPERS_UNFOLDED], own[_WRAPPERS_UNFOLDED:]))
    return lists


def _wrapper_intro(case: Case) -> str:
    count = sum(wrapper.field == "prompt" for wrapper in case.wrappers)
    if not count:
        return "Their prompts share no wording, but their system instructions do."
    covered = math.fsum(w.coverage for w in case.wrappers if w.field == "prompt")
    return (
        f"{words.percent(min(covered, 1.0))} of {words.amount(case.sampled_prompts, 'prompt')}, "
        f"sampled over {words.amount(case.sampled_accounts, 'account')}, are made from "
        f"{words.amount(count, 'template')}."
    )


def _roles(case: Case) -> list[dict[str, Any]]:
    return [
        {"name": role, "title": title, "meaning": meaning, "accounts": count}
        for role, (title, meaning) in words.ROLES.items()
        if (count := case.members_by_role.get(role, 0))
    ]


def _roles_in_words(case: Case) -> str:
    parts = [f"{role['accounts']:,} {_SERVES[role['name']]}" for role in _roles(case)]
    return f"Of {words.amount(len(case.members), 'account')}: {'; '.join(parts)}."


_SERVES = {
    "operator": "in the role of operator",
    "mixed": "mixed, serving unrelated customers as well",
    "compromised": "compromised, that is, honest but used through a stolen credential",
}
