"""The appeals' own listener, over real sockets: form, decision, TLS, and who is slow."""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from appeals_server import Office, Served, speak
from certificates import Authority

from stillwatch.enforcement.appeals_serving import AppealsListener
from stillwatch.listening import impatient
from stillwatch.listening.sockets import Security
from stillwatch.records import InputError

DECISION = {"state": "overturned", "reason": "A class with one assignment."}


def test_from_the_form_to_the_decision_over_http(office: Office) -> None:
    """A customer sends the form, an analyst overturns, and the account is free."""
    blocked = office.block()
    with Served(AppealsListener("127.0.0.1:0", lambda: office.store)) as served:
        form = speak(served.url, "GET", f"/?reference={blocked.reference}")
        assert blocked.reference in form.body.decode()
        words = {"reference": blocked.reference, "text": "We are a class of thirty."}
        assert speak(served.url, "POST", "/appeal", words).status == 202
        before = speak(served.url, "GET", f"/v1/appeals/{blocked.reference}").json

        decided = speak(
            served.url,
            "POST",
            f"/v1/appeals/{blocked.reference}/decision",
            DECISION,
            token=office.tokens["ana"],
        )

        after = speak(served.url, "GET", f"/v1/appeals/{blocked.reference}").json
    assert before["state"] == "no decision yet"
    assert decided.json == {"reference": blocked.reference, "state": "overturned"}
    assert after["state"] == "overturned"
    assert "class" not in str(after)
    assert list(office.store.actions.in_force(now=datetime.now(UTC))) == []


def test_true_and_false_references_are_answered_alike_over_the_wire(office: Office) -> None:
    """To the last header but the date, on submission and on asking."""
    blocked = office.block()
    with Served(AppealsListener("127.0.0.1:0", lambda: office.store)) as served:
        heard = []
        for reference in (blocked.reference, "0" * 32):
            sent = speak(
                served.url, "POST", "/v1/appeals", {"reference": reference, "text": "Why?"}
            )
            asked = speak(served.url, "GET", f"/v1/appeals/{reference}")
            heard.append(
                [
                    (
                        one.status,
                        {k: v for k, v in one.headers.items() if k != "date"},
                        one.body.replace(reference.encode(), b"REF"),
                    )
                    for one in (sent, asked)
                ]
            )
    assert heard[0] == heard[1]


def test_tokens_of_others_decide_nothing_over_the_wire(office: Office) -> None:
    """Neither nobody's nor a viewer's."""
    blocked = office.block()
    path = f"/v1/appeals/{blocked.reference}/decision"
    with Served(AppealsListener("127.0.0.1:0", lambda: office.store)) as served:
        speak(served.url, "POST", "/appeal", {"reference": blocked.reference, "text": "Why?"})
        assert speak(served.url, "POST", path, DECISION, token="swt_nobodys").status == 401
        assert speak(served.url, "POST", path, DECISION, token=office.tokens["vic"]).status == 403
    assert office.store.appeals.count_open()[0] == 1


def test_a_listener_with_tls_speaks_nothing_else(office: Office, tmp_path: Path) -> None:
    """Customers and deciders both go through it."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("appeals")
    blocked = office.block()
    security = Security(certificate=certificate, private_key=key, takes_strangers=True)
    with Served(AppealsListener("127.0.0.1:0", lambda: office.store, security)) as served:
        assert served.url.startswith("https://")
        context = authority.client()
        words = {"reference": blocked.reference, "text": "Why?"}
        assert speak(served.url, "POST", "/appeal", words, context=context).status == 202
        with pytest.raises(OSError):
            speak(served.url.replace("https", "http"), "GET", "/")


def test_strangers_without_tls_are_not_listened_to(office: Office) -> None:
    """Their words could be read on the way."""
    with pytest.raises(InputError, match="no TLS"):
        AppealsListener("0.0.0.0:0", lambda: office.store).open()


def test_who_sends_nothing_is_hung_up_on(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """And others are answered meanwhile."""
    monkeypatch.setattr(impatient, "_HEAD_SECONDS", 0.3)
    with Served(AppealsListener("127.0.0.1:0", lambda: office.store)) as served:
        parts = urlsplit(served.url)
        slow = [socket.create_connection((parts.hostname, parts.port), 60) for _ in range(20)]
        try:
            for one in slow:
                one.sendall(b"POST /appeal HTTP/1.1\r\nHost: x\r\nX-A: ")
            assert speak(served.url, "GET", "/healthz").status == 200
            for one in slow:
                with suppress(ConnectionResetError):
                    assert one.recv(1) == b""
        finally:
            for one in slow:
                one.close()
