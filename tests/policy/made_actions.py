"""Actions for tests."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from stillwatch.identity import Key
from stillwatch.records import Action, ActionState, Scope, Step
from stillwatch.records.words import AccountId, CampaignId

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSWORD = "four plain words here"
KEY = Key(b"k" * 32)


def action(**changes: Any) -> Action:
    """A block of one account for a day, waiting; with changes."""
    account = changes.pop("account_id", f"account-{uuid.uuid4().hex[:8]}")
    fields: dict[str, Any] = {
        "action_id": uuid.uuid4().hex,
        "campaign_id": CampaignId("c1"),
        "account_id": AccountId(account),
        "scope": Scope.ACCOUNT,
        "subject": account,
        "group": "c1",
        "step": Step.BLOCK,
        "state": ActionState.WAITING,
        "begins_at": NOW,
        "ends_at": NOW + timedelta(days=1),
        "reason": "serves campaign c1",
        "reference": uuid.uuid4().hex,
        "proposed_by": "nobody",
    }
    return Action(**(fields | changes))
