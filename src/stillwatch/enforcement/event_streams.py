"""Edits the events of a stream (text/event-stream) as they come, whatever the pieces they come in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from stillwatch.enforcement.json_cuts import UnreadableError

__all__ = ["EventEdits"]

# An event ends at an empty line; lines end in LF, CR LF or CR.
_END_OF_EVENT = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|$)")
_DATA = re.compile(rb"data:[ ]?")
# Of a thousand times the size that models send: more than this in one event is no event of theirs.
_LONGEST_EVENT = 8 * 2**20


@dataclass(slots=True)
class EventEdits:
    """Edits the data of each event; all else goes through byte for byte.

    Attributes:
        edit: Changes the data of one event; raises `UnreadableError` of what it cannot read, as of
            the `[DONE]` that ends some streams, which then goes through as it is.
        is_given_up: Whether an event grew so long that the rest goes through unread.
    """

    edit: Callable[[bytes], bytes]
    is_given_up: bool = False
    _waiting: bytes = b""
    _searched: int = 0

    def feed(self, piece: bytes) -> bytes:
        """What can be sent on after another piece: the events that are complete."""
        if self.is_given_up:
            return piece
        self._waiting += piece
        done = bytearray()
        begin = 0
        while found := _END_OF_EVENT.search(self._waiting, max(begin, self._searched)):
            done += self._edited(self._waiting[begin : found.end()])
            begin = found.end()
        self._waiting = self._waiting[begin:]
        # The end of an event may lie across two pieces: its four last bytes are looked at again.
        self._searched = max(0, len(self._waiting) - 3)
        if len(self._waiting) > _LONGEST_EVENT:
            self.is_given_up = True
            done += self._waiting
            self._waiting = b""
        return bytes(done)

    def finish(self) -> bytes:
        """What is left when the stream ends in the middle of an event."""
        left, self._waiting = self._waiting, b""
        return self._edited(left)

    def _edited(self, event: bytes) -> bytes:
        lines: list[bytes] = _LINE.findall(event)
        data = [(number, line) for number, line in enumerate(lines) if _DATA.match(line)]
        if not data:
            return event
        said: bytes = b"\n".join(_DATA.sub(b"", line, count=1).rstrip(b"\r\n") for _, line in data)
        try:
            edited = self.edit(said)
        except UnreadableError:
            return event
        if edited == said:
            return event
        first, last = data[0][0], data[-1][0]
        end = lines[last][len(lines[last].rstrip(b"\r\n")) :]
        new = end.join(b"data: " + line for line in edited.split(b"\n")) + end
        # Lines between several of data are comments, or names that were said already.
        kept = [line for n, line in enumerate(lines) if n < first or n > last]
        return b"".join(kept[:first]) + new + b"".join(kept[first:])
