"""What people say to a model: openers, follow-ups, corrections, and a class's exercises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from stillwatch.simulation.text.grammar import Draw
from stillwatch.simulation.text.packaged import RealPrompts
from stillwatch.simulation.text.phrasebook import Phrasebook

__all__ = ["assigned_exercises", "human_conversation", "with_typos"]

_LONGEST_CHAT = 8
# Shares of turns, set so that chats look like the public ones we read: half of all chats have
# two turns or fewer, one turn in ten is corrected, one in twelve is a mere thank-you.
_GOES_ON = 0.58
_CORRECTS, _ACKNOWLEDGES = 0.10, 0.18
_REAL_CHAT, _REAL_OPENER = 0.5, 0.08
_TYPO = 0.18
_SHEET_LENGTH = 12

_NEIGHBOURS = {"a": "s", "e": "r", "i": "o", "o": "p", "n": "m", "t": "y", "s": "d", "h": "j"}


def human_conversation(book: Phrasebook, prompts: RealPrompts, draw: Draw) -> list[str]:
    """The user's turns of one chat, in the words of `book`'s person.

    Real chats come from a corpus, if one was loaded, and are English.
    """
    english = book.language == "en"
    if english and prompts.chats and draw() < _REAL_CHAT:
        return list(prompts.chats[int(draw() * len(prompts.chats))])
    if english and prompts.roleplay and draw() < _REAL_OPENER:
        turns = [prompts.roleplay[int(draw() * len(prompts.roleplay))].text]
    else:
        turns = [_typed(book.say("chat.open", draw), draw)]
    while len(turns) < _LONGEST_CHAT and draw() < _GOES_ON:
        turns.append(_typed(book.say(_next_turn(draw()), draw), draw))
    return turns


def _next_turn(chance: float) -> str:
    if chance < _CORRECTS:
        return "chat.correct"
    return "chat.ack" if chance < _ACKNOWLEDGES else "chat.follow"


def _typed(text: str, draw: Draw) -> str:
    return with_typos(text, draw) if draw() < _TYPO else text


def with_typos(text: str, draw: Draw) -> str:
    """The text as typed in haste: one or two slips that leave it readable."""
    if len(text) < 4:
        return text
    for _ in range(1 + int(draw() * 2)):
        at = 1 + int(draw() * (len(text) - 2))
        text = _SLIPS[int(draw() * len(_SLIPS))](text, at)
    return text


_SLIPS: Sequence[Callable[[str, int], str]] = (
    lambda text, at: text[:at] + text[at + 1] + text[at] + text[at + 2 :],
    lambda text, at: text[:at] + text[at + 1 :],
    lambda text, at: text[:at] + text[at] + text[at:],
    lambda text, at: text[:at] + _NEIGHBOURS.get(text[at], text[at]) + text[at + 1 :],
    lambda text, at: text[:at] + text[at:].lower(),
)


def assigned_exercises(book: Phrasebook, count: int, draw: Draw, *, course: int) -> list[str]:
    """Exercises of a course's sheet in order, each pasted as one student would paste it.

    The sheet depends on the course alone; a request beyond its length brings the next sheet.
    """
    sheet = Random(f"course:{course}").random
    asks = book.pools["exercise.ask"]
    exercises = [book.say("exercise", sheet) for _ in range(max(count, _SHEET_LENGTH))]
    return [
        book.fill(asks[int(draw() * len(asks))], draw) + exercise for exercise in exercises[:count]
    ]
