"""Rows as a source tells them, as an Arrow table with the canonical types."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from stillwatch.identity import RAW_COLUMNS
from stillwatch.records import EXCHANGES, LOG_TABLES, TableSchema
from stillwatch.records.moments import EPOCH_UNITS

__all__ = ["TypedRows", "moment_of", "typed_column", "typed_rows"]

_INT_LIMIT = 2**63
_LONG_NUMBER = re.compile(r"[0-9]{9,}\Z")
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,30}\s*\Z")


@dataclass(slots=True)
class TypedRows:
    """Rows in columns, and how many values of each column were not of its type."""

    table: pa.Table
    emptied: Counter[str] = field(default_factory=Counter)


def typed_rows(rows: Sequence[dict[str, Any]], schema: TableSchema) -> TypedRows:
    """The rows as columns. A value that is not of its column's type becomes null and is counted.

    Only columns that some row has are there. Keys that are no canonical and no raw column
    become text.
    """
    types = {c.name: c.arrow_type for c in schema.columns} | RAW_COLUMNS
    names = dict.fromkeys(name for row in rows for name in row)
    emptied: Counter[str] = Counter()
    columns: dict[str, pa.Array] = {}
    for name in names:
        column, failed = typed_column([row.get(name) for row in rows], types.get(name))
        columns[_storable(name)] = column
        if failed:
            emptied[name] += failed
    return TypedRows(pa.table(columns) if columns else pa.table({"": pa.nulls(len(rows))}), emptied)


def typed_column(values: Sequence[Any], arrow_type: pa.DataType | None) -> tuple[pa.Array, int]:
    """The values as one type (None: whatever they are, as text), and how many did not fit."""
    convert = _CONVERSIONS[str(arrow_type)] if arrow_type is not None else _any_as_text
    converted, failed = [], 0
    for value in values:
        try:
            converted.append(None if value is None else convert(value))
        except (ValueError, TypeError, OverflowError, RecursionError):
            converted.append(None)
            failed += 1
    return pa.array(converted, arrow_type or pa.string()), failed


def _storable(text: str) -> str:
    """The text without lone surrogates, which no UTF-8 column can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _text(value: Any) -> str:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):  # metadata objects, written out
        return _storable(json.dumps(value, sort_keys=True, default=str))
    raise ValueError(value)


def _any_as_text(value: Any) -> str:
    return _storable(value if isinstance(value, str) else json.dumps(value, default=str))


def _whole_number(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError(value)
    if isinstance(value, str):
        value = int(value) if _INTEGER.match(value) else float(value)
    number = int(value)
    if number != value or abs(number) >= _INT_LIMIT:
        raise ValueError(value)
    return number


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _truth(value: Any) -> bool:
    word = str(value).strip().lower()
    if word in ("true", "1", "yes"):
        return True
    if word in ("false", "0", "no"):
        return False
    raise ValueError(value)


def moment_of(value: Any) -> datetime:
    """A time: ISO 8601, or seconds, milli-, micro- or nanoseconds since 1970. Naive is UTC."""
    if isinstance(value, str):
        text = value.strip()
        try:  # thirteen digits are milliseconds, though they may spell a date and an hour
            value = float(text) if _LONG_NUMBER.match(text) else datetime.fromisoformat(text)
        except ValueError:
            value = float(text)
    if isinstance(value, bool):
        raise ValueError(value)
    if isinstance(value, int | float):
        value = value if isinstance(value, int) else _number(value)
        factor = next(factor for least, factor in EPOCH_UNITS if abs(value) >= least)
        try:
            return datetime.fromtimestamp(value * factor / 1e6, UTC)
        except OSError as error:  # a number that the system's own clock cannot hold
            raise ValueError(value) from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise ValueError(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, list | tuple):
        raise ValueError(value)
    return [_any_as_text(item) for item in value if item is not None]


def _structure(fields: pa.StructType) -> Callable[[Any], dict[str, Any]]:
    def convert(value: Any) -> dict[str, Any]:
        if isinstance(value, str):
            value = json.loads(value)
        if not isinstance(value, dict):
            raise ValueError(value)
        return {f.name: _part(value.get(f.name), f.type) for f in fields}

    return convert


def _part(value: Any, arrow_type: pa.DataType) -> Any:
    """One field of a structure; `logprobs` is true in one dialect and a number in another."""
    if isinstance(value, bool) and pa.types.is_integer(arrow_type):
        value = int(value)
    column, _ = typed_column([value], arrow_type)
    return column[0].as_py()


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    str(pa.string()): _text,
    str(pa.int64()): _whole_number,
    str(pa.float64()): _number,
    str(pa.bool_()): _truth,
    str(pa.list_(pa.string())): _texts,
    str(EXCHANGES.arrow.field("started_at").type): moment_of,
    str(EXCHANGES.arrow.field("settings").type): _structure(EXCHANGES.arrow.field("settings").type),
}
_unknown = {str(c.arrow_type) for t in LOG_TABLES for c in t.columns} - set(_CONVERSIONS)
if _unknown:
    raise TypeError(f"no conversion for {', '.join(sorted(_unknown))}")
