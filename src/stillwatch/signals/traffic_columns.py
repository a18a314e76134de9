"""The columns of a log while it is read, and in order of time once it was.

They are written to files as they come (`lake.scratch`), so that a log of any length is read in the
memory that a batch takes.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.lake.purpose import PURPOSES
from stillwatch.lake.scratch import AT_ONCE, Growing, empty, rest, taken
from stillwatch.signals.request_columns import hash_strings

__all__ = ["TrafficColumns", "in_order"]

IntArray = npt.NDArray[np.int64]
Column = npt.NDArray[Any]

_TYPES: dict[str, str] = {
    "turn": "i4",
    "output_tokens": "i4",
    "input_words": "i4",
    "system_words": "i4",
    "account": "i4",
    "exchange_id": "u1",
    "exchange_id lengths": "i4",
    "shingles lengths": "i4",
    "terms lengths": "i4",
    "refused": "?",
    "request_status": "i1",
    "request_prefill": "?",
    "purpose": f"V{len(PURPOSES)}",
}
"""All others are `i8`."""


class TrafficColumns:
    """What a digest of the log holds of each usable exchange."""

    def __init__(self) -> None:
        self._growing: dict[str, Growing] = {}
        self._read: dict[str, Column] = {}
        self._number_of: dict[str, int] = {}
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def add(self, part: pa.RecordBatch, usable: pa.BooleanArray) -> None:
        """Add the usable exchanges of a batch.

        Args:
            part: As `traffic._parts` makes it.
        """
        part = part.filter(usable)
        self._rows += part.num_rows
        for name, column in zip(part.schema.names, part.columns, strict=True):
            if name == "account_id":
                self._add("account", self._numbers_of(column))
            elif name == "exchange_id":
                large = column.cast(pa.large_string())
                data = large.buffers()[2] or b""
                self._add_list(name, np.frombuffer(data, np.uint8), _offsets(large, "i8"))
                self._add("id_hash", hash_strings(large).to_numpy(zero_copy_only=False))
            elif pa.types.is_list(column.type):
                values = column.values.to_numpy(zero_copy_only=False)
                self._add_list(name, values, _offsets(column, "i4"))
            elif name == "purpose":
                held = column.offset + len(column)
                shares = np.frombuffer(column.buffers()[1], f"V{len(PURPOSES)}", held)
                self._add(name, shares[column.offset :])
            else:
                if name == "started_at":
                    column = column.cast(pa.int64())
                filled = pc.fill_null(column, 0) if column.null_count else column
                self._add(name, filled.to_numpy(zero_copy_only=False))

    def accounts(self) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int32]]:
        """The names of all accounts, sorted, and the position of each exchange's account."""
        named = np.asarray(list(self._number_of), dtype=np.str_)
        names, ranks = np.unique(named, return_inverse=True)
        return names, ranks.astype(np.int32)[self.as_read("account")]

    def as_read(self, name: str) -> Column:
        """A column in the order in which it was read."""
        if name in self._growing:
            self._read[name] = self._growing.pop(name).whole()
        return self._read[name]

    def order(self) -> IntArray:
        """The exchanges by start, then by the hash of their id."""
        started, ids = self.as_read("started_at"), self.as_read("id_hash")
        order = np.argsort(started, kind="stable")
        ascending = started[order]
        same = np.concatenate([[False], ascending[1:] == ascending[:-1], [False]])
        tied = np.flatnonzero(same[1:] | same[:-1])
        rows = order[tied]
        order[tied] = rows[np.lexsort((ids[rows], started[rows]))]
        return order

    def taken(self, name: str, order: IntArray) -> Column:
        """A column in this order; what was read is let go."""
        column = taken(self.as_read(name), order)
        del self._read[name]
        rest()
        return column

    def lists(self, name: str, order: IntArray) -> tuple[Column, IntArray]:
        """The values of the lists in this order, and where the list of each exchange begins."""
        lengths = self.as_read(f"{name} lengths")
        begins = np.cumsum(lengths, dtype=np.int64) - lengths
        starts = empty(len(order) + 1, np.int64)
        starts[0] = 0
        np.cumsum(lengths[order], out=starts[1:])
        values = self.as_read(name)
        ordered = empty(int(starts[-1]), values.dtype)
        for first in range(0, len(order), AT_ONCE):
            in_order(values, begins, order[first : first + AT_ONCE], starts[first:], ordered)
            rest()
        del self._read[name], self._read[f"{name} lengths"]
        return ordered, starts

    def strings(self, name: str, order: IntArray) -> pa.LargeStringArray:
        """The strings in this order."""
        data, starts = self.lists(name, order)
        return pa.LargeStringArray.from_buffers(
            len(order), pa.py_buffer(starts), pa.py_buffer(data)
        )

    def _add(self, name: str, values: Column) -> None:
        if name not in self._growing:
            self._growing[name] = Growing(_TYPES.get(name, "i8"))
        self._growing[name].append(values)

    def _add_list(self, name: str, values: Column, offsets: IntArray) -> None:
        """Add lists whose values lie between offsets."""
        self._add(name, values[offsets[0] : offsets[-1]])
        self._add(f"{name} lengths", np.diff(offsets))

    def _numbers_of(self, accounts: pa.DictionaryArray) -> npt.NDArray[np.int32]:
        """The number of each account, in order of appearance in the log."""
        known = self._number_of
        numbers = np.array(
            [known.setdefault(name, len(known)) for name in accounts.dictionary.to_pylist()],
            np.int32,
        )
        positions: IntArray = accounts.indices.to_numpy(zero_copy_only=False)
        return numbers[positions]


def _offsets(column: pa.Array, kind: str) -> IntArray:
    """Where each string or list begins, and where the last ends."""
    offsets = np.frombuffer(column.buffers()[1], kind)
    return offsets[column.offset : column.offset + len(column) + 1].astype(np.int64)


@nb.njit(cache=True, nogil=True)
def in_order(values, begins, order, starts, ordered):  # type: ignore[no-untyped-def]
    """Put lists that begin at `begins` in an order, each where `starts` says."""
    for row in range(len(order)):
        begin = begins[order[row]]
        for k in range(starts[row + 1] - starts[row]):
            ordered[starts[row] + k] = values[begin + k]
