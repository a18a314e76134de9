"""Phrase grammars: pools of alternatives that name other pools in braces.

A phrase file is a list of sections. `[name]` opens a pool of plain words that both halves use,
`[name | build]` and `[name | held_out]` open the pools of one half; every line below is one
alternative; lines that begin with `;; ` are remarks. In a line, `{name}` draws from another pool, `{name@x}` draws once and repeats what
was drawn wherever `@x` returns, `{10..99}` draws a number, and `{{name}}` is left for a later
drawing: an owner words their template once, and fills what is left anew for each prompt. The
escapes are `\\n` (new line), `\\_` (space) and `\\0` (nothing).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from stillwatch.records.errors import InputError
from stillwatch.simulation.text.words import Variety

__all__ = ["Draw", "Pattern", "Piece", "Pools", "compile_pattern", "fill", "read_phrases", "say"]

Draw = Callable[[], float]
"""Uniform numbers in [0, 1): `random.Random(seed).random`."""

_SLOT = re.compile(
    r"\{\{(?P<later>[a-z_][\w.]*)\}\}"
    r"|\{(?P<low>\d+)\.\.(?P<high>\d+)\}"
    r"|\{(?P<pool>[a-z_][\w.]*)(?:@(?P<bound>\w+))?\}"
)
_SECTION = re.compile(r"\[(?P<name>[a-z_][\w.]*)(?:\s*\|\s*(?P<half>build|held_out))?\]")


class Between(NamedTuple):
    """A slot for a number, both ends included."""

    low: int
    high: int


class Repeated(NamedTuple):
    """A slot that draws from a pool once and then repeats itself within the text."""

    pool: str
    key: str


class Pattern(NamedTuple):
    """An alternative with slots: a %-format, and what each `%s` stands for (a pool by name)."""

    form: str
    slots: tuple[str | Between | Repeated, ...]


Piece = str | Pattern
Pools = Mapping[str, Sequence[Piece]]


def compile_pattern(text: str) -> Piece:
    """The pattern of one alternative; a text without slots stays a plain string."""
    form: list[str] = []
    slots: list[str | Between | Repeated] = []
    end, deferred = 0, False
    for match in _SLOT.finditer(text):
        form.append(text[end : match.start()].replace("%", "%%"))
        end = match.end()
        if match["later"]:
            form.append("{" + match["later"] + "}")
            deferred = True
            continue
        form.append("%s")
        if match["low"]:
            slots.append(Between(int(match["low"]), int(match["high"])))
        elif match["bound"]:
            slots.append(Repeated(match["pool"], match["bound"]))
        else:
            slots.append(match["pool"])
    if not slots and not deferred:
        return text
    form.append(text[end:].replace("%", "%%"))
    return Pattern("".join(form), tuple(slots))


def say(pools: Pools, name: str, draw: Draw, bound: dict[str, str]) -> str:
    """One alternative of the pool, with all its slots filled."""
    pool = pools[name]
    piece = pool[int(draw() * len(pool))]
    return piece if type(piece) is str else fill(pools, piece, draw, bound)


def fill(pools: Pools, piece: Piece, draw: Draw, bound: dict[str, str]) -> str:
    """The piece with its slots filled; `bound` holds what `@` slots have drawn in this text."""
    if isinstance(piece, str):
        return piece
    words: list[str] = []
    for slot in piece.slots:
        if type(slot) is str:
            pool = pools[slot]
            inner = pool[int(draw() * len(pool))]
            words.append(inner if type(inner) is str else fill(pools, inner, draw, bound))
        elif isinstance(slot, Between):
            words.append(str(slot.low + int(draw() * (slot.high - slot.low + 1))))
        elif isinstance(slot, Repeated):
            key = f"{slot.pool}@{slot.key}"
            if key not in bound:
                bound[key] = say(pools, slot.pool, draw, bound)
            words.append(bound[key])
    return piece.form % tuple(words)


def read_phrases(text: str, variety: Variety, *, where: str) -> dict[str, list[str]]:
    """The alternatives of every pool that the variety may use, as written.

    Raises:
        InputError: A line stands before the first section, or a section's head is malformed.
    """
    pools: dict[str, list[str]] = {}
    pool: list[str] | None = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith(";; "):
            continue
        head = _SECTION.fullmatch(line)
        if head:
            wanted = variety is Variety.ALL or head["half"] in (None, str(variety))
            pool = pools.setdefault(head["name"], []) if wanted else []
        elif pool is None:
            raise InputError(
                "a phrase stands before the first section.",
                where=f"{where}:{number}",
                remedy="Begin the file with a line such as [name] or [name | build].",
            )
        else:
            pool.append(line.replace("\\n", "\n").replace("\\_", " ").replace("\\0", ""))
    return pools
