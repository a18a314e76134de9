"""What stands in a log for nothing: empty values, and words in place of texts and keys.

Formats say nothing in different ways, and a scan must not hear the difference. Two accounts with
an empty device share no device, and customers whose prompts a gateway replaced by one word do not
ask alike.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.records import TableSchema
from stillwatch.sources.call_events import OF_EXCHANGES
from stillwatch.sources.values import NO_IDENTIFIERS

__all__ = ["without_stand_in_ids", "without_stand_ins"]

_LONGEST_STAND_IN = 64
_WORD = r"(?:redacted|removed|hidden|masked)"
# Short enough that nobody can hide a prompt in it: a prompt may well begin with "Hidden".
_REDACTION = (
    r"(?i)^\s*(?:"
    r"\*{3,}"
    rf"|[\[<({{*_]+\s*{_WORD}(?:[ _-]\w+){{0,3}}\s*[\]>)}}*_]+"
    rf"|{_WORD}|redacted[ _-](?:by|for|due[ _-]to)(?:[ _-]\w+){{1,3}}"
    r")[.\s]*$"
)
# A masked key is the same for many customers.
_MASK = r"(?i)redact|\*{3}|\.{3}|…|^\s*(?:hidden|removed|masked|none|null|-)\s*$"
_TOLD_BY_TEXTS = ("system_text", "input_text", "output_text", "turn_index", "prefill")
_KEYS = ("credential_raw", "credential_sha256")
_ENDS_OF_IDS = ("_id", "_token", "_raw", "cache_key")
_LONGEST_NO_ID = max(map(len, NO_IDENTIFIERS))
# Typed once: Arrow looks for modules of dates each time it must find out what a value is.
_NONE = pa.scalar(0, pa.int32())
_NO_TEXT = pa.scalar(None, pa.string())
_WITHHELD = pa.scalar("no_text", pa.string())
_LONGEST = pa.scalar(_LONGEST_STAND_IN, pa.int32())


def without_stand_in_ids(rows: pa.Table) -> pa.Table:
    """The rows with null for every id, token or raw identifier that is blank or a word for none.

    Accounts whose device is `NULL` share no device, and `null` is billed for nothing.
    """
    for name in rows.column_names:
        if not name.endswith(_ENDS_OF_IDS) or not _is_text(rows[name].type):
            continue
        short = pc.fill_null(pc.less_equal(pc.utf8_length(rows[name]), _LONGEST_NO_ID + 2), False)
        if pc.any(short).as_py():
            said = pc.utf8_lower(pc.utf8_trim_whitespace(pc.if_else(short, rows[name], None)))
            rows = _emptied(rows, name, pc.is_in(said, pa.array(sorted(NO_IDENTIFIERS), said.type)))
    return rows


def _is_text(given: pa.DataType) -> bool:
    return bool(pa.types.is_string(given) or pa.types.is_large_string(given))


def without_stand_ins(rows: pa.Table, schema: TableSchema) -> pa.Table:
    """The rows with null wherever the log says nothing.

    Where one word stands in place of what was asked or answered, the row has no text, and its
    `retention` says so.

    Args:
        rows: Canonical columns of their types, and `*_raw` columns.
    """
    for name in rows.column_names:
        if name not in schema.required:
            rows = _without_empty(rows, name)
    for name in _KEYS:
        if name in rows.column_names:
            rows = _emptied(rows, name, pc.match_substring_regex(rows[name], _MASK))
    return _without_redacted_texts(rows) if schema.name in OF_EXCHANGES else rows


def _without_empty(rows: pa.Table, name: str) -> pa.Table:
    column = rows[name]
    if pa.types.is_string(column.type):
        return _emptied(rows, name, pc.equal(pc.binary_length(column), _NONE))
    if pa.types.is_list(column.type):
        return _emptied(rows, name, pc.equal(pc.list_value_length(column), _NONE))
    return rows


def _without_redacted_texts(rows: pa.Table) -> pa.Table:
    replaced = pc.or_(_is_redaction(rows["input_text"]), _is_redaction(rows["output_text"]))
    if not pc.any(replaced).as_py():
        return rows
    for name in (*_TOLD_BY_TEXTS, "earlier_messages"):
        if name in rows.column_names:
            rows = _emptied(rows, name, replaced)
    withheld = pc.if_else(replaced, _WITHHELD, rows["retention"])
    return rows.set_column(rows.column_names.index("retention"), "retention", withheld)


def _is_redaction(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    short = pc.less_equal(pc.utf8_length(texts), _LONGEST)
    looked_at = pc.if_else(pc.fill_null(short, False), texts, _NO_TEXT)
    return pc.fill_null(pc.match_substring_regex(looked_at, _REDACTION), False)


def _emptied(rows: pa.Table, name: str, empty: pa.ChunkedArray) -> pa.Table:
    """The rows with null in a column where it is empty."""
    empty = pc.fill_null(empty, False)
    if not pc.any(empty).as_py():
        return rows
    column = rows[name]
    # Arrow chooses no lists: rows of null are taken instead.
    places = pc.if_else(empty, None, pa.array(range(len(column)), pa.int64()))
    return rows.set_column(rows.column_names.index(name), name, column.take(places))
