"""Which characters of reasoning are kept, asked one by one, in however many pieces they come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["ReasoningInText", "Shortened"]

# Open models write their reasoning into the answer, where whoever runs them does not take it apart.
_BEGINNINGS = ("<think>", "<reasoning>")


@dataclass(slots=True)
class Shortened:
    """Keeps the first characters and no more."""

    left: int

    def keeps(self, character: str) -> bool:
        """Whether the next character is kept."""
        self.left -= 1
        return self.left >= 0


class _Phase(Enum):
    BEGINNING = auto()
    REASONING = auto()
    ANSWER = auto()


@dataclass(slots=True)
class ReasoningInText:
    """Keeps an answer, and the first characters of the reasoning that an answer begins with.

    The tags stay, so that a client that takes them apart still can. What looks like the beginning
    of the closing tag stays, too: whether it is one is known only with its last character.
    """

    left: int
    _phase: _Phase = _Phase.BEGINNING
    _begun: str = ""
    _end: str = ""

    def keeps(self, character: str) -> bool:
        """Whether the next character is kept."""
        if self._phase is _Phase.BEGINNING:
            self._begin(character)
            return True
        if self._phase is _Phase.ANSWER:
            return True
        return self._reason(character)

    def _begin(self, character: str) -> None:
        if not self._begun and character.isspace():
            return
        self._begun += character
        if self._begun in _BEGINNINGS:
            self._phase = _Phase.REASONING
            self._end, self._begun = self._begun.replace("<", "</"), ""
        elif not any(tag.startswith(self._begun) for tag in _BEGINNINGS):
            self._phase = _Phase.ANSWER

    def _reason(self, character: str) -> bool:
        self._begun += character
        if not self._end.startswith(self._begun):
            self._begun = character if character == self._end[0] else ""
        if self._begun == self._end:
            self._phase = _Phase.ANSWER
        if self._begun:
            return True
        self.left -= 1
        return self.left >= 0
