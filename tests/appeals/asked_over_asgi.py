"""Requests to an application without a network, and a desk that remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from stillwatch.enforcement.appeal_limits import Rates, Turnstile
from stillwatch.enforcement.appeals_app import AppealsApplication, UnknownTokenError
from stillwatch.policy.appeals import Appeal, AppealsFullError, Judgement, PublicState
from stillwatch.policy.store.principals import NotAllowedError
from stillwatch.records.words import AccountId, CampaignId

LIVE = "0123456789abcdef0123456789abcdef"
UNKNOWN = "f" * 32
DECIDER, VIEWER = "token-of-a-decider", "token-of-a-viewer"


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class RememberingDesk:
    """Knows one reference.

    Attributes:
        seconds: How long it takes over one that lives.
    """

    kept: list[str] = field(default_factory=list)
    asked: int = 0
    is_full: bool = False
    decided: list[Judgement] = field(default_factory=list)

    def submit(self, reference: str, text: str, *, now: datetime) -> None:
        self.asked += 1
        if self.is_full:
            raise AppealsFullError("full")
        if reference == LIVE and not self.kept:
            self.kept.append(text)

    def state(self, reference: str, *, now: datetime) -> PublicState:
        self.asked += 1
        if reference == LIVE and self.decided:
            return PublicState(reference, self.decided[-1].state, now)
        return PublicState(reference)

    def decide(self, reference: str, judgement: Judgement, *, token: str, now: datetime) -> Appeal:
        if token not in (DECIDER, VIEWER):
            raise UnknownTokenError
        if token == VIEWER:
            raise NotAllowedError("a viewer")
        self.decided.append(judgement)
        return Appeal(
            appeal_id="a" * 32,
            reference=reference,
            action_id="b" * 32,
            campaign_id=CampaignId("c-1"),
            account_id=AccountId("acc-1"),
            text="",
            submitted_at=now,
            state=judgement.state,
        )


def application(desk: Any, **settings: Any) -> AppealsApplication:
    """One that answers at once, and asks nobody to wait."""
    rates = Rates(of_reference=10_000, of_network=10_000, of_all=100_000)
    return AppealsApplication(
        desk, **{"turnstile": Turnstile(rates), "step_seconds": 0.0, **settings}
    )


def ask(
    app: Any,
    method: str,
    path: str,
    body: bytes | Mapping[str, Any] = b"",
    *,
    headers: Mapping[str, str] | None = None,
    client: str = "127.0.0.1",
    scheme: str = "http",
) -> Reply:
    """One request. A mapping is sent as JSON below /v1, and else as a form."""
    given = dict(headers or {})
    if isinstance(body, Mapping):
        is_json = path.startswith("/v1")
        given.setdefault(
            "content-type", "application/json" if is_json else "application/x-www-form-urlencoded"
        )
        body = json.dumps(body).encode() if is_json else urlencode(body).encode()
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "scheme": scheme,
        "client": (client, 4711),
        "headers": [(k.lower().encode(), v.encode()) for k, v in given.items()],
    }
    pieces = [body[i : i + 16_384] for i in range(0, len(body), 16_384)] or [b""]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    asyncio.run(app(scope, receive, send))
    told = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return Reply(sent[0]["status"], told, b"".join(m.get("body", b"") for m in sent[1:]))
