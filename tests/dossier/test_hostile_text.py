"""Text of strangers is shown as text, in the terminal and in a spreadsheet."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.dossier import csv_cell, visible

any_text = st.text(st.characters(codec=None, categories=None))


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("invoice\u202efdp.exe", r"invoice\u202efdp.exe"),
        ("a\u2066b\u2069\u200f", r"a\u2066b\u2069\u200f"),
        ("one\r\ntwo\u2028three", r"one\x0d\x0atwo\u2028three"),
        ("\ud800 alone", r"\ud800 alone"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("\x9b31m", r"\x9b31m"),
    ],
)
def test_what_steers_a_terminal_or_hides_is_shown_as_an_escape(hostile, shown):
    """Escape sequences, bidirectional controls, separators and lone surrogates become visible."""
    assert visible(hostile) == shown


@pytest.mark.parametrize(
    "text", ["Grüße, 天地玄黃", "שלום עולם", "می‌خواهم", "👩‍🔬 {{ 7 * 7 }} <b>"]
)
def test_writing_of_any_language_stays_as_it_is(text):
    """Right-to-left letters, joiners and markup are no control characters."""
    assert visible(text) == text


@given(any_text)
def test_shown_text_holds_no_control_character_and_can_be_encoded(text):
    """Whatever comes in, what goes out is printable UTF-8."""
    shown = visible(text)

    shown.encode("utf-8")
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not any("\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in shown)


@given(any_text)
def test_showing_twice_changes_nothing_more(text):
    """Shown text can pass through another layer that also shows it."""
    assert visible(visible(text)) == visible(text)


def test_lines_can_be_kept_for_a_page():
    """A prompt keeps its lines where the page sets them as such."""
    assert visible("a\n\tb\x1b", keep_lines=True) == "a\n\tb\\x1b"


@pytest.mark.parametrize(
    "formula",
    [
        "=HYPERLINK(\"https://attacker.invalid\")", "+1+1", "-2+3", "@SUM(A1)", "|calc", " =1+1",
        "\u00a0=1", "'=1", '"=1', "\uff1d1+1", "%0A=1",
    ],
)  # fmt: skip
def test_a_formula_is_written_as_text(formula):
    """No cell of a spreadsheet starts as a formula."""
    assert csv_cell(formula).startswith("'")


@pytest.mark.parametrize("text", ["acct-0001", "96 % of prompts", "", "a=b", "   "])
def test_an_ordinary_cell_stays_as_it_is(text):
    """Only formulas get an apostrophe."""
    assert csv_cell(text) == text


@given(st.lists(any_text, min_size=1, max_size=4))
def test_cells_survive_the_csv_and_start_no_formula(cells):
    """Through a real CSV reader every row has its cells, on one line each."""
    out = io.StringIO()
    csv.writer(out).writerow([csv_cell(cell) for cell in cells])

    (row,) = csv.reader(io.StringIO(out.getvalue()))
    assert row == [csv_cell(cell) for cell in cells]
    assert not any(cell.lstrip()[:1] in tuple("=+-@|%") for cell in row if cell.strip())
