"""A gateway without a network: the decision core itself, asked about each request of a world.

For as many requests as no proxy could take in a reasonable time. It decides as the servers do: by a
signed snapshot in a file, by credential and by the shape of the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch.enforcement.asking import Asked
from stillwatch.enforcement.clocks import SteadyClock
from stillwatch.enforcement.counters import ProcessCounters
from stillwatch.enforcement.deciding import Decider
from stillwatch.enforcement.holding import SnapshotHolder
from stillwatch.enforcement.identifying import Identifier, IdentitySettings
from stillwatch.enforcement.snapshot_writing import build_snapshot, publish
from stillwatch.evaluation.defence.reacting import Answer
from stillwatch.identity import GatewayKeys, Key, SigningKey
from stillwatch.records.actions import Action, Step

__all__ = ["DecidingGateway", "WorldClock", "secret_of"]

_COLUMNS = ("started_at", "credential_id", "model", "system_text", "tool_names")


def secret_of(credential_id: str) -> str:
    """The key that a credential of the world stands for; the lake and the gateway make its token."""
    return f"sk-world-{credential_id}"


@dataclass(slots=True)
class WorldClock:
    """The world's time, in seconds since 1970: it is what it is set to."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(slots=True)
class DecidingGateway:
    """Asks the decision core.

    Attributes:
        folder: For the snapshot.
        possible: What the gateway that is stood in for can do.
        asked: How many requests were decided.
    """

    folder: Path
    key: Key
    signing_key: SigningKey
    possible: frozenset[Step]
    clock: WorldClock = field(default_factory=WorldClock)
    asked: int = 0
    _decider: Decider = field(init=False)
    _holder: SnapshotHolder = field(init=False)
    _keys: GatewayKeys = field(init=False)

    def __post_init__(self) -> None:
        self._keys = GatewayKeys.of(self.key)
        steady = SteadyClock(wall=self.clock, counted=self.clock)
        self._holder = SnapshotHolder(
            self.folder / "snapshot",
            self.signing_key.public,
            key_fingerprint=self._keys.fingerprint,
        )
        self._decider = Decider(
            self._holder,
            Identifier(self._keys, IdentitySettings()),
            counters=ProcessCounters(self.clock),
            clock=steady,
            fails_open=False,
        )

    def at(self, now: datetime) -> None:
        """See `Gateway`."""
        self.clock.seconds = now.timestamp()

    def obey(
        self,
        actions: Iterable[Action],
        *,
        sequence: int,
        now: datetime,
        credentials: Mapping[str, Iterable[str]],
    ) -> None:
        """Hold these actions from now on, as a snapshot that was written, signed and checked.

        Args:
            credentials: The tokens of the credentials of each account that an action is about.
        """
        made = build_snapshot(
            actions,
            self._keys,
            self.signing_key,
            sequence=sequence,
            created_at=now,
            credentials=credentials,
        )
        publish(made, self._holder.path)
        self._holder.look_again()
        held = self._holder.snapshot
        assert held is not None
        assert held.header.sequence == sequence

    def ask(self, row: Mapping[str, Any]) -> Answer:
        """See `Gateway`."""
        self.asked += 1
        self.clock.seconds = row["started_at"].timestamp()
        secret = secret_of(row["credential_id"])
        asked = Asked(
            headers={"authorization": f"Bearer {secret}"},
            path="/v1/chat/completions",
            model=row["model"],
            system_text=row["system_text"],
            tool_names=tuple(row["tool_names"] or ()),
        )
        decision = self._decider.decide(asked, self.possible)
        if not decision.is_refused:
            return Answer.ANSWERED
        return Answer.THROTTLED if decision.step is Step.THROTTLE else Answer.REFUSED

    def ask_all(self, rows: pa.Table) -> Sequence[Answer]:
        """See `Gateway`."""
        return [self.ask(row) for row in rows.select(list(_COLUMNS)).to_pylist()]
