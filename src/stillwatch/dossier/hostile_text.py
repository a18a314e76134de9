"""Text from logs is written by strangers: showing it must not run, hide or reorder anything."""

from __future__ import annotations

import unicodedata

__all__ = ["csv_cell", "visible"]

# The joiners are letters' business in Persian, Hindi and emoji, and hide nothing by themselves.
_HARMLESS_FORMAT = "\u200c\u200d"
_LINE_BREAKS_AND_TABS = "\n\t"
_HIDING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# What LibreOffice, Excel and Sheets read as the start of a formula, full-width forms included.
_FORMULA_STARTS = "=+-@|%\uff1d\uff0b\uff0d\uff20"


def visible(text: str, *, keep_lines: bool = False) -> str:
    r"""The text with control and bidirectional characters as escapes such as `\x1b` or `\u202e`.

    Use it wherever text of a log reaches a terminal, a page or a file. Markup is not touched:
    escaping that is the page's own business.

    Args:
        text: Any text, lone surrogates included.
        keep_lines: Leave line breaks and tabs as they are.
    """
    kept = _HARMLESS_FORMAT + (_LINE_BREAKS_AND_TABS if keep_lines else "")
    return "".join(
        _escape(c) if c not in kept and unicodedata.category(c) in _HIDING else c for c in text
    )


def csv_cell(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula.

    A formula gets an apostrophe in front, which spreadsheets read as "this is text" (OWASP, CSV
    injection). Quoting of commas and quotation marks is left to the csv module.
    """
    shown = visible(text)
    first = shown.lstrip(" '\"\u00a0")[:1]
    return f"'{shown}" if first and first in _FORMULA_STARTS else shown


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
