"""A guard around any ASGI application: FastAPI, a server shaped like vLLM, or LiteLLM's own proxy.

Every route is guarded, WebSockets included. Where nothing is withheld the messages of server and
application go past untouched, so that streams keep their pieces and their timing. An answer that has
begun is never cut: a verdict that arrives meanwhile holds from the next request on, and on a
WebSocket from the client's next message on.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from stillwatch.enforcement.answers import Refusal, Wording, refusal_of, shape_of
from stillwatch.enforcement.asgi_bodies import RequestBody
from stillwatch.enforcement.asgi_connection import (
    Connection,
    Receive,
    Send,
    asked_on,
    header_of,
    send_refusal,
    with_headers,
)
from stillwatch.enforcement.asgi_sockets import OpenSocket, refuse_socket
from stillwatch.enforcement.asgi_withholding import WithheldRequest
from stillwatch.enforcement.asking import Asked, Decision
from stillwatch.enforcement.identifying import OWN_HEADERS
from stillwatch.enforcement.new_models import NewModels
from stillwatch.enforcement.possible import POSSIBLE, Adapter
from stillwatch.enforcement.reasoning_seal import ReasoningSeal
from stillwatch.enforcement.request_facts import RequestFacts, facts_of_body
from stillwatch.records.actions import Step

__all__ = ["Application", "Decides", "Guard", "GuardSettings"]

Application = Callable[[Connection, Receive, Send], Awaitable[None]]

_log = logging.getLogger(__name__)
_OWN_HEADERS = frozenset(name.encode() for name in OWN_HEADERS)
_TAG_HEADER = b"x-stillwatch-step"
_WITH_BODIES = frozenset({"POST", "PUT", "PATCH"})
_ON_SOCKETS = POSSIBLE[Adapter.ASGI] - {Step.WITHHOLD}
# Prompts are kilobytes; beyond this they hold images or files, of which no decision needs anything.
_MOST_BODY_BYTES = 4 * 2**20


class Decides(Protocol):
    """The decision core, or what stands in for it."""

    def decide(self, asked: Asked, possible: frozenset[Step]) -> Decision: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """How a guard works.

    Attributes:
        reads_bodies: Whether conversation and shape are read from the bodies of all requests. It
            costs a parse each, and is needed only where actions are on conversations or shapes.
        most_body_bytes: A larger body is never held: it passes, unread and unedited.
        recheck_seconds: How often a client that speaks on an open WebSocket is decided anew.
        new_models: For `cap_new_models`; None holds no model back.
        seal: For `bind_reasoning`; None binds nothing.
        account_of: A steady name of who asks, to which reasoning is bound; by default the hash of
            the key.
        wall, counted: Seconds since 1970; seconds by a clock that nobody sets.
    """

    wording: Wording = field(default_factory=Wording)
    reads_bodies: bool = False
    most_body_bytes: int = _MOST_BODY_BYTES
    recheck_seconds: float = 5.0
    new_models: NewModels | None = None
    seal: ReasoningSeal | None = None
    account_of: Callable[[Asked], str] | None = None
    wall: Callable[[], float] = time.time
    counted: Callable[[], float] = time.monotonic


class Guard:
    """The middleware.

    In FastAPI: `app.add_middleware(Guard, decider=…, settings=…)`.

    Attributes:
        counts: What was done since the start, by step, and `failed` and `unedited`.
    """

    def __init__(
        self,
        app: Application,
        decider: Decides,
        settings: GuardSettings | None = None,
    ) -> None:
        self.app = app
        self._decider = decider
        self._settings = settings or GuardSettings()
        self.counts: Counter[str] = Counter()

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Guard one connection."""
        if scope["type"] in ("http", "websocket"):
            # Under these names we speak to the application; from a client they are a lie.
            headers = with_headers(scope["headers"], without=_OWN_HEADERS)
            scope = {**scope, "headers": headers}
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _request(self, scope: Connection, receive: Receive, send: Send) -> None:
        body = RequestBody(receive, self._settings.most_body_bytes)
        if self._settings.reads_bodies and self._can_be_read(scope):
            await body.read()
        facts = facts_of_body(body.data) if body.data else RequestFacts()
        asked = asked_on(scope, facts)
        decision = self._decided(asked, POSSIBLE[Adapter.ASGI])
        refusal = self._refusal(asked, decision)
        if refusal is None and decision.step is Step.WITHHOLD:
            await self._withhold(scope, body, send, asked, decision)
            return
        if refusal is not None:
            await send_refusal(send, refusal)
            return
        if decision.step is Step.TAG:
            tag = [(_TAG_HEADER, Step.TAG.value.encode())]
            scope = {**scope, "headers": [*scope["headers"], *tag]}
        await self.app(scope, body.receive_ahead if body.is_begun else receive, send)

    async def _withhold(
        self, scope: Connection, body: RequestBody, send: Send, asked: Asked, decision: Decision
    ) -> None:
        request = WithheldRequest(
            asked=asked,
            decision=decision,
            wording=self._settings.wording,
            new_models=self._settings.new_models,
            seal=self._settings.seal,
            account=self._account_of(asked),
            now=self._settings.wall(),
        )
        if request.needs_body and not body.is_begun and self._can_be_read(scope):
            await body.read()
        refusal = request.take(body)
        if refusal is not None:
            self.counts["refused"] += 1
            await send_refusal(send, refusal)
            return
        edits = request.edits(send, self._settings.most_body_bytes)
        await self.app(request.scope(scope), body.receive_ahead, edits or send)
        self.counts["unedited"] += request.is_unread or (edits is not None and edits.is_unedited)

    async def _socket(self, scope: Connection, receive: Receive, send: Send) -> None:
        asked = asked_on(scope, RequestFacts())

        def refused() -> Refusal | None:
            return self._refusal(asked, self._decided(asked, _ON_SOCKETS))

        refusal = refused()
        if refusal is not None:
            await refuse_socket(scope, receive, send, refusal)
            return
        counted = self._settings.counted
        socket = OpenSocket(
            receive, send, refused, self._settings.recheck_seconds, counted, counted()
        )
        await self.app(scope, socket.receive, socket.send)

    def _decided(self, asked: Asked, possible: frozenset[Step]) -> Decision:
        try:
            decision = self._decider.decide(asked, possible)
        except Exception as error:
            # Its text could hold what the request said; its kind cannot.
            _log.error("a decision failed, and the request passed: %s", type(error).__name__)
            self.counts["failed"] += 1
            return Decision()
        self.counts[decision.step.value] += 1
        return decision

    def _refusal(self, asked: Asked, decision: Decision) -> Refusal | None:
        shape = shape_of(asked.path, asked.headers)
        refusal = refusal_of(decision, shape, wording=self._settings.wording)
        self.counts["refused"] += refusal is not None
        return refusal

    def _can_be_read(self, scope: Connection) -> bool:
        """Whether a body may be JSON, in clear, and of a size that may be held."""
        headers = scope["headers"]
        kind = header_of(headers, b"content-type").lower()
        length = header_of(headers, b"content-length")
        is_large = length.isascii() and length.isdigit() and int(length) > self._largest
        is_packed = header_of(headers, b"content-encoding").lower() not in ("", "identity")
        is_json = "json" in kind or not kind
        return scope["method"] in _WITH_BODIES and is_json and not is_packed and not is_large

    @property
    def _largest(self) -> int:
        return self._settings.most_body_bytes

    def _account_of(self, asked: Asked) -> str:
        if self._settings.account_of is not None:
            return self._settings.account_of(asked)
        key = asked.headers.get("authorization") or asked.headers.get("x-api-key") or ""
        return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
