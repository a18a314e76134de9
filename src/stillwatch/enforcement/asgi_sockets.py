"""WebSockets behind the guard: decided when they open, and again while their client speaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stillwatch.enforcement.answers import Refusal
from stillwatch.enforcement.asgi_connection import (
    Connection,
    Message,
    Receive,
    Send,
    send_refusal,
)

__all__ = ["OpenSocket", "refuse_socket"]

# The WebSocket status of a policy that was violated; clients do not open it again by themselves.
_POLICY = 1008


async def refuse_socket(scope: Connection, receive: Receive, send: Send, refusal: Refusal) -> None:
    """Refuse to open: with status and error JSON where the server can, else with its 403."""
    await receive()  # websocket.connect
    if "websocket.http.response" in scope.get("extensions", {}):
        await send_refusal(send, refusal, kind="websocket.http.response")
    else:
        await send({"type": "websocket.close", "code": _POLICY, "reason": ""})


@dataclass(slots=True)
class OpenSocket:
    """An open WebSocket: what its client says is let through until a verdict refuses it.

    What the application is sending meanwhile goes out: it was asked for before. The closing frame
    tells the reference and no reason.

    Attributes:
        refused: Asked with a message of the client; None lets it through.
        recheck_seconds: So long nobody is asked again: a message is not a request.
        clock: Seconds, by a clock that nobody sets.
    """

    server_receive: Receive
    server_send: Send
    refused: Callable[[], Refusal | None]
    recheck_seconds: float
    clock: Callable[[], float]
    asked_at: float
    is_closed: bool = False

    async def receive(self) -> Message:
        """The application's `receive`."""
        message = await self.server_receive()
        if message["type"] != "websocket.receive":
            return message
        now = self.clock()
        if now - self.asked_at < self.recheck_seconds:
            return message
        self.asked_at = now
        refusal = self.refused()
        if refusal is None:
            return message
        self.is_closed = True
        reference = dict(refusal.headers).get("x-refusal-reference", "")
        await self.server_send(
            {"type": "websocket.close", "code": _POLICY, "reason": f"reference {reference}"}
        )
        return {"type": "websocket.disconnect", "code": _POLICY}

    async def send(self, message: Message) -> None:
        """The application's `send`; after the end nothing of it can go out."""
        if not self.is_closed:
            await self.server_send(message)
