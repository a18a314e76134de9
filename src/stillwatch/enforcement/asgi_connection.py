"""An ASGI connection: who asks on it, and how it is refused."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

from stillwatch.enforcement.answers import Refusal
from stillwatch.enforcement.asking import Asked
from stillwatch.enforcement.request_facts import RequestFacts
from stillwatch.listening.requests import Message, Receive, Send, headers_of

__all__ = [
    "Connection",
    "Message",
    "Receive",
    "Send",
    "asked_on",
    "header_of",
    "send_refusal",
    "with_headers",
]

Connection = MutableMapping[str, Any]
Headers = Iterable[tuple[bytes, bytes]]


def header_of(headers: Headers, name: bytes) -> str:
    """The first value of a header, or nothing."""
    found = (value for key, value in headers if key.lower() == name)
    return next(found, b"").decode("latin-1")


def with_headers(
    headers: Headers, *, without: frozenset[bytes], plus: Headers = ()
) -> list[tuple[bytes, bytes]]:
    """Headers without some, and with others behind them."""
    return [(key, value) for key, value in headers if key.lower() not in without] + list(plus)


def asked_on(scope: Connection, facts: RequestFacts) -> Asked:
    """The question that a connection and what is known of its body ask."""
    client = scope.get("client")
    return Asked(
        headers=headers_of(scope),
        method=scope.get("method", "GET"),
        path=scope.get("path", "/"),
        peer_address=str(client[0]) if client else None,
        conversation_id=facts.conversation_id,
        model=facts.model,
        system_text=facts.system_text,
        tool_names=facts.tool_names,
    )


async def send_refusal(send: Send, refusal: Refusal, *, kind: str = "http.response") -> None:
    """Answer a request in the model's place.

    Args:
        kind: How the messages are called: `http.response`, or `websocket.http.response`.
    """
    headers = [
        *((name.encode(), value.encode("latin-1", "replace")) for name, value in refusal.headers),
        (b"content-length", str(len(refusal.body)).encode()),
    ]
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": refusal.body})
