"""Small Parquet files that ask for gigabytes, each in its own way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["BOMBS"]

_ONE_ROW = {"account_id": ["a"], "started_at": [0]}
_MILLION = 1_000_000


def dictionary(path: Path, *, store_schema: bool) -> None:
    """One text of a megabyte, which the dictionary writes out in each of 20,000 rows."""
    rows = 20_000
    texts = pa.DictionaryArray.from_arrays(
        pa.nulls(rows, pa.int32()).fill_null(0), ["\0" * _MILLION]
    )
    table = pa.table({"account_id": ["a"] * rows, "started_at": [0] * rows, "input_text": texts})
    pq.write_table(table, path, compression="zstd", store_schema=store_schema)


def one_row_of_lists(path: Path) -> None:
    """Three million names of a tool in a single row, all of them one long text."""
    count = 3 * _MILLION
    names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), ["x" * 10_000])
    lists = pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), names)
    table = pa.table({**_ONE_ROW, "tool_names": lists})
    pq.write_table(table, path, compression="zstd", store_schema=False)


def page(path: Path, *, claimed: int, megabytes: int) -> None:
    """A page whose header claims so many bytes, and that unpacks to so much.

    The file's own account of its size stays that of the page that lay there.
    """
    text = os.urandom(100_000).hex()
    table: Any = pa.table({**_ONE_ROW, "input_text": [text]})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, store_schema=False)
    column = pq.ParquetFile(path).metadata.row_group(0).column(2)
    start, length = column.data_page_offset, column.total_compressed_size
    packed = length - len(_header(claimed, length))
    zeros: bytes = pa.compress(b"\0" * _MILLION, codec="zstd", asbytes=True)
    content = (_header(claimed, packed) + zeros * megabytes).ljust(length, b"\0")
    assert len(content) == length
    whole = bytearray(path.read_bytes())
    whole[start : start + length] = content
    path.write_bytes(whole)


def _header(unpacked: int, packed: int) -> bytes:
    """A header of a data page of one plain value, in Thrift's compact protocol."""
    sizes = b"\x15\x00\x15" + _number(unpacked) + b"\x15" + _number(packed)
    plain, run_length = _number(0), _number(3)
    values = b"\x15" + _number(1) + b"\x15" + plain + b"\x15" + run_length + b"\x15" + run_length
    return sizes + b"\x2c" + values + b"\x00\x00"


def _number(value: int) -> bytes:
    """A positive number as a zigzag varint."""
    value, written = value << 1, bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


BOMBS: dict[str, Callable[[Path], None]] = {
    "dictionary": lambda path: dictionary(path, store_schema=False),
    "dictionary of the schema": lambda path: dictionary(path, store_schema=True),
    "lists of one row": one_row_of_lists,
    "page that is large": lambda path: page(path, claimed=800 * _MILLION, megabytes=800),
    "page that claims to be large": lambda path: page(path, claimed=2**31 - 1, megabytes=1),
}
