"""What a model plausibly answers: the right shape and length, in the words of the prompt."""

from __future__ import annotations

import re
from collections.abc import Callable

from stillwatch.records import Target
from stillwatch.simulation.text.grammar import Draw, Piece, Pools, say
from stillwatch.simulation.text.words import AnswerStyle

__all__ = ["answer", "language_of", "style_of"]

_STYLE_OF_TARGET = {
    Target.GRADING: AnswerStyle.GRADE,
    Target.SAFETY_REWRITES: AnswerStyle.PROSE,
    Target.TOOL_USE: AnswerStyle.PLAN,
    Target.REASONING: AnswerStyle.REASONING,
    Target.CODE: AnswerStyle.CODE,
    Target.DATA_ANALYSIS: AnswerStyle.ANALYSIS,
    Target.EXPLANATIONS: AnswerStyle.PROSE,
    Target.ANSWERS: AnswerStyle.LIST,
}
_LOOKS_LIKE_CODE = re.compile(r"def |class \w+|func |SELECT |```|\bpatch\b|\bfunction\b|--- a/")
_LOOKS_LIKE_LIST = re.compile(r"\blist\b|\bideas\b|\bsteps?\b|checklist|bullets", re.IGNORECASE)
_WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]{2,4}|[\u0e00-\u0e7f]{3,9}|[^\W\d_]{4,20}")
_READ_CHARACTERS = 700
_TELLING_CHARACTERS = 240
_LONG_WORD = 6
_WORDS_KEPT = 12
_SCRIPT = re.compile(
    r"(?P<ja>[\u3040-\u30ff])|(?P<zh>[\u4e00-\u9fff])|(?P<th>[\u0e00-\u0e7f])"
    r"|(?P<ar>[\u0600-\u06ff])|(?P<hi>[\u0900-\u097f])"
)
_KANA = re.compile(r"[\u3040-\u30ff]")
_LETTERS = (("es", frozenset("¿¡ñáéíóú")), ("de", frozenset("äöüß")))
_SMALL_WORDS = {
    "es": re.compile(r"\b(?:una|los|las|por|que|sobre|para|con)\b"),
    "de": re.compile(r"\b(?:und|das|ist|nicht|einen?|wie|mit|bitte|der|auf|zu|ich|bei|seit)\b"),
}


def language_of(prompt: str) -> str:
    """The language an answer to this prompt is written in, told by script and small words."""
    head = prompt[:_TELLING_CHARACTERS]
    script = None if head.isascii() else _SCRIPT.search(head)
    if script is not None:
        # Japanese may begin with Han characters, which Chinese shares.
        return "ja" if _KANA.search(head) else str(script.lastgroup)
    for language, letters in _LETTERS:
        if not letters.isdisjoint(head):
            return language
    for language, small in _SMALL_WORDS.items():
        if small.search(head):
            return language
    return "en"


def style_of(prompt: str, target: Target | None) -> AnswerStyle:
    """The style of an answer when none was asked for."""
    if target is not None:
        return _STYLE_OF_TARGET[target]
    if _LOOKS_LIKE_CODE.search(prompt):
        return AnswerStyle.CODE
    return AnswerStyle.LIST if _LOOKS_LIKE_LIST.search(prompt) else AnswerStyle.PROSE


def answer(prompt: str, pools: dict[str, list[Piece]], draw: Draw, style: AnswerStyle) -> str:
    """One answer of this style.

    Args:
        prompt: What was asked; its longer words recur in the answer.
        pools: Phrases of the answer's language; `kw` is overwritten.
        draw: Uniform numbers.
        style: Any style but `AUTO`.
    """
    words = _WORD.findall(prompt[-_READ_CHARACTERS:])
    long = [word for word in dict.fromkeys(words) if len(word) >= _LONG_WORD] or words
    pools["kw"] = [*long[-_WORDS_KEPT:]] or ["this"]
    return _COMPOSE[style](pools, draw)


def _sentences(pools: Pools, draw: Draw, name: str, least: int, spread: int) -> list[str]:
    many = least + int(draw() ** 2 * spread)
    return [say(pools, name, draw, {}) for _ in range(many)]


def _prose(pools: Pools, draw: Draw) -> str:
    first = [say(pools, "answer.open", draw, {}), *_sentences(pools, draw, "answer.sentence", 2, 5)]
    second = _sentences(pools, draw, "answer.sentence", 1, 6)
    close = say(pools, "answer.close", draw, {})
    return f"{' '.join(first)}\n\n{' '.join(second)} {close}".strip()


def _list(pools: Pools, draw: Draw) -> str:
    bullets = _sentences(pools, draw, "answer.bullet", 3, 6)
    lines = "\n".join(f"{at}. {line}" for at, line in enumerate(bullets, start=1))
    tail = " ".join(_sentences(pools, draw, "answer.sentence", 1, 3))
    return f"{say(pools, 'answer.open', draw, {})}\n\n{lines}\n\n{tail}"


def _code(pools: Pools, draw: Draw) -> str:
    body = "\n\n".join(_sentences(pools, draw, "answer.code", 1, 3))
    note = " ".join(_sentences(pools, draw, "answer.code_note", 1, 3))
    return f"```\n{body}\n```\n\n{note}"


def _one(name: str) -> Callable[[Pools, Draw], str]:
    return lambda pools, draw: say(pools, name, draw, {})


def _lines(
    name: str, least: int, spread: int, end: str | None = None
) -> Callable[[Pools, Draw], str]:
    def compose(pools: Pools, draw: Draw) -> str:
        lines = _sentences(pools, draw, name, least, spread)
        if end is not None:
            lines.append(say(pools, end, draw, {}))
        return "\n".join(lines)

    return compose


_COMPOSE: dict[AnswerStyle, Callable[[Pools, Draw], str]] = {
    AnswerStyle.PROSE: _prose,
    AnswerStyle.LIST: _list,
    AnswerStyle.CODE: _code,
    AnswerStyle.JSON: _one("answer.json"),
    AnswerStyle.LABEL: _one("answer.label"),
    AnswerStyle.GRADE: _lines("answer.grade", 2, 3, "answer.grade_end"),
    AnswerStyle.REASONING: _lines("answer.reason", 4, 9, "answer.result"),
    AnswerStyle.PLAN: _lines("answer.plan", 3, 6),
    AnswerStyle.ANALYSIS: _lines("answer.analysis", 3, 5),
    AnswerStyle.REFUSAL: _one("answer.refusal"),
}
