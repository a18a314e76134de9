"""Cuts members and text out of JSON without touching a byte of the rest.

A body that is parsed and written again has other spaces, escapes and numbers than the model
wrote. Here what remains is the model's own, byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

__all__ = ["Document", "Member", "Node", "UnreadableError", "characters"]

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_SCALAR = re.compile(r"[^\s,\]}]+")
# One character each, as JSON writes it: a pair of surrogates is one, and is never cut in two.
_CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)
# Deeper than any provider's format, and far from where Python gives up.
_DEEPEST = 100


class UnreadableError(ValueError):
    """The body is no JSON in UTF-8, or is nested too deeply."""


@dataclass(frozen=True, slots=True)
class Member:
    """One name of an object, and its value; `start` is where the name's quote stands."""

    name: str
    start: int
    value: Node


@dataclass(frozen=True, slots=True)
class Node:
    """A value, by where it stands in the text."""

    start: int
    end: int
    members: tuple[Member, ...] = ()
    items: tuple[Node, ...] = ()


@dataclass(slots=True)
class Document:
    """A JSON text, and what is to be cut out of it.

    Names that come twice are all seen: what a server makes of them is not ours to guess.

    Raises:
        UnreadableError: The body is no JSON in UTF-8, or is nested more than a hundred deep.
    """

    body: bytes
    text: str = field(init=False)
    root: Node = field(init=False)
    _cuts: list[tuple[int, int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        try:
            self.text = self.body.decode()
            json.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise UnreadableError("This is no JSON in UTF-8.") from error
        self.root = _Reader(self.text).value(_SPACE.match(self.text).end(), 0)  # type: ignore[union-attr]

    def at(self, node: Node, *path: str) -> Iterator[Node]:
        """The values at a path of names; `*` stands for every item of an array."""
        if not path:
            yield node
            return
        inner = (
            node.items if path[0] == "*" else [m.value for m in node.members if m.name == path[0]]
        )
        for value in inner:
            yield from self.at(value, *path[1:])

    def string(self, node: Node) -> str | None:
        """The text of a string; None of anything else."""
        if self.text[node.start] != '"':
            return None
        text: str = json.loads(self.text[node.start : node.end])
        return text

    def says(self, node: Node, name: str) -> str | None:
        """The text of a member, the last where the name comes twice."""
        found = [self.string(member.value) for member in node.members if member.name == name]
        return found[-1] if found else None

    def number(self, node: Node, name: str) -> int:
        """A member that is a whole number; 0 where it is something else or missing."""
        found = [m.value for m in node.members if m.name == name]
        digits = self.text[found[-1].start : found[-1].end] if found else ""
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0

    def drop_members(self, node: Node, unwanted: Callable[[Member], bool]) -> None:
        """Take members out of an object."""
        spans = [(m.start, m.value.end) for m in node.members]
        self._drop(spans, [unwanted(member) for member in node.members])

    def drop_items(self, node: Node, unwanted: Callable[[Node], bool]) -> None:
        """Take items out of an array."""
        spans = [(item.start, item.end) for item in node.items]
        self._drop(spans, [unwanted(item) for item in node.items])

    def empty(self, node: Node) -> None:
        """Leave nothing between the brackets of an array or the quotes of a string."""
        if self.text[node.start] in '["':
            self._cuts.append((node.start + 1, node.end - 1, ""))

    def cut_text(self, node: Node, is_kept: Callable[[str], bool]) -> None:
        """Take the characters out of a string that `is_kept`, asked in order, does not keep."""
        if self.text[node.start] == '"':
            for start, end, character in characters(self.text, node.start + 1, node.end - 1):
                if not is_kept(character):
                    self._cuts.append((start, end, ""))

    def replace(self, node: Node, text: str) -> None:
        """Put a string in a value's place; for what is opaque to people and models."""
        self._cuts.append((node.start, node.end, json.dumps(text)))

    def result(self) -> bytes:
        """The body without what was cut out."""
        if not self._cuts:
            return self.body
        pieces, at = [], 0
        for start, end, instead in sorted(self._cuts):
            if start >= at:
                pieces.append(self.text[at:start] + instead)
            at = max(at, end)
        pieces.append(self.text[at:])
        return "".join(pieces).encode()

    def _drop(self, spans: list[tuple[int, int]], unwanted: list[bool]) -> None:
        """A comma goes with the part after it, and with the part before it at the front."""
        kept_before = False
        for index, (start, end) in enumerate(spans):
            if not unwanted[index]:
                kept_before = True
            elif kept_before:
                self._cuts.append((spans[index - 1][1], end, ""))
            else:
                is_last = index + 1 == len(spans)
                self._cuts.append((start, end if is_last else spans[index + 1][0], ""))


def characters(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Where each character of a JSON string stands, and what it is."""
    for found in _CHARACTER.finditer(text, start, end):
        written = found.group()
        character = json.loads(f'"{written}"') if written[0] == "\\" else written
        yield found.start(), found.end(), character


@dataclass(frozen=True, slots=True)
class _Reader:
    """Finds where values stand in a text that is known to be JSON."""

    text: str

    def value(self, at: int, depth: int) -> Node:
        if depth > _DEEPEST:
            raise UnreadableError("This is nested too deeply.")
        first = self.text[at]
        if first == "{":
            return self._object(at, depth)
        if first == "[":
            return self._array(at, depth)
        pattern = _STRING if first == '"' else _SCALAR
        return Node(at, self._end(pattern, at))

    def _object(self, begin: int, depth: int) -> Node:
        members: list[Member] = []
        at = self._skip(begin + 1)
        while self.text[at] != "}":
            end = self._end(_STRING, at)
            value = self.value(self._skip(self._skip(end) + 1), depth + 1)
            members.append(Member(json.loads(self.text[at:end]), at, value))
            at = self._next(value.end)
        return Node(begin, at + 1, members=tuple(members))

    def _array(self, begin: int, depth: int) -> Node:
        items: list[Node] = []
        at = self._skip(begin + 1)
        while self.text[at] != "]":
            items.append(self.value(at, depth + 1))
            at = self._next(items[-1].end)
        return Node(begin, at + 1, items=tuple(items))

    def _next(self, at: int) -> int:
        """Where the next part begins, behind a comma, or the bracket stands."""
        at = self._skip(at)
        return self._skip(at + 1) if self.text[at] == "," else at

    def _skip(self, at: int) -> int:
        return self._end(_SPACE, at)

    def _end(self, pattern: re.Pattern[str], at: int) -> int:
        found = pattern.match(self.text, at)
        if found is None:  # never in a text that is JSON
            raise UnreadableError("This is no JSON.")
        return found.end()
