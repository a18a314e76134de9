"""`stillwatch receive` as a process of its own, and a sender that keeps count."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stations import exchanges, ndjson

from stillwatch.identity import store_key

__all__ = ["Receiving", "Sender", "start_receiving"]

_READY = re.compile(r"Receiving on (https?)://(.+):(\d+) into")
_PATIENCE_SECONDS = 120


@dataclass(slots=True)
class Receiving:
    """A receiver that runs."""

    process: subprocess.Popen[bytes]
    words: Path
    host: str
    port: int
    _connection: http.client.HTTPConnection | None = field(default=None)
    context: ssl.SSLContext | None = None

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """The status and the JSON of the answer. Raises `OSError` or `HTTPException` without one."""
        if self._connection is None:
            self._connection = (
                http.client.HTTPSConnection(self.host, self.port, timeout=60, context=self.context)
                if self.context
                else http.client.HTTPConnection(self.host, self.port, timeout=60)
            )
        try:
            kind = {"content-type": "application/x-ndjson"}
            self._connection.request("POST", path, body, {**kind, **(headers or {})})
            answer = self._connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            raise

    def forget_connection(self) -> None:
        """The next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def stop(self) -> tuple[int, str]:
        """Ask it to end; its exit status and what it said."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(_PATIENCE_SECONDS)
        return status, self.words.read_text()

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def kill_second(self) -> None:
        """End the process that folds, if it is there."""
        pid = self.process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)


class Sender:
    """Sends batches one after the other, and each one again that was not answered."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self._next = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def send_to(self, receiving: Receiving) -> None:
        self._ended.clear()
        self._thread = threading.Thread(target=self._send, args=(receiving,))
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        assert self._thread is not None
        self._thread.join()

    def _send(self, receiving: Receiving) -> None:
        while not self._ended.is_set():
            batch = exchanges(20, first=self._next)
            try:
                status, _ = receiving.post("/v1/exchanges", ndjson(batch))
            except (OSError, http.client.HTTPException):
                return  # the same batch is sent again to the next receiver
            assert status == 200
            self.acknowledged |= {row["exchange_id"] for row in batch}
            # One in four is sent twice all the same.
            self._next += 20 if self._next % 80 else 10


def start_receiving(
    folder: Path,
    key: Any,
    *options: str | Path,
    program: Sequence[str] = ("-m", "stillwatch"),
    environment: Mapping[str, str] | None = None,
) -> Receiving:
    """Start it on a free port of loopback, on the lake in `folder`, and wait until it listens."""
    if not (folder / "key").exists():
        store_key(key, folder / "key")
    words = folder / f"words-{time.monotonic_ns()}"
    command = [sys.executable, *program, "receive", "--lake", str(folder / "lake")]
    if "--listen" not in options:
        command += ["--listen", "127.0.0.1:0"]
    command += ["--key-file", str(folder / "key"), *map(str, options)]
    with words.open("wb") as file:
        process = subprocess.Popen(command, stderr=file, env={**os.environ, **(environment or {})})
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := _READY.search(words.read_text()):
            return Receiving(process, words, found[2].strip("[]"), int(found[3]))
        if process.poll() is not None:
            break
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"it does not listen: {words.read_text()}")
