"""The appeals' own listener: strangers come here, so it shares nothing with the gateways' listener."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from stillwatch.enforcement.appeal_desk import StoreDesk
from stillwatch.enforcement.appeals_app import AppealsApplication
from stillwatch.listening.impatient import impatient_server
from stillwatch.listening.sockets import (
    Security,
    listening_socket,
    server_context,
    shown_address,
)
from stillwatch.policy.store import Store

__all__ = ["AppealsListener"]

# More strangers at one time get a 503, and gateways feel nothing of it.
_MOST_CONNECTIONS = 256
_GRACE_SECONDS = 10


@dataclass(slots=True)
class AppealsListener:
    """Takes appeals at one address, alone or beside the decisions.

    Attributes:
        address: HOST:PORT; port 0 is any free one.
        opened: Gives the store, or raises where it is away.
        trusted_hops: Proxies of ours before the listener.
        counted, failed: As of `AppealsApplication`.

    Raises:
        InputError: From `open`: the address cannot be used, or is not loopback and without TLS.
    """

    address: str
    opened: Callable[[], Store]
    security: Security = field(default_factory=lambda: Security(takes_strangers=True))
    trusted_hops: int = 0
    counted: Callable[[str, int], None] = lambda _path, _status: None
    failed: Callable[[str], None] = lambda _kind: None
    _socket: socket.socket | None = None
    _server: Any = None

    def open(self) -> str:
        """Bind the address; where it is, as a URL."""
        context = server_context(self.security)
        self._socket = listening_socket(self.address, self.security)
        self._server = impatient_server(
            self._application(),
            context,
            most_connections=_MOST_CONNECTIONS,
            grace_seconds=_GRACE_SECONDS,
        )
        return shown_address(self._socket, is_tls=context is not None)

    async def serve(self) -> None:
        """Answer until `stop`. Whoever calls it looks after signals."""
        assert self._socket is not None
        try:
            await self._server._serve(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """End `serve`, from any thread."""
        self._server.should_exit = True

    def run(self, say: Callable[[str], None]) -> None:
        """Answer until SIGTERM or SIGINT."""
        address = self.open()

        async def until_told() -> None:
            loop = asyncio.get_running_loop()
            for kind in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(kind, self.stop)
            say(f"Appeals are taken on {address}. Stop with SIGTERM or Ctrl-C.")
            await self.serve()

        with suppress(KeyboardInterrupt):
            asyncio.run(until_told())

    def _application(self) -> AppealsApplication:
        return AppealsApplication(
            StoreDesk(self.opened),
            trusted_hops=self.trusted_hops,
            counted=self.counted,
            failed=self.failed,
        )
