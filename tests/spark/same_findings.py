"""Whether two engines found the same."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from stillwatch.records import Findings

__all__ = ["assert_same_findings", "assert_same_rows", "by_key"]

_NEAR = 1e-9
_TABLES = ("campaigns", "members", "exchanges", "links", "tested")


def assert_same_findings(one: Findings, other: Findings) -> None:
    """Same rows in the same order: names, members, roles and targets equal, figures within 1e-9."""
    for name in _TABLES:
        assert_same_rows(getattr(one, name), getattr(other, name), name)
    for note in ("missing_evidence", "left_out", "as_of"):
        assert one.notes[note] == other.notes[note]


def assert_same_rows(one: pa.Table, other: pa.Table, what: str) -> None:
    """Equal in all but the last digits of numbers that are not whole."""
    assert one.schema == other.schema, what
    assert one.num_rows == other.num_rows, what
    for row, (left, right) in enumerate(zip(one.to_pylist(), other.to_pylist(), strict=True)):
        assert _alike(left, right), f"{what}, row {row}: {left} and {right}"


def by_key(table: pa.Table, *keys: str) -> dict[Any, dict[str, Any]]:
    """The rows by the values of some columns."""
    return {tuple(row[key] for key in keys): row for row in table.to_pylist()}


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_NEAR) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)
