"""A stand-in for a model provider: Anthropic's wire format, answers chosen by the request.

As `stand_in_openai.py`: a request names its own answer in `stand_in_answer`, the signature of
its thinking in `stand_in_signature`, and a failure in `stand_in_status`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["stand_in_anthropic"]

_BATCH = "msgbatch_standin1"
_made: dict[str, list[dict[str, Any]]] = {}


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in two writes; without this, delayed ACKs cost 40 ms an answer.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path.endswith("/results"):
            lines = [json.dumps(_result(request)) for request in _made["requests"]]
            self._send(200, "\n".join(lines) + "\n", "application/x-jsonl")
        else:
            self._send_json(200, self._batch("ended"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith("/batches"):
            _made["requests"] = body["requests"]
            self._send_json(200, self._batch("in_progress"))
        elif "stand_in_status" in body:
            self._send_json(int(body["stand_in_status"]), _error(body))
        elif body.get("stream"):
            events = _events(_message(body))
            lines = [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events]
            self._send(200, "".join(lines), "text/event-stream")
        else:
            self._send_json(200, _message(body))

    def _batch(self, status: str) -> dict[str, Any]:
        counts = dict.fromkeys(("canceled", "errored", "expired", "processing", "succeeded"), 0)
        return {
            "id": _BATCH,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": counts,
            "created_at": "2026-01-01T00:00:00Z",
            "ended_at": "2026-01-01T00:10:00Z" if status == "ended" else None,
            "expires_at": "2026-01-02T00:00:00Z",
            "results_url": f"http://{self.headers['host']}/v1/messages/batches/{_BATCH}/results",
            "archived_at": None,
            "cancel_initiated_at": None,
        }

    def _send_json(self, status: int, value: dict[str, Any]) -> None:
        self._send(status, json.dumps(value), "application/json")

    def _send(self, status: int, text: str, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text.encode())))
        self.send_header("request-id", f"req_{_digest(text)}")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: the requests are the recorder's business."""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _message(body: dict[str, Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if "stand_in_signature" in body:
        signature = body["stand_in_signature"]
        content.append({"type": "thinking", "thinking": "Hm.", "signature": signature})
    if answer := body.get("stand_in_answer", "An answer."):
        content.append({"type": "text", "text": answer})
    reason = body.get("stand_in_stop", "end_turn")
    if "stand_in_tool_call" in body:
        reason = "tool_use"
        content.append({"type": "tool_use", "id": "toolu_1", **body["stand_in_tool_call"]})
    details = None
    if reason == "refusal":
        category = "reasoning_extraction"
        details = {"type": "refusal", "category": category, "explanation": None}
    read = len(json.dumps(body["messages"]).split())
    return {
        "id": f"msg_{_digest(json.dumps(body, sort_keys=True))}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "stop_details": details,
        "usage": {
            "input_tokens": read,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 100 if body.get("cache_control") else 0,
            "output_tokens": len(str(answer).split()),
            "output_tokens_details": {"thinking_tokens": 12 if "thinking" in body else 0},
        },
    }


def _events(message: dict[str, Any]) -> list[dict[str, Any]]:
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        kind = block["type"]
        if kind == "text":
            start, deltas = (
                {"type": "text", "text": ""},
                _pieces("text_delta", "text", block["text"]),
            )
        elif kind == "thinking":
            start = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = _pieces("thinking_delta", "thinking", block["thinking"])
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        else:
            start = {**block, "input": {}}
            written = json.dumps(block["input"])
            deltas = _pieces("input_json_delta", "partial_json", written)
        place = {"index": index}
        events.append({"type": "content_block_start", **place, "content_block": start})
        events += [{"type": "content_block_delta", **place, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", **place})
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    written_tokens = {"output_tokens": usage["output_tokens"]}
    events.append({"type": "message_delta", "delta": ended, "usage": written_tokens})
    return [*events, {"type": "message_stop"}]


def _pieces(kind: str, name: str, text: str) -> list[dict[str, Any]]:
    half = len(text) // 2
    return [{"type": kind, name: part} for part in (text[:half], text[half:])]


def _result(request: dict[str, Any]) -> dict[str, Any]:
    params = request["params"]
    status = params.get("stand_in_status")
    result: dict[str, Any] = {"type": "succeeded", "message": _message(params)}
    if status == 0:  # the batch ended before this one was asked
        result = {"type": "expired"}
    elif status is not None:
        result = {"type": "errored", "error": _error(params)}
    return {"custom_id": request["custom_id"], "result": result}


def _error(body: dict[str, Any]) -> dict[str, Any]:
    status = int(body["stand_in_status"])
    kind = "rate_limit_error" if status == 429 else "invalid_request_error"
    message = body.get("stand_in_message", f"The stand-in was asked for status {status}.")
    error = {"type": kind, "message": message}
    return {"type": "error", "error": error, "request_id": f"req_{_digest(json.dumps(body))}"}


@contextmanager
def stand_in_anthropic() -> Iterator[str]:
    """The base URL of a stand-in on a free loopback port, for as long as the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
