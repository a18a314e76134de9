"""A server of HTTP that hangs up on who does not send the head of a request in time."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

__all__ = ["impatient_server"]

_HEAD_SECONDS = 10.0


def impatient_server(
    application: Any,
    context: ssl.SSLContext | None,
    *,
    most_connections: int,
    grace_seconds: int,
    rest_seconds: int = 5,
) -> Any:
    """A server of uvicorn's for an ASGI application; it writes no log, and believes no proxy.

    Args:
        context: Of TLS; None speaks none.
        most_connections: More at one time are answered 503.
        grace_seconds: For what is being answered when it is told to stop.
        rest_seconds: For how long a connection may rest between two requests.
    """
    import uvicorn

    config = uvicorn.Config(
        application,
        http=_impatient_protocol(),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=most_connections,
        timeout_keep_alive=rest_seconds,
        timeout_graceful_shutdown=grace_seconds,
        ssl_context_factory=(lambda _config, _default: context) if context else None,
    )
    return uvicorn.Server(config)


def _impatient_protocol() -> Any:
    """A class for uvicorn's `http`: a connection has this long for its first head, and for each later."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class ImpatientProtocol(HttpToolsProtocol):  # type: ignore[misc,unused-ignore]
        _hanging_up: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait_for_head()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._wait_for_head()

        def on_headers_complete(self) -> None:
            self._wait_no_more()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._wait_no_more()
            super().connection_lost(exc)

        def _wait_for_head(self) -> None:
            self._wait_no_more()
            self._hanging_up = self.loop.call_later(_HEAD_SECONDS, self.transport.abort)

        def _wait_no_more(self) -> None:
            if self._hanging_up is not None:
                self._hanging_up.cancel()
                self._hanging_up = None

    return ImpatientProtocol
