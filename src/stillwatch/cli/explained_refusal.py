"""What a reference that a customer was shown stands for, for those who may see it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stillwatch.cli.chosen_store import ChosenStore
    from stillwatch.records import Action

__all__ = ["action_of_reference", "refusal_as_object", "refusal_in_words"]

_REFERENCE = re.compile(r"[0-9a-f]{32}")


def action_of_reference(wanted: str, at: ChosenStore) -> Action | None:
    """The step behind a refusal; None where this is no reference, or nobody knows it."""
    if not _REFERENCE.fullmatch(wanted) or not at.is_there:
        return None
    with at.opened() as store:
        return store.actions.by_reference(wanted)


def refusal_as_object(action: Action) -> dict[str, Any]:
    """For JSON."""
    return {
        "action_id": action.action_id,
        "campaign_id": action.campaign_id,
        "account_id": action.account_id,
        "scope": action.scope.value,
        "subject": action.subject,
        "step": action.step.value,
        "state": action.state.value,
        "begins_at": action.begins_at,
        "ends_at": action.ends_at,
        "why": action.reason,
        "proposed_by": action.proposed_by,
        "approved_by": action.approved_by,
    }


def refusal_in_words(action: Action) -> Iterator[str]:
    """Lines for a terminal."""
    subject = "" if action.subject == action.account_id else f" {action.subject} of"
    scope = "the account" if not subject else f"the {action.scope.value}{subject}"
    yield (
        f"The reference stands for {action.step.value} of {scope} {action.account_id}, "
        f"{action.state.value.replace('_', ' ')}, from {action.begins_at:%Y-%m-%d %H:%M} to "
        f"{action.ends_at:%Y-%m-%d %H:%M} UTC."
    )
    approved = f", approved by {action.approved_by}" if action.approved_by else ""
    yield f"Proposed by {action.proposed_by}{approved}. {action.reason}"
