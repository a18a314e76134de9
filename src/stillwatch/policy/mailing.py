"""Notices by e-mail: STARTTLS or nothing, and a text that quotes no customer."""

from __future__ import annotations

import ipaddress
import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from stillwatch.policy.notices import Notice
from stillwatch.policy.webhook import DeliveryError
from stillwatch.records import InputError

__all__ = ["Mailbox"]

_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Whom notices are mailed to, and through which server.

    Attributes:
        server: HOST:PORT of a server for submission.
        recipients: At least one.
        user, password: Where the server asks for them; sent under TLS only.
        context: Of TLS; None takes the system's authorities.
        requires_tls: Off only for a server on loopback, which passes mail on by itself.

    Raises:
        InputError: An address cannot be used, or the server is not loopback and TLS is off.
    """

    server: str
    sender: str
    recipients: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    context: ssl.SSLContext | None = field(default=None, repr=False)
    requires_tls: bool = True

    name = "mail"

    def __post_init__(self) -> None:
        host, _, port = self.server.rpartition(":")
        if not host or not port.isdigit():
            raise _unusable("this is no HOST:PORT", "--smtp", "Give one, such as mail:587.")
        for address in (self.sender, *self.recipients):
            if "@" not in address or not address.isprintable() or "," in address:
                raise _unusable(
                    "this is no address of e-mail", "--mail-to, --mail-from", "Give NAME@DOMAIN."
                )
        if not self.recipients:
            raise _unusable("nobody is to get the mail", "--mail-to", "Name at least one address.")
        if not self.requires_tls and not _is_loopback(host):
            raise _unusable(
                "mail goes without TLS to loopback only", "--smtp", "Leave STARTTLS on."
            )

    def send(self, notice: Notice, *, now: datetime) -> None:
        """Mail one notice.

        Raises:
            DeliveryError: The server took it not, or speaks no STARTTLS.
        """
        host, _, port = self.server.rpartition(":")
        try:
            with smtplib.SMTP(host, int(port), timeout=_TIMEOUT_SECONDS) as connection:
                if self.requires_tls:
                    connection.starttls(context=self.context or ssl.create_default_context())
                if self.user is not None:
                    connection.login(self.user, self.password or "")
                connection.send_message(self._message(notice, now))
        except (OSError, smtplib.SMTPException) as error:
            # Its own words may quote the server.
            raise DeliveryError(f"the mail server did not take it ({type(error).__name__})") from (
                error
            )

    def _message(self, notice: Notice, now: datetime) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<{notice.notice_id}@stillwatch.invalid>"
        message["Subject"] = f"stillwatch: {notice.kind.value} {notice.subject}"
        figures = "".join(f"{name}: {value:g}\n" for name, value in sorted(notice.figures.items()))
        message.set_content(
            f"{notice.kind.sentence}\n\n"
            f"About: {notice.subject}\n"
            f"Since: {notice.raised_at.isoformat(timespec='seconds')}\n"
            f"{figures}\n"
            f"What to do: docs/runbooks.md, {notice.kind.runbook}\n"
        )
        return message


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _unusable(what: str, where: str, remedy: str) -> InputError:
    return InputError(f"{what}.", where=where, remedy=remedy)
