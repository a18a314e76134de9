"""Rows as a source tells them, as an Arrow table with the canonical types."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any

import pyarrow as pa

from stillwatch.identity import RAW_COLUMNS
from stillwatch.records import EXCHANGES, LOG_TABLES, TableSchema
from stillwatch.records.moments import EPOCH_UNITS
from stillwatch.sources.limits import read_json
from stillwatch.sources.plain_columns import plain_column

__all__ = ["PAST_THE_LAST", "TypedRows", "moment_of", "narrowed", "typed_column", "typed_rows"]

PAST_THE_LAST = "(names past the first 256)"
"""What `TypedRows.dropped` calls the columns that are too many to be named."""

# Names that no table has: more than the lake keeps of them, few enough for a column each.
_MOST_OTHER_NAMES = 256
_ROWS_IN_CACHE = 32
_TOO_MANY = "there are too many columns"
_INT_LIMIT = 2**63
_LONG_NUMBER = re.compile(r"[0-9]{9,}\Z")
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,30}\s*\Z")


@dataclass(slots=True)
class TypedRows:
    """Rows in columns.

    Attributes:
        emptied: Column name to how many of its values were not of its type.
        dropped: Columns that were not looked at, with the reason.
    """

    table: pa.Table
    emptied: Counter[str] = field(default_factory=Counter)
    dropped: dict[str, str] = field(default_factory=dict)


def narrowed(row: dict[str, Any], schema: TableSchema) -> dict[str, Any]:
    """The row itself, or one that no longer holds names by the thousand."""
    if len(row) <= _MOST_OTHER_NAMES:
        return row
    types = _types(schema)
    others = 0
    kept = {}
    for name, value in row.items():
        others += name not in types
        # One more than is looked at, so that the columns of its batch tell that there were more.
        if name in types or others <= _MOST_OTHER_NAMES + 1:
            kept[name] = value
    return kept


def typed_rows(rows: Sequence[dict[str, Any]], schema: TableSchema) -> TypedRows:
    """The rows as columns. A value that is not of its column's type becomes null and is counted.

    Only columns that some row has are there. Keys that are no canonical and no raw column
    become text; of those, the first 256 are looked at.
    """
    types = _types(schema)
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    others = [name for name in names if name not in types]
    dropped = {}
    if len(others) > _MOST_OTHER_NAMES:
        dropped[PAST_THE_LAST] = _TOO_MANY
        left_out = set(others[_MOST_OTHER_NAMES:])
        names = [name for name in names if name not in left_out]
    emptied: Counter[str] = Counter()
    columns: dict[str, pa.Array] = {}
    for name, values in _transposed(rows, names).items():
        column, failed = typed_column(values, types.get(name))
        columns[_storable(name)] = column
        if failed:
            emptied[name] += failed
    table = pa.table(columns) if columns else pa.table({"": pa.nulls(len(rows))})
    return TypedRows(table, emptied, dropped)


def _transposed(rows: Sequence[dict[str, Any]], names: Iterable[str]) -> dict[str, list[Any]]:
    """Name to the values of all rows, a few rows at a time: they stay in the processor's cache."""
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for start in range(0, len(rows), _ROWS_IN_CACHE):
        few = rows[start : start + _ROWS_IN_CACHE]
        for name, values in columns.items():
            values += [row.get(name) for row in few]
    return columns


def _types(schema: TableSchema) -> dict[str, pa.DataType]:
    return {c.name: c.arrow_type for c in schema.columns} | RAW_COLUMNS


def typed_column(values: Sequence[Any], arrow_type: pa.DataType | None) -> tuple[pa.Array, int]:
    """The values as one type (None: whatever they are, as text), and how many did not fit."""
    plain = plain_column(values, arrow_type or pa.string())
    if plain is not None:
        return plain, 0
    if arrow_type is not None and pa.types.is_struct(arrow_type):
        return _structures(values, arrow_type)
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
        value = read_json(value)
    if not isinstance(value, list | tuple):
        raise ValueError(value)
    return [_any_as_text(item) for item in value if item is not None]


def _structures(values: Sequence[Any], arrow_type: pa.StructType) -> tuple[pa.Array, int]:
    """Objects, or their JSON, as structures, field by field; a wrong field is null in its own."""
    objects, failed = [], 0
    for value in values:
        try:
            read = read_json(value) if isinstance(value, str) else value
        except (ValueError, RecursionError):
            read = ()
        objects.append(read if isinstance(read, dict) else None)
        failed += value is not None and objects[-1] is None
    fields = [
        _field([None if o is None else o.get(f.name) for o in objects], f.type) for f in arrow_type
    ]
    missing = pa.array([o is None for o in objects], pa.bool_())
    return pa.StructArray.from_arrays(fields, fields=list(arrow_type), mask=missing), failed


def _field(values: list[Any], arrow_type: pa.DataType) -> pa.Array:
    """One field of structures; `logprobs` is true in one dialect and a number in another."""
    if pa.types.is_integer(arrow_type):
        values = [int(v) if isinstance(v, bool) else v for v in values]
    return typed_column(values, arrow_type)[0]


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    str(pa.string()): _text,
    str(pa.int64()): _whole_number,
    str(pa.float64()): _number,
    str(pa.bool_()): _truth,
    str(pa.list_(pa.string())): _texts,
    str(EXCHANGES.arrow.field("started_at").type): moment_of,
}
_unknown = {
    str(c.arrow_type) for t in LOG_TABLES for c in t.columns if not pa.types.is_struct(c.arrow_type)
} - set(_CONVERSIONS)
if _unknown:
    raise TypeError(f"no conversion for {', '.join(sorted(_unknown))}")
