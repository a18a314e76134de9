"""Bringing a table someone else wrote into canonical form, row by row."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.records.errors import InputError, Problem
from stillwatch.records.moments import as_moments
from stillwatch.records.schema import TIMESTAMP, TableSchema

__all__ = ["Conformed", "conform"]


@dataclass(frozen=True, slots=True)
class Conformed:
    """A table in canonical form, and what had to be left out of it.

    Attributes:
        table: Canonical columns first, in the contract's order; then extra ones as they came.
        absent: Optional columns the input did not have.
        problems: One entry for each value or row that could not be used.
        rejected_rows: Zero-based input rows that were left out, in order.
    """

    table: pa.Table
    absent: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    rejected_rows: tuple[int, ...] = field(default=())


def conform(table: pa.Table, schema: TableSchema, *, where: str) -> Conformed:
    """Cast `table` to `schema`, keeping good rows and naming bad ones.

    Args:
        table: Any Arrow table.
        schema: The canonical table it should be.
        where: The file name to use in messages.

    Raises:
        InputError: A required column is missing, or a column has a type from which the
            canonical type cannot be made at all.
    """
    _require_columns(table, schema, where)
    problems: list[Problem] = []
    columns: dict[str, pa.ChunkedArray] = {}
    bad_rows: set[int] = set()
    for item in schema.columns:
        if item.name not in table.column_names:
            columns[item.name] = pa.nulls(table.num_rows, item.arrow_type)
            continue
        cast, failed = _cast(table[item.name], item.name, item.arrow_type, where)
        for row in failed:
            problems.append(
                Problem(
                    where,
                    f"the value is not {_plain(item.arrow_type)}.",
                    f"Write it as {_plain(item.arrow_type)}, or leave it empty."
                    if not item.required
                    else f"Write it as {_plain(item.arrow_type)}; the row was left out.",
                    item.name,
                    row,
                )
            )
        if item.required:
            missing = set(_true_indices(_is_missing(cast)))
            for row in sorted(missing - set(failed)):
                problems.append(
                    Problem(
                        where,
                        "a required value is missing.",
                        "Fill it in; the row was left out.",
                        item.name,
                        row,
                    )
                )
            bad_rows |= missing
        columns[item.name] = cast
    for name in table.column_names:
        columns.setdefault(name, table[name])
    result = pa.table(columns)
    if bad_rows:
        keep = [i for i in range(result.num_rows) if i not in bad_rows]
        result = result.take(pa.array(keep, pa.int64()))
    absent = tuple(c.name for c in schema.columns if c.name not in table.column_names)
    return Conformed(result, absent, tuple(problems), tuple(sorted(bad_rows)))


def _require_columns(table: pa.Table, schema: TableSchema, where: str) -> None:
    missing = [name for name in schema.required if name not in table.column_names]
    if not missing:
        return
    hints = []
    for name in missing:
        near = difflib.get_close_matches(name, table.column_names, n=1, cutoff=0.7)
        hints.append(f"rename '{near[0]}' to '{name}'" if near else f"add '{name}'")
    raise InputError(
        f"the {schema.name} table lacks the required column"
        f"{'s' if len(missing) > 1 else ''} {', '.join(missing)}.",
        where=where,
        remedy=f"To use this file, {' and '.join(hints)}.",
    )


def _cast(
    values: pa.ChunkedArray, name: str, arrow_type: pa.DataType, where: str
) -> tuple[pa.ChunkedArray, list[int]]:
    """The values as `arrow_type`, with null and the row's number where one cannot be cast."""
    if values.type == arrow_type:
        return values, []
    if arrow_type == TIMESTAMP and (moments := as_moments(values)) is not None:
        return moments
    try:
        return values.cast(arrow_type), []
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        castable = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
        if not castable or isinstance(error, pa.ArrowNotImplementedError):
            raise InputError(
                f"column {name} has type {values.type}, not {arrow_type}.",
                where=where,
                remedy=f"Write the column as {_plain(arrow_type)}.",
            ) from error
        return _cast_one_by_one(values, arrow_type)


def _cast_one_by_one(
    values: pa.ChunkedArray, arrow_type: pa.DataType
) -> tuple[pa.ChunkedArray, list[int]]:
    result, failed = [], []
    for row, value in enumerate(values):
        try:
            result.append(value.cast(arrow_type).as_py())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            result.append(None)
            failed.append(row)
    return pa.chunked_array([pa.array(result, arrow_type)]), failed


def _is_missing(values: pa.ChunkedArray) -> pa.ChunkedArray:
    missing = pc.is_null(values)
    if pa.types.is_string(values.type):
        missing = pc.or_(missing, pc.fill_null(pc.equal(values, ""), True))
    return missing


def _true_indices(mask: pa.ChunkedArray) -> list[int]:
    return [int(i) for i in pc.indices_nonzero(mask).to_pylist()]


def _plain(arrow_type: pa.DataType) -> str:
    if pa.types.is_timestamp(arrow_type):
        return "a timestamp such as 2026-01-31T12:00:00Z"
    if pa.types.is_integer(arrow_type):
        return "a whole number"
    if pa.types.is_floating(arrow_type):
        return "a number"
    if pa.types.is_boolean(arrow_type):
        return "true or false"
    if pa.types.is_list(arrow_type):
        return "a list of strings"
    return "text" if pa.types.is_string(arrow_type) else str(arrow_type)
