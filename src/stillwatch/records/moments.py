"""Moments as others write them: times without a zone, text, and numbers since 1970."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.records.schema import TIMESTAMP

__all__ = ["EPOCH_UNITS", "as_moments", "moment_of_number", "moment_of_text"]

EPOCH_UNITS = ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3), (0.0, 1e6))
"""From which number on an epoch is in nano-, micro- and milliseconds, and the microseconds in one.

As seconds, the next smaller unit's numbers would lie three thousand years ahead.
"""

_LARGEST = 9.2e18  # a count of microseconds and one of nanoseconds fit a 64-bit column up to here


def as_moments(values: pa.ChunkedArray) -> tuple[pa.ChunkedArray, list[int]] | None:
    """The values as canonical timestamps, and the rows that hold something else.

    What has no zone is UTC. Numbers are seconds, milli-, micro- or nanoseconds since 1970, by their
    size. `moment_of_number` and `moment_of_text` say the same in SQL.

    Returns:
        None for columns of types that hold no moments, such as lists.
    """
    given = values.type
    if pa.types.is_dictionary(given):
        values = values.cast(given.value_type)
        given = given.value_type
    if pa.types.is_null(given):
        return values.cast(TIMESTAMP), []
    if pa.types.is_timestamp(given):
        zoned = values if given.tz is not None else pc.assume_timezone(values, "UTC")
        return zoned.cast(TIMESTAMP, safe=False), []
    if pa.types.is_date(given):
        return pc.assume_timezone(values.cast(pa.timestamp("us")), "UTC"), []
    if pa.types.is_integer(given) or pa.types.is_floating(given):
        return _with_failures(values, _of_numbers(values.cast(pa.float64(), safe=False)))
    if pa.types.is_string(given) or pa.types.is_large_string(given):
        return _with_failures(values, _of_texts(values.cast(pa.string())))
    return None


def _with_failures(
    given: pa.ChunkedArray, moments: pa.ChunkedArray
) -> tuple[pa.ChunkedArray, list[int]]:
    failed = pc.and_(pc.is_valid(given), pc.is_null(moments))
    return moments, [int(row) for row in pc.indices_nonzero(failed).to_pylist()]


def _of_numbers(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    usable = pc.fill_null(pc.less(pc.abs(numbers), _LARGEST), False)
    numbers = pc.if_else(usable, numbers, pa.scalar(None, pa.float64()))
    size = pc.abs(numbers)
    microseconds = pc.multiply(numbers, EPOCH_UNITS[-1][1])
    for least, factor in reversed(EPOCH_UNITS[:-1]):
        microseconds = pc.if_else(
            pc.greater_equal(size, least), pc.multiply(numbers, factor), microseconds
        )
    return pc.floor(pc.add(microseconds, 0.5)).cast(pa.int64()).cast(TIMESTAMP)


def _of_texts(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return texts.cast(TIMESTAMP)
    except pa.ArrowInvalid:
        return pa.chunked_array([pa.array([_of_text(t) for t in texts], TIMESTAMP)])


def _of_text(text: pa.StringScalar) -> pa.Scalar | None:
    """One text as a moment: a number, a time with a zone, or one without."""
    for wanted in (pa.float64(), TIMESTAMP, pa.timestamp("us")):
        try:
            value = text.cast(wanted)
        except pa.ArrowInvalid:
            continue
        column = pa.chunked_array([pa.array([value.as_py()], wanted)])
        found = as_moments(column)
        return found[0][0].as_py() if found else None
    return None


def moment_of_number(column: str) -> str:
    """SQL: a column of numbers as `timestamptz`, in a session whose zone is UTC."""
    number = f"try_cast({column} as double)"
    cases = " ".join(
        f"when abs({number}) >= {least:g} then {number} * {factor:g}"
        for least, factor in EPOCH_UNITS
    )
    microseconds = f"try_cast(floor((case {cases} end) + 0.5) as bigint)"
    usable = f"abs({number}) < {_LARGEST:g}"
    return f"case when {usable} then make_timestamp({microseconds})::timestamptz end"


def moment_of_text(column: str) -> str:
    """SQL: a column of text as `timestamptz`, in a session whose zone is UTC."""
    return f"coalesce({moment_of_number(column)}, try_cast({column} as timestamptz))"
