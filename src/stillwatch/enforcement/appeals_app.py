"""The appeals' HTTP: a form and JSON for strangers, a decision for people. Plain ASGI.

Strangers get the same answers for references that exist and for those that do not: the same status,
the same body but for what they sent themselves, and at the same steps of time.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import parse_qs

from stillwatch.enforcement.appeal_limits import Turnstile
from stillwatch.enforcement.appeal_pages import PAGE_HEADERS, form_page, message_page, state_page
from stillwatch.enforcement.appeal_requests import (
    from_form,
    is_from_loopback,
    peer_of,
    small_body_of,
    text_of,
)
from stillwatch.listening.requests import (
    Receive,
    RefusedError,
    Scope,
    Send,
    from_json,
    header_of,
)
from stillwatch.policy.appeals import (
    Appeal,
    AppealsFullError,
    AppealState,
    Judgement,
    PublicState,
    checked_reference,
    checked_text,
)
from stillwatch.policy.store.principals import NotAllowedError
from stillwatch.records import InputError
from stillwatch.records.actions import Step

__all__ = ["AppealsApplication", "Desk", "UnknownTokenError"]

_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_RECEIVED = (
    "Thank you. If the reference is right, your appeal has been taken, and a person will look at "
    "it. Ask here for what became of it, with the same reference."
)
_PREFIX = "/v1/appeals/"


class UnknownTokenError(Exception):
    """The token is nobody's."""


