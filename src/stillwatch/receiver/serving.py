"""A receiver from its start to its end: listening, answering, folding, and stopping cleanly."""

from __future__ import annotations

import asyncio
import fcntl
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from stillwatch.identity import Key, Tokeniser
from stillwatch.lake.store import Lake
from stillwatch.listening.senders import DEFAULT_SOURCE
from stillwatch.listening.sockets import (
    Security,
    listening_socket,
    name_in_certificate,
    server_context,
    shown_address,
)
from stillwatch.receiver.app import Application
from stillwatch.receiver.importer import Importer
from stillwatch.receiver.intake import Intake
from stillwatch.receiver.limits import ReceiverLimits
from stillwatch.receiver.metrics import Metrics
from stillwatch.receiver.spool import SPOOL_FOLDER, Backlog, Spool, SpoolError
from stillwatch.records import InputError

__all__ = ["Receiver"]

_LOCK = "lock"
_WATCHED_SECONDS = 0.5
# A fold before its time, so that the spool stays small under a flood.
_FOLDED_EARLY_ROWS = 400_000
_GRACE_SECONDS = 30
# A process that dies at once is not started again at once.
_RESTART_SECONDS = 5.0


@dataclass(slots=True)
class Receiver:
    """What `stillwatch receive` runs.

    Attributes:
        address: HOST:PORT.
        source: Whose the exchanges are where no token and no certificate says it.
        fold_seconds: How long what was acknowledged waits for the lake.
        settle_seconds: How long the pieces of one model call may be apart.
        say: Takes a line for people.
    """

    address: str
    lake: Path
    key: Key
    security: Security
    limits: ReceiverLimits
    say: Callable[[str], None]
    source: str = DEFAULT_SOURCE
    fold_seconds: float = 30.0
    settle_seconds: float = 30.0

    def run(self) -> Backlog:
        """Receive until SIGTERM or SIGINT; what could not be folded by then.

        Raises:
            InputError: The address or the lake cannot be used, or another receiver uses the lake.
        """
        context = server_context(self.security)
        tokeniser = Tokeniser(self.key)
        Lake.open_or_create(self.lake, tokeniser.fingerprint)
        listener = listening_socket(self.address, self.security)
        try:
            with _alone(self.lake):
                return self._serve(listener, tokeniser, context)
        finally:
            listener.close()

    def _serve(self, listener: socket.socket, tokeniser: Tokeniser, context: Any) -> Backlog:
        metrics = Metrics()
        intake = Intake(self.lake, tokeniser, self.limits, metrics.flushed)
        importer = Importer(self.lake, self.key, self.fold_seconds, self.settle_seconds)
        importer.start()
        try:
            asyncio.run(self._answer(listener, context, intake, metrics, importer))
        finally:
            intake.close()
            importer.stop()
        spool = Spool.of_lake(self.lake)
        try:
            left = spool.backlog()
            if not left.batches:
                with suppress(SpoolError):  # no room: then it stays as it is
                    spool.shrink()
            return left
        finally:
            spool.close()

    async def _answer(
        self,
        listener: socket.socket,
        context: Any,
        intake: Intake,
        metrics: Metrics,
        importer: Importer,
    ) -> None:
        import uvicorn

        names_client = self.security.senders is None and context is not None
        application = Application(
            lake=self.lake,
            intake=intake,
            limits=self.limits,
            metrics=metrics,
            senders=self.security.senders,
            source=self.source,
            names_client=names_client and self.security.client_authority is not None,
        )
        config = uvicorn.Config(
            application,
            http=_protocol_with_client_name() if application.names_client else "httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            ssl_context_factory=(lambda _config, _default: context) if context else None,
        )
        server = uvicorn.Server(config)
        with _signals_ended_quietly():
            watching = asyncio.create_task(self._watch(server, application, importer, listener))
            try:
                await server.serve(sockets=[listener])
            finally:
                application.stopping = True
                watching.cancel()

    async def _watch(
        self, server: Any, application: Application, importer: Importer, listener: socket.socket
    ) -> None:
        """Say that we are ready; then keep the second process alive, and busy."""
        while not server.started:
            await asyncio.sleep(0.01)
        address = shown_address(listener, is_tls=self.security.certificate is not None)
        self.say(f"Receiving on {address} into {self.lake}. Stop with SIGTERM or Ctrl-C.")
        while True:
            await asyncio.sleep(_WATCHED_SECONDS)
            application.stopping = server.should_exit
            if importer.has_died and not server.should_exit:
                self.say("The process that folds into the lake has died; it is started again.")
                await asyncio.sleep(_RESTART_SECONDS)
                importer.start()
            if application.backlog().rows > _FOLDED_EARLY_ROWS:
                importer.fold_now()


@contextmanager
def _alone(lake: Path) -> Iterator[None]:
    """Hold the place of the lake's one receiver.

    Raises:
        InputError: Another one holds it.
    """
    folder = lake / SPOOL_FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                "another receiver writes to this lake.",
                where=str(lake),
                remedy="Stop it first, or let both senders send to it.",
            ) from error
        yield


@contextmanager
def _signals_ended_quietly() -> Iterator[None]:
    """The server stops on a signal, and then raises it once more, for us."""

    def ignore(_number: int, _frame: FrameType | None) -> None:
        return

    before = {kind: signal.signal(kind, ignore) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _protocol_with_client_name() -> Any:
    """The server's protocol, which also tells the application whose certificate it was shown."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    def connection_made(self: Any, transport: asyncio.Transport) -> None:
        HttpToolsProtocol.connection_made(self, transport)
        name = name_in_certificate(transport.get_extra_info("peercert"))
        self.app_state = {**self.app_state, "client_name": name}

    return type("NamingProtocol", (HttpToolsProtocol,), {"connection_made": connection_made})
