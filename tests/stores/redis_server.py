"""A real Redis or Valkey for the tests, on a socket or a free port of loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import redis

PROGRAMS = ("redis-server", "valkey-server")
PASSWORD = "only for tests"


class Server:
    """One that can be killed, stopped in its tracks, and started again at the same address."""

    def __init__(self, program: str, folder: Path) -> None:
        found = shutil.which(program)
        assert found is not None, f"{program} is missing: run `make test-stores`"
        self._program = found
        self._folder = folder
        self._port = _free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, with nothing in it, and wait until it answers."""
        options = {
            "port": str(self._port),
            "bind": "127.0.0.1",
            "dir": str(self._folder),
            "save": "",
            "appendonly": "no",
            "requirepass": PASSWORD,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        log = (self._folder / "server.log").open("ab")
        self._process = subprocess.Popen([self._program, *words], stdout=log, stderr=log)
        log.close()
        asking = redis.Redis(port=self._port, password=PASSWORD)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                asking.ping()
                return
            except redis.RedisError:
                assert self._process.poll() is None, (self._folder / "server.log").read_text()
                time.sleep(0.02)
        raise AssertionError("the server did not begin within a minute")

    def send(self, number: int) -> None:
        """A signal to it."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """At once, without a word to those who are connected."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
