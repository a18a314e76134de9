"""Where a server listens, and what must be in place before it listens to strangers."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillwatch.listening.senders import Senders, checked_source
from stillwatch.records import InputError

__all__ = ["Security", "listening_socket", "name_in_certificate", "server_context", "shown_address"]

_WAITING_CONNECTIONS = 1_024


@dataclass(frozen=True, slots=True)
class Security:
    """How senders are known.

    Attributes:
        certificate, private_key: Of the server, as PEM; with them it speaks TLS.
        client_authority: Who signs the certificates that senders must show, as PEM.
        takes_strangers: Whether anybody may ask, as customers who appeal; TLS is needed still.
    """

    senders: Senders | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    client_authority: Path | None = None
    takes_strangers: bool = False

    @property
    def knows_senders(self) -> bool:
        return self.senders is not None or self.client_authority is not None

    def require_for(self, host: str) -> None:
        """Refuse to listen where strangers could send, or could listen in.

        Raises:
            InputError: The address is not loopback, and TLS or authentication is missing.
        """
        if self.certificate is None and self.client_authority is not None:
            raise InputError(
                "certificates of senders are asked for, and there is none of ours.",
                where="--client-ca",
                remedy="Give --tls-cert and --tls-key, too.",
            )
        is_known = self.knows_senders or self.takes_strangers
        if _is_loopback(host) or (self.certificate is not None and is_known):
            return
        missing = [] if self.certificate is not None else ["TLS (--tls-cert and --tls-key)"]
        if not is_known:
            missing.append("authentication (--tokens or --client-ca)")
        raise InputError(
            f"this address can be reached from outside, and there is no {' and no '.join(missing)}.",
            where=f"--listen {host}",
            remedy="Add it, or listen on 127.0.0.1 and let a proxy that has both pass requests on.",
        )


def listening_socket(address: str, security: Security) -> socket.socket:
    """A bound socket for HOST:PORT; port 0 takes any that is free.

    Raises:
        InputError: The address is none, cannot be taken, or may not be without more security.
    """
    host, port = _parsed(address)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise _unusable(address, "there is no such host") from error
    family, kind, protocol, _, place = found[0]
    security.require_for(str(place[0]))
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(_WAITING_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise _unusable(address, f"it cannot be listened on ({error.strerror})") from error
    return listener


def shown_address(listener: socket.socket, *, is_tls: bool) -> str:
    """The address as a URL."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if is_tls else 'http'}://{shown}:{port}"


def server_context(security: Security) -> ssl.SSLContext | None:
    """What TLS needs; None without a certificate.

    Raises:
        InputError: A file is missing, no PEM, or the two do not belong together.
    """
    if security.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(security.certificate, security.private_key)
        if security.client_authority is not None:
            context.load_verify_locations(security.client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"TLS cannot be set up with these files ({error.strerror or error}).",
            where=", ".join(
                os.fspath(p)
                for p in (security.certificate, security.private_key, security.client_authority)
                if p is not None
            ),
            remedy="Give PEM files: --tls-cert with the chain, --tls-key with its private key, and "
            "--client-ca with who signs the senders' certificates.",
        ) from error
    return context


def name_in_certificate(certificate: dict[str, Any] | None) -> str:
    """The source that a sender's certificate names: its common name; "" if that cannot be one."""
    for parts in (certificate or {}).get("subject", ()):
        for key, value in parts:
            if key == "commonName":
                try:
                    return checked_source(value, where="certificate")
                except InputError:
                    return ""
    return ""


def _parsed(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise _unusable(address, "it has no port")
    host = host.removeprefix("[").removesuffix("]")
    return host or "0.0.0.0", int(port)  # noqa: S104 - refused below unless it is secured


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def _unusable(address: str, what: str) -> InputError:
    return InputError(
        f"{what}.", where=f"--listen {address}", remedy="Give HOST:PORT, such as 127.0.0.1:4318."
    )
