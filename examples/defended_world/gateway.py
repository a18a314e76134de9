"""The world's requests as real ones, through Envoy."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch.evaluation.defence.deciding import secret_of
from stillwatch.evaluation.defence.reacting import Answer

__all__ = ["ThroughEnvoy"]

_AT_ONCE = 4
_ANSWERS = {200: Answer.ANSWERED, 403: Answer.REFUSED, 429: Answer.THROTTLED}
_SENT = ("exchange_id", "started_at", "credential_id", "model", "system_text", "input_text")


class ThroughEnvoy:
    """Sends requests to Envoy, and reads the stand-in's log.

    Args:
        port: Envoy's.
        log: That of the stand-in.
    """

    def __init__(self, port: int, log: Path) -> None:
        self._port, self._log = port, log
        self._threads = ThreadPoolExecutor(_AT_ONCE)
        self._own = threading.local()
        self._read_to = 0
        self.sent = 0

    def ask(self, row: Mapping[str, Any]) -> Answer:
        """Send one request of the world."""
        status = self._status(row)
        self.sent += 1
        if status not in _ANSWERS:
            raise RuntimeError(f"Envoy answered {status}.")
        return _ANSWERS[status]

    def ask_all(self, rows: pa.Table) -> Sequence[Answer]:
        """Send many, some at a time."""
        columns = [*_SENT, "tool_names", "user_agent"]
        return list(self._threads.map(self.ask, rows.select(columns).to_pylist()))

    def logged(self) -> set[str]:
        """The exchanges that reached the model since the last call."""
        with self._log.open("rb") as file:
            file.seek(self._read_to)
            data = file.read()
        self._read_to += len(data)
        return {json.loads(line)["exchange_id"] for line in data.splitlines()}

    def close(self) -> None:
        self._threads.shutdown()

    def _status(self, row: Mapping[str, Any]) -> int:
        body = json.dumps(_body(row)).encode()
        headers = {
            "authorization": f"Bearer {secret_of(row['credential_id'])}",
            "content-type": "application/json",
            "user-agent": row["user_agent"] or "none",
            "x-world-exchange": row["exchange_id"],
            "x-world-time": row["started_at"].isoformat(),
        }
        connection = self._connection()
        try:
            connection.request("POST", "/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            answer.read()
        except (http.client.HTTPException, OSError):
            # Kept open for long, it may have been closed at the other end.
            connection.close()
            connection.request("POST", "/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            answer.read()
        return answer.status

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection: http.client.HTTPConnection = self._own.connection
        return connection


def _body(row: Mapping[str, Any]) -> dict[str, Any]:
    system = [{"role": "system", "content": row["system_text"]}] if row["system_text"] else []
    body: dict[str, Any] = {
        "model": row["model"],
        "messages": [*system, {"role": "user", "content": row["input_text"] or ""}],
    }
    if row["tool_names"]:
        body["tools"] = [
            {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
            for name in row["tool_names"]
        ]
    return body
