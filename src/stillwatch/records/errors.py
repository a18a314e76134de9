"""Errors that tell a person what was wrong, where, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["InputError", "Problem", "StillwatchError"]


class StillwatchError(Exception):
    """Any failure stillwatch reports to a person.

    The three parts are kept apart so that the command line and the JSON output
    print the same words.
    """

    exit_status = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{where}{self.what}{remedy}"


class InputError(StillwatchError):
    """Unusable input or arguments: the command ends with exit status 2."""

    exit_status = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one piece of input.

    Attributes:
        where: File, and row or line if there is one.
        column: The column concerned, or "" when the whole row or file is.
        what: What was wrong.
        remedy: What the person can do about it.
        row: Zero-based row within the table that was checked, or None.
    """

    where: str
    what: str
    remedy: str
    column: str = ""
    row: int | None = None

    def __str__(self) -> str:
        place = self.where if self.row is None else f"{self.where}, row {self.row}"
        column = f", column {self.column}" if self.column else ""
        return f"{place}{column}: {self.what} {self.remedy}"
