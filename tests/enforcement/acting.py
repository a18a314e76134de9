"""Actions, keys and snapshots of tests. The actors are invented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stillwatch.enforcement.snapshot import Snapshot
from stillwatch.enforcement.snapshot_writing import build_snapshot, publish
from stillwatch.identity import GatewayKeys, Key, Kind, SigningKey, Tokeniser
from stillwatch.records.actions import Action, ActionState, Scope, Step
from stillwatch.records.words import AccountId, CampaignId

KEY = Key(bytes(range(32)))
TOKENISER = Tokeniser(KEY)
GATEWAY_KEYS = GatewayKeys.of(KEY)
SIGNING_KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
VERIFY_KEYS = SIGNING_KEY.public
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def action(number: int = 1, **changes: Any) -> Action:
    """A block of the account `acct-NUMBER` for a week."""
    values: dict[str, Any] = {
        "action_id": f"{number:032x}",
        "campaign_id": CampaignId("campaign-tide"),
        "account_id": AccountId(f"acct-{number}"),
        "scope": Scope.ACCOUNT,
        "subject": f"acct-{number}",
        "group": "campaign-tide",
        "step": Step.BLOCK,
        "state": ActionState.IN_FORCE,
        "begins_at": NOW,
        "ends_at": NOW + timedelta(days=7),
        "reason": "linked by wording",
        "reference": f"{number:032x}",
        "proposed_by": "ann",
    }
    return Action(**values | changes)


def credential_token(secret: str) -> str:
    """What the lake calls a key."""
    from stillwatch.identity.normalise import credential_digest_of

    digest = credential_digest_of(secret=secret, sha256=None)
    return TOKENISER.token(Kind.CREDENTIAL, digest or "")


def written(
    path: Path,
    actions: Iterable[Action],
    *,
    sequence: int = 1,
    created_at: datetime = NOW,
    credentials: Mapping[str, Iterable[str]] | None = None,
) -> Path:
    """A snapshot at `path`."""
    made = build_snapshot(
        actions,
        GATEWAY_KEYS,
        SIGNING_KEY,
        sequence=sequence,
        created_at=created_at,
        credentials=credentials,
    )
    publish(made, path)
    return path


def opened(path: Path, actions: Iterable[Action], **options: Any) -> Snapshot:
    """The same, as a gateway has it."""
    return Snapshot.open(written(path, actions, **options), VERIFY_KEYS)
