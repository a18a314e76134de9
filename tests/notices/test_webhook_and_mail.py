"""Notices reach a webhook and a mailbox, signed and under TLS, or they do not go at all."""

from __future__ import annotations

import hmac
import json
import socket
import ssl
from datetime import UTC, datetime

import pytest
from certificates import Authority
from notice_servers import HookServer, MailServer

from stillwatch.policy.mailing import Mailbox
from stillwatch.policy.notices import Notice, NoticeKind
from stillwatch.policy.webhook import SIGNATURE_HEADER, DeliveryError, Webhook
from stillwatch.records import InputError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_reaches_a_webhook_signed(hook: HookServer, kind: NoticeKind) -> None:
    """The receiver computes the signature anew from time, body and secret."""
    notice = Notice.raised(kind, "c-1", now=NOW, age_seconds=61.5)

    Webhook(hook.url, SECRET).send(notice, now=NOW)

    (posted,) = hook.posted
    seconds, given = (
        part.partition("=")[2] for part in posted.headers[SIGNATURE_HEADER].split(",")
    )
    signed = f"{seconds}.".encode() + posted.body
    assert hmac.new(SECRET, signed, "sha256").hexdigest() == given
    assert int(seconds) == int(NOW.timestamp())
    assert Notice.from_json(json.loads(posted.body)) == notice
    assert posted.path == "/hook?team=1"


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_is_mailed_under_tls(
    mail: MailServer, authority: Authority, kind: NoticeKind
) -> None:
    """Login and text go after STARTTLS only."""
    mailbox = Mailbox(
        mail.address,
        "watch@provider.example",
        ("people@provider.example", "night@provider.example"),
        user="watch",
        password="of the mailbox",
        context=authority.client(),
    )

    mailbox.send(Notice.raised(kind, "c-1", now=NOW, hours_left=4), now=NOW)

    ((is_secure, sender, recipients, text),) = mail.received
    assert is_secure
    assert "watch@provider.example" in sender
    assert len(recipients) == 2
    assert mail.logins == [("watch", "of the mailbox")]
    assert f"Subject: stillwatch: {kind.value} c-1" in text
    assert "hours_left: 4" in text
    assert kind.runbook in text


def test_a_webhook_under_tls_needs_a_certificate_that_is_trusted(
    secure_hook: HookServer, authority: Authority
) -> None:
    """One that nobody of ours has signed gets nothing."""
    notice = Notice.raised(NoticeKind.NEW_CAMPAIGN, "c-1", now=NOW)
    with pytest.raises(DeliveryError):
        Webhook(secure_hook.url, SECRET).send(notice, now=NOW)
    assert secure_hook.posted == []

    Webhook(secure_hook.url, SECRET, authority.client()).send(notice, now=NOW)

    assert len(secure_hook.posted) == 1


def test_a_redirect_is_not_followed(hook: HookServer) -> None:
    """Not even to the server itself: the notice would go wherever an answer says."""
    with HookServer() as inside:
        hook.status, hook.location = 307, inside.url

        with pytest.raises(DeliveryError, match="redirect"):
            Webhook(hook.url, SECRET).send(
                Notice.raised(NoticeKind.STEP_WAITING, "c-1", now=NOW), now=NOW
            )

        assert inside.posted == []


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_an_answer_that_is_no_success_is_a_failure(hook: HookServer, status: int) -> None:
    """So that the notice is tried again."""
    hook.status = status
    with pytest.raises(DeliveryError, match=str(status)):
        Webhook(hook.url, SECRET).send(
            Notice.raised(NoticeKind.STEP_WAITING, "c-1", now=NOW), now=NOW
        )


def test_a_mail_server_without_tls_gets_nothing(mail: MailServer, authority: Authority) -> None:
    """Neither password nor text."""
    mail.offers_tls = False
    mailbox = Mailbox(
        mail.address, "a@b.example", ("c@d.example",), "u", "p", context=authority.client()
    )
    with pytest.raises(DeliveryError):
        mailbox.send(Notice.raised(NoticeKind.STEP_WAITING, "c-1", now=NOW), now=NOW)
    assert mail.received == []
    assert mail.logins == []


def test_nobody_there_is_a_failure_that_can_be_tried_again() -> None:
    """For both channels."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    notice = Notice.raised(NoticeKind.STEP_WAITING, "c-1", now=NOW)
    mailbox = Mailbox(
        f"127.0.0.1:{port}", "a@b.example", ("c@d.example",), context=ssl.create_default_context()
    )
    with pytest.raises(DeliveryError):
        Webhook(f"http://127.0.0.1:{port}/", SECRET).send(notice, now=NOW)
    with pytest.raises(DeliveryError):
        mailbox.send(notice, now=NOW)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/x",
        "http://10.0.0.1/x",
        "ftp://hooks.example/x",
        "https://",
        "https://user@hooks.example/",
        "file:///etc/passwd",
    ],
)
def test_addresses_that_are_not_tls_are_refused(url: str) -> None:
    """But loopback, for tests."""
    with pytest.raises(InputError):
        Webhook(url, SECRET)


def test_a_short_secret_is_refused() -> None:
    """It could be guessed from one request."""
    with pytest.raises(InputError, match="16 bytes"):
        Webhook("https://hooks.example/", b"short")


@pytest.mark.parametrize(
    ("server", "recipients", "requires_tls"),
    [
        ("mail", ("a@b.example",), True),
        ("mail:587", (), True),
        ("mail:587", ("a@b.example\nBcc: c@d.example",), True),
        ("mail:25", ("a@b.example",), False),
    ],
)
def test_mailboxes_that_cannot_be_are_refused(
    server: str, recipients: tuple[str, ...], requires_tls: bool
) -> None:
    """A line break in an address would be a header of somebody else's."""
    with pytest.raises(InputError):
        Mailbox(server, "a@b.example", recipients, requires_tls=requires_tls)


def test_a_secret_is_not_shown() -> None:
    """Whoever prints a channel sees neither secret nor password."""
    hook = Webhook("https://hooks.example/", SECRET)
    mailbox = Mailbox("mail:587", "a@b.example", ("c@d.example",), "u", "password-of-u")
    assert SECRET.decode() not in repr(hook)
    assert "password-of-u" not in repr(mailbox)
