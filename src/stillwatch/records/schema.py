"""One definition a table: a frozen dataclass whose fields carry their Arrow types."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["TIMESTAMP", "Column", "TableSchema", "column", "strings_at", "table_schema"]

TIMESTAMP = pa.timestamp("us", tz="UTC")


def column(arrow_type: pa.DataType, meaning: str, *, required: bool = False) -> Any:
    """A dataclass field that is also a table column.

    Required columns have no default, so that a row without them cannot be built.
    """
    metadata = {"arrow": arrow_type, "meaning": meaning, "required": required}
    return field(metadata=metadata) if required else field(default=None, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a canonical table."""

    name: str
    arrow_type: pa.DataType
    meaning: str
    required: bool


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A canonical table: its name and its columns in order."""

    name: str
    columns: tuple[Column, ...]

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, every column nullable so that a null never breaks a file."""
        return pa.schema([pa.field(c.name, c.arrow_type) for c in self.columns])

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.required)

    def empty(self) -> pa.Table:
        return self.arrow.empty_table()

    def table(self, rows: list[Any]) -> pa.Table:
        """Rows (dataclass instances of this table, or dicts) as an Arrow table."""
        names = self.names
        columns = {
            name: [row[name] if isinstance(row, dict) else getattr(row, name) for row in rows]
            for name in names
        }
        return pa.table(columns, schema=self.arrow)


def strings_at(names: npt.NDArray[np.str_], places: npt.NDArray[np.integer[Any]]) -> pa.Array:
    """The strings at these places; null where a place is negative."""
    words = pa.array(names.tolist(), pa.string())
    return words.take(pa.array(places, mask=places < 0))


def table_schema(name: str, row_type: type) -> TableSchema:
    """The table whose rows are instances of `row_type`."""
    columns = []
    for item in fields(row_type):
        if "arrow" not in item.metadata:
            raise TypeError(f"{row_type.__name__}.{item.name} has no Arrow type")
        required = bool(item.metadata["required"]) and item.default is MISSING
        columns.append(
            Column(item.name, item.metadata["arrow"], item.metadata["meaning"], required)
        )
    return TableSchema(name, tuple(columns))
