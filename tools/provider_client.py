"""Plays requests through OpenAI's or Anthropic's own client; runs in `.venv-providers`.

Reads a plan on standard input, one JSON object a line: `account`, `key`, `api` (`chat`,
`responses`, `messages` or `batch`) and `call` (arguments of the client). Writes two logs of the
same calls into the folder given: `http.jsonl`, as a proxy in front of the provider logs them,
and `pairs.jsonl`, as an application logs arguments and results. A batch leaves the files that
the client sent and received.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2  # type: ignore[import-not-found,unused-ignore]
from anthropic import Anthropic, AnthropicError  # type: ignore[import-not-found,unused-ignore]
from openai import OpenAI, OpenAIError  # type: ignore[import-not-found,unused-ignore]


class _LoggingTransport(httpx2.HTTPTransport):  # type: ignore[misc,unused-ignore]
    """What a proxy would log of each call."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log
        self.around: dict[str, Any] = {}

    def handle_request(self, request: Any) -> Any:
        timestamp = datetime.now(UTC).isoformat()
        sent = request.read().decode()
        response = super().handle_request(request)
        received = response.read().decode()
        line = {
            "timestamp": timestamp,
            **self.around,
            "request": {
                "method": request.method,
                "url": str(request.url),
                "headers": dict(request.headers),
                "body": sent,
            },
            "response": {
                "status_code": response.status_code,
                "headers": dict(response.headers),
                "body": received,
            },
        }
        if self.around:
            _append(self._log, line)
        return response


def main() -> None:
    """Play the plan."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--provider", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    transport = _LoggingTransport(options.out / "http.jsonl")
    shared = httpx2.Client(transport=transport)
    clients: dict[tuple[str, bool], Any] = {}
    for step in (json.loads(line) for line in sys.stdin if line.strip()):
        is_anthropic = step["api"] == "messages" or step.get("provider") == "anthropic"
        known = (step["key"], is_anthropic)
        if known not in clients:
            clients[known] = (Anthropic if is_anthropic else OpenAI)(
                base_url=options.provider, api_key=step["key"], max_retries=0, http_client=shared
            )
        if step["api"] == "batch":
            transport.around = {}
            _batch(clients[known], step["call"], options.out)
        else:
            transport.around = {"account_id": step["account"], "client_ip": "203.0.113.7"}
            _play(clients[known], step, options.out)


def _play(client: Any, step: dict[str, Any], out: Path) -> None:
    started = datetime.now(UTC).timestamp()
    outcome: dict[str, Any] = {}
    with contextlib.suppress(OpenAIError, AnthropicError):
        outcome = {"response": _answer(client, step)}
    pair = {"created_at": started, "user_id": step["account"], "request": step["call"]}
    _append(out / "pairs.jsonl", {**pair, **outcome})
    print(step["api"], "answered" if outcome else "failed")


def _answer(client: Any, step: dict[str, Any]) -> Any:
    makers = {
        "chat": lambda: client.chat.completions,
        "responses": lambda: client.responses,
        "messages": lambda: client.messages,
    }
    answer = makers[step["api"]]().create(**step["call"])
    if step["call"].get("stream"):
        return [piece.model_dump(mode="json") for piece in answer]
    return answer.model_dump(mode="json")


def _batch(client: Any, requests: list[dict[str, Any]], out: Path) -> None:
    if isinstance(client, Anthropic):
        _write(out / "batch_requests.jsonl", [{"requests": requests}])
        batch = client.messages.batches.create(requests=requests)
        results = client.messages.batches.results(batch.id)
        _write(out / f"{batch.id}_results.jsonl", _dumped(results))
        _write(out / "batch.jsonl", [client.messages.batches.retrieve(batch.id).to_dict()])
        return
    sent = out / "batch_input.jsonl"
    _write(sent, requests)
    uploaded = client.files.create(file=sent, purpose="batch")
    batch = client.batches.create(
        input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    batch = client.batches.retrieve(batch.id)
    output = client.files.content(batch.output_file_id)
    (out / f"{batch.id}_output.jsonl").write_text(output.text)
    _write(out / "batch.jsonl", [batch.to_dict()])


def _dumped(results: Any) -> Iterator[dict[str, Any]]:
    for result in results:
        yield result.to_dict(mode="json")


def _append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(line, default=str) + "\n")


def _write(path: Path, lines: Any) -> None:
    path.write_text("".join(json.dumps(line, default=str) + "\n" for line in lines))


if __name__ == "__main__":
    main()
