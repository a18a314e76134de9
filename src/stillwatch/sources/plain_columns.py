"""Columns whose values have their type already, made at once rather than value by value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.records import TIMESTAMP

__all__ = ["FIRST_MOMENT", "LAST_MOMENT", "plain_column"]

_TEXTS = pa.list_(pa.string())
_LEAST_INT = -(2**63)
# What Python's own moments reach; Arrow's reach further.
FIRST_MOMENT = pa.scalar(datetime.min.replace(tzinfo=UTC), TIMESTAMP)
LAST_MOMENT = pa.scalar(datetime.max.replace(tzinfo=UTC), TIMESTAMP)


def plain_column(values: Sequence[Any], arrow_type: pa.DataType) -> pa.Array | None:
    """The values as a column where all of them, but for None, are of the type's own Python types.

    It is the column that converting them one by one gives, in a tenth of the time.

    Returns:
        None where any value is of another type, or one that the type cannot hold.
    """
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if not kinds:
        return pa.nulls(len(values), arrow_type)
    try:
        return _made(values, kinds, arrow_type)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return None


def _made(values: Sequence[Any], kinds: set[type], arrow_type: pa.DataType) -> pa.Array | None:
    if arrow_type == TIMESTAMP and kinds == {str}:
        moments = pa.array(values, pa.string()).cast(TIMESTAMP)
        return moments if _is_in_calendar(moments) else None
    of_kind, is_usable = _PLAIN.get(arrow_type, (frozenset(), None))
    if not kinds <= of_kind:
        return None
    column = pa.array(values, arrow_type)
    return column if is_usable is None or is_usable(column) else None


def _is_in_calendar(moments: pa.Array) -> bool:
    within = pc.and_(pc.greater_equal(moments, FIRST_MOMENT), pc.less_equal(moments, LAST_MOMENT))
    return bool(pc.all(within).as_py() is not False)


def _is_finite(numbers: pa.Array) -> bool:
    return bool(pc.all(pc.is_finite(numbers)).as_py() is not False)


def _has_an_opposite(numbers: pa.Array) -> bool:
    return bool(pc.min(numbers).as_py() != _LEAST_INT)


def _is_without_gaps(lists: pa.Array) -> bool:
    return bool(lists.flatten().null_count == 0)


_PLAIN: dict[pa.DataType, tuple[frozenset[type], Callable[[pa.Array], bool] | None]] = {
    pa.string(): (frozenset({str}), None),
    pa.int64(): (frozenset({int}), _has_an_opposite),
    pa.float64(): (frozenset({float, int}), _is_finite),
    pa.bool_(): (frozenset({bool}), None),
    TIMESTAMP: (frozenset({datetime}), _is_in_calendar),
    _TEXTS: (frozenset({list}), _is_without_gaps),
}
