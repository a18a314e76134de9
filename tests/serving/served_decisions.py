"""A lake in which two customers have a key each, and a server of decisions in a thread."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from appeals_server import KEY, Heard, Office

from stillwatch.enforcement.deciding import Decider
from stillwatch.enforcement.http_app import DecisionsApplication
from stillwatch.enforcement.identifying import Identifier, IdentitySettings
from stillwatch.enforcement.metrics import Metrics
from stillwatch.enforcement.serving import DecisionServer
from stillwatch.enforcement.snapshot_sources import SnapshotSource, StoredSnapshots, signing_key_at
from stillwatch.identity import GatewayKeys, Kind, Tokeniser
from stillwatch.identity.normalise import credential_digest_of
from stillwatch.lake.credentials import KnownCredentials
from stillwatch.lake.store import Lake
from stillwatch.listening.senders import Senders
from stillwatch.listening.sockets import Security
from stillwatch.policy.store import StoreDoor, default_url
from stillwatch.records import CREDENTIALS, Step

HARVESTER, CUSTOMER = "sk-harvester-0001", "sk-customer-0002"
ACCOUNTS = {"acct-0001": HARVESTER, "acct-0002": CUSTOMER}


def until(holds: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What becomes true within some time."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return found


def ask(
    url: str,
    method: str,
    path: str,
    *,
    key: str | None = None,
    given: Any = None,
    **headers: str,
) -> Heard:
    """One request; `given` goes as JSON, and `_` of the names of headers stands for `-`."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        said["authorization"] = f"Bearer {key}"
    body = given if given is None or isinstance(given, bytes) else json.dumps(given).encode()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(method, path, body=body, headers=said)
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Heard(answer.status, told, answer.read())
    finally:
        connection.close()


@dataclass(slots=True)
class Deployment:
    """What a provider has."""

    lake: Path
    office: Office

    @classmethod
    def made(cls, people: Office, lake: Path) -> Deployment:
        tokeniser = Tokeniser(KEY)
        rows = []
        for account, secret in ACCOUNTS.items():
            digest = credential_digest_of(secret=secret, sha256=None) or ""
            row = {"credential_id": tokeniser.token(Kind.CREDENTIAL, digest), "account_id": account}
            rows.append(dict.fromkeys(CREDENTIALS.names) | row)
        with Lake.open_or_create(lake, KEY.fingerprint).writer() as writer:
            writer.add("credentials", CREDENTIALS.table(rows))
        return cls(lake, people.moved_to(lake))

    @property
    def state(self) -> Path:
        return self.lake / "enforcement"

    def source(self, url: str | None = None) -> StoredSnapshots:
        """Snapshots of the store, or of one at another address."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        return StoredSnapshots(
            StoreDoor(url or default_url(self.lake), Tokeniser(KEY)),
            self.state,
            GatewayKeys.of(KEY),
            signing_key_at(self.state),
            KnownCredentials(self.lake),
        )

    def act(self, step: Step, account: str = "acct-0001", **changes: Any) -> str:
        """Put a step in force; its reference."""
        one = self.office.block(account)
        person = self.office.store.people.authenticate(self.office.tokens["ada"])
        now = one.begins_at
        self.office.store.actions.lift([one.action_id], person, "another step", now=now)
        other = replace(
            one,
            action_id=one.reference,
            reference=one.action_id,
            step=step,
            requests_per_minute=1 if step is Step.THROTTLE else None,
            **changes,
        )
        self.office.store.actions.propose([other], person, now=now)
        return other.reference

    @contextmanager
    def served(
        self, source: SnapshotSource | None = None, *, tokens: Path | None = None, **settings: Any
    ) -> Iterator[str]:
        """The address of a server, for as long as the block runs."""
        source = source or self.source()
        senders = None if tokens is None else Senders(tokens)
        application = DecisionsApplication(
            decider=Decider(
                source.holder,
                Identifier(source.gateway_keys, IdentitySettings(**settings)),
                clock=source.clock,
            ),
            holder=source.holder,
            snapshot=source.holder.path,
            clock=source.clock,
            metrics=Metrics(),
            levels=source.levels,
            senders=senders,
        )
        server = DecisionServer("127.0.0.1:0", application, source, Security(senders))
        url = server.open()
        thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
        thread.start()
        try:
            until(lambda: self._is_up(url))
            yield url
        finally:
            server.stop()
            thread.join(timeout=60)
            assert not thread.is_alive()

    def _is_up(self, url: str) -> bool:
        try:
            return ask(url, "GET", "/healthz").status == 200
        except OSError:
            return False


def in_json(secret: str, **more: Any) -> Mapping[str, Any]:
    """A question to `/v1/decide`."""
    return {"headers": {"authorization": f"Bearer {secret}"}, **more}
