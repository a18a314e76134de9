"""The canonical format: Parquet, CSV and JSONL, its four tables told apart by their columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from stillwatch.identity import RAW_COLUMNS
from stillwatch.records import ACCOUNTS, EXCHANGES, LOG_TABLES
from stillwatch.sources.adapter import ParsedRow, ParsedTable, Unreadable
from stillwatch.sources.limits import LimitError, Limits, parsed_json
from stillwatch.sources.lines import first_bytes, numbered_lines
from stillwatch.sources.log_records import delimited_rows, named_values
from stillwatch.sources.memory import TooLargeError
from stillwatch.sources.parquet_rows import ParquetRows
from stillwatch.sources.quarantine import without_quotes

__all__ = ["CanonicalAdapter", "table_with_columns"]

_PARQUET = b"PAR1"
# A first row may leave out what is null; so many together show the columns of the file.
_ROWS_THAT_SHOW_COLUMNS = 100

_OF_CREDENTIALS = {"credential_id", "credential_raw", "credential_sha256"}
_OF_PEOPLE = {"signup_ip_raw", "email_raw", "phone_raw", "payment_raw", "device_raw"}
_OF_ACCOUNTS = (set(ACCOUNTS.names) | _OF_PEOPLE) - {"account_id"}
_OF_EXCHANGES = (set(EXCHANGES.names) | (set(RAW_COLUMNS) - _OF_PEOPLE)) - (
    set(ACCOUNTS.names) | _OF_CREDENTIALS | {"source_id"}
)
_OURS = {name for table in LOG_TABLES for name in table.names} | set(RAW_COLUMNS)


def table_with_columns(names: Iterable[str]) -> str | None:
    """Which canonical table has these columns, or None if they fit none."""
    columns = set(names)
    if {"model", "released_at"} <= columns and "account_id" not in columns:
        return "model_releases"
    if columns & _OF_EXCHANGES:
        return "exchanges"
    if "account_id" in columns and columns & _OF_CREDENTIALS:
        return "credentials"
    if "account_id" in columns and columns & _OF_ACCOUNTS:
        return "accounts"
    return None


def _read_as(names: Iterable[str]) -> tuple[str | None, bool]:
    """The table of these columns, and whether it is theirs in lower case only.

    Databases such as Snowflake write the names of columns in capitals.
    """
    given = list(names)
    if table := table_with_columns(given):
        return table, False
    lower = [name.lower() for name in given]
    # Two names that are one in lower case would be two columns of one name.
    return (table_with_columns(lower), True) if len(set(lower)) == len(lower) else (None, False)


class CanonicalAdapter:
    """Reads the tables of the exchange log, written by the provider or by `export`."""

    name: ClassVar[str] = "canonical"

    def read(self, path: Path) -> Iterator[ParsedRow | ParsedTable | Unreadable]:
        """The rows of one file, whichever of the three encodings it has."""
        suffixes = [s.lower() for s in path.suffixes if s.lower() not in _PACKED]
        suffix = suffixes[-1] if suffixes else ""
        head = first_bytes(path, 64)
        if not head and suffix == ".parquet":
            yield Unreadable(0, "the file is empty.")
        elif head.startswith(_PARQUET) or suffix == ".parquet":
            yield from _read_parquet(path, head)
        elif suffix in (".csv", ".tsv") or (suffix not in _JSON and not _looks_like_json(head)):
            yield from _read_csv(path)
        else:
            yield from _read_json_lines(path)


_PACKED = (".gz", ".zst")
_JSON = (".jsonl", ".ndjson", ".json")
_NAMES_COMPARED = 100


def _looks_like_json(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def _read_parquet(path: Path, head: bytes) -> Iterator[ParsedTable | Unreadable]:
    if not head.startswith(_PARQUET):
        yield Unreadable(0, "this is not a Parquet file: it does not start with PAR1.")
        return
    row, limits = 0, Limits.configured()
    try:
        with ParquetRows(path, limits) as file:
            table, in_lower_case = _read_as(file.names)
            if table is None:
                yield _of_no_table(file.names)
                return
            for piece in file.pieces():
                if in_lower_case:
                    piece = piece.rename_columns([name.lower() for name in file.names])
                if piece.num_rows == 1 and piece.nbytes > limits.row_bytes:
                    yield Unreadable(row + 1, f"the row is {limits.row_too_long}")
                else:
                    yield from _readable_rows(piece, table, row + 1)
                row += piece.num_rows
    except LimitError as error:
        yield Unreadable(row and row + 1, str(error))
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = without_quotes(str(error)) or type(error).__name__
        where = f"after row {row}" if row else "at all"
        yield Unreadable(
            row and row + 1,
            f"the Parquet file is truncated or damaged, unreadable {where}: {reason}",
        )


def _readable_rows(
    rows: pa.Table, table: str, first_line: int
) -> Iterator[ParsedTable | Unreadable]:
    """The rows, without those whose text is not UTF-8: Arrow takes Parquet's word for it."""
    try:
        rows.validate(full=True)
        yield ParsedTable(first_line, rows, table)
        return
    except pa.ArrowInvalid:
        broken = _rows_with_broken_text(rows)
        if not broken:
            raise
    start = 0
    for row in [*sorted(broken), rows.num_rows]:
        if row > start:
            yield ParsedTable(first_line + start, rows.slice(start, row - start), table)
        if row < rows.num_rows:
            yield Unreadable(first_line + row, "a text in this row is not UTF-8.")
        start = row + 1


