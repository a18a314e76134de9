"""A receiver without its network: requests go to the application, and folds are asked for."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stillwatch.identity import Key, Tokeniser
from stillwatch.lake.store import Lake
from stillwatch.listening.senders import Senders, add_sender
from stillwatch.receiver.app import Application
from stillwatch.receiver.folding import Folded, Folder
from stillwatch.receiver.intake import Intake
from stillwatch.receiver.limits import ReceiverLimits
from stillwatch.receiver.metrics import Metrics
from stillwatch.receiver.spool import Spool

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Key(b"k" * 32)
NDJSON = "application/x-ndjson"
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Station:
    """A lake with a receiver's application before it.

    Args:
        sources: Those that have a token each; without any, everybody may send.
    """

    def __init__(
        self,
        folder: Path,
        *,
        limits: ReceiverLimits | None = None,
        sources: Iterable[str] = (),
        key: Key = KEY,
    ) -> None:
        self.lake = folder / "lake"
        self.key = key
        limits = limits or ReceiverLimits()
        self.tokens = {source: add_sender(folder / "tokens", source) for source in sources}
        self.intake = Intake(self.lake, Tokeniser(key), limits)
        self.app = Application(
            lake=self.lake,
            intake=self.intake,
            limits=limits,
            metrics=Metrics(),
            senders=Senders(folder / "tokens") if self.tokens else None,
            source="default",
        )
        self.spool = Spool.of_lake(self.lake)
        self.runner = asyncio.Runner()

    def post(
        self,
        endpoint: str,
        body: bytes,
        *,
        kind: str = "application/json",
        packed: bool = False,
        source: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a body to `/v1/ENDPOINT`."""
        sent = {"content-type": kind, **(headers or {})}
        if packed:
            body = gzip.compress(body, 6)
            sent["content-encoding"] = "gzip"
        if source is not None:
            sent["authorization"] = f"Bearer {self.tokens[source]}"
        return self.ask("POST", f"/v1/{endpoint}", sent, body)

    def exchanges(self, rows: Iterable[Mapping[str, Any]], **more: Any) -> Reply:
        """Send rows to `/v1/exchanges`."""
        return self.post("exchanges", ndjson(rows), kind=NDJSON, **more)

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Reply:
        """Any request at all."""
        return self.runner.run(self._asked(method, path, headers or {}, body))

    def fold(self, *, everything: bool = True, settle_seconds: float = 30.0) -> Folded:
        """What the second process does."""
        return Folder(self.lake, self.key, self.spool, settle_seconds).fold(everything=everything)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table of the lake."""
        return lake_rows(self.lake, table)

    def close(self) -> None:
        self.intake.close()
        self.app.spool.close()
        self.spool.close()
        self.runner.close()

    async def _asked(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        pieces = [body[i : i + 65_536] for i in range(0, len(body), 65_536)] or [b""]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        }
        await self.app(scope, receive, send)
        return Reply(
            sent[0]["status"],
            {k.decode(): v.decode() for k, v in sent[0]["headers"]},
            b"".join(message.get("body", b"") for message in sent[1:]),
        )


def lake_rows(lake: Path, table: str) -> list[dict[str, Any]]:
    """All rows of a table of a lake."""
    return [row for path in Lake.open(lake).files(table) for row in pq.read_table(path).to_pylist()]


def exchange(number: int, **more: Any) -> dict[str, Any]:
    """One exchange as a sender tells it."""
    return {
        "exchange_id": f"e{number}",
        "account_id": f"a{number % 3}",
        "started_at": (START + timedelta(seconds=number)).isoformat(),
        "input_text": f"Explain number {number} to a child.",
        "output_text": f"Number {number} is nice.",
        **more,
    }


def exchanges(count: int, *, first: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Some of them."""
    return [exchange(number, **more) for number in range(first, first + count)]


def ndjson(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as JSON lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def litellm(number: int, **more: Any) -> dict[str, Any]:
    """One payload of LiteLLM's."""
    at = (START + timedelta(seconds=number)).timestamp()
    return {
        "id": f"chatcmpl-{number}",
        "litellm_call_id": f"call-{number}",
        "call_type": "acompletion",
        "status": "success",
        "startTime": at,
        "endTime": at + 1,
        "model": "m",
        "messages": [{"role": "user", "content": f"question {number}"}],
        "response": {"choices": [{"message": {"role": "assistant", "content": "answer"}}]},
        "metadata": {"user_api_key_user_id": f"u{number % 3}"},
        **more,
    }
