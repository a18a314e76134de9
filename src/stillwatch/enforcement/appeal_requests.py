"""What the appeals' HTTP reads of a request: who asks, how much, and in which encoding."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

__all__ = [
    "RefusedError",
    "body_of",
    "from_form",
    "from_json",
    "header_of",
    "is_from_loopback",
    "peer_of",
    "text_of",
]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

# A text of 4,000 characters, each nine bytes as a form sends it, and the rest of the form.
_MOST_BODY_BYTES = 40_000
_BODY_SECONDS = 10.0
_MOST_FIELDS = 8


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


def is_from_loopback(scope: Scope) -> bool:
    """Whether nobody but this machine sent it."""
    # A proxy on this machine passes on what came from elsewhere, maybe without TLS.
    if header_of(scope, b"x-forwarded-for") or header_of(scope, b"forwarded"):
        return False
    try:
        return ipaddress.ip_address((scope.get("client") or ("",))[0]).is_loopback
    except ValueError:
        return False


def peer_of(scope: Scope, trusted_hops: int) -> str:
    """Who asks: the address that the farthest proxy of ours saw."""
    direct = str((scope.get("client") or ("",))[0])
    if not trusted_hops:
        return direct
    hops = [hop.strip() for hop in header_of(scope, b"x-forwarded-for").split(",") if hop.strip()]
    return hops[-trusted_hops] if len(hops) >= trusted_hops else direct


def header_of(scope: Scope, name: bytes) -> str:
    """The values of a header, joined."""
    return ", ".join(v.decode("latin-1") for key, v in scope["headers"] if key.lower() == name)


async def body_of(scope: Scope, receive: Receive) -> bytes:
    """The whole body, which is small.

    Raises:
        RefusedError: It is not, or takes too long, or is a file.
    """
    length = header_of(scope, b"content-length")
    if length.isdecimal() and int(length) > _MOST_BODY_BYTES:
        raise RefusedError(413, "The text is too long.")
    if header_of(scope, b"content-type").lower().startswith("multipart/"):
        raise RefusedError(415, "Files cannot be sent.")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise RefusedError(400, "The request did not end.")
                body += message.get("body", b"")
                if len(body) > _MOST_BODY_BYTES:
                    raise RefusedError(413, "The text is too long.")
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError as error:
        raise RefusedError(408, "The request took too long.") from error


def from_form(body: bytes, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a form, "" where one is missing.

    Raises:
        RefusedError: It is none.
    """
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=_MOST_FIELDS, errors="replace")
    except (UnicodeDecodeError, ValueError) as error:
        raise RefusedError(400, "This is no form.") from error
    return {name: fields.get(name, [""])[0] for name in names}


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


def text_of(given: dict[str, Any], name: str) -> str:
    """A text that must be there.

    Raises:
        RefusedError: It is not.
    """
    value = given.get(name)
    if not isinstance(value, str):
        raise RefusedError(400, f"{name} is a text.")
    return value
