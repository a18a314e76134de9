"""Decisions over HTTP, for the gateways that people run. Plain ASGI.

Whatever goes wrong here, the request that is asked about goes on: an answer that is an error of ours
has a status that gateways take for one (503), never for a refusal.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from stillwatch.enforcement.answers import Refusal, Wording, refusal_of, shape_of
from stillwatch.enforcement.asking import Asked, Decision
from stillwatch.enforcement.clocks import SteadyClock
from stillwatch.enforcement.deciding import Decider, HoldsSnapshot
from stillwatch.enforcement.door_requests import (
    ENVOY_PREFIX,
    TOKEN_HEADER,
    asked_in_json,
    asked_of_envoy,
    asked_of_subrequest,
)
from stillwatch.enforcement.fetching import TIME_HEADER, etag_matches
from stillwatch.enforcement.litellm_answers import GUARDRAIL_PATH, adapter_of, answer_guardrail
from stillwatch.enforcement.metrics import CONTENT_TYPE, Levels, Metrics, Part
from stillwatch.enforcement.possible import POSSIBLE, Adapter
from stillwatch.enforcement.snapshot_format import HEADER, Header
from stillwatch.listening.requests import (
    Receive,
    RefusedError,
    Scope,
    Send,
    body_of,
    from_json,
    headers_of,
)
from stillwatch.listening.senders import Senders
from stillwatch.records.actions import Step

__all__ = ["STATUS_HEADER", "STEP_HEADER", "DecisionsApplication"]

STEP_HEADER = "x-stillwatch-step"
"""What those behind the gateway read: `tag`, or `none`, which overwrites what a client wrote."""
STATUS_HEADER = "x-refusal-status"
"""The status that the client is to get, where the gateway's question can be denied with 403 alone."""
BODY_HEADER = "x-refusal-body"
"""The JSON that the client is to get, in ASCII."""

