"""Any log of flat or nested rows, read by a map that its owner writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from stillwatch.records import ExchangeStatus, InputError
from stillwatch.sources.adapter import ImportRequest, ParsedRow, Unreadable
from stillwatch.sources.bodies import Bodies, body_of, read_bodies
from stillwatch.sources.field_paths import first_value
from stillwatch.sources.generic_map import (
    EPOCH_FACTORS,
    ISO_8601,
    OTHERWISE,
    FieldMap,
    read_field_map,
    word_of,
)
from stillwatch.sources.log_records import log_records
from stillwatch.sources.values import (
    instant_from_iso,
    instant_from_microseconds,
    mapping,
    parsed,
    stated,
)

__all__ = ["GenericAdapter"]

_NUMBER = re.compile(r"\s*-?[0-9]{1,24}(?:\.[0-9]{1,12})?\s*")
_STATUSES = frozenset(status.value for status in ExchangeStatus)
# A column of this type takes no such text, so it is emptied, and counted as that.
_NO_TIME = "not of the format that the map gives"


@dataclass(frozen=True, slots=True)
class GenericAdapter:
    """Reads JSON lines, JSON documents and CSV.

    Args:
        map: Where each column lies.
    """

    name: ClassVar[str] = "generic"

    map: FieldMap

    @classmethod
    def for_import(cls, request: ImportRequest) -> GenericAdapter:
        """The adapter with the map that the import names.

        Raises:
            InputError: It names none, or one that is wrong.
        """
        if request.map_file is None:
            raise InputError(
                "the format `generic` needs a map.",
                where="--map",
                remedy="Give a TOML file that says where each column lies: see "
                "docs/sources/generic.md.",
            )
        return cls(read_field_map(request.map_file))

    @property
    def origins(self) -> dict[str, str]:
        """Column to the paths it is read from, as the map writes them."""
        return {
            name: ", ".join(path.written for path in paths)
            for name, paths in self.map.columns.items()
        }

    def read(self, path: Path) -> Iterator[ParsedRow | Unreadable]:
        """The exchanges of one file; rows that the map does not want are passed over."""
        for item in log_records(path):
            if isinstance(item, Unreadable):
                yield item
                continue
            line, value = item
            for record in self._records(value):
                row = self._row_or_reason(record)
                if isinstance(row, str):
                    yield Unreadable(line, row)
                elif row is not None:
                    yield ParsedRow(line, row)

    def _records(self, value: object) -> list[object]:
        if self.map.records is None:
            return [value]
        listed = self.map.records.value_in(value)
        return listed if isinstance(listed, list) else [None]

    def _row_or_reason(self, record: object) -> dict[str, Any] | str | None:
        if record is None and self.map.records is not None:
            return f"No list of rows lies at {self.map.records.written}."
        if not isinstance(record, dict):
            return "A row is an object with names; this is something else."
        for path, wanted in self.map.only:
            if word_of(path.value_in(record)) not in wanted:
                return None
        try:
            return self._row(record)
        except RecursionError:
            return "The row is nested too deeply."

    def _row(self, record: Mapping[str, Any]) -> dict[str, Any] | str:
        found = {name: first_value(record, paths) for name, paths in self.map.columns.items()}
        if all(value is None for value in found.values()):
            return "None of the paths of [columns] leads to a value here: is the map another log's?"
        bodies = self._bodies(record)
        row = dict(bodies.columns) if bodies else {}
        for name, value in found.items():
            read = self._read_value(name, value)
            if read is _NO_TIME and name == "started_at":
                return f"started_at: the value at {self.origins[name]} is {_NO_TIME}."
            if read is not None:
                row[name] = read
        for name, value in self.map.constants.items():
            if row.get(name) is None:
                row[name] = value
        if (status := _status(row.get("status"), bodies)) is not None:
            row["status"] = status
        return stated(row)

    def _read_value(self, name: str, value: object) -> object:
        if value is not None and name in self.map.times:
            return _moment(value, self.map.times[name]) or _NO_TIME
        if value is not None and name in self.map.values:
            value = _meaning(word_of(value), self.map.values[name], value)
        if name == "status":
            return value if isinstance(value, str) and value in _STATUSES else None
        return value

    def _bodies(self, record: Mapping[str, Any]) -> Bodies | None:
        if not self.map.messages:
            return None
        given = {name: first_value(record, paths) for name, paths in self.map.messages.items()}
        if all(value is None for value in given.values()):
            return None
        request = {**mapping(given.get("parameters")), **body_of(given.get("request"))}
        for name, key in (("instructions", "system"), ("tools", "tools")):
            if given.get(name) is not None:
                request[key] = _named(given[name]) if name == "tools" else given[name]
        return read_bodies(request, given.get("response"))


def _named(tools: object) -> object:
    """Definitions as a list; some logs keep them by name."""
    taken = parsed(tools)
    return [{"name": name} for name in taken] if isinstance(taken, dict) else taken


def _moment(value: object, written: str) -> datetime | None:
    if written == ISO_8601:
        return instant_from_iso(value)
    if factor := EPOCH_FACTORS.get(written):
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value) if "." in value else int(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return instant_from_microseconds(value * factor)
    try:
        moment = datetime.strptime(str(value).strip(), written)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _meaning(word: str, meanings: Mapping[str, str], value: object) -> object:
    """What the word means: itself, its hundred (`4xx`), or what any other word means."""
    hundred = f"{word[0]}xx" if len(word) == 3 and word.isdecimal() else word
    return meanings.get(word, meanings.get(hundred, meanings.get(OTHERWISE, value)))


def _status(known: object, bodies: Bodies | None) -> str | None:
    """The row's own status, unless it says that all went well and the answer says it did not."""
    if bodies is None or known not in (None, ExchangeStatus.OK.value):
        return known if isinstance(known, str) else None
    if bodies.blocked:
        return ExchangeStatus.BLOCKED.value
    if bodies.refused:
        return ExchangeStatus.REFUSED.value
    return known if isinstance(known, str) else None
