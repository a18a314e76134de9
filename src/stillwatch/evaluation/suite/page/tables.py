"""Figures and tables of Markdown, rounded so that nothing looks better than it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

__all__ = [
    "NOT_RUN",
    "Section",
    "Target",
    "at_least",
    "at_most",
    "bound",
    "count",
    "figure",
    "mean",
    "share",
    "table",
]

NOT_RUN = "not run yet"


@dataclass(frozen=True, slots=True)
class Target:
    """One figure we aim at.

    Attributes:
        wanted: In words.
        measured: In words, with what it was measured on.
        met: None where it was not measured, or not on what the target asks for.
    """

    wanted: str
    measured: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "**missed**", None: "open"}[self.met]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page.

    Attributes:
        plots: SVG text by the file's name; the text refers to them as `suite/NAME`.
    """

    title: str
    text: str
    targets: list[Target] = field(default_factory=list)
    plots: dict[str, str] = field(default_factory=dict)


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column is words, the others are figures."""
    lines = [
        caption,
        "",
        "| " + " | ".join(headings) + " |",
        "|---" + "|---:" * (len(headings) - 1) + "|",
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def figure(value: float | None, *, digits: int = 3) -> str:
    """Cut, not rounded up: 0.9996 must not read as perfect."""
    if value is None:
        return "–"
    scale = 10**digits
    return f"{math.floor(value * scale + 1e-9) / scale:.{digits}f}"


def bound(value: float | None) -> str:
    """Rounded up: a bound must not shrink by being printed."""
    return "–" if value is None else f"{math.ceil(value * 100_000 - 1e-9) / 100_000:.5f}"


def share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}"


def at_least(wanted: str, value: float | None, least: float, on: str) -> Target:
    """A figure that should not be lower than `least`; `on` is empty where nothing was run."""
    if value is None:
        return Target(wanted, f"nothing to divide by ({on})" if on else NOT_RUN, None)
    return Target(wanted, f"{figure(value)} ({on})", value >= least)


def at_most(wanted: str, value: float | None, most: float, on: str) -> Target:
    """A figure that should not be higher than `most`; `on` is empty where nothing was run."""
    if value is None:
        return Target(wanted, f"nothing to divide by ({on})" if on else NOT_RUN, None)
    return Target(wanted, f"{bound(value)} ({on})", value <= most)
