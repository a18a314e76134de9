"""Reading single values out of untrusted JSON: the value, or None, never an exception."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from stillwatch.sources.limits import read_json

__all__ = [
    "NO_IDENTIFIERS",
    "identifier",
    "instant_from_iso",
    "instant_from_microseconds",
    "instant_from_nanoseconds",
    "instant_from_seconds",
    "mapping",
    "number",
    "parsed",
    "sequence",
    "stated",
    "text",
    "weight_of",
    "well_formed",
    "whole",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_INT = 2**63 - 1
_BYTES_OF_AN_ITEM = 60
# Beyond it a float names its neighbour as well.
_LARGEST_EXACT_FLOAT = 2**53
NO_IDENTIFIERS = frozenset({"", "-", "\\n", "null", "(null)", "<null>", "none", "undefined", "n/a"})
"""What databases, proxies and languages write where an id is missing, in lower case."""
_LONGEST_OF_THEM = max(map(len, NO_IDENTIFIERS))


def text(value: object) -> str | None:
    """`value` if it is a string with something in it."""
    if not isinstance(value, str) or not value:
        return None
    return value if value.isascii() else well_formed(value)


def identifier(value: object) -> str | None:
    """The id that `value` is: text that says something, or a whole number in digits."""
    if isinstance(value, str):
        known = value.strip()
        if len(known) <= _LONGEST_OF_THEM and known.lower() in NO_IDENTIFIERS:
            return None
        return value if value.isascii() else well_formed(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_EXACT_FLOAT:
        value = int(value)  # as tools write whole numbers beside missing ones
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def well_formed(value: str) -> str:
    """The string without lone surrogates: JSON may carry them, Parquet may not."""
    if value.isascii():
        return value
    return value.encode("utf-8", "replace").decode("utf-8")


def whole(value: object) -> int | None:
    """`value` as a 64-bit whole number, from a number or its decimal digits."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        digits = value.strip()
        if not (digits.isascii() and digits.lstrip("-").isdigit() and len(digits) <= 20):
            return None
        try:
            value = int(digits)
        except ValueError:
            return None
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    return value if isinstance(value, int) and abs(value) <= _LARGEST_INT else None


def number(value: object) -> float | None:
    """`value` as a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def mapping(value: object) -> Mapping[str, Any]:
    """`value` if it is a JSON object, or one encoded as a string; else an empty one."""
    if isinstance(value, str):
        value = parsed(value)
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """`value` if it is a JSON array, or one encoded as a string; else an empty one."""
    if isinstance(value, str):
        value = parsed(value)
    return value if isinstance(value, list) else []


def parsed(value: object) -> object:
    """The JSON inside `value` where it is a string that holds an object or array."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        inner: object = read_json(value)
        return inner
    except (ValueError, RecursionError):
        return value


def instant_from_seconds(value: object) -> datetime | None:
    """Seconds since 1970, as LiteLLM logs them."""
    seconds = number(value)
    if seconds is None or seconds <= 0:
        return None
    return _after_epoch(round(seconds * 1_000_000)) if seconds < _LARGEST_INT else None


def instant_from_nanoseconds(value: object) -> datetime | None:
    """Nanoseconds since 1970, as OTLP logs them; 0 means unknown there."""
    nanoseconds = whole(value)
    if nanoseconds is None or nanoseconds <= 0:
        return None
    return _after_epoch(nanoseconds // 1_000)


def instant_from_microseconds(value: float) -> datetime | None:
    """Microseconds since 1970; nothing before."""
    return _after_epoch(round(value)) if 0 < value < _LARGEST_INT else None


def instant_from_iso(value: object) -> datetime | None:
    """A date and time as ISO 8601 writes it; without a zone it is UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def stated(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without what its source leaves unsaid.

    Account and time stay, as null: a row that lacks them is set aside by itself, where a file
    that lacked the columns would be set aside whole.
    """
    return {
        name: value
        for name, value in row.items()
        if (value is not None and (value or not isinstance(value, list | dict)))
        or name in ("account_id", "started_at")
    }


def weight_of(row: Mapping[str, Any]) -> int:
    """Roughly how many bytes a row of JSON values holds; exact enough to bound what is held."""
    total = 0
    for name, value in row.items():
        kind = type(value)
        total += len(name)
        if kind is str:
            total += len(value)
        elif kind is list or kind is dict:
            total += _weight_inside(value)
    return total


def _weight_inside(value: list[Any] | dict[str, Any]) -> int:
    total, inner = 0, [value]
    while inner:
        holder = inner.pop()
        total += _BYTES_OF_AN_ITEM * len(holder)
        if isinstance(holder, dict):
            total += sum(map(len, holder))
        for item in holder.values() if isinstance(holder, dict) else holder:
            if isinstance(item, str):
                total += len(item)
            elif isinstance(item, list | dict):
                inner.append(item)
    return total


def _after_epoch(microseconds: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
