"""A snapshot over HTTP: asked for again and again, and sent only when it is another."""

from __future__ import annotations

import http.client
import ipaddress
import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from stillwatch.records import InputError, StillwatchError

__all__ = ["TIME_HEADER", "FetchError", "Fetched", "Fetches", "HttpFetcher", "etag_matches"]

TIME_HEADER = "x-stillwatch-time"
"""Seconds since 1970 with their fraction, by the clock that the server decides by."""

_PIECE = 2**20
_SECONDS_TO_ANSWER = 5.0
# A hundred megabytes over a slow line; a server that trickles longer is as good as dead.
_SECONDS_IN_ALL = 120.0
_MOST_BYTES = 2**32
# `Date` has whole seconds: half a one is its mean error.
_HALF_A_SECOND = 0.5


class FetchError(StillwatchError):
    """Nothing came. What is held stays in force."""


class Fetched(NamedTuple):
    """What a server answered.

    Attributes:
        is_new: Whether a snapshot was sent, and lies where it was to be put.
        moment: The time by the server's clock, in seconds since 1970.
        etag: Of what was sent.
    """

    is_new: bool
    moment: float | None
    etag: str | None = None


class Fetches(Protocol):
    """Brings a snapshot from somewhere."""

    def fetch(self, etags: tuple[str, ...], into: Path) -> Fetched:
        """Put the present snapshot into a file, unless it is one of `etags`.

        Raises:
            FetchError: It did not come.
        """
        ...


@dataclass(frozen=True, slots=True)
class HttpFetcher:
    """Asks `/v1/snapshot` of a `stillwatch serve`. It follows no redirect.

    Args:
        url: With https; http only to this machine itself.
        token: A bearer token, which names this gateway to the server.
        context: For certificates of an authority of one's own, or one for this gateway.

    Raises:
        InputError: The address is none, or would send token and verdicts in clear.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    context: ssl.SSLContext | None = field(default=None, repr=False)
    counted: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise self._unusable("this is no address of a server.")
        if parts.scheme == "http" and not _is_this_machine(parts.hostname):
            raise self._unusable("token and verdicts would go over the network in clear.")

    def _unusable(self, what: str) -> InputError:
        return InputError(
            what,
            where=self.url.partition("?")[0],
            remedy="Give the address of `stillwatch serve`, such as "
            "https://stillwatch.internal:8443/v1/snapshot.",
        )

    def fetch(self, etags: tuple[str, ...], into: Path) -> Fetched:
        """See `Fetches`."""
        started = self.counted()
        try:
            with closing(self._connected()) as connection:
                connection.request("GET", self._path, headers=self._headers(etags))
                response = connection.getresponse()
                moment = _moment_of(response, (self.counted() - started) / 2)
                if response.status == HTTPStatus.NOT_MODIFIED:
                    return Fetched(False, moment)
                if response.status != HTTPStatus.OK:
                    raise FetchError(
                        f"the server answered {response.status}.",
                        where=self.url,
                        remedy=_REMEDIES.get(response.status, ""),
                    )
                _write(_pieces(response, started + _SECONDS_IN_ALL, self.counted), into)
                return Fetched(True, moment, response.headers["ETag"])
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchError(
                f"the snapshot could not be fetched ({type(error).__name__}).",
                where=self.url,
                remedy="What is held stays in force.",
            ) from error

    @property
    def _path(self) -> str:
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _connected(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=_SECONDS_TO_ANSWER)
        context = self.context or ssl.create_default_context()
        return http.client.HTTPSConnection(
            host, parts.port, timeout=_SECONDS_TO_ANSWER, context=context
        )

    def _headers(self, etags: tuple[str, ...]) -> dict[str, str]:
        headers = {"accept": "application/octet-stream", "user-agent": "stillwatch-gateway"}
        if etags:
            headers["if-none-match"] = ", ".join(etags)
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        return headers


_REMEDIES = {
    401: "Give this gateway a token that the server knows.",
    403: "Give this gateway a token that the server knows.",
    404: "The path is /v1/snapshot.",
}


def etag_matches(if_none_match: str | None, etag: str) -> bool:
    """Whether a client already has what has this tag (RFC 9110, 13.1.2)."""
    if not if_none_match:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _moment_of(response: http.client.HTTPResponse, ago: float) -> float | None:
    """When the server answered, by its clock, and how long that is ago."""
    try:
        return float(response.headers[TIME_HEADER]) + ago
    except (TypeError, ValueError):
        pass
    try:
        date = parsedate_to_datetime(response.headers["Date"])
    except (TypeError, ValueError):
        return None
    return date.timestamp() + _HALF_A_SECOND + ago


def _pieces(
    response: http.client.HTTPResponse, until: float, counted: Callable[[], float]
) -> Iterator[bytes]:
    total = 0
    while piece := response.read1(_PIECE):
        total += len(piece)
        if total > _MOST_BYTES:
            raise ValueError("too large")
        if counted() > until:
            raise TimeoutError
        yield piece
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)


def _write(pieces: Iterator[bytes], into: Path) -> None:
    handle = os.open(into, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        for piece in pieces:
            file.write(piece)
