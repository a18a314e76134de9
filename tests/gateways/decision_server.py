"""A server that answers LiteLLM's guardrails as `stillwatch serve` does, from a table of the test."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from stillwatch.enforcement.asking import Asked, Decision
from stillwatch.enforcement.litellm_answers import GuardrailAnswer, answer_guardrail
from stillwatch.records.actions import Step

__all__ = ["REFERENCE", "DecisionServer", "decision_server"]

REFERENCE = "0123456789abcdef0123456789abcdef"


@dataclass(slots=True)
class DecisionServer:
    """What it is to say, and what it was asked.

    Attributes:
        steps: By the hash of the key; any other key passes.
        fault: `down`, `hang` or a body that is no answer; None answers properly.
        served: Where `stillwatch serve` is, which is then asked in place of the table.
    """

    url: str = ""
    steps: dict[str, Step] = field(default_factory=dict)
    fault: str | bytes | None = None
    served: str | None = None
    released: threading.Event = field(default_factory=threading.Event)
    posted: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    answers: list[GuardrailAnswer] = field(default_factory=list)

    def decide(self, asked: Asked, possible: frozenset[Step]) -> Decision:
        """A decision that refuses whatever step can be refused with."""
        self.asked.append(asked)
        wanted = self.steps.get(asked.credential_sha256 or "", Step.OBSERVE)
        step = wanted.within(possible)
        is_refused = step in (Step.VERIFY, Step.THROTTLE, Step.BLOCK)
        return Decision(
            wanted=wanted,
            step=step,
            reference=REFERENCE if is_refused else None,
            retry_after_seconds=7 if step is Step.THROTTLE else None,
            group="campaign-tide",
            is_known=wanted is not Step.OBSERVE,
            is_refused=is_refused,
        )


def _handed_on(url: str, path: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("POST", path, body=body, headers={"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def decision_server() -> Iterator[DecisionServer]:
    """A server on a free loopback port, for as long as the block runs."""
    state = DecisionServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if state.served is not None:
                self._send(*_handed_on(state.served, self.path, body))
                return
            said = json.loads(body)
            if state.fault == "down":
                self._send(503, b"")
                return
            if state.fault == "hang":
                state.released.wait(60)
            if isinstance(state.fault, bytes):
                self._send(200, state.fault)
                return
            state.posted.append(said)
            answer = answer_guardrail(said, state.decide)
            state.answers.append(answer)
            self._send(200, json.dumps(answer.body).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()
