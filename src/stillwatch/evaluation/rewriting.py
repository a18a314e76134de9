"""How a framer writes what he copies: with some words changed, or the wording with his own list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stillwatch.signals.slots import TOKEN, PromptFamily, recover_template

__all__ = ["fill_with_own", "reword"]

SWAPPED = 1 / 7
"""Part of the words that a reworded copy has changed."""

_READ = 200
"""Prompts from which a wording is recovered; the time grows with the square of their number."""


def reword(texts: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Each text with one word in seven replaced by a word of one of the texts.

    In scripts without spaces a word is a character.
    """
    pieces = [TOKEN.findall(text) for text in texts]
    words = [piece for own in pieces for piece in own if piece[0].isalnum()]
    reworded = []
    for own in pieces:
        places = [i for i, piece in enumerate(own) if piece[0].isalnum()]
        for i in np.array(places, np.int64)[rng.random(len(places)) < SWAPPED]:
            own[i] = words[rng.integers(len(words))]
        reworded.append("".join(own))
    return reworded


def fill_with_own(own: Sequence[str], copied: Sequence[str]) -> list[str]:
    """Each copied text with its longest slot filled from a text of one's own; one an entry.

    A text whose wording is not recovered, as where the whole of it is a slot and the wording lies in
    the system text, gives way to one's own item whole.
    """
    lists, wordings = _families(own), _families(copied)
    filled = []
    for mine, theirs in zip(own, copied, strict=True):
        _, read = _read(mine, lists)
        item = max(read, key=len) if read else mine
        wording, slots = _read(theirs, wordings)
        if wording is None:
            filled.append(item)
            continue
        longest = max(range(len(slots)), key=lambda i: len(slots[i]))
        filled.append(wording.render([item if i == longest else s for i, s in enumerate(slots)]))
    return filled


def _families(texts: Sequence[str]) -> tuple[PromptFamily, ...]:
    distinct = sorted(set(texts))
    return recover_template(distinct[:: max(1, len(distinct) // _READ)]).families


def _read(
    text: str, families: Sequence[PromptFamily]
) -> tuple[PromptFamily | None, tuple[str, ...]]:
    """The family whose wording the text has, the most fixed of several, and what fills its slots."""
    fitting = [(f, slots) for f in families if (slots := f.filling_of(text)) is not None]
    if not fitting:
        return None, ()
    return max(fitting, key=lambda fit: sum(map(len, fit[0].fixed)))