class Desk(Protocol):
    """Where appeals are kept and decided."""

    def submit(self, reference: str, text: str, *, now: datetime) -> None:
        """Keep an appeal, if the reference lives and has no open one; nothing tells which.

        Raises:
            AppealsFullError: No appeal is taken at all.
        """

    def state(self, reference: str, *, now: datetime) -> PublicState:
        """What a customer is told."""

    def decide(self, reference: str, judgement: Judgement, *, token: str, now: datetime) -> Appeal:
        """Decide the open appeal, as the owner of a token.

        Raises:
            UnknownTokenError: It is nobody's.
            NotAllowedError: Its owner may not.
            InputError: There is no open appeal of this reference.
        """


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    kind: str = _JSON
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class AppealsApplication:
    """Answers requests.

    Attributes:
        step_seconds: Strangers are answered at whole multiples of this time after their request, so
            that what the store did meanwhile cannot be read from the clock. 0 answers at once.
        trusted_hops: Proxies of ours before the listener, each of which adds to X-Forwarded-For.
        at_once: Requests that ask the store at one time.
        counted: Told path and status of each answer, from two closed vocabularies.
        failed: Told the kind of each failure of ours.
    """

    desk: Desk
    turnstile: Turnstile = field(default_factory=Turnstile)
    step_seconds: float = 0.25
    trusted_hops: int = 0
    at_once: int = 8
    counted: Callable[[str, int], None] = lambda _path, _status: None
    failed: Callable[[str], None] = lambda _kind: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    _room: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of HTTP."""
        if scope["type"] != "http":
            return
        began = self.monotonic()
        name = _route(scope["path"])
        is_page = name in ("form", "appeal", "state")
        try:
            answer = await self._answered(name, scope, receive)
        except RefusedError as error:
            answer = _refusal(error, is_page=is_page)
        except InputError as error:
            answer = _refusal(RefusedError(400, error.what), is_page=is_page)
        except Exception as error:  # its own words may name the store, or quote the request
            self.failed(type(error).__name__)
            answer = _refusal(RefusedError(503, "Try again later."), is_page=is_page)
        if name not in ("form", "health", "decision"):
            await self._until_step(began)
        self.counted(name, answer.status)
        await _send(send, answer, without_body=scope["method"] == "HEAD")

    async def _answered(self, name: str, scope: Scope, receive: Receive) -> _Answer:
        method = scope["method"]
        if name == "health":
            return _Answer(200, b'{"ok": true}')
        if name == "unknown":
            raise RefusedError(404, "There is nothing here.")
        self._require_turn(scope)
        if name == "form" and method in ("GET", "HEAD"):
            asked = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=8)
            return _page(200, form_page(asked.get("reference", [""])[0]))
        if name == "asked" and method in ("GET", "HEAD"):
            state = await self._state(scope["path"].removeprefix(_PREFIX))
            return _Answer(200, json.dumps(state.as_dict()).encode())
        if method != "POST" or name in ("form", "asked"):
            raise RefusedError(405, "This is asked in another way.")
        body = await small_body_of(scope, receive)
        if name == "decision":
            return await self._decision(scope, body)
        if name == "state":
            return _page(
                200,
                state_page(await self._state(str(from_form(body, ("reference",))["reference"]))),
            )
        return await self._submitted(body, is_page=name == "appeal")

    async def _submitted(self, body: bytes, *, is_page: bool) -> _Answer:
        given = from_form(body, ("reference", "text")) if is_page else from_json(body)
        reference = checked_reference(text_of(given, "reference"))
        text = checked_text(text_of(given, "text"))
        self._require_turn_of(reference)
        try:
            await self._in_thread(lambda: self.desk.submit(reference, text, now=self.clock()))
        except AppealsFullError as error:
            raise RefusedError(503, "Too many appeals wait. Try again later.") from error
        if is_page:
            return _page(202, message_page("Appeal", _RECEIVED))
        told = {"reference": reference, "state": "received", "message": _RECEIVED}
        return _Answer(202, json.dumps(told).encode())

    async def _state(self, given: str) -> PublicState:
        reference = checked_reference(given)
        self._require_turn_of(reference)
        state: PublicState = await self._in_thread(
            lambda: self.desk.state(reference, now=self.clock())
        )
        return state

    async def _decision(self, scope: Scope, body: bytes) -> _Answer:
        token = _bearer(scope)
        reference = checked_reference(scope["path"].removeprefix(_PREFIX).removesuffix("/decision"))
        judgement = _judgement(from_json(body))
        try:
            appeal: Appeal = await self._in_thread(
                lambda: self.desk.decide(reference, judgement, token=token, now=self.clock())
            )
        except UnknownTokenError as error:
            raise RefusedError(401, "Send the token of a person.") from error
        except NotAllowedError as error:
            raise RefusedError(403, "This person may not decide appeals.") from error
        told = {"reference": reference, "state": appeal.state.value}
        return _Answer(200, json.dumps(told).encode())

    async def _in_thread(self, ask: Callable[[], Any]) -> Any:
        async with self._room:
            return await asyncio.to_thread(ask)

    def _require_turn(self, scope: Scope) -> None:
        if not self.turnstile.lets_in(peer_of(scope, self.trusted_hops), self.monotonic()):
            self._refuse_turn()

    def _require_turn_of(self, reference: str) -> None:
        if not self.turnstile.lets_ask_of(reference, self.monotonic()):
            self._refuse_turn()

    def _refuse_turn(self) -> None:
        seconds = self.turnstile.seconds_left(self.monotonic())
        raise RefusedError(429, "Too many requests. Try again later.", seconds=seconds)

    async def _until_step(self, began: float) -> None:
        if self.step_seconds <= 0:
            return
        passed = self.monotonic() - began
        steps = max(1, math.ceil(passed / self.step_seconds))
        await asyncio.sleep(steps * self.step_seconds - passed)


def _route(path: str) -> str:
    """What is asked, in one of a few words: a path of a stranger is no label of a metric."""
    known = {
        "/": "form",
        "/appeal": "appeal",
        "/state": "state",
        "/v1/appeals": "submission",
        "/healthz": "health",
    }
    if path in known:
        # Who follows a link to the form gets it.
        return known[path]
    if path.startswith(_PREFIX):
        return "decision" if path.endswith("/decision") else "asked"
    return "unknown"


def _judgement(given: dict[str, Any]) -> Judgement:
    wanted, step = text_of(given, "state"), given.get("reduced_to")
    try:
        state = AppealState(wanted)
        milder = Step(step) if step is not None else None
    except ValueError as error:
        raise RefusedError(
            400, "state is upheld, reduced or overturned; reduced_to is a step."
        ) from error
    return Judgement(state=state, reason=text_of(given, "reason"), reduced_to=milder)


def _bearer(scope: Scope) -> str:
    """The token, where nobody could listen in.

    Raises:
        RefusedError: The connection is neither TLS nor from this machine, or there is no token.
    """
    if scope.get("scheme") != "https" and not is_from_loopback(scope):
        raise RefusedError(403, "Tokens are taken over TLS only.")
    scheme, _, token = header_of(scope, b"authorization").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RefusedError(401, "Send the token of a person.")
    return token.strip()


def _page(status: int, body: bytes) -> _Answer:
    return _Answer(status, body, _HTML)


def _refusal(error: RefusedError, *, is_page: bool) -> _Answer:
    headers: tuple[tuple[str, str], ...] = ()
    if error.seconds is not None:
        headers = (("retry-after", str(error.seconds)),)
    elif error.status == 401:
        headers = (("www-authenticate", 'Bearer realm="stillwatch"'),)
    if is_page:
        page = (
            form_page(problem=error.reason)
            if error.status == 400
            else message_page("Appeal", error.reason)
        )
        return _Answer(error.status, page, _HTML, headers)
    return _Answer(error.status, json.dumps({"error": error.reason}).encode(), _JSON, headers)


async def _send(send: Send, answer: _Answer, *, without_body: bool) -> None:
    headers = [
        ("content-type", answer.kind),
        ("content-length", str(len(answer.body))),
        # One request a connection: who sends slowly holds no place longer than one may take.
        ("connection", "close"),
        *PAGE_HEADERS,
        *answer.headers,
    ]
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if without_body else answer.body})
