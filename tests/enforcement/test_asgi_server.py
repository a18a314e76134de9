"""The guard in a real server: uvicorn with a FastAPI application, over sockets of this machine."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from asgi_calls import REFERENCE, Says
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from stillwatch.enforcement.asgi import Guard, GuardSettings
from stillwatch.records.actions import Step

_PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A guarded server of its own, on a port that the system chose."""
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Any:
        size = len(await request.body())

        async def events() -> Any:
            for number in range(3):
                yield f"data: {number}\n\n"
            yield f"data: {size}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    guard = Guard(app, Says(Step.BLOCK), GuardSettings(reads_bodies=True))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(guard, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(_PATIENCE_SECONDS)


def _post(port: int, key: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    try:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_an_honest_stream_comes_through(port: int) -> None:
    """Every event, to its end."""
    status, body = _post(port, "sk-ada", b"{}")

    assert (status, body) == (200, b"data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 2\n\n")


def test_an_honest_request_of_twenty_megabytes_passes(port: int) -> None:
    """It is larger than what the guard holds, and reaches the application whole."""
    size = 20 * 2**20
    status, body = _post(port, "sk-ada", b"x" * size)

    assert (status, body.splitlines()[-2]) == (200, b"data: %d" % size)


def test_a_blocked_client_gets_the_refusal(port: int) -> None:
    """Also while it is still sending."""
    for body in (b"{}", b"x" * (2 * 2**20)):
        status, answer = _post(port, "sk-bo", body)

        assert status == 403
        assert REFERENCE in json.loads(answer)["error"]["message"]
