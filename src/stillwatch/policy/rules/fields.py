"""Values of a policy file, each with what may stand there, in words for whoever mends it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from datetime import timedelta
from enum import Enum
from typing import Any, TypeVar

__all__ = [
    "Field",
    "count",
    "flag",
    "name",
    "nearest",
    "number",
    "several",
    "share",
    "span",
    "texts",
    "word",
]

Field = Callable[[Any], Any]
"""Gives the value, or raises ValueError with what may stand there."""

E = TypeVar("E", bound=Enum)
_LONGEST_NAME = 200


def nearest(given: str, known: Iterable[str]) -> str:
    """What to do about a word that is none of those that are known."""
    known = list(known)
    near = difflib.get_close_matches(given, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."


def word(kind: type[E]) -> Field:
    """One word of a closed vocabulary."""

    def read(value: Any) -> E:
        known = [str(member.value) for member in kind]
        if not isinstance(value, str):
            raise ValueError(f"Give one of {', '.join(known)}.")
        try:
            return kind(value)
        except ValueError:
            raise ValueError(nearest(value, known)) from None

    return read


def several(kind: type[E]) -> Field:
    """A list of words of a closed vocabulary."""
    one = word(kind)

    def read(value: Any) -> frozenset[E]:
        if not isinstance(value, list) or not value:
            known = ", ".join(str(member.value) for member in kind)
            raise ValueError(f"Give a list of words, of {known}.")
        return frozenset(one(item) for item in value)

    return read


def texts(value: Any) -> frozenset[str]:
    """A list of texts."""
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise ValueError("Give a list of texts, in quotation marks.")
    return frozenset(value)


def name(value: Any) -> str:
    """A short printable text."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or not value.isprintable():
        raise ValueError(f"Give a text of 1 to {_LONGEST_NAME} printable characters.")
    return value


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("Give true or false.")
    return value


def number(least: float) -> Field:
    """A number, not below `least`."""

    def read(value: Any) -> float:
        # A truth value is an integer in Python, and `nan` is a number in TOML.
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise ValueError("Give a number.")
        if value < least:
            raise ValueError(f"Give a number of {least:g} or more.")
        return float(value)

    return read


def share(at_most: float = 1.0) -> Field:
    """A part between 0 and `at_most`."""
    above_zero = number(0)

    def read(value: Any) -> float:
        given: float = above_zero(value)
        if given > at_most:
            raise ValueError(f"Give a number between 0 and {at_most:g}.")
        return given

    return read


def count(least: int, at_most: int) -> Field:
    """A whole number between the two."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= at_most:
            raise ValueError(f"Give a whole number between {least} and {at_most:,}.")
        return value

    return read


def span(unit: timedelta, *, least: float, at_most: float) -> Field:
    """A length of time, as a number of `unit` between the two."""
    any_number = number(0)

    def read(value: Any) -> timedelta:
        given: float = any_number(value)
        if not least <= given <= at_most:
            raise ValueError(f"Give a number between {least:g} and {at_most:g}.")
        return given * unit

    return read
