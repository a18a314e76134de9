"""A server of snapshots for tests: as `/v1/snapshot` answers, and in all the ways it may fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from acting import NOW, VERIFY_KEYS

from stillwatch.enforcement.fetching import TIME_HEADER, etag_matches
from stillwatch.enforcement.snapshot_writing import signed_header_in


@dataclass
class SnapshotServer:
    """Serves a file.

    Attributes:
        moment: What the server says the time is.
        cut_at: After how many bytes of an answer it hangs up; None for never.
        status: Answered in place of anything else.
        content: Sent in place of the file.
    """

    path: Path
    moment: float = NOW.timestamp()
    token: str | None = None
    cut_at: int | None = None
    status: int | None = None
    content: bytes | None = None
    tag: str | None = None
    answers: list[int] = field(default_factory=list)
    url: str = ""

    def etag(self) -> str:
        if self.tag is not None:
            return self.tag
        header = signed_header_in(self.path, VERIFY_KEYS)
        assert header is not None
        return f'"{header.sequence}-{header.body_sha256.hex()[:16]}"'


@contextmanager
def serving(path: Path) -> Iterator[SnapshotServer]:
    """A server on a free port of this machine."""
    state = SnapshotServer(path)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, content = self._answer()
            state.answers.append(status)
            self.send_response(status)
            self.send_header(TIME_HEADER, str(state.moment))
            self.send_header("content-length", str(len(content)))
            if status in (200, 304):
                self.send_header("etag", state.etag())
            self.end_headers()
            self.wfile.write(content if state.cut_at is None else content[: state.cut_at])
            if state.cut_at is not None:
                self.close_connection = True

        def _answer(self) -> tuple[int, bytes]:
            if state.status is not None:
                return state.status, b"no"
            if state.token and self.headers["authorization"] != f"Bearer {state.token}":
                return 401, b"who?"
            if etag_matches(self.headers["if-none-match"], state.etag()):
                return 304, b""
            return 200, state.path.read_bytes() if state.content is None else state.content

        def log_message(self, format: str, *args: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1/snapshot"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
