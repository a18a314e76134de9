"""What identifies a person or opens a door is masked, and ordinary prose is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.signals.slots import mask_personal_data


@pytest.mark.parametrize(
    ("secret", "mask"),
    [
        ("mara.quill+ai@example.org", "[e-mail]"),
        ("+44 20 7946 0958", "[phone]"),
        ("(0)151 5550 1234", "[phone]"),
        ("555-867-5309", "[phone]"),
        ("4111 1111 1111 1111", "[card number]"),
        ("DE89 3704 0044 0532 0130 00", "[account number]"),
        ("203.0.113.77", "[address]"),
        ("2001:db8::ff00:42:8329", "[address]"),
        ("https://mara:opensesame@example.org/x", "[login]"),
        ("sk-proj-abcdefgh12345678", "[key]"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[key]"),
        ("password: hunter2hunter2", "[key]"),
        ("Authorization: Bearer abcdef.ghijkl", "[key]"),
        ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "[key]"),
        ("1234567890", "[number]"),
    ],
)
def test_each_kind_is_masked_inside_a_sentence(secret, mask):
    """The secret is gone, its mask says what stood there, and the words around it stay."""
    masked = mask_personal_data(f"Please write to {secret} about it.")

    tail = secret.rsplit(" ", 1)[-1].removeprefix("https://")
    assert mask in masked
    assert tail not in masked
    assert masked.startswith("Please write to ")
    assert masked.endswith(" about it.")


@pytest.mark.parametrize(
    "text",
    [
        "Meet at 12:30:00 on 3 May 2026, in room 4.",
        "Use std::vector and a::b in C++17.",
        "The ratio 3.14159 is near 22/7; version 1.2.3 adds 500 tests.",
        "Solve x^2 - 5x + 6 = 0 for 100 < n < 2000.",
    ],
)
def test_ordinary_text_is_left_alone(text):
    """Times, code, versions and mathematics are no personal data."""
    assert mask_personal_data(text) == text


@given(st.text())
def test_masking_twice_changes_nothing_more(text):
    """A masked text holds nothing left to mask."""
    once = mask_personal_data(text)

    assert mask_personal_data(once) == once


@given(st.text(alphabet="0123456789 -.:@/+abE", max_size=40))
def test_seven_digits_in_a_row_never_survive(text):
    """Whatever else a number is, a long one is masked."""
    masked = mask_personal_data(text)

    run = longest = 0
    for character in masked:
        run = run + 1 if character.isdigit() else 0
        longest = max(longest, run)
    assert longest < 7
