"""The map of `generic`: a TOML file that says where a log keeps each canonical column."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stillwatch.identity import MADE_FROM, RAW_COLUMNS
from stillwatch.records import EXCHANGES, TIMESTAMP, ExchangeStatus, InputError, Problem
from stillwatch.sources.field_paths import FieldPath, field_path
from stillwatch.sources.fit_values import FIXED_WORDS
from stillwatch.sources.toml_files import parsed_toml

__all__ = ["EPOCH_FACTORS", "ISO_8601", "OTHERWISE", "FieldMap", "read_field_map", "word_of"]

EPOCH_FACTORS = {"seconds": 10**6, "milliseconds": 10**3, "microseconds": 1, "nanoseconds": 10**-3}
ISO_8601 = "iso8601"
OTHERWISE = "*"
_SECTIONS = ("records", "columns", "constants", "times", "values", "messages", "only")
_MESSAGES = ("request", "response", "instructions", "parameters", "tools")
_OF_ACCOUNTS = ("signup_ip_raw", "email_raw", "phone_raw", "payment_raw", "device_raw")
_RAW = tuple(name for name in RAW_COLUMNS if name not in _OF_ACCOUNTS)
# By `request_id`, a proxy's log finds the exchange.
_COLUMNS = (*(n for n in EXCHANGES.names if n not in MADE_FROM), *_RAW, "request_id")
_TIMES = tuple(c.name for c in EXCHANGES.columns if c.arrow_type == TIMESTAMP)
_WORDS = {"status": [status.value for status in ExchangeStatus], **FIXED_WORDS}
_NO_CONSTANTS = {*_RAW, *_TIMES, "exchange_id", "request_id"}


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Where each column lies, and how its value is read.

    Attributes:
        records: Where the list of rows lies in each value of the file; None for the value itself.
        columns: Column to its paths; the first that leads to something counts.
        constants: Column to the value of every row that says nothing else.
        times: Column of time to how it is written: a unit since 1970, `iso8601`, or a format of
            `strptime`.
        values: Column to what each of the source's words means there.
        messages: `request`, `response` and what else `bodies` reads, to their paths.
        only: Path to the words that a row must have there; other rows are passed over.
    """

    records: FieldPath | None = None
    columns: Mapping[str, tuple[FieldPath, ...]] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    messages: Mapping[str, tuple[FieldPath, ...]] = field(default_factory=dict)
    only: tuple[tuple[FieldPath, frozenset[str]], ...] = ()


def read_field_map(file: Path) -> FieldMap:
    """The map in a file.

    Raises:
        InputError: The file is no such map; everything that is wrong with it is named at once.
    """
    reader = _Reader(str(file))
    found = reader.read(parsed_toml(file))
    if reader.problems:
        raise InputError("\n".join(str(problem) for problem in reader.problems))
    return found


