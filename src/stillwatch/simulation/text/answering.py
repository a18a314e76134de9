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
_WORD = re.compile(r"[぀-ヿ一-鿿]{2,4}|[฀-๿]{3,9}|[^\W\d_]{4,20}")
_READ_CHARACTERS = 700
_WORDS_KEPT = 12
# Each script's characters, and the language whose phrases answer it. Kana come before Han.
_SCRIPTS = (
    ("ja", re.compile(r"[぀-ヿ]")),
    ("zh", re.compile(r"[一-鿿]")),
    ("th", re.compile(r"[฀-๿]")),
    ("ar", re.compile(r"[؀-ۿ]")),
    ("hi", re.compile(r"[ऀ-ॿ]")),
)
_SPANISH = re.compile(r"[¿¡ñ]|\b(?:qué|cómo|para|una|los|las)\b", re.IGNORECASE)
_GERMAN = re.compile(r"[äöüß]|\b(?:und|der|die|das|ist|nicht|eine?)\b", re.IGNORECASE)


def language_of(prompt: str) -> str:
    """The language an answer to this prompt is written in, told by script and small words."""
    head = prompt[:_READ_CHARACTERS]
    if not head.isascii():
        for language, script in _SCRIPTS:
            if script.search(head):
                return language
    if _SPANISH.search(head):
        return "es"
    return "de" if _GERMAN.search(head) else "en"


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
    long = sorted(set(words), key=lambda word: (-len(word), word))[:_WORDS_KEPT]
    pools["kw"] = [*long] or ["this"]
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
