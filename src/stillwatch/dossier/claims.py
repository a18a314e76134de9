"""What a finding claims, what stands against it, and what would bring it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stillwatch.dossier.words import (
    CLAUSES,
    TARGETS,
    amount,
    e_value_in_words,
    joined,
)

__all__ = ["Claim", "claims_of", "disproofs_of", "headline_of"]

# These hold of every finding, because they are what its three nulls say.
_DISPROOFS = (
    "A contract or verified record, at least 30 days older than the group's first exchange, that "
    "shows these accounts belong to one organisation.",
    "A public source of the template (a tool, a tutorial, a prompt pack) whose unrelated users "
    "send it with the same rhythm and the same division of work.",
    "The owner's own product or documents, in which these answers are used as they come.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One of the three claims with its figures.

    Attributes:
        name: The clause in the findings: its column is `e_NAME`.
        null: The honest opposite, as a clause that follows "if".
        greatest: The largest e-value this log could have given, if the scan kept it.
        text, observed, usual: What the scan noted about it, or "".
    """

    name: str
    title: str
    null: str
    e_value: float
    greatest: float | None
    meaning: str
    text: str
    observed: str
    usual: str


def claims_of(
    campaign: Mapping[str, Any], *, tested: Mapping[str, Any] | None, notes: Mapping[str, Any]
) -> tuple[Claim, ...]:
    """The three claims in the order in which they are tested.

    Args:
        campaign: A row of campaigns.parquet.
        tested: Its row of tested.parquet, if the scan kept one.
        notes: What the scan noted (scan.json).
    """
    noted = (notes.get("clauses") or {}).get(campaign["campaign_id"]) or {}
    claims = []
    for name, (title, null) in CLAUSES.items():
        note: Mapping[str, object] = noted.get(name) or noted.get(f"e_{name}") or {}
        e_value = float(campaign[f"e_{name}"])
        greatest = tested.get(f"e_{name}_max") if tested else None
        claims.append(
            Claim(
                name=name,
                title=title,
                null=null,
                e_value=e_value,
                greatest=float(greatest) if greatest is not None else None,
                meaning=e_value_in_words(e_value, null),
                text=str(note.get("text") or ""),
                observed=str(note.get("observed") or ""),
                usual=str(note.get("usual") or ""),
            )
        )
    return tuple(claims)


def disproofs_of(campaign_id: str, notes: Mapping[str, Any]) -> tuple[str, ...]:
    """What a reader could find out that would end the finding."""
    noted = (notes.get("disprove") or {}).get(campaign_id) or []
    own = tuple(str(line) for line in noted)
    return own + tuple(line for line in _DISPROOFS if line not in own)


def headline_of(campaign: Mapping[str, Any]) -> str:
    """The finding in one line."""
    targets = [TARGETS.get(t, t).partition(":")[0] for t in campaign["targets"] or []]
    accounts = amount(campaign["accounts"], "account")
    acting = "acts as one" if accounts.startswith("1 ") else "act as one"
    return f"{accounts} {acting} to collect {joined(targets[:2]) or 'answers'}"
