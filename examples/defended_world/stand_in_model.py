"""A stand-in for a model server: answers at once, and logs which exchange it answered.

    stand_in_model.py PORT LOG

The log is one JSON object a line. What the world says of an exchange beside that (its answer, its
client's network, its time) is found by the header `x-world-exchange`, which nobody else reads.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any, TextIO

import uvicorn

_ANSWER = {
    "id": "chatcmpl-stand-in",
    "object": "chat.completion",
    "created": 1767225600,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "An answer."},
            "finish_reason": "stop",
        }
    ],
}


class _Model:
    """The server as an ASGI application."""

    def __init__(self, log: TextIO) -> None:
        self._log = log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        if "x-world-exchange" in headers:
            self._write(headers, json.loads(body))
        data = json.dumps(_ANSWER).encode()
        length = (b"content-length", str(len(data)).encode())
        answer = [(b"content-type", b"application/json"), length]
        await send({"type": "http.response.start", "status": 200, "headers": answer})
        await send({"type": "http.response.body", "body": data})

    def _write(self, headers: dict[str, str], body: dict[str, Any]) -> None:
        """Before the answer goes out, so that whoever has it finds it in the log."""
        secret = headers.get("authorization", "").removeprefix("Bearer ")
        line = {
            "exchange_id": headers["x-world-exchange"],
            "world_time": headers.get("x-world-time"),
            "credential_sha256": hashlib.sha256(secret.encode()).hexdigest(),
            "model": body.get("model"),
        }
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()


def main(port: int, log: str) -> None:
    """Serve on the loopback address until stopped."""
    with open(log, "a", encoding="utf-8") as file:
        uvicorn.run(
            _Model(file),
            host="127.0.0.1",
            port=port,
            http="httptools",
            lifespan="off",
            log_level="error",
            access_log=False,
            ws="none",
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
