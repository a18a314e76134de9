"""What `--set` may fill: any column but those of identifiers, with words that the column takes."""

from __future__ import annotations

import difflib

from stillwatch.records import LOG_TABLES, InputError

__all__ = ["fills_of"]


def fills_of(assignments: tuple[str, ...]) -> dict[str, str]:
    """Column name to the value that fills it.

    Raises:
        InputError: There is no such column, or it does not take this. A value is never repeated:
            it may be a key.
    """
    fills = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not value:
            raise _wrong(f"{name!r} is assigned nothing.", "Write COLUMN=VALUE.")
        fills[name] = _checked(name, value)
    return fills


def _checked(name: str, value: str) -> str:
    from stillwatch.identity import MADE_FROM, RAW_COLUMNS
    from stillwatch.identity.tokens import is_token
    from stillwatch.sources.fit_values import FIXED_WORDS, fit_word

    known = {name for schema in LOG_TABLES for name in schema.names}
    if name in RAW_COLUMNS:
        raise _wrong(
            f"{name} cannot be the same in all rows.",
            "Leave it out; where the log has a column of this name, its values become tokens.",
        )
    if name not in known:
        near = difflib.get_close_matches(name, sorted(known), n=1)
        remedy = f"Did you mean {near[0]}?" if near else "See the columns of the exchange log."
        raise _wrong(f"there is no column {name!r}.", remedy)
    if (made_from := MADE_FROM.get(name)) and not is_token(value):
        raise _wrong(
            f"{name} is made here, under your key; this is no token of it.",
            f"Leave it out, and let the log bring {made_from}.",
        )
    if name not in FIXED_WORDS:
        return value
    word = fit_word(name, value)
    if word is None:
        raise _wrong(f"this is no {name}.", f"Write one of {', '.join(sorted(FIXED_WORDS[name]))}.")
    return word


def _wrong(what: str, remedy: str) -> InputError:
    return InputError(what, where="--set", remedy=remedy)
