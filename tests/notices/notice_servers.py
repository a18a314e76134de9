"""Servers that take notices: one of HTTP, one of SMTP with STARTTLS. They keep what they were sent."""

from __future__ import annotations

import base64
import http.server
import socketserver
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

__all__ = ["HookServer", "MailServer", "Posted"]


@dataclass(frozen=True, slots=True)
class Posted:
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: bytes


class HookServer:
    """Answers every POST with `status` (and `location`, if there is one)."""

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self.status = 204
        self.location: str | None = None
        self.posted: list[Posted] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}/hook?team=1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(hook: Self) -> type[http.server.BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.posted.append(Posted(self.path, dict(self.headers.items()), body))
                self.send_response(hook.status)
                if hook.location is not None:
                    self.send_header("Location", hook.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        return Handler


class MailServer:
    """Speaks as much SMTP as a mail needs.

    Attributes:
        offers_tls: Whether STARTTLS is offered.
        received: `(was under TLS, sender, recipients, text)` of each mail.
        logins: What was given to AUTH PLAIN.
    """

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        self.offers_tls = True
        self.received: list[tuple[bool, str, list[str], str]] = []
        self.logins: list[tuple[str, str]] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                _Conversation(server, self.request).run()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Conversation:
    """One connection's."""

    def __init__(self, server: MailServer, connection: Any) -> None:
        self.server, self.connection, self.is_secure = server, connection, False
        self.file = connection.makefile("rb")
        self.sender, self.recipients = "", list[str]()

    def run(self) -> None:
        self._say("220 here")
        for line in iter(self._line, ""):
            verb, _, rest = line.partition(" ")
            if verb.upper() == "QUIT":
                self._say("221 bye")
                return
            self._obey(verb.upper(), rest)

    def _obey(self, verb: str, rest: str) -> None:
        if verb == "EHLO":
            offers = ["AUTH PLAIN"] if self.is_secure else []
            if self.server.offers_tls and not self.is_secure:
                offers.append("STARTTLS")
            for offer in ("here", *offers):
                self._say(f"250-{offer}")
            self._say("250 SMTPUTF8")
        elif verb == "STARTTLS" and self.server.offers_tls:
            self._say("220 go on")
            self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
            self.file, self.is_secure = self.connection.makefile("rb"), True
        elif verb == "AUTH":
            _, user, password = base64.b64decode(rest.split(" ")[1]).decode().split("\0")
            self.server.logins.append((user, password))
            self._say("235 in")
        elif verb == "MAIL":
            self.sender = rest
            self._say("250 ok")
        elif verb == "RCPT":
            self.recipients.append(rest)
            self._say("250 ok")
        elif verb == "DATA":
            self._say("354 go on")
            text = "\n".join(iter(self._line, "."))
            self.server.received.append((self.is_secure, self.sender, self.recipients, text))
            self._say("250 taken")
        else:
            self._say("502 no")

    def _say(self, line: str) -> None:
        self.connection.sendall(f"{line}\r\n".encode())

    def _line(self) -> str:
        return str(self.file.readline().decode().rstrip("\r\n"))
