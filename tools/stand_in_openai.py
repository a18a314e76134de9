"""A stand-in for a model provider: OpenAI's wire format, answers chosen by the request.

The recorders and the gateway tests put it behind real clients and proxies, since no real
model may be asked. A request names its own answer in `stand_in_answer`; `stand_in_status`
makes it fail with that HTTP status instead.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["stand_in_provider"]


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in two writes; without this, delayed ACKs cost 40 ms an answer.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "stand_in_status" in body:
            self._send(int(body["stand_in_status"]), _error(int(body["stand_in_status"])))
        elif self.path.endswith("/responses"):
            self._send(200, _response(body))
        elif body.get("stream"):
            self._stream(body)
        else:
            self._send(200, _completion(body))

    def _send(self, status: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, body: dict[str, Any]) -> None:
        whole = _completion(body)
        message = whole["choices"][0]["message"]
        words = (message["content"] or "").split(" ")
        deltas = [{"role": "assistant", "content": ""}]
        deltas += [{"content": f" {w}" if i else w} for i, w in enumerate(words)]
        choices: list[dict[str, Any]] = [
            {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
        ]
        choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
        head = {k: whole[k] for k in ("id", "created", "model")}
        chunks = [
            {**head, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices
        ]
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks.append(
                {
                    **head,
                    "object": "chat.completion.chunk",
                    "choices": [],
                    "usage": whole["usage"],
                }
            )
        data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(data.encode())))
        self.end_headers()
        self.wfile.write(data.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: the requests are the recorder's business."""


def _identity(body: dict[str, Any]) -> str:
    # Ids that depend on the request alone make two recordings comparable.
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]


def _words(body: dict[str, Any]) -> int:
    return len(json.dumps(body.get("messages") or body.get("input") or "").split())


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    answer = str(body.get("stand_in_answer", "An answer."))
    message: dict[str, Any] = {"role": "assistant", "content": answer}
    finish = "stop"
    if "stand_in_tool_call" in body:
        finish = "tool_calls"
        message["content"] = None
        message["tool_calls"] = [
            {"id": "call_1", "type": "function", "function": body["stand_in_tool_call"]}
        ]
    read, written = _words(body), len(answer.split())
    return {
        "id": f"chatcmpl-{_identity(body)}",
        "object": "chat.completion",
        "created": 1767225600,
        "model": f"{body['model']}-2026-01-01",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        },
    }


def _response(body: dict[str, Any]) -> dict[str, Any]:
    answer = str(body.get("stand_in_answer", "An answer."))
    read, written = _words(body), len(answer.split())
    text = {"type": "output_text", "text": answer, "annotations": []}
    return {
        "id": f"resp_{_identity(body)}",
        "object": "response",
        "created_at": 1767225600,
        "status": "completed",
        "model": f"{body['model']}-2026-01-01",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [text],
            }
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "temperature": body.get("temperature"),
        "top_p": None,
        "usage": {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        },
    }


def _error(status: int) -> dict[str, Any]:
    kind = "rate_limit_exceeded" if status == 429 else "stand_in_failure"
    message = f"The stand-in was asked for status {status}."
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@contextmanager
def stand_in_provider() -> Iterator[str]:
    """The base URL of a stand-in on a free loopback port, for as long as the block runs."""
    server = _Server(("127.0.0.1", 0), _Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
