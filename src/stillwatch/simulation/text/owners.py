"""An owner's own words: the names, products and identifiers that recur in what they send."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from stillwatch.simulation.text.grammar import Draw
from stillwatch.simulation.text.phrasebook import Phrasebook, Topic

__all__ = ["book_of_owner", "book_of_person", "topics_of"]

# How many of each an owner has: few enough to recur within fifty prompts, as in real files.
_OWN_WORDS = {
    "person": 14,
    "given": 12,
    "company": 3,
    "product": 9,
    "city": 4,
    "colour": 5,
    "fabric": 4,
    "ident": 12,
    "klass": 7,
    "file": 9,
    "noun_id": 5,
    "id_prefix": 2,
    "dept": 3,
    "metric": 3,
    "segment": 3,
    "prog": 2,
}
# A narrowed book holds some 30 kB, so the most recent ones cost about 15 MB each way.
_BOOKS_KEPT = 512
# Names of the owner's own: the same wherever they appear in the template.
_ONE_OF_EACH = ("stem", "tail")


def topics_of(book: Phrasebook, seed: int, *, many: int) -> list[Topic]:
    """The few topics of a person, a class or a campaign's subject."""
    chosen = Random(f"topics:{seed}")
    return chosen.sample(book.topics, k=min(many, len(book.topics)))


@lru_cache(maxsize=_BOOKS_KEPT)
def book_of_person(book: Phrasebook, topic: int | None) -> Phrasebook:
    """The phrases of someone with a few topics of their own; all topics for None."""
    return book if topic is None else book.about(topics_of(book, topic, many=3))


@lru_cache(maxsize=_BOOKS_KEPT)
def book_of_owner(book: Phrasebook, owner: int) -> Phrasebook:
    """The phrases of one honest owner, whose names and identifiers recur."""
    draw = Random(f"owner:{owner}").random
    about = book_of_person(book, owner)
    own = about.narrowed(**{name: [book.say(name, draw)] for name in _ONE_OF_EACH if name in book})
    return own.narrowed(
        **{
            name: _some(about, name, many, draw)
            for name, many in _OWN_WORDS.items()
            if name in book
        }
    )


def _some(book: Phrasebook, name: str, many: int, draw: Draw) -> list[str]:
    return [book.say(name, draw) for _ in range(many)]