_JSON = "application/json"
# LiteLLM posts the whole conversation, pictures included; what is larger passes.
_MOST_BODY_BYTES = 32 * 2**20
_MOST_WAITING_BYTES = 8 * _MOST_BODY_BYTES
_MOST_QUESTION_BYTES = 2**20
_BODY_SECONDS = 5.0
_PIECE = 2**20


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes = b""
    kind: str = _JSON
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class DecisionsApplication:
    """Answers gateways.

    Attributes:
        decider: The decision core.
        holder: Whose snapshot is obeyed.
        snapshot: The file of it, which other regions fetch.
        clock: The time that they are told.
        levels: What is read when Prometheus asks.
        senders: The gateways' tokens; None takes everybody who can connect.
        wording: Of refusals.
        refused: Told of each refusal.
    """

    decider: Decider
    holder: HoldsSnapshot
    snapshot: Path
    clock: SteadyClock
    metrics: Metrics
    levels: Callable[[], Levels] = Levels
    senders: Senders | None = None
    wording: Wording = field(default_factory=Wording)
    refused: Callable[[Adapter, Decision], None] | None = None
    _waiting_bytes: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of HTTP."""
        if scope["type"] != "http":
            return
        door, path = _route(scope["path"])
        headers = headers_of(scope)
        if door == "snapshot":
            status = await self._send_snapshot(scope, headers, send)
        else:
            answer = await self._answered(door, scope, headers, receive)
            await _send(send, answer, without_body=scope["method"] == "HEAD")
            status = answer.status
        self.metrics.answered("decisions", path, status)

    async def _answered(
        self, door: str, scope: Scope, headers: Mapping[str, str], receive: Receive
    ) -> _Answer:
        try:
            match door:
                case "envoy":
                    return self._envoy(scope, headers)
                case "auth":
                    return self._auth(scope, headers)
                case "litellm":
                    return await self._litellm(scope, headers, receive)
                case "decide":
                    return await self._decide(scope, headers, receive)
                case "healthz":
                    return _Answer(200, b'{"ok": true}')
                case "readyz":
                    return self._ready()
                case "metrics":
                    self._require_gateway(headers)
                    page = await asyncio.to_thread(lambda: self.metrics.rendered(self.levels()))
                    return _Answer(200, page, CONTENT_TYPE)
            raise RefusedError(404, "There is nothing here.")
        except RefusedError as error:
            return _error(error)
        except Exception:  # its words may quote the request
            self.metrics.failed(Part.DECISION)
            return _error(RefusedError(503, "The decision failed."))

    def _envoy(self, scope: Scope, headers: Mapping[str, str]) -> _Answer:
        self._require_known(headers)
        asked = asked_of_envoy(scope, headers)
        decision, refusal = self._decided(Adapter.ENVOY_HTTP, asked)
        return _passed(decision) if refusal is None else _refused(refusal)

    def _auth(self, scope: Scope, headers: Mapping[str, str]) -> _Answer:
        self._require_known(headers)
        asked = asked_of_subrequest(scope, headers)
        decision, refusal = self._decided(Adapter.AUTH_REQUEST, asked)
        if refusal is None:
            return _passed(decision)
        if scope.get("query_string") == b"status=any":
            return _refused(refusal)
        # nginx takes any status but 401 and 403 for an error of ours, and reads headers alone.
        told = ((STATUS_HEADER, str(refusal.status)), (BODY_HEADER, _in_a_header(refusal)))
        return _refused(refusal, status=403, more=told)

    async def _litellm(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> _Answer:
        self._require_gateway(headers)
        _require_method(scope, "POST")
        try:
            said = from_json(await self._large_body(scope, headers, receive))
        except RefusedError:
            self.metrics.failed(Part.REQUEST)
            return _json({"action": "NONE"})
        answer = answer_guardrail(said, self._timed(adapter_of(said)), wording=self.wording)
        return _json(answer.body)

    async def _decide(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> _Answer:
        self._require_gateway(headers)
        _require_method(scope, "POST")
        body = await body_of(scope, receive, most_bytes=_MOST_QUESTION_BYTES, seconds=_BODY_SECONDS)
        asked, possible = asked_in_json(from_json(body))
        decision = self._timed(Adapter.DECIDE)(asked, possible)
        refusal = refusal_of(decision, shape_of(asked.path, asked.headers), wording=self.wording)
        return _json(
            {
                "step": decision.step.value,
                "wanted": decision.wanted.value,
                "refused": decision.is_refused,
                "known": decision.is_known,
                "reference": decision.reference,
                "retry_after_seconds": decision.retry_after_seconds,
                "countermeasures": sorted(one.value for one in decision.countermeasures),
                "refusal": None
                if refusal is None
                else {
                    "status": refusal.status,
                    "headers": dict(refusal.headers),
                    "body": json.loads(refusal.body),
                },
            }
        )

    def _ready(self) -> _Answer:
        held = self.holder.snapshot
        if held is None:
            return _json({"ready": False, "why": "There is no snapshot yet."}, status=503)
        return _json({"ready": True, "sequence": held.header.sequence})

    def _decided(self, adapter: Adapter, asked: Asked) -> tuple[Decision, Refusal | None]:
        decision = self._timed(adapter)(asked, POSSIBLE[adapter])
        shape = shape_of(asked.path, asked.headers)
        return decision, refusal_of(decision, shape, wording=self.wording)

    def _timed(self, adapter: Adapter) -> Callable[[Asked, frozenset[Step]], Decision]:
        """The decision core, counted."""

        def decide(asked: Asked, possible: frozenset[Step]) -> Decision:
            began = time.perf_counter()
            failed = self.decider.tally.failed
            decision = self.decider.decide(asked, possible)
            seconds = time.perf_counter() - began
            if self.decider.tally.failed != failed:
                self.metrics.failed(Part.DECISION)
            self.metrics.decided(adapter, decision, possible=possible, seconds=seconds)
            if decision.is_refused and self.refused is not None:
                self.refused(adapter, decision)
            return decision

        return decide

    async def _large_body(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive
    ) -> bytes:
        """A body of LiteLLM; all that are read at one time have a bound together.

        Raises:
            RefusedError: It is too large, too slow, or too many are read.
        """
        length = headers.get("content-length", "")
        reserved = int(length) if length.isdecimal() else _MOST_BODY_BYTES
        if self._waiting_bytes + reserved > _MOST_WAITING_BYTES:
            raise RefusedError(503, "Too many bodies are being read.")
        self._waiting_bytes += reserved
        try:
            return await body_of(scope, receive, most_bytes=_MOST_BODY_BYTES, seconds=_BODY_SECONDS)
        finally:
            self._waiting_bytes -= reserved

    def _require_known(self, headers: Mapping[str, str]) -> None:
        """Of doors whose `Authorization` is the client's. A stranger's question is an error of ours.

        401 would reach the client as a refusal.
        """
        if not self._is_known(headers.get(TOKEN_HEADER, "")):
            raise RefusedError(503, f"Send the gateway's token as {TOKEN_HEADER}.")

    def _require_gateway(self, headers: Mapping[str, str]) -> None:
        if self.senders is None:
            return
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = [headers.get(TOKEN_HEADER, ""), headers.get("x-api-key", "")]
        if scheme.lower() == "bearer":
            given.append(bearer.strip())
        if not any(map(self._is_known, given)):
            raise RefusedError(401, "Send the gateway's token.")

    def _is_known(self, token: str) -> bool:
        return self.senders is None or self.senders.source_of(token) is not None

    async def _send_snapshot(self, scope: Scope, headers: Mapping[str, str], send: Send) -> int:
        try:
            self._require_gateway(headers)
            _require_method(scope, "GET", "HEAD")
            file, etag, size = await asyncio.to_thread(_opened, self.snapshot)
        except RefusedError as error:
            answer = _error(error)
            await _send(send, answer, without_body=False)
            return answer.status
        told = ((TIME_HEADER, f"{self.clock.now():.3f}"), ("etag", etag))
        with file:
            if etag_matches(headers.get("if-none-match"), etag):
                await _send(send, _Answer(304, headers=told), without_body=True)
                return 304
            kind = (("content-type", "application/octet-stream"), ("content-length", str(size)))
            start = {"type": "http.response.start", "status": 200, "headers": _raw(*told, *kind)}
            await send(start)
            if scope["method"] == "GET":
                async for piece in _pieces(file):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        return 200


def _route(path: str) -> tuple[str, str]:
    """Which door it is, and how metrics call it: a path of a stranger is no label."""
    if path == ENVOY_PREFIX or path.startswith(f"{ENVOY_PREFIX}/"):
        return "envoy", ENVOY_PREFIX
    door = _DOORS.get(path, "unknown")
    return door, "unknown" if door == "unknown" else path


_DOORS = {
    "/auth": "auth",
    GUARDRAIL_PATH: "litellm",
    "/v1/decide": "decide",
    "/v1/snapshot": "snapshot",
    "/healthz": "healthz",
    "/readyz": "readyz",
    "/metrics": "metrics",
}


def _passed(decision: Decision) -> _Answer:
    step = "tag" if decision.step is Step.TAG else "none"
    return _Answer(200, headers=((STEP_HEADER, step),))


def _refused(
    refusal: Refusal, *, status: int | None = None, more: tuple[tuple[str, str], ...] = ()
) -> _Answer:
    headers = tuple(pair for pair in refusal.headers if pair[0] != "content-type")
    return _Answer(status or refusal.status, refusal.body, headers=(*headers, *more))


def _in_a_header(refusal: Refusal) -> str:
    """The body in ASCII on one line, whatever the operator's wording holds."""
    return json.dumps(json.loads(refusal.body), ensure_ascii=True)


def _require_method(scope: Scope, *methods: str) -> None:
    if scope["method"] not in methods:
        raise RefusedError(405, f"Ask with {methods[0]}.")


def _json(told: Mapping[str, object], *, status: int = 200) -> _Answer:
    return _Answer(status, json.dumps(told).encode())


def _error(error: RefusedError) -> _Answer:
    return _json({"error": error.reason}, status=error.status)


def _opened(path: Path) -> tuple[BinaryIO, str, int]:
    """The file, its tag and its size; another that takes its place meanwhile changes none of them."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise RefusedError(503, "There is no snapshot yet.") from error
    start = file.read(HEADER.size)
    if len(start) < HEADER.size:
        file.close()
        raise RefusedError(503, "There is no snapshot yet.")
    size = file.seek(0, 2)
    file.seek(0)
    return file, Header.unpack(start).etag, size


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, _PIECE):
        yield piece


async def _send(send: Send, answer: _Answer, *, without_body: bool) -> None:
    kind = (("content-type", answer.kind),) if answer.body else ()
    length = (("content-length", str(len(answer.body))),)
    headers = _raw(*kind, *(() if answer.status == 304 else length), *answer.headers)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if without_body else answer.body})


def _raw(*headers: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
