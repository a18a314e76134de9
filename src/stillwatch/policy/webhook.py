"""Notices to a webhook: one signed POST each, over TLS, and no redirect is ever followed."""

from __future__ import annotations

import hmac
import http.client
import ipaddress
import json
import socket
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from stillwatch.policy.notices import Notice
from stillwatch.records import InputError

__all__ = ["SIGNATURE_HEADER", "DeliveryError", "Webhook", "signature_of"]

SIGNATURE_HEADER = "Stillwatch-Signature"
# Shorter ones can be guessed offline from one request that somebody saw.
_LEAST_SECRET_BYTES = 16
_TIMEOUT_SECONDS = 10.0
_MOST_ANSWER_BYTES = 4_096


class DeliveryError(Exception):
    """A notice could not be delivered now; its text names no secret and quotes no answer."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where notices are posted to.

    A redirect counts as a failure: whoever answers for the address must not be able to send the
    notice on to a machine inside.

    Attributes:
        url: https, or http to loopback.
        secret: Signs each request; shared with the receiver.
        context: Of TLS; None takes the system's authorities.

    Raises:
        InputError: The address or the secret cannot be used.
    """

    url: str
    secret: bytes = field(repr=False)
    context: ssl.SSLContext | None = field(default=None, repr=False)

    name = "webhook"

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise _unusable("this is no address of a webhook", "Give https://HOST/PATH.")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise _unusable("a webhook is reached over TLS", "Give an https address.")
        if len(self.secret) < _LEAST_SECRET_BYTES:
            raise _unusable(
                f"the secret has fewer than {_LEAST_SECRET_BYTES} bytes",
                "Make one with `openssl rand -hex 32`.",
            )

    def send(self, notice: Notice, *, now: datetime) -> None:
        """Post one notice.

        Raises:
            DeliveryError: Nobody answered, or not with 2xx.
        """
        body = json.dumps(notice.as_json(), sort_keys=True).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "stillwatch",
            SIGNATURE_HEADER: signature_of(self.secret, body, now),
        }
        parts = urlsplit(self.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self._connection()
        try:
            connection.request("POST", path, body=body, headers=headers)
            answer = connection.getresponse()
            answer.read(_MOST_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(f"no answer ({type(error).__name__})") from error
        finally:
            connection.close()
        if 300 <= answer.status < 400:
            raise DeliveryError(f"a redirect ({answer.status}), which is not followed")
        if not 200 <= answer.status < 300:
            raise DeliveryError(f"status {answer.status}")

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT_SECONDS)
        context = self.context or ssl.create_default_context()
        return http.client.HTTPSConnection(
            host, parts.port, timeout=_TIMEOUT_SECONDS, context=context
        )


def signature_of(secret: bytes, body: bytes, now: datetime) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA-256 over the seconds, a dot, and the body.

    A receiver computes it anew, compares in constant time, and refuses seconds that are far from
    its own clock's, so that a request that somebody saw cannot be sent again later.
    """
    seconds = int(now.timestamp())
    digest = hmac.digest(secret, str(seconds).encode() + b"." + body, "sha256").hex()
    return f"t={seconds},v1={digest}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    if host != "localhost":
        return False
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(place[4][0]).is_loopback for place in found)


def _unusable(what: str, remedy: str) -> InputError:
    return InputError(f"{what}.", where="--webhook", remedy=remedy)
