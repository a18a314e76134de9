"""Where a value lies in a record: `usage.input`, `choices[0].message`, `["a.b"].c`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stillwatch.sources.values import parsed

__all__ = ["FieldPath", "field_path", "first_value"]

_STEP = re.compile(r'\.?([^.\[\]"]+)|\[(-?\d{1,6})\]|\.?\["([^"]+)"\]')


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A path, as it was written and in steps: a name, or a position in a list."""

    written: str
    steps: tuple[str | int, ...]

    def value_in(self, record: object) -> object:
        """What lies there, or None. JSON that is written as text is looked into on the way."""
        value = record
        for step in self.steps:
            value = parsed(value)
            if isinstance(step, int):
                inside = isinstance(value, list) and -len(value) <= step < len(value)
                value = value[step] if inside and isinstance(value, list) else None
            else:
                value = value.get(step) if isinstance(value, dict) else None
            if value is None:
                return None
        return value


def field_path(written: str) -> FieldPath | None:
    """The path, or None if this is none."""
    steps: list[str | int] = []
    position = 0
    while position < len(written):
        found = _STEP.match(written, position)
        if found is None or (position == 0 and found[0].startswith(".")):
            return None
        name, index, quoted = found.groups()
        steps.append(int(index) if index is not None else quoted or name)
        position = found.end()
        if position < len(written) and written[position] not in ".[":
            return None
    return FieldPath(written, tuple(steps)) if steps else None


def first_value(record: object, paths: Sequence[FieldPath]) -> object:
    """What lies at the first of the paths that leads to something; a blank text is nothing."""
    for path in paths:
        value = path.value_in(record)
        if value is not None and not (isinstance(value, str) and not value.strip()):
            return value
    return None
