"""Calls of an ASGI application, message by message, and a decider that says what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stillwatch.enforcement.asking import Asked, Decision
from stillwatch.records.actions import Countermeasure, Step

__all__ = ["REFERENCE", "Answered", "Says", "called", "event_bodies"]

REFERENCE = "0123456789abcdef0123456789abcdef"
Message = dict[str, Any]
Application = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(slots=True)
class Says:
    """Decides what it is told to, as far as the adapter can do it.

    Attributes:
        step: What is wanted of requests that bear the key; all others pass.
        failure: Raised in place of a decision.
    """

    step: Step = Step.OBSERVE
    countermeasures: frozenset[Countermeasure] = frozenset()
    key: str = "sk-bo"
    failure: Exception | None = None
    asked: list[Asked] = field(default_factory=list)

    def decide(self, asked: Asked, possible: frozenset[Step]) -> Decision:
        """The decision."""
        self.asked.append(asked)
        if self.failure is not None:
            raise self.failure
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            return Decision()
        step = self.step.within(possible)
        is_refused = step in (Step.BLOCK, Step.VERIFY, Step.THROTTLE)
        return Decision(
            wanted=self.step,
            step=step,
            reference=REFERENCE if is_refused or step is Step.WITHHOLD else None,
            retry_after_seconds=9 if step is Step.THROTTLE else None,
            countermeasures=self.countermeasures if step is Step.WITHHOLD else frozenset(),
            group="campaign-tide",
            is_known=True,
            is_refused=is_refused,
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """What an application sent."""

    messages: list[Message]

    @property
    def status(self) -> int:
        """Of HTTP."""
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name."""
        return {k.decode().lower(): v.decode() for k, v in self.messages[0]["headers"]}

    @property
    def pieces(self) -> list[bytes]:
        """The pieces of the body, as they were sent."""
        return [m["body"] for m in self.messages if m["type"].endswith(".body")]

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)


def called(
    app: Application,
    path: str = "/v1/chat/completions",
    *,
    body: Sequence[bytes] | bytes = b"",
    key: str = "sk-bo",
    headers: dict[str, str] | None = None,
    method: str = "POST",
    kind: str = "http",
    received: Sequence[Message] = (),
    extensions: dict[str, Any] | None = None,
) -> Answered:
    """One connection, from its first message to the application's return.

    Args:
        body: In the pieces in which the client sends it.
        received: Further messages of the client; after the last it goes away.
    """
    pieces = [body] if isinstance(body, bytes) else list(body)
    said = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    said |= {"content-length": str(sum(map(len, pieces)))} | (headers or {})
    scope = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in said.items()],
        "client": ("203.0.113.9", 4711),
        "server": ("127.0.0.1", 80),
        "extensions": extensions or {},
    }
    waiting: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": number + 1 < len(pieces)}
        for number, piece in enumerate(pieces)
        if kind == "http"
    ]
    waiting += [*received, {"type": f"{kind}.disconnect", "code": 1001}]
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return Answered(sent)


def event_bodies(pieces: Sequence[bytes]) -> list[Message]:
    """An event stream in exactly these pieces, as an application sends it."""
    headers = [(b"content-type", b"text/event-stream"), (b"x-of-the-app", b"1")]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    bodies = [{"type": "http.response.body", "body": p, "more_body": True} for p in pieces]
    return [start, *bodies, {"type": "http.response.body", "body": b"", "more_body": False}]
