"""Actions as rows of the store: what is written of one, what the audit log tells, and back again."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from stillwatch.identity.tokens import is_token
from stillwatch.policy.store.principals import Principal
from stillwatch.records import (
    Action,
    ActionState,
    Countermeasure,
    InputError,
    Scope,
    Step,
)
from stillwatch.records.words import AccountId, CampaignId

__all__ = ["OPEN", "action_of", "checked", "slices", "softened", "told_of"]

OPEN = (ActionState.SHADOW.value, ActionState.WAITING.value, ActionState.IN_FORCE.value)
"""States from which something may still become of an action."""

_SLICE = 500
# Of an appeal that made a block a throttle: a person at work, not a queue.
_MILD_REQUESTS_PER_MINUTE = 20


def checked(action: Action, *, needs_approval: bool) -> Action:
    """The action, if it may be written as it is.

    Raises:
        InputError: It needs approval and is in force already, or ends before it begins.
    """
    if needs_approval and action.state is ActionState.IN_FORCE:
        raise InputError("this needs a second person's approval.", where=action.action_id)
    if action.ends_at <= action.begins_at:
        raise InputError("every action ends, after it began.", where=action.action_id)
    return action


def softened(action: Action, step: Step, by: Principal) -> Action:
    """A new action, with a reference of its own, for the same subject until the same end."""
    budget = action.requests_per_minute or _MILD_REQUESTS_PER_MINUTE
    return replace(
        action,
        action_id=uuid.uuid4().hex,
        reference=secrets.token_hex(16),
        step=step,
        proposed_by=by.name,
        approved_by=None,
        requests_per_minute=budget if step is Step.THROTTLE else None,
        countermeasures=frozenset(),
    )


def told_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit log says of a proposed action: ids of ours and tokens."""
    told = {
        "action": row["action_id"],
        "campaign": row["campaign_id"],
        "account": row["account_token"],
        "scope": row["scope"],
        "step": row["step"],
        "state": row["state"],
        "begins_at": row["begins_at"].isoformat(),
        "ends_at": row["ends_at"].isoformat(),
        "needs_approval": row["needs_approval"],
    }
    return told | ({"subject": row["subject"]} if is_token(row["subject"]) else {})


def action_of(row: Any) -> Action:
    """The action that a row of the table is."""
    return Action(
        action_id=row.action_id,
        campaign_id=CampaignId(row.campaign_id),
        account_id=AccountId(row.account_id),
        scope=Scope(row.scope),
        subject=row.subject,
        group=row.group_id,
        step=Step(row.step),
        state=ActionState(row.state),
        begins_at=row.begins_at,
        ends_at=row.ends_at,
        reason=row.reason,
        reference=row.reference,
        proposed_by=row.proposed_by,
        approved_by=row.approved_by,
        requests_per_minute=row.requests_per_minute,
        countermeasures=frozenset(map(Countermeasure, row.countermeasures.split())),
    )


def slices(items: list[Any]) -> Iterator[list[Any]]:
    """The items in pieces that one statement can take."""
    for start in range(0, len(items), _SLICE):
        yield items[start : start + _SLICE]
