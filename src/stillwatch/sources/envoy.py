"""Envoy's access log as JSON: from where, and with which software, a request came.

A line names no account and no model. It is evidence of the network, which the lake gives to the
exchange of the same request id. Only what Envoy measured is read: no header that a client could
have written but its user agent. What to switch on: `docs/sources/envoy.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, ClassVar

from stillwatch.identity.normalise import address_of
from stillwatch.sources.account_names import configured_names
from stillwatch.sources.adapter import ParsedRow, Remark, Unreadable
from stillwatch.sources.addresses import is_of_ours
from stillwatch.sources.call_lines import read_each
from stillwatch.sources.json_values import values_of_file
from stillwatch.sources.network_rows import NETWORK, request_id_of
from stillwatch.sources.rows import moment_of
from stillwatch.sources.values import number, text, whole

__all__ = ["EnvoyAdapter"]

# As Istio, Envoy Gateway and our page name them; case and the kind of dash do not matter.
_REQUEST_ID = ("request_id", "x_request_id")
_DEDUCED = ("downstream_remote_address", "downstream_remote_address_without_port")
_PEER = ("downstream_direct_remote_address", "downstream_direct_remote_address_without_port")
_STARTED = ("start_time", "timestamp", "@timestamp", "time")
# Never `x_ja4`: a header says what the client likes.
_JA4 = ("tls_ja4_fingerprint", "ja4_fingerprint", "tls_ja4", "ja4")
_STATUS = ("response_code", "status_code", "status")
_JA4_FORM = re.compile(r"[tqd](?:\d\d|s\d)[di]\d{4}[0-9a-zA-Z]{2}_[0-9a-f]{12}_[0-9a-f]{12}")

_NOT_ENVOY = (
    "This is no line of Envoy's access log as JSON, or it names neither the client's address nor "
    "its JA4: see docs/sources/envoy.md for the fields."
)
_NO_ID_FIELD = (
    "The line has no field for the request's id. Log %REQ(X-REQUEST-ID)% as request_id, or name "
    "the field in STILLWATCH__ENVOY__REQUEST_ID."
)
_NO_ID = "the line has no request id: no exchange can be found for it, and it was passed over."
_NOT_AN_ID = "The request id is no id: it is too long, or has characters that no id has."
_NO_TIME = "start_time is missing, or is no time."
_TWO_ADDRESSES = (
    "the peer that was connected and the client that Envoy took from a header are two public "
    "addresses, and neither was taken. Say which is the client's in STILLWATCH__ENVOY__ADDRESS."
)
_NO_ADDRESS = "the client's address was none, and was left empty."
_NO_JA4 = "the JA4 was none, and was left empty."
_OURS = (
    "the client's address is of a private network: it is taken only where the exchange has none. "
    "If it is your load balancer's, let Envoy see the client's."
)
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class EnvoyAdapter:
    """Reads access logs as lines, arrays or documents, gzip or not.

    Args:
        request_id_fields: Names of the field that holds the request's id, the first that a line
            has decides; a dotted name leads deeper.
        address_fields: The same for the client's address. Where they are left out, the peer's
            and the deduced address are compared.
    """

    name: ClassVar[str] = "envoy"

    request_id_fields: tuple[str, ...] = field(
        default_factory=lambda: configured_names("envoy", _REQUEST_ID, setting="request_id")
    )
    address_fields: tuple[str, ...] = field(
        default_factory=lambda: configured_names("envoy", (), setting="address")
    )

    def read(self, path: Path) -> Iterator[ParsedRow | Unreadable | Remark]:
        """The requests of one file, in its order."""
        return read_each(values_of_file(path), self._read_line)

    def _read_line(self, line: int, value: object) -> Iterator[ParsedRow | Unreadable | Remark]:
        if not isinstance(value, dict):
            yield Unreadable(line, _NOT_ENVOY)
            return
        said = _Fields(value)
        address_fields = self.address_fields or (*_PEER, *_DEDUCED)
        if not said.has(_STARTED) or not said.has((*address_fields, *_JA4)):
            yield Unreadable(line, _NOT_ENVOY)
            return
        if not said.has(self.request_id_fields):
            yield Unreadable(line, _NO_ID_FIELD)
            return
        given = said.text(self.request_id_fields)
        request_id = request_id_of(given)
        started = _moment(said.first(_STARTED))
        if given is None:
            yield Remark(_NO_ID)
        elif request_id is None:
            yield Unreadable(line, _NOT_AN_ID)
        elif started is None:
            yield Unreadable(line, _NO_TIME)
        else:
            address, remarks = self._address(said)
            ja4 = said.text(_JA4)
            if ja4 and not _JA4_FORM.fullmatch(ja4):
                ja4, remarks = None, [*remarks, _NO_JA4]
            yield from map(Remark, remarks)
            row = {
                "request_id": request_id,
                "started_at": started,
                "finished_at": _finished(started, said.first(("duration",))),
                "network_log": self.name,
                "client_ip_raw": str(address) if address else None,
                "public_address": not is_of_ours(address) if address else None,
                "tls_fingerprint": ja4,
                "user_agent": said.text(("user_agent",)),
                "status_code": whole(said.first(_STATUS)),
                "bytes_received": whole(said.first(("bytes_received",))),
                "bytes_sent": whole(said.first(("bytes_sent",))),
            }
            yield ParsedRow(line, row, NETWORK.name)

    def _address(self, said: _Fields) -> tuple[Address | None, list[str]]:
        """The client's address, and what a person should know of it.

        The deduced address may come from `x-forwarded-for`, which is the client's word wherever
        Envoy does not know its proxies; the peer's is measured, but may be a load balancer's.
        A private peer is one's own, and was told by whom it speaks. Of two public addresses
        nobody here knows which is the client's.
        """
        if self.address_fields:
            written = said.text(self.address_fields)
        else:
            written = said.text(_DEDUCED)
            peer_written = said.text(_PEER)
            deduced, peer = _address(written), _address(peer_written)
            if peer is not None and deduced is not None and peer != deduced:
                if not is_of_ours(peer):
                    return None, [_TWO_ADDRESSES]
            elif deduced is None:
                written = peer_written or written
        address = _address(written)
        if address is None:
            return None, [_NO_ADDRESS] if written else []
        return address, [_OURS] if is_of_ours(address) else []


class _Fields:
    """The fields of a line by name, whatever their case and dashes."""

    def __init__(self, line: Mapping[str, Any]) -> None:
        self._line = line
        self._by_name: dict[str, Any] = {}
        for name, value in line.items():
            self._by_name.setdefault(name.lower().lstrip(":").replace("-", "_"), value)

    def has(self, names: tuple[str, ...]) -> bool:
        """Whether the line has one of these fields, though it may say nothing."""
        return any(self._find(name)[0] for name in names)

    def first(self, names: tuple[str, ...]) -> Any:
        """The first of these fields that says something; Envoy writes `-` for nothing."""
        for name in names:
            _, value = self._find(name)
            if value not in (None, "", "-"):
                return value
        return None

    def text(self, names: tuple[str, ...]) -> str | None:
        """The same as text."""
        value = self.first(names)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        found = text(value)
        return found.strip() or None if found else None

    def _find(self, name: str) -> tuple[bool, Any]:
        plain = name.lower().replace("-", "_")
        if plain in self._by_name:
            return True, self._by_name[plain]
        value: Any = self._line
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                return False, None
            value = value[part]
        return True, value


def _address(written: str | None) -> Address | None:
    return address_of(written) if written else None


def _moment(value: object) -> datetime | None:
    try:
        return moment_of(value)
    except (ValueError, TypeError, OverflowError):
        return None


def _finished(started: datetime, milliseconds: object) -> datetime | None:
    lasted = number(milliseconds) if not isinstance(milliseconds, str) else whole(milliseconds)
    if lasted is None or lasted < 0:
        return None
    try:
        return started + timedelta(milliseconds=lasted)
    except OverflowError:
        return None
