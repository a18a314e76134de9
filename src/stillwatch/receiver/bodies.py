"""The body of a request, unpacked within the limits."""

from __future__ import annotations

import zlib
from typing import Any

from stillwatch.receiver.limits import ReceiverLimits
from stillwatch.sources.limits import parsed_json
from stillwatch.sources.memory import TooLargeError

__all__ = ["RefusedError", "json_of_body", "unpacked_body"]

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ANY_GZIP = 16 + zlib.MAX_WBITS
# What a small body may unpack to whatever its ratio.
_UNPACKED_FREELY = 2**20
# Each costs a copy of what comes after it; writers make one.
_MOST_MEMBERS = 64


class RefusedError(Exception):
    """A request that is not taken.

    Attributes:
        status: Of HTTP.
        reason: A sentence for people, which quotes nothing of the request.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def unpacked_body(body: bytes, *, is_packed: bool, limits: ReceiverLimits) -> bytes:
    """The bytes that were packed with gzip, or the body itself.

    Memory is bounded by what may come out, whatever is in it.

    Raises:
        RefusedError: It is damaged, packed twice, or unpacks too far.
    """
    content = _gunzipped(body, limits) if is_packed else body
    if content.startswith((_GZIP, _ZSTD)):
        raise RefusedError(400, "The body is packed twice, or its Content-Encoding is missing.")
    return content


def json_of_body(body: bytes, limits: ReceiverLimits) -> Any:
    """The one JSON value that a body is.

    Raises:
        RefusedError: It is none, or is nested too deeply or too large.
    """
    try:
        return parsed_json(body, limits.common.nesting)
    except RecursionError as error:
        raise RefusedError(400, f"The JSON is {limits.common.too_deep}") from error
    except TooLargeError as error:
        raise RefusedError(413, str(error)) from error
    except ValueError as error:
        raise RefusedError(400, "The body is not JSON.") from error


def _gunzipped(body: bytes, limits: ReceiverLimits) -> bytes:
    allowed = min(limits.unpacked_bytes, max(_UNPACKED_FREELY, limits.common.ratio * len(body)))
    pieces: list[bytes] = []
    left = allowed
    rest = body
    while rest:
        if len(pieces) == _MOST_MEMBERS:
            raise RefusedError(413, "The body is gzip in too many parts: pack it as one.")
        unpacker = zlib.decompressobj(_ANY_GZIP)
        try:
            piece = unpacker.decompress(rest, left + 1)
        except zlib.error as error:
            raise RefusedError(400, "The body is no gzip: its bytes are wrong.") from error
        left -= len(piece)
        if left < 0:
            raise RefusedError(413, _too_far(len(body), limits))
        if not unpacker.eof:
            raise RefusedError(400, "The body is no whole gzip: it ends too early.")
        pieces.append(piece)
        rest = unpacker.unused_data.lstrip(b"\0")  # as gzip itself passes over padding
    return b"".join(pieces)


def _too_far(packed: int, limits: ReceiverLimits) -> str:
    if limits.common.ratio * packed < limits.unpacked_bytes:
        return f"The body unpacks to more than {limits.common.ratio:,} times its size."
    return f"The body unpacks to more than {limits.unpacked_mb:,} MiB: send it in smaller pieces."
