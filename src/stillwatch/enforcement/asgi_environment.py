"""A guard that needs no code: an ASGI server's own option loads it, the environment sets it up.

    vllm serve MODEL --middleware stillwatch.enforcement.asgi_environment.EnvironmentGuard

It fetches the signed snapshot from `stillwatch serve` and decides in the server's own process.

| variable | meaning |
|---|---|
| `STILLWATCH_GUARD_SNAPSHOT_URL` | the server's /v1/snapshot |
| `STILLWATCH_GUARD_STATE` | a folder of this server's own, where the snapshot is kept |
| `STILLWATCH_GUARD_KEYS` | what `stillwatch keys export-gateway` wrote |
| `STILLWATCH_GUARD_VERIFY_KEY` | the server's `signing-key.pem.pub` |
| `STILLWATCH_GUARD_TOKEN_FILE` | a file (mode 0600) with this gateway's token, if one is asked for |
| `STILLWATCH_GUARD_CA` | who signed the server's certificate, if the system does not know |
| `STILLWATCH_GUARD_READS_BODIES` | `yes` where actions are on conversations or shapes |
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from stillwatch.enforcement.asgi import Application, Guard, GuardSettings
from stillwatch.enforcement.deciding import Decider
from stillwatch.enforcement.fetching import HttpFetcher
from stillwatch.enforcement.identifying import Identifier
from stillwatch.enforcement.snapshot_sources import FetchedSnapshots
from stillwatch.identity import GatewayKeys, read_verify_keys
from stillwatch.records import InputError
from stillwatch.records.private_lines import read_private_line

__all__ = ["EnvironmentGuard"]

_PREFIX = "STILLWATCH_GUARD_"
_YES = frozenset({"1", "yes", "true", "on"})


class EnvironmentGuard(Guard):
    """The middleware, set up by the environment.

    A server that cannot be reached lets everything pass until the first snapshot is there, and
    afterwards what is held goes on. What is missing or wrong in the environment stops the start.

    Args:
        environment: By default the process's own.

    Raises:
        InputError: A variable is missing, or a file cannot be used.
    """

    def __init__(self, app: Application, environment: Mapping[str, str] | None = None) -> None:
        said = os.environ if environment is None else environment
        self.source = _source(said)
        self.source.start()
        decider = Decider(
            self.source.holder, Identifier(self.source.gateway_keys), clock=self.source.clock
        )
        reads = said.get(f"{_PREFIX}READS_BODIES", "").lower() in _YES
        super().__init__(app, decider, GuardSettings(reads_bodies=reads))


def _source(said: Mapping[str, str]) -> FetchedSnapshots:
    token, authority = said.get(f"{_PREFIX}TOKEN_FILE"), said.get(f"{_PREFIX}CA")
    return FetchedSnapshots(
        HttpFetcher(
            _needed(said, "SNAPSHOT_URL"),
            read_private_line(Path(token), "token") if token else None,
            ssl.create_default_context(cafile=authority) if authority else None,
        ),
        Path(_needed(said, "STATE")),
        GatewayKeys.read(Path(_needed(said, "KEYS"))),
        read_verify_keys(Path(_needed(said, "VERIFY_KEY"))),
    )


def _needed(said: Mapping[str, str], name: str) -> str:
    value = said.get(_PREFIX + name)
    if not value:
        raise InputError(
            "the guard is not set up.",
            where=_PREFIX + name,
            remedy="Set it in the environment; see docs/gateways-asgi.md.",
        )
    return value
