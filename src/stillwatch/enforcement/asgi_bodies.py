"""Bodies of an ASGI application, read ahead and edited with no more memory than is allowed.

Nothing here is used for a request whose body nobody needs: then the messages of server and
application go past, each as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from stillwatch.enforcement.asgi_connection import Message, Receive, Send, header_of, with_headers
from stillwatch.enforcement.event_streams import EventEdits
from stillwatch.enforcement.json_cuts import UnreadableError

__all__ = ["AnswerEdits", "RequestBody"]

_JSON = ("application/json", "application/problem+json")
_EVENTS = "text/event-stream"


@dataclass(slots=True)
class RequestBody:
    """The body of one request, read ahead of the application.

    Attributes:
        data: The whole body; None where it is larger than allowed, or the client went away: then
            the application reads what came, and the rest from the server.
    """

    receive: Receive
    most_bytes: int
    data: bytes | None = None
    _is_begun: bool = False
    _ahead: list[Message] = field(default_factory=list)

    @property
    def is_begun(self) -> bool:
        """Whether anything was read ahead."""
        return self._is_begun

    async def read(self) -> None:
        """Read ahead until the body ends or is too large."""
        pieces: list[bytes] = []
        size = 0
        self._is_begun = True
        while True:
            message = await self.receive()
            self._ahead.append(message)
            if message["type"] != "http.request":
                return
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > self.most_bytes:
                return
            if not message.get("more_body", False):
                self.data = b"".join(pieces)
                return

    def replace(self, data: bytes) -> None:
        """Let the application read another body."""
        self.data = data
        self._ahead = [{"type": "http.request", "body": data, "more_body": False}]

    async def receive_ahead(self) -> Message:
        """The application's `receive`: what was read ahead, and then what comes."""
        return self._ahead.pop(0) if self._ahead else await self.receive()


@dataclass(slots=True)
class AnswerEdits:
    """The application's `send` where answers are edited: whole JSON, and the events of streams.

    An answer that says it failed, is of another kind, compressed or larger than allowed goes out
    as it is.

    Attributes:
        edit: Changes a JSON body, or the data of one event; raises `UnreadableError`.
        is_unedited: Whether the answer could not be read and went out as it was.
    """

    send: Send
    edit: Callable[[bytes], bytes]
    most_bytes: int
    is_unedited: bool = False
    _start: Message | None = None
    _events: EventEdits | None = None
    _pieces: list[bytes] = field(default_factory=list)
    _size: int = 0

    async def __call__(self, message: Message) -> None:
        """Take one message of the application."""
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] == "http.response.body" and self._events is not None:
            await self._go_on(message, self._events)
        elif message["type"] == "http.response.body" and self._start is not None:
            await self._collect(message, self._start)
        else:
            await self.send(message)

    async def _begin(self, start: Message) -> None:
        headers = list(start.get("headers", ()))
        kind = header_of(headers, b"content-type").partition(";")[0].strip().lower()
        is_packed = header_of(headers, b"content-encoding").lower() not in ("", "identity")
        if is_packed or not 200 <= start["status"] < 300 or kind not in (*_JSON, _EVENTS):
            self.is_unedited = is_packed
            await self.send(start)
        elif kind == _EVENTS:
            self._events = EventEdits(self.edit)
            # How long it becomes is not known yet.
            left = with_headers(headers, without=frozenset({b"content-length"}))
            await self.send({**start, "headers": left})
        else:
            self._start = start

    async def _go_on(self, message: Message, events: EventEdits) -> None:
        is_last = not message.get("more_body", False)
        data = events.feed(message.get("body", b"")) + (events.finish() if is_last else b"")
        self.is_unedited = events.is_given_up
        if data or is_last:
            await self.send({**message, "body": data})

    async def _collect(self, message: Message, start: Message) -> None:
        self._pieces.append(message.get("body", b""))
        self._size += len(self._pieces[-1])
        is_last = not message.get("more_body", False)
        if not is_last and self._size <= self.most_bytes:
            return
        body = b"".join(self._pieces)
        self._start, self._pieces = None, []
        if is_last and self._size <= self.most_bytes:
            start, body = self._edited(start, body)
        else:
            self.is_unedited = True
        await self.send(start)
        await self.send({**message, "body": body})

    def _edited(self, start: Message, body: bytes) -> tuple[Message, bytes]:
        try:
            edited = self.edit(body)
        except UnreadableError:
            self.is_unedited = True
            return start, body
        # A digest of the body as it was would be wrong.
        without = frozenset({b"content-length", b"etag", b"content-digest", b"digest"})
        plus = [(b"content-length", str(len(edited)).encode())]
        if edited == body:
            return start, body
        headers = with_headers(start.get("headers", ()), without=without, plus=plus)
        return {**start, "headers": headers}, edited