class _Reader:
    """Reads the sections, and gathers what is wrong."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.problems: list[Problem] = []

    def read(self, content: dict[str, Any]) -> FieldMap:
        for name in content:
            if name not in _SECTIONS:
                self._wrong("", f"there is no section {_quoted(name)}.", _nearest(name, _SECTIONS))
        records = content.get("records")
        found = FieldMap(
            records=None if records is None else self._one_path(records, "records"),
            columns=self._paths(self._table(content, "columns"), "columns", _COLUMNS),
            constants=self._constants(self._table(content, "constants")),
            times=self._times(self._table(content, "times")),
            values=self._values(self._table(content, "values")),
            messages=self._paths(self._table(content, "messages"), "messages", _MESSAGES),
            only=self._only(self._table(content, "only")),
        )
        told = {**found.columns, **found.constants}
        for section, names in (("times", found.times), ("values", found.values)):
            for name in names:
                if name not in found.columns:
                    what = f"[{section}] says how to read {name}, which [columns] does not have."
                    self._wrong("", what, "Say there where it lies.")
        for name in ("account_id", "started_at"):
            if name not in told and not self.problems:
                what = f"[columns] does not say where {name} lies."
                remedy = "Every exchange needs one."
                if name == "account_id":
                    remedy += " For a log of one customer, write it into [constants]."
                self._wrong("", what, remedy)
        return found

    def _wrong(self, place: str, what: str, remedy: str) -> None:
        where = f"{self._file}, {place}" if place else self._file
        self.problems.append(Problem(where, what, remedy))

    def _table(self, content: dict[str, Any], section: str) -> dict[str, Any]:
        table = content.get(section, {})
        if isinstance(table, dict):
            return table
        self._wrong("", f"{section} is no section.", f"Write [{section}] and its keys below it.")
        return {}

    def _known(self, name: str, section: str, known: Iterable[str]) -> bool:
        if name in known:
            return True
        place = f"[{section}] {name}" if _is_plain(name) else f"[{section}]"
        if (
            made_from := MADE_FROM.get(name)
            if section != "messages" and name in EXCHANGES.names
            else None
        ):
            what = f"{name} is made here, under your key; a log must not bring it."
            self._wrong(place, what, f"Map {made_from}.")
        elif section != "messages" and name in _OF_ACCOUNTS:
            what = f"{name} belongs to accounts, not to exchanges."
            self._wrong(place, what, "Import it as `canonical`, in an accounts table.")
        else:
            kind = "key" if section == "messages" else "column"
            what = f"there is no {kind} {_quoted(name)}."
            self._wrong(place, what, _nearest(name, list(known)))
        return False

    def _one_path(self, written: object, place: str) -> FieldPath | None:
        path = field_path(written) if isinstance(written, str) else None
        if path is None:
            self._wrong(
                place,
                "this is no path.",
                'Write names with dots and positions in brackets: "choices[0].message", or '
                '["a.b"] for a name with a dot.',
            )
        return path

    def _paths(
        self, table: dict[str, Any], section: str, known: tuple[str, ...]
    ) -> dict[str, tuple[FieldPath, ...]]:
        found = {}
        for name, written in table.items():
            if not self._known(name, section, known):
                continue
            listed = written if isinstance(written, list) and written else [written]
            paths = [self._one_path(item, f"[{section}] {name}") for item in listed]
            found[name] = tuple(path for path in paths if path is not None)
        return found

    def _constants(self, table: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for name, value in table.items():
            place = f"[constants] {name}"
            if not self._known(name, "constants", _COLUMNS):
                continue
            if name in _NO_CONSTANTS:
                self._wrong(place, "this cannot be the same in all rows.", "Leave it out.")
            elif not isinstance(value, str | int | float):
                self._wrong(place, "this is no text and no number.", "Give one of them.")
            else:
                self._check_words(name, [value], place)
                found[name] = value
        return found

    def _times(self, table: dict[str, Any]) -> dict[str, str]:
        found = {}
        for name, written in table.items():
            if not self._known(name, "times", _TIMES):
                continue
            if isinstance(written, str) and (
                written in EPOCH_FACTORS or written == ISO_8601 or _is_format(written)
            ):
                found[name] = written
                continue
            known = [*EPOCH_FACTORS, ISO_8601]
            remedy = f"Give one of {', '.join(known)}, or a format such as %Y-%m-%d %H:%M:%S.%f."
            if isinstance(written, str) and (near := difflib.get_close_matches(written, known, 1)):
                remedy = f"Did you mean {near[0]}?"
            self._wrong(f"[times] {name}", "this is no way to write a time.", remedy)
        return found

    def _values(self, table: dict[str, Any]) -> dict[str, dict[str, str]]:
        found = {}
        for name, words in table.items():
            place = f"[values.{name}]"
            if not self._known(name, "values", _COLUMNS):
                continue
            if name in _RAW or name in _TIMES:
                self._wrong(place, "the words of this column have no meanings.", "Leave it out.")
            elif not isinstance(words, dict) or not all(isinstance(v, str) for v in words.values()):
                self._wrong(
                    place, "this is no table of texts.", 'Write lines such as "200" = "ok".'
                )
            else:
                self._check_words(name, words.values(), place)
                found[name] = words
        return found

    def _check_words(self, column: str, values: Iterable[object], place: str) -> None:
        known = _WORDS.get(column)
        for value in values:
            if known is not None and value not in known:
                what = f"there is no {column} {_quoted(str(value))}."
                self._wrong(place, what, _nearest(str(value), known))

    def _only(self, table: dict[str, Any]) -> tuple[tuple[FieldPath, frozenset[str]], ...]:
        found = []
        for written, wanted in table.items():
            words = wanted if isinstance(wanted, list) else [wanted]
            if not all(isinstance(word, str | int) for word in words):
                remedy = 'Write the path in quotes: "attributes.kind" = "llm".'
                self._wrong("[only]", "this is no text and no list of texts.", remedy)
            elif (path := self._one_path(written, "[only]")) is not None:
                found.append((path, frozenset(map(word_of, words))))
        return tuple(found)


def word_of(value: object) -> str:
    """A value as a map writes it: true and false as in JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_format(written: str) -> bool:
    """Whether `strptime` takes this, and it names a day."""
    if not any(mark in written for mark in ("%Y", "%y", "%c", "%x", "%G")):
        return False
    try:
        now = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
        datetime.strptime(now.strftime(written), written)
    except (ValueError, TypeError, re.error):  # re.error: one mark twice
        return False
    return True


def _nearest(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(names)}."


def _is_plain(word: str) -> bool:
    return word.isprintable() and len(word) <= 64


def _quoted(word: str) -> str:
    return repr(word) if _is_plain(word) else repr(word[:64])
