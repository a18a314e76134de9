"""A listener for appeals in a thread, on a store with people and one blocked account."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from stillwatch.enforcement.appeals_serving import AppealsListener
from stillwatch.identity import Key, Tokeniser
from stillwatch.policy.store import PrincipalRole, Store, default_url
from stillwatch.policy.store.store import STORE_FILE
from stillwatch.records import Action, ActionState, Scope, Step
from stillwatch.records.words import AccountId, CampaignId

KEY = Key(b"k" * 32)
PASSWORD = "four plain words here"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def speak(
    url: str,
    method: str,
    path: str,
    given: dict[str, Any] | None = None,
    *,
    token: str | None = None,
    context: Any = None,
) -> Heard:
    """One request of HTTP; what is given goes as JSON below /v1, and else as a form."""
    parts = urlsplit(url)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = None
    if given is not None:
        is_json = path.startswith("/v1")
        body = json.dumps(given) if is_json else urlencode(given)
        kind = "application/json" if is_json else "application/x-www-form-urlencoded"
        headers["Content-Type"] = kind
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=60, context=context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=60)
    )
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Heard(answer.status, told, answer.read())
    finally:
        connection.close()


class Served:
    """Runs a listener until the block ends."""

    def __init__(self, listener: AppealsListener) -> None:
        self._listener = listener
        self.url = listener.open()
        self._thread = threading.Thread(target=lambda: asyncio.run(listener.serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stop()
        self._thread.join(timeout=60)


@dataclass(slots=True)
class Office:
    """A store in a lake's folder, with an analyst and two approvers by their tokens."""

    folder: Path
    store: Store
    tokens: dict[str, str]

    @classmethod
    def opened(cls, folder: Path) -> Office:
        store = Store.open(default_url(folder), tokeniser=Tokeniser(KEY))
        now = datetime.now(UTC)
        people = {
            "root": PrincipalRole.ADMINISTRATOR,
            "ana": PrincipalRole.ANALYST,
            "ada": PrincipalRole.APPROVER,
            "ben": PrincipalRole.APPROVER,
            "vic": PrincipalRole.VIEWER,
        }
        tokens: dict[str, str] = {}
        by = None
        for name, role in people.items():
            tokens[name] = store.people.add(name, [role], PASSWORD, by=by, now=now)
            by = by or store.people.authenticate(tokens[name])
        return cls(folder, store, tokens)

    def moved_to(self, folder: Path) -> Office:
        """The same people in a store of its own."""
        shutil.copy(self.folder / STORE_FILE, folder / STORE_FILE)
        store = Store.open(default_url(folder), tokeniser=Tokeniser(KEY))
        return Office(folder, store, self.tokens)

    def block(self, account: str = "acct-0001", campaign: str = "c-7f3a19") -> Action:
        """Block an account for a day."""
        now = datetime.now(UTC)
        one = Action(
            action_id=uuid.uuid4().hex,
            campaign_id=CampaignId(campaign),
            account_id=AccountId(account),
            scope=Scope.ACCOUNT,
            subject=account,
            group=campaign,
            step=Step.BLOCK,
            state=ActionState.IN_FORCE,
            begins_at=now,
            ends_at=now + timedelta(days=1),
            reason="serves the campaign",
            reference=uuid.uuid4().hex,
            proposed_by="ada",
        )
        self.store.actions.propose(
            [one], self.store.people.authenticate(self.tokens["ada"]), now=now
        )
        return one
