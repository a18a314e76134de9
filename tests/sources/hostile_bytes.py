"""Bytes that were damaged on their way, and packings of every kind, right and wrong."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable

import pyarrow as pa
from hostile_values import planted

__all__ = ["PACKINGS", "broken"]


def broken(data: bytes, draw: random.Random) -> bytes:
    """The bytes with some of them flipped, cut off, doubled, taken out or replaced."""
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 5, 40))):
        size = len(found)
        at, kind = draw.randrange(size + 1), draw.randrange(7)
        length = draw.choice((1, 2, 4, 16, 300))
        if kind == 0 and at < size:
            found[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del found[at:]
        elif kind == 2:
            found[at:at] = draw.randbytes(length)
        elif kind == 3:
            del found[at : at + length]
        elif kind == 4:
            found[at:at] = found[at : at + length * 9]
        elif kind == 5:
            found[at : at + length] = bytes([draw.choice((0, 255, 10, 34, 92, 123))]) * length
        else:
            found[at:at] = draw.choice((b"\xef\xbb\xbf", b"\x00", b"\n", b"\xed\xa0\x80", b"\r", b'"', planted(draw).encode()))  # fmt: skip
        if len(found) > 2**20:
            del found[2**20 :]
    return bytes(found)


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)  # a seed makes the same files always


def _zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gzip,
    "zstd": _zstd,
    "members": lambda data: _gzip(data[: len(data) // 2]) + _gzip(data[len(data) // 2 :]),
    "frames": lambda data: _zstd(data[: len(data) // 2]) + _zstd(data[len(data) // 2 :]),
    "gzip in gzip": lambda data: _gzip(_gzip(data)),
    "zstd in gzip": lambda data: _gzip(_zstd(data)),
    "gzip and zstd": lambda data: _gzip(data) + _zstd(data),
    "gzip and more": lambda data: _gzip(data) + planted(random.Random(1)).encode(),
    "gzip and zeros": lambda data: _gzip(data) + b"\0" * 999,
    "gzip of nothing": lambda data: _gzip(b""),
    "gzip header": lambda data: b"\x1f\x8b" + data[:400],
    "zstd header": lambda data: b"\x28\xb5\x2f\xfd" + data[:400],
    "gzip that lies": lambda data: _gzip(data)[:-4] + b"\xff\xff\xff\x7f",
    "zip": lambda data: b"PK\x03\x04" + data,
    "tar": lambda data: b"log.jsonl".ljust(257, b"\0") + b"ustar\x00" + data,
}  # fmt: skip
