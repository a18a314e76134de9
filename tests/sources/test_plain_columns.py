"""Columns made at once: they are what converting their values one by one gives."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from stillwatch.records import TIMESTAMP
from stillwatch.sources.plain_columns import plain_column
from stillwatch.sources.rows import typed_column

_OFFSETS = st.one_of(
    st.just(""),
    st.just("Z"),
    st.builds(
        "{}{:02}:{:02}".format, st.sampled_from("+-"), st.integers(0, 25), st.integers(0, 70)
    ),
)
_WRITTEN = st.builds(
    "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}".format,
    st.one_of(st.sampled_from([0, 1, 1969, 2026, 9999]), st.integers(0, 9999)),
    st.integers(0, 13),
    st.integers(0, 32),
    st.sampled_from(["T", " ", "t"]),
    st.integers(0, 24),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sampled_from(["", ".1", ".123456", ".1234567", ",5"]),
    _OFFSETS,
)
_ZONES = st.one_of(
    st.none(), st.integers(-86_399, 86_399).map(lambda s: timezone(timedelta(seconds=s)))
)
_TEXTS = st.text(st.characters(), max_size=5)
_KINDS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): _TEXTS,
    pa.int64(): st.integers(-(2**64), 2**64),
    pa.float64(): st.one_of(st.floats(), st.integers(-(2**70), 2**70)),
    pa.bool_(): st.booleans(),
    TIMESTAMP: st.one_of(_WRITTEN, st.datetimes(timezones=_ZONES)),
    pa.list_(pa.string()): st.lists(st.one_of(_TEXTS, st.none(), st.integers(0, 3)), max_size=3),
}


@pytest.mark.parametrize("arrow_type", _KINDS, ids=str)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_column_made_at_once_is_the_one_made_by_value(
    arrow_type: pa.DataType, data: st.DataObject
) -> None:
    """A value of no type forces the slow way, which must give the same values and failures."""
    values = data.draw(st.lists(st.one_of(st.none(), _KINDS[arrow_type]), max_size=4))

    column, failed = typed_column(values, arrow_type)
    slow, failed_too = typed_column([*values, object()], arrow_type)

    assert column.equals(slow.slice(0, len(values)))
    assert failed == failed_too - 1


@pytest.mark.parametrize(
    ("arrow_type", "values"),
    [
        (pa.string(), ["a", None, "ü"]),
        (pa.int64(), [1, None, -5]),
        (pa.float64(), [1, 0.5, None]),
        (pa.bool_(), [True, None]),
        (TIMESTAMP, ["2026-03-01T12:00:00.5+01:00", None]),
        (TIMESTAMP, [datetime(2026, 3, 1), None]),
        (pa.list_(pa.string()), [["a"], [], None]),
    ],
    ids=str,
)
def test_usual_values_are_made_at_once(arrow_type: pa.DataType, values: list[Any]) -> None:
    """What logs hold does not go the slow way."""
    column = plain_column(values, arrow_type)

    assert column is not None
    assert column.equals(typed_column([*values, object()], arrow_type)[0].slice(0, len(values)))
