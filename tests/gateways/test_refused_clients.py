"""What the official clients make of our refusals: which error they raise, and how often they ask.

The clients are real; who refuses is a server of the test that answers what a decision asks for.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from gateway_environment import ROOT, make_environment

from stillwatch.enforcement.answers import REFERENCE_HEADER, refusal_of, shape_of
from stillwatch.enforcement.asking import Decision
from stillwatch.records.actions import Step

pytestmark = pytest.mark.gateways

_REFERENCE = "0123456789abcdef0123456789abcdef"
_CALLS = [(api, stream) for api in ("chat", "responses", "messages") for stream in (False, True)]


@dataclass(slots=True)
class Refuser:
    """A server that refuses, with the number of requests it was asked."""

    decision: Decision
    url: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def _refuser(step: Step) -> Iterator[Refuser]:
    decision = Decision(
        wanted=step,
        step=step,
        reference=_REFERENCE,
        retry_after_seconds=1 if step is Step.THROTTLE else None,
        is_known=True,
        is_refused=True,
    )
    refuser = Refuser(decision)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            refuser.asked.append(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            refusal = refusal_of(decision, shape_of(self.path, headers))
            assert refusal is not None
            self.send_response(refusal.status)
            for name, value in (*refusal.headers, ("content-length", str(len(refusal.body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(refusal.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    refuser.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield refuser
    finally:
        server.shutdown()
        server.server_close()


def _played(url: str, *, retries: int) -> list[dict[str, Any]]:
    plans = [{"url": url, "api": api, "stream": s, "retries": retries} for api, s in _CALLS]
    done = subprocess.run(
        [make_environment("providers"), ROOT / "tools" / "refused_client.py"],
        input="".join(json.dumps(plan) + "\n" for plan in plans),
        env={"PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("step", [Step.BLOCK, Step.VERIFY])
def test_a_blocked_client_is_denied_and_does_not_try_again(step: Step) -> None:
    """`PermissionDeniedError` of either client, with the reference, after one request a call."""
    with _refuser(step) as refuser:
        told = _played(refuser.url, retries=2)

    assert len(refuser.asked) == len(_CALLS)
    assert [(t["error"], t["status"]) for t in told] == [("PermissionDeniedError", 403)] * len(told)
    assert all(_REFERENCE in t["message"] and t["reference"] == _REFERENCE for t in told)


def test_a_throttled_client_tries_again_and_is_told_of_the_limit() -> None:
    """Two requests a call where one retry is allowed, then `RateLimitError`."""
    with _refuser(Step.THROTTLE) as refuser:
        told = _played(refuser.url, retries=1)

    assert len(refuser.asked) == 2 * len(_CALLS)
    assert [(t["error"], t["status"]) for t in told] == [("RateLimitError", 429)] * len(told)
    assert REFERENCE_HEADER == "x-refusal-reference"
