"""Published prompts of synthetic-data and judge tools, with their placeholders filled.

Honest teams and collectors use the same public tools, so both sides draw from here.
"""

from __future__ import annotations

import re
from functools import lru_cache

from stillwatch.simulation.text.grammar import Draw
from stillwatch.simulation.text.phrasebook import Phrasebook

__all__ = ["filled_tool_prompt"]

_PLACEHOLDER = re.compile(r"\{\{\s*([a-z_]+)[^{}]*\}\}|\{([a-z_0-9]+)\}")
_ANSWER = re.compile(r"answer|generation|response|solution|reference")
_SETTINGS = {
    "batch_size": "10",
    "language": "English",
    "task_count": "5",
    "number": "3",
    "num_instructions": "5",
    "unit": "sentence",
    "source_language": "English",
    "target_language": "German",
    "high_score": "4",
    "low_score": "2",
    "difficulty": "college level",
    "clarity": "clear",
    "query_type": "common",
    "query_length": "5 to 15 words",
    "num_words": "100",
    "word_count": "500",
    "threshold": "7",
    "question_count": "4",
    "flesch": "",
    "topic_avoidance": "",
    "style_extra": "",
    "format_inst": "",
    "skip": "",
}


def filled_tool_prompt(
    template: str, book: Phrasebook, content: str, draw: Draw, *, item: str | None = None
) -> str:
    """The tool's prompt with an item (or a phrase of the pool `content`) in its main place.

    Settings such as the batch size keep one value, as in a job's configuration; places for an
    answer receive a candidate answer.
    """
    parts, names = _split(template)
    main = item if item is not None else book.say(content, draw)
    filled = [parts[0]]
    for name, part in zip(names, parts[1:], strict=True):
        filled += (_value(name, main, book, draw), part)
    return "".join(filled)


def _value(name: str, main: str, book: Phrasebook, draw: Draw) -> str:
    if name in _SETTINGS:
        return _SETTINGS[name]
    return book.say("candidate", draw) if _ANSWER.search(name) else main


@lru_cache(maxsize=256)
def _split(template: str) -> tuple[list[str], list[str]]:
    pieces = _PLACEHOLDER.split(template)
    names = [double or single for double, single in zip(pieces[1::3], pieces[2::3], strict=True)]
    return pieces[0::3], names
