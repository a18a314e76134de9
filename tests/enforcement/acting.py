"""Actions, keys and snapshots of tests. The actors are invented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stillwatch.enforcement.asking import Asked
from stillwatch.enforcement.clocks import SteadyClock
from stillwatch.enforcement.counters import ProcessCounters
from stillwatch.enforcement.deciding import Decider
from stillwatch.enforcement.identifying import Identifier, IdentitySettings
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


class Held:
    """A source of one snapshot."""

    def __init__(self, snapshot: Snapshot | None) -> None:
        self.snapshot = snapshot


class Clocks:
    """A wall clock and a count that tests move."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.wall = moment.timestamp()
        self.counted = 1_000.0

    def pass_by(self, seconds: float) -> None:
        """Time goes on for both."""
        self.wall += seconds
        self.counted += seconds

    def steady(self, boot: str | None = "boot") -> SteadyClock:
        """A clock of a gateway that starts now."""
        return SteadyClock(wall=lambda: self.wall, counted=lambda: self.counted, boot=boot)


def decider(snapshot: Snapshot | None, clocks: Clocks | None = None, **settings: Any) -> Decider:
    """A decider at `NOW`, with the settings of who is asking."""
    clocks = clocks or Clocks()
    return Decider(
        Held(snapshot),
        Identifier(GATEWAY_KEYS, IdentitySettings(**settings)),
        counters=ProcessCounters(lambda: clocks.counted),
        clock=clocks.steady(),
    )


def bearing(secret: str, **more: Any) -> Asked:
    """A request with a key."""
    return Asked(headers={"authorization": f"Bearer {secret}"}, **more)
