"""What our ASGI applications read of a request: headers, and bodies no larger than they may be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = [
    "Message",
    "Receive",
    "RefusedError",
    "Scope",
    "Send",
    "body_of",
    "from_json",
    "header_of",
    "headers_of",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class RefusedError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: Of HTTP.
        reason: For whoever asked; it quotes nothing.
        seconds: After which it may be tried again.
    """

    def __init__(self, status: int, reason: str, *, seconds: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.seconds = status, reason, seconds


def header_of(scope: Scope, name: bytes) -> str:
    """The values of a header, joined."""
    return ", ".join(v.decode("latin-1") for key, v in scope["headers"] if key.lower() == name)


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers by lower-case name; of one that came twice, the values joined."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def body_of(scope: Scope, receive: Receive, *, most_bytes: int, seconds: float) -> bytes:
    """The whole body.

    Raises:
        RefusedError: It is larger than it may be, takes too long, or does not end.
    """
    length = header_of(scope, b"content-length")
    if length.isdecimal() and int(length) > most_bytes:
        raise RefusedError(413, "The text is too long.")
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise RefusedError(400, "The request did not end.")
                body += message.get("body", b"")
                if len(body) > most_bytes:
                    raise RefusedError(413, "The text is too long.")
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError as error:
        raise RefusedError(408, "The request took too long.") from error


def from_json(body: bytes) -> dict[str, Any]:
    """One object.

    Raises:
        RefusedError: It is none.
    """
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "This is no JSON.") from error
    if not isinstance(given, dict):
        raise RefusedError(400, "Send one JSON object.")
    return given
