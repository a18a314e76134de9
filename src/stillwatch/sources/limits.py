"""How much one file, and one row of it, may ask of this machine.

Files are read as streams, so that none of these decides our memory but `row_mb`; the others keep a
small file from filling the disk, or from keeping an import busy for days.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from typing import Any

from stillwatch.records import InputError
from stillwatch.sources.memory import bounded_memory

__all__ = ["LimitError", "Limits", "TooDeepError", "checked_depth", "parsed_json", "read_json"]

_MEGABYTE = 2**20
# A small file may unpack to this much whatever its ratio: it costs seconds.
_UNPACKED_FREELY = 64 * _MEGABYTE
# JSON takes up to thirty times its text: below this its memory is not worth a bound.
_SHORT_JSON = _MEGABYTE
# Above this Python's own stack decides, and with less notice.
_DEEPEST = 900


class LimitError(Exception):
    """A file asks for more than it may; the text says which limit, and what to do."""


class TooDeepError(RecursionError):
    """JSON nested deeper than `Limits.nesting`; handled wherever Python's own limit is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force: `[limits]` of the configuration, `STILLWATCH__LIMITS__…`.

    Attributes:
        packed_mb: Largest compressed file, in MiB on the disk.
        unpacked_mb: How much one compressed file may unpack to, in MiB.
        ratio: How many times its own size a compressed file may unpack to. Lines that differ in
            their ids alone come to 100 with gzip and to 450 with zstd; gzip ends at 1,030.
        nesting: Levels of brackets in one JSON value.
        row_mb: Longest line, CSV row, message or row of Parquet, in MiB.
    """

    packed_mb: int = 16_384
    unpacked_mb: int = 262_144
    ratio: int = 500
    nesting: int = 200
    row_mb: int = 64

    @classmethod
    def configured(cls) -> Limits:
        """The defaults, and what the environment says otherwise.

        Raises:
            InputError: A value is not a whole number of one or more, or nesting is above 900.
        """
        given = {
            f.name: os.environ.get(f"STILLWATCH__LIMITS__{f.name.upper()}") for f in fields(cls)
        }
        return cls(**{name: _number(name, text) for name, text in given.items() if text})

    @property
    def row_bytes(self) -> int:
        """`row_mb` in bytes."""
        return self.row_mb * _MEGABYTE

    @property
    def row_too_long(self) -> str:
        """The end of a sentence about such a row."""
        return (
            f"longer than {self.row_mb} MiB. Write one exchange a line, or raise `row_mb` in "
            "[limits] of the configuration."
        )

    @property
    def too_deep(self) -> str:
        """The end of a sentence about such a value."""
        return (
            f"nested too deeply: {self.nesting} levels are read. Raise `nesting` in [limits] of "
            "the configuration if they are right."
        )

    def unpackable(self, packed: int) -> int:
        """How many bytes a compressed file of this size may unpack to.

        Raises:
            LimitError: The file itself is too large.
        """
        if packed > self.packed_mb * _MEGABYTE:
            raise LimitError(
                f"the compressed file is larger than {self.packed_mb:,} MiB. Split it, or raise "
                "`packed_mb` in [limits] of the configuration."
            )
        return min(self.unpacked_mb * _MEGABYTE, max(_UNPACKED_FREELY, self.ratio * packed))

    def unpacks_too_far(self, packed: int) -> LimitError:
        """What to raise for a compressed file of this size that unpacks to more."""
        rest = "the rest was not read. If the log is right, unpack it yourself, or raise"
        place = "in [limits] of the configuration."
        if self.unpackable(packed) == self.unpacked_mb * _MEGABYTE:
            return LimitError(
                f"the file unpacks to more than {self.unpacked_mb:,} MiB; {rest} `unpacked_mb` "
                f"{place}"
            )
        return LimitError(
            f"the file unpacks to more than {self.ratio:,} times its {packed:,} bytes, as logs do "
            f"not; {rest} `ratio` {place}"
        )


def read_json(data: bytes | str) -> Any:
    """The value of a JSON text, in bounded memory.

    Raises:
        ValueError: It is not JSON, or a `TooLargeError`.
        RecursionError: It is nested deeper than Python reads.
    """
    if len(data) < _SHORT_JSON:
        return json.loads(data)
    with bounded_memory("the JSON"):
        return json.loads(data)


def parsed_json(data: bytes | str, nesting: int) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: It is not JSON, or a `TooLargeError`.
        RecursionError: It is nested deeper than `nesting` levels.
    """
    value = read_json(data)
    brackets = (
        data.count(b"{") + data.count(b"[")
        if isinstance(data, bytes)
        else data.count("{") + data.count("[")
    )
    return checked_depth(value, nesting) if brackets > nesting else value


def checked_depth(value: Any, nesting: int) -> Any:
    """The value itself, unless it is nested too deeply (raises `TooDeepError`)."""
    layer = [value]
    for _ in range(nesting + 1):
        layer = [item for item in layer if isinstance(item, dict | list)]
        if not layer:
            return value
        layer = [
            inner for item in layer for inner in (item.values() if isinstance(item, dict) else item)
        ]
    raise TooDeepError


def _number(name: str, text: str) -> int:
    most = _DEEPEST if name == "nesting" else 2**40
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:20]) <= most:
        raise InputError(
            "this is not a whole number that can be a limit.",
            where=f"STILLWATCH__LIMITS__{name.upper()}",
            remedy=f"Give one from 1 to {most:,}.",
        )
    return int(text)
