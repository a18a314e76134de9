"""The receiver's HTTP: who sends, what it asks of us, and what it is answered. Plain ASGI."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from stillwatch.listening.requests import Receive, Scope, Send
from stillwatch.listening.senders import Senders
from stillwatch.receiver.answers import JSON, PROTOBUF, Answer, answer_of, refusal
from stillwatch.receiver.bodies import RefusedError
from stillwatch.receiver.intake import Endpoint, Intake, Outcome, Request
from stillwatch.receiver.limits import ReceiverLimits
from stillwatch.receiver.metrics import CONTENT_TYPE, Metrics
from stillwatch.receiver.spool import Backlog, Spool, SpoolError

__all__ = ["Application"]

_PATHS = {f"/v1/{endpoint.value}": endpoint for endpoint in Endpoint}
_JSON_TYPES = frozenset(
    {JSON, "application/x-ndjson", "application/jsonl", "application/jsonlines", "text/plain", ""}
)
# A backlog is looked at this often; it grows by what is in flight meanwhile, which is bounded.
_BACKLOG_SECONDS = 0.2


@dataclass(slots=True)
class Application:
    """Answers requests.

    Attributes:
        senders: Whose tokens are taken; None takes everybody, as `source`.
        names_client: Whether the source is the name in the client's certificate.
        stopping: Whether the receiver is about to end.
    """

    lake: Path
    intake: Intake
    limits: ReceiverLimits
    metrics: Metrics
    senders: Senders | None = None
    source: str = ""
    names_client: bool = False
    stopping: bool = False
    spool: Spool = field(init=False)
    _waiting_bytes: int = 0
    _room: asyncio.Condition = field(default_factory=asyncio.Condition)
    _backlog: Backlog = field(default_factory=Backlog)
    _backlog_at: float = 0.0

    def __post_init__(self) -> None:
        self.spool = Spool.of_lake(self.lake)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of HTTP."""
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        endpoint = _PATHS.get(path)
        if endpoint is not None:
            answer = await self._taken(endpoint, method, scope, receive)
        elif path in ("/healthz", "/metrics"):
            answer = self._told(path, method, scope)
        else:
            answer = refusal(None, 404, "There is nothing here.", is_json=True)
        await _send(send, answer, without_body=method == "HEAD")

    async def _taken(
        self, endpoint: Endpoint, method: str, scope: Scope, receive: Receive
    ) -> Answer:
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        is_json = kind != PROTOBUF
        outcome, seconds = Outcome(0), None
        try:
            if method != "POST":
                raise RefusedError(405, "Send it with POST.")
            source = self._source(scope, headers)
            is_packed = _require_readable(endpoint, kind, headers.get("content-encoding", ""))
            self._require_room(endpoint)
            reserved = await self._reserve(endpoint, headers)
            try:
                body = await self._body(receive, headers)
                began = time.perf_counter()
                outcome = await self._judged(
                    endpoint, source, body, is_packed=is_packed, is_json=is_json
                )
                seconds = time.perf_counter() - began
            finally:
                await self._release(reserved)
            answer = answer_of(endpoint, outcome, is_json=is_json)
        except RefusedError as error:
            answer = refusal(endpoint, error.status, error.reason, is_json=is_json)
        self.metrics.answered(
            endpoint.value,
            answer.status,
            accepted=outcome.accepted,
            rejected=outcome.rejected,
            seconds=seconds,
        )
        return answer

    def _source(self, scope: Scope, headers: dict[str, str]) -> str:
        client = scope.get("state", {}).get("client_name", "") if self.names_client else ""
        if self.senders is None:
            if self.names_client and not client:
                raise RefusedError(401, "The certificate names no source.")
            return client or self.source
        scheme, _, token = headers.get("authorization", "").partition(" ")
        source = self.senders.source_of(token.strip()) if scheme.lower() == "bearer" else None
        if source is None:
            raise RefusedError(401, "A bearer token of a known sender is needed.")
        return source

    def _require_room(self, endpoint: Endpoint) -> None:
        """Raises `RefusedError` where too much waits; whoever never sends again is always let in."""
        if self.stopping:
            raise RefusedError(503, "The receiver is stopping.")
        if endpoint is Endpoint.LITELLM:
            return
        backlog = self.backlog()
        if backlog.rows >= self.limits.spool_rows or backlog.size >= self.limits.spool_bytes:
            raise RefusedError(_busy(endpoint), "Too much waits for the lake: send it again later.")

    async def _reserve(self, endpoint: Endpoint, headers: dict[str, str]) -> int:
        """Room in memory for a body, of which no more is read than was reserved."""
        length = headers.get("content-length", "")
        wanted = int(length) if length.isascii() and length.isdigit() else self.limits.body_bytes
        if wanted > self.limits.body_bytes:
            raise RefusedError(413, f"The body is larger than {self.limits.body_mb:,} MiB.")
        async with self._room:
            if self._waiting_bytes + wanted > self.limits.waiting_bytes:
                if endpoint is not Endpoint.LITELLM:
                    raise RefusedError(
                        _busy(endpoint), "Too many bodies are being read: send it again later."
                    )
                await self._room.wait_for(
                    lambda: self._waiting_bytes + wanted <= self.limits.waiting_bytes
                )
            self._waiting_bytes += wanted
        return wanted

    async def _release(self, reserved: int) -> None:
        async with self._room:
            self._waiting_bytes -= reserved
            self._room.notify_all()

    async def _body(self, receive: Receive, headers: dict[str, str]) -> bytes:
        pieces: list[bytes] = []
        size, more = 0, True
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RefusedError(400, "The sender went away.")
                    pieces.append(message.get("body", b""))
                    size += len(pieces[-1])
                    if size > self.limits.body_bytes:
                        raise RefusedError(
                            413, f"The body is larger than {self.limits.body_mb:,} MiB."
                        )
                    more = message.get("more_body", False)
        except TimeoutError as error:
            raise RefusedError(408, "The body took too long.") from error
        return b"".join(pieces)

    async def _judged(
        self, endpoint: Endpoint, source: str, body: bytes, *, is_packed: bool, is_json: bool
    ) -> Outcome:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Outcome] = loop.create_future()

        def answer(outcome: Outcome) -> None:
            loop.call_soon_threadsafe(_settle, answered, outcome)

        self.intake.submit(Request(endpoint, source, body, is_packed, is_json, answer))
        # Its memory is in use until it is answered, whether or not the sender still waits.
        return await asyncio.shield(answered)

    def _told(self, path: str, method: str, scope: Scope) -> Answer:
        try:
            if method not in ("GET", "HEAD"):
                raise RefusedError(405, "Ask with GET.")
            if path == "/healthz":
                return self._health()
            if self.senders is not None or self.names_client:
                headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
                self._source(scope, headers)
            page = self.metrics.rendered(self.backlog(), self.spool.totals())
            return Answer(200, page, CONTENT_TYPE)
        except RefusedError as error:
            return refusal(None, error.status, error.reason, is_json=True)
        except SpoolError as error:
            return refusal(None, 503, error.what, is_json=True)

    def _health(self) -> Answer:
        backlog = self.backlog()
        full = backlog.rows >= self.limits.spool_rows or backlog.size >= self.limits.spool_bytes
        state = "stopping" if self.stopping else "full" if full else "ok"
        body = json.dumps({"status": state, "waiting": backlog.rows}).encode()
        return Answer(200 if state == "ok" else 503, body)

    def backlog(self) -> Backlog:
        """What waited for the lake a moment ago."""
        now = time.monotonic()
        if now - self._backlog_at > _BACKLOG_SECONDS:
            self._backlog, self._backlog_at = self.spool.backlog(), now
        return self._backlog


def _busy(endpoint: Endpoint) -> int:
    # OTLP's Python exporter drops a batch on 429, and sends it again after 503.
    return 503 if endpoint.is_otlp else 429


def _require_readable(endpoint: Endpoint, kind: str, encoding: str) -> bool:
    """Whether the body is packed; raises `RefusedError` where it cannot be read at all."""
    known = {JSON, PROTOBUF} if endpoint.is_otlp else _JSON_TYPES
    if kind not in known:
        wanted = " or ".join(sorted(known - {""}))
        raise RefusedError(415, f"This Content-Type is not read here; send {wanted}.")
    encoding = encoding.strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise RefusedError(415, "This Content-Encoding is not read here; send gzip or none.")
    return encoding in ("gzip", "x-gzip")


def _settle(answered: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not answered.done():
        answered.set_result(outcome)


async def _send(send: Send, answer: Answer, *, without_body: bool) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        *((name.encode(), value.encode()) for name, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = b"" if without_body else answer.body
    await send({"type": "http.response.body", "body": body})
