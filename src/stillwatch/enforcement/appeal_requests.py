"""What the appeals' HTTP reads of a request: who asks, how much, and in which encoding."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import parse_qs

from stillwatch.listening.requests import Receive, RefusedError, Scope, body_of, header_of

__all__ = [
    "from_form",
    "is_from_loopback",
    "peer_of",
    "small_body_of",
    "text_of",
]

# A text of 4,000 characters, each nine bytes as a form sends it, and the rest of the form.
_MOST_BODY_BYTES = 40_000
_BODY_SECONDS = 10.0
_MOST_FIELDS = 8


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


async def small_body_of(scope: Scope, receive: Receive) -> bytes:
    """The whole body, which is small.

    Raises:
        RefusedError: It is not, or takes too long, or is a file.
    """
    if header_of(scope, b"content-type").lower().startswith("multipart/"):
        raise RefusedError(415, "Files cannot be sent.")
    return await body_of(scope, receive, most_bytes=_MOST_BODY_BYTES, seconds=_BODY_SECONDS)


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


def text_of(given: dict[str, Any], name: str) -> str:
    """A text that must be there.

    Raises:
        RefusedError: It is not.
    """
    value = given.get(name)
    if not isinstance(value, str):
        raise RefusedError(400, f"{name} is a text.")
    return value
