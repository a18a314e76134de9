"""A model server of the tests: it keeps what it was asked, and answers in one piece or as a stream."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECES = 5
PAUSE = 0.2


@dataclass(slots=True)
class Model:
    """What it was asked: path, headers in lower case, and the SHA-256 of the body."""

    url: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def model_server() -> Iterator[Model]:
    """Answers `/status/N` with that status, `/stream` in pieces, and all else with JSON."""
    model = Model()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(self._length()) if self._length() else self._chunked()
            headers = {name.lower(): value for name, value in self.headers.items()}
            digest = hashlib.sha256(body).hexdigest()
            model.seen.append({"path": self.path, "headers": headers, "sha256": digest})
            if self.path.endswith("/stream"):
                self._stream()
                return
            status = int(self.path.rsplit("/", 1)[-1]) if "/status/" in self.path else 200
            content = json.dumps({"said": "the model's own", "bytes": len(body)}).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _length(self) -> int:
            return int(self.headers.get("content-length") or 0)

        def _chunked(self) -> bytes:
            body = b""
            if self.headers.get("transfer-encoding") != "chunked":
                return body
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for number in range(PIECES):
                piece = f"data: {number}\n\n".encode()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()
                time.sleep(PAUSE)
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    model.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
