"""The server's protocol of HTTP, which hangs up on who does not send the head of a request in time."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["impatient_protocol"]

_HEAD_SECONDS = 10.0


def impatient_protocol() -> Any:
    """A class for uvicorn's `http`: a connection has this long for its first head, and for each later.

    Between requests a connection may rest; how long is the server's own setting.
    """
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