def _rows_with_broken_text(rows: pa.Table) -> set[int]:
    broken = set()
    for column in rows.columns:
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            continue
        for row, data in enumerate(column.cast(pa.large_binary()).to_pylist()):
            try:
                (data or b"").decode()
            except UnicodeDecodeError:
                broken.add(row)
    return broken


def _read_json_lines(path: Path) -> Iterator[ParsedRow | Unreadable]:
    table: str | None = None
    in_lower_case = False
    waiting: list[tuple[int, dict[str, Any]]] = []

    def parsed(line: int, row: dict[str, Any], table: str) -> ParsedRow:
        named = {name.lower(): value for name, value in row.items()} if in_lower_case else row
        return ParsedRow(line, named, table)

    for item in _json_objects(path):
        if isinstance(item, Unreadable):
            yield item
        elif table is not None:
            yield parsed(*item, table)
        else:
            waiting.append(item)
            if len(waiting) == _ROWS_THAT_SHOW_COLUMNS:
                table, in_lower_case = _read_as(_names_of(waiting))
                if table is None:
                    break
                yield from (parsed(line, row, table) for line, row in waiting)
                waiting = []
    if waiting:
        table, in_lower_case = _read_as(_names_of(waiting))
        if table is None:
            yield _of_no_table(_names_of(waiting))
        else:
            yield from (parsed(line, row, table) for line, row in waiting)


def _names_of(rows: list[tuple[int, dict[str, Any]]]) -> Iterable[str]:
    return dict.fromkeys(name for _, row in rows for name in row)


def _json_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]] | Unreadable]:
    limits = Limits.configured()
    for line in numbered_lines(path, limits):
        if isinstance(line, Unreadable):
            yield line
            continue
        text = line.data.removeprefix(b"\xef\xbb\xbf") if line.number == 1 else line.data
        if not text.strip():
            continue
        if line.number == 1 and (text.strip() == b"{" or text.lstrip().startswith(b"[")):
            yield Unreadable(0, "this is one JSON document; one object a line is needed.")
            return
        try:
            value = parsed_json(text, limits.nesting)
        except RecursionError:
            yield Unreadable(line.number, f"the JSON is {limits.too_deep}")
        except TooLargeError as error:
            yield Unreadable(line.number, str(error))
        except ValueError:
            yield Unreadable(line.number, "this line is not JSON; one object a line is needed.")
        else:
            if isinstance(value, dict):
                yield line.number, value
            else:
                yield Unreadable(line.number, "this line is not a JSON object.")


def _read_csv(path: Path) -> Iterator[ParsedRow | Unreadable]:
    header: list[str] = []
    table: str | None = None
    for item in delimited_rows(path):
        if isinstance(item, Unreadable):
            yield item
        elif table is None:
            header = [name.strip() for name in item[1]]
            table, in_lower_case = _read_as(header)
            if table is None:
                yield _of_no_table(header)
                break
            header = [name.lower() for name in header] if in_lower_case else header
        else:
            row = named_values(item[0], item[1], header)
            yield row if isinstance(row, Unreadable) else ParsedRow(item[0], row, table)


def _of_no_table(names: Iterable[str]) -> Unreadable:
    given = list(names)
    # A file without a header has values where the names should be: only ours are shown.
    ours = [name for name in given if name in _OURS]
    shown = ", ".join([*ours[:8], f"{len(given) - len(ours)} that no table has"])
    others = [n.lower() for n in given[:_NAMES_COMPARED] if n not in ours and len(n) <= 40]
    near = {near for name in others for near in get_close_matches(name, _OURS, n=1, cutoff=0.75)}
    meant = f" Is one of them meant to be {' or '.join(sorted(near)[:4])}?" if near else ""
    return Unreadable(
        0,
        f"its columns ({shown}) are those of no canonical table; exchanges need at least "
        f"account_id and started_at, accounts account_id and one column more.{meant}",
    )
