"""Keeps what a gateway posts: the other end of a logging callback or an OTLP exporter."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Received", "log_receiver"]


class Received:
    """The bodies received so far, in order of arrival."""

    def __init__(self) -> None:
        self.url = ""
        self._bodies: list[tuple[str, bytes]] = []
        self._lock = threading.Lock()

    def keep(self, path: str, body: bytes) -> None:
        """Add one body."""
        with self._lock:
            self._bodies.append((path, body))

    def bodies(self, path: str = "") -> list[bytes]:
        """What arrived at `path`, or anywhere, so far."""
        with self._lock:
            return [body for at, body in self._bodies if path in ("", at)]

    def arrivals(self) -> list[tuple[str, bytes]]:
        """Everything that arrived so far, with the path it was sent to."""
        with self._lock:
            return list(self._bodies)


@contextmanager
def log_receiver() -> Iterator[Received]:
    """A receiver on a free loopback port, for as long as the block runs."""
    received = Received()

    class _Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            received.keep(self.path, body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Silence: the bodies are the record."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    received.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
