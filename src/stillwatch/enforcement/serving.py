"""A server of decisions from its start to its end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from stillwatch.enforcement.appeals_serving import AppealsListener
from stillwatch.enforcement.http_app import DecisionsApplication
from stillwatch.enforcement.snapshot_sources import SnapshotSource
from stillwatch.listening.impatient import impatient_server
from stillwatch.listening.sockets import (
    Security,
    listening_socket,
    server_context,
    shown_address,
)

__all__ = ["DecisionServer"]

# Longer than gateways keep a connection that rests (Envoy an hour): who closes it is the gateway,
# which then never sends a request into one that we have just closed.
_REST_SECONDS = 3_660
_MOST_CONNECTIONS = 4_096
_GRACE_SECONDS = 5


@dataclass(slots=True)
class DecisionServer:
    """Answers gateways at one address; customers who appeal, where that is wanted, at another.

    Attributes:
        address: HOST:PORT; port 0 is any free one.
        source: Keeps the snapshot new; started and stopped with the server.

    Raises:
        InputError: From `open`: the address cannot be used, or may not without more security.
    """

    address: str
    application: DecisionsApplication
    source: SnapshotSource
    security: Security = field(default_factory=Security)
    appeals: AppealsListener | None = None
    _socket: socket.socket | None = None
    _server: Any = None

    def open(self) -> str:
        """Bind the address; where it is, as a URL."""
        context = server_context(self.security)
        self._socket = listening_socket(self.address, self.security)
        self._server = impatient_server(
            self.application,
            context,
            most_connections=_MOST_CONNECTIONS,
            grace_seconds=_GRACE_SECONDS,
            rest_seconds=_REST_SECONDS,
        )
        return shown_address(self._socket, is_tls=context is not None)

    async def serve(self) -> None:
        """Answer until `stop`. Whoever calls it looks after signals."""
        assert self._socket is not None
        await asyncio.to_thread(self.source.start)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._answer())
                if self.appeals is not None:
                    both.create_task(self.appeals.serve())
        finally:
            self._socket.close()
            await asyncio.to_thread(self.source.stop)

    def stop(self) -> None:
        """End `serve`, from any thread."""
        self._server.should_exit = True
        if self.appeals is not None:
            self.appeals.stop()

    def run(self, say: Callable[[str], None]) -> None:
        """Answer until SIGTERM or SIGINT."""
        lines = [f"Deciding on {self.open()}."]
        if self.appeals is not None:
            lines.append(f"Appeals are taken on {self.appeals.open()}.")

        async def until_told() -> None:
            loop = asyncio.get_running_loop()
            for kind in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(kind, self.stop)
            say(" ".join([*lines, "Stop with SIGTERM or Ctrl-C."]))
            await self.serve()

        with suppress(KeyboardInterrupt):
            asyncio.run(until_told())

    async def _answer(self) -> None:
        await self._server._serve(sockets=[self._socket])
