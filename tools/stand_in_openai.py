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


_UPLOADED: list[dict[str, Any]] = []


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in two writes; without this, delayed ACKs cost 40 ms an answer.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._send_batch(_batch_answer("GET", self.path, b""))

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        if self.path.endswith(("/files", "/batches")):
            self._send_batch(_batch_answer("POST", self.path, data))
            return
        body = json.loads(data)
        if "stand_in_status" in body:
            self._send(int(body["stand_in_status"]), _error(body))
        elif self.path.endswith("/responses") and body.get("stream"):
            self._send_events(_response_events(_response(body)))
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
        self._send_text(
            "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n",
            "text/event-stream",
        )

    def _send_events(self, events: list[dict[str, Any]]) -> None:
        lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        self._send_text("".join(lines), "text/event-stream")

    def _send_batch(self, answer: dict[str, Any] | str) -> None:
        if isinstance(answer, str):
            self._send_text(answer, "application/jsonl")
        else:
            self._send(200, answer)

    def _send_text(self, text: str, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

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
    if "stand_in_refusal" in body:
        message = {"role": "assistant", "content": None, "refusal": body["stand_in_refusal"]}
    logprobs = None
    if body.get("logprobs"):
        tops = [{"token": answer, "logprob": -0.5, "bytes": None}] * (body.get("top_logprobs") or 0)
        token = {"token": answer, "logprob": -0.5, "bytes": None, "top_logprobs": tops}
        logprobs = {"content": [token], "refusal": None}
    read, written = _words(body), len(answer.split())
    return {
        "id": f"chatcmpl-{_identity(body)}",
        "object": "chat.completion",
        "created": 1767225600,
        "model": f"{body['model']}-2026-01-01",
        "choices": [
            {"index": i, "message": message, "finish_reason": finish, "logprobs": logprobs}
            for i in range(body.get("n") or 1)
        ],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        },
    }


def _response(body: dict[str, Any]) -> dict[str, Any]:
    answer = str(body.get("stand_in_answer", "An answer."))
    read, written = _words(body), len(answer.split())
    text: dict[str, Any] = {"type": "output_text", "text": answer, "annotations": []}
    if "stand_in_refusal" in body:
        text = {"type": "refusal", "refusal": body["stand_in_refusal"]}
    reasoning: list[dict[str, Any]] = []
    if "stand_in_reasoning" in body:
        sealed = body["stand_in_reasoning"]
        item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed}
        reasoning = [item]
    return {
        "id": f"resp_{_identity(body)}",
        "object": "response",
        "created_at": 1767225600,
        "status": "completed",
        "model": f"{body['model']}-2026-01-01",
        "output": [
            *reasoning,
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [text],
            },
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
            "output_tokens_details": {"reasoning_tokens": 8 * len(reasoning)},
            "total_tokens": read + written,
        },
    }


def _response_events(response: dict[str, Any]) -> list[dict[str, Any]]:
    """The stream of a response: its beginning, its words and its end."""
    message = response["output"][-1]
    events: list[dict[str, Any]] = [
        {
            "type": "response.created",
            "response": {**response, "status": "in_progress", "output": []},
        }
    ]
    text = message["content"][0].get("text", "")
    # Put together again, the pieces are the text, to the last space.
    pieces = [f" {word}" if i else word for i, word in enumerate(text.split(" "))] if text else []
    for piece in pieces:
        events.append(
            {
                "type": "response.output_text.delta",
                "item_id": message["id"],
                "output_index": len(response["output"]) - 1,
                "content_index": 0,
                "delta": piece,
                "logprobs": [],
            }
        )
    for index, item in enumerate(response["output"]):
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": "response.completed", "response": response})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _batch_answer(method: str, path: str, data: bytes) -> dict[str, Any] | str:
    """Files and batches: what is uploaded is answered at once, each line by its own body."""
    if path.endswith("/files"):
        # The last part of the form is the file; its lines are the only ones that are objects.
        lines = [line for line in data.splitlines() if line.startswith(b"{")]
        _UPLOADED[:] = [json.loads(line) for line in lines]
        return {
            "id": "file-standin1",
            "object": "file",
            "bytes": len(data),
            "created_at": 1767225600,
            "filename": "batch_input.jsonl",
            "purpose": "batch",
            "status": "processed",
        }
    if path.endswith("/content"):
        return "".join(json.dumps(_batch_line(n, line)) + "\n" for n, line in enumerate(_UPLOADED))
    return {
        "id": "batch_standin1",
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "input_file_id": "file-standin1",
        "completion_window": "24h",
        "status": "validating" if method == "POST" else "completed",
        "output_file_id": "file-standin2",
        "created_at": 1767225500,
        "completed_at": 1767225700,
        "metadata": {"job": "spring"},
    }


def _batch_line(number: int, line: dict[str, Any]) -> dict[str, Any]:
    body = line["body"]
    head = {"id": f"batch_req_{number}", "custom_id": line["custom_id"]}
    if body.get("stand_in_status") == 0:  # the batch ended before this one was asked
        expired = {"code": "batch_expired", "message": "This request could not be executed."}
        return {**head, "response": None, "error": expired}
    status = int(body.get("stand_in_status", 200))
    made = _error(body) if status != 200 else _completion(body)
    response = {"status_code": status, "request_id": f"req_{number}", "body": made}
    return {**head, "response": response, "error": None}


def _error(body: dict[str, Any]) -> dict[str, Any]:
    status = int(body["stand_in_status"])
    kind = "rate_limit_exceeded" if status == 429 else "stand_in_failure"
    kind = str(body.get("stand_in_code", kind))
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
