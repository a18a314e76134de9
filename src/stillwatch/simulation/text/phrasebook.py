"""One language's phrases, compiled for one variety."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from stillwatch.simulation.text.grammar import (
    Draw,
    Piece,
    compile_pattern,
    fill,
    read_phrases,
    say,
)
from stillwatch.simulation.text.words import Variety

__all__ = ["LANGUAGES", "Phrasebook", "Topic", "load_phrasebook"]

LANGUAGES = ("en", "es", "de", "hi", "zh", "ja", "th", "ar")


@dataclass(frozen=True, slots=True)
class Topic:
    """What a person or a campaign talks about: a name, and the things within it."""

    name: str
    things: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Phrasebook:
    """The compiled pools of one language, and its topics. Equal only to itself."""

    language: str
    pools: dict[str, list[Piece]]
    topics: tuple[Topic, ...]

    def say(self, name: str, draw: Draw) -> str:
        """One phrase of the pool."""
        return say(self.pools, name, draw, {})

    def narrowed(self, **pools: Sequence[Piece]) -> Phrasebook:
        """The same book with some pools replaced: an owner's names, a person's topics."""
        merged = dict(self.pools)
        merged.update({name: list(pieces) for name, pieces in pools.items()})
        return Phrasebook(self.language, merged, self.topics)

    def about(self, topics: Sequence[Topic]) -> Phrasebook:
        """The same book speaking of these topics only."""
        things = [thing for topic in topics for thing in topic.things]
        return self.narrowed(thing=things, topic=[topic.name for topic in topics])

    def fill(self, piece: Piece, draw: Draw) -> str:
        """A pattern that was compiled elsewhere, filled from these pools."""
        return fill(self.pools, piece, draw, {})

    def __contains__(self, name: str) -> bool:
        return name in self.pools


@lru_cache(maxsize=32)
def load_phrasebook(language: str, variety: Variety) -> Phrasebook:
    """The packaged phrases of a language (one of `LANGUAGES`).

    A language's own pools take the place of those that all languages share.
    """
    shared = _read(files(__package__).joinpath("data/phrases/common.txt"), variety)
    own: dict[str, list[str]] = {}
    folder = files(__package__).joinpath("data/phrases", language)
    for source in sorted(folder.iterdir(), key=lambda file: file.name):
        for name, lines in _read(source, variety).items():
            own.setdefault(name, []).extend(lines)
    written = shared | own
    topics = tuple(_topic(line) for line in written.pop("topics"))
    pools = {name: [compile_pattern(line) for line in lines] for name, lines in written.items()}
    return Phrasebook(language, pools, topics).about(topics)


def _read(source: Traversable, variety: Variety) -> dict[str, list[str]]:
    return read_phrases(source.read_text("utf-8"), variety, where=source.name)


def _topic(line: str) -> Topic:
    name, _, things = line.partition(":")
    return Topic(name.strip(), tuple(thing.strip() for thing in things.split(";")))
