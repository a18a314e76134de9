"""Figures in words are right, and read as a person would write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.dossier.words import (
    amount,
    compact,
    e_value_in_words,
    figure,
    joined,
    odds,
    percent,
    rate_in_words,
)

_BACK = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"), (0.0421, "0.042"), (3.14159, "3.14"), (870, "870"), (12_345, "12,300"),
        (3.2e12, "3.2\u00a0×\u00a010¹²"), (1e9, "10⁹"), (2e-6, "2\u00a0×\u00a010⁻⁶"),
        (1e-6, "10⁻⁶"), (math.inf, "beyond measure"), (math.nan, "unknown"),
    ],
)  # fmt: skip
def test_a_figure_shows_the_digits_that_matter(value, words):
    """Two or three digits, thousands set apart, powers of ten for the rest."""
    assert figure(value) == words


@given(st.floats(1e-300, 1e300))
def test_a_figure_read_back_is_within_five_per_cent(value):
    """Shortening never changes what a figure says."""
    text = figure(value).replace(",", "").replace("\u00a0", "")
    if "×10" in text:
        head, _, exponent = text.partition("×10")
        read = float(head) * 10.0 ** int(exponent.translate(_BACK))
    elif set(text) & set("⁻⁰¹²³⁴⁵⁶⁷⁸⁹"):
        read = 10.0 ** int(text[2:].translate(_BACK))
    else:
        read = float(text)

    assert read == pytest.approx(value, rel=0.05)


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0"), (0.004, "under 1"), (0.5, "50"), (0.996, "over 99"), (1, "100")],
)
def test_a_share_never_rounds_something_to_nothing_or_to_all(share, words):
    """A few exchanges are not none, and nearly all are not all."""
    assert percent(share) == f"{words}\u00a0%"


def test_no_evidence_is_called_no_evidence():
    """An e-value of one or less is said to mean nothing."""
    assert e_value_in_words(0.7, "x").startswith("This gives no evidence")
    assert "at most once in 1,840 such groups" in e_value_in_words(1840, "x")


@pytest.mark.parametrize(
    ("rate", "words"), [(0.01, "one in 100 of"), (0, "any false discovery rate"), (1, "all of all")]
)
def test_a_rate_is_said_as_one_in_so_many(rate, words):
    """The false discovery rate is a fraction of campaigns, said as such."""
    assert words in rate_in_words(rate)


def test_counts_lists_and_weights_read_as_prose():
    """Singular and plural, "and" before the last, a ratio with its sign."""
    assert (amount(1, "account"), amount(1200, "account")) == ("1 account", "1,200 accounts")
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert (compact(950), compact(12_000), compact(3_400_000)) == ("950", "12k", "3.4M")
    assert odds(math.log(150)) == "×\u00a0150"
    assert odds(1e6) == "beyond measure"
