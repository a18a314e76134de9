"""A collector's queue of tasks, and the wordings a collector wraps around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import blake2b
from random import Random

from stillwatch.records import Target
from stillwatch.simulation.text.grammar import Draw, Piece, say
from stillwatch.simulation.text.owners import topics_of
from stillwatch.simulation.text.packaged import RealPrompt, RealPrompts
from stillwatch.simulation.text.phrasebook import Phrasebook
from stillwatch.simulation.text.tool_prompts import filled_tool_prompt
from stillwatch.simulation.text.words import Task

__all__ = ["WRAPPERS_AT_LEVEL_ONE", "queue_of_tasks", "wrap_tasks"]

Book = Callable[[str], Phrasebook]
"""The phrasebook of a language."""

WRAPPERS_AT_LEVEL_ONE = 3
_REAL_ITEM = 0.5
_TOPICS_OF_SUBJECT = 2
_MISSES_BEFORE_PAIRING = 2_000
_INSTRUCTION_IN_SYSTEM = 0.5
_PUBLIC_TOOL_WRAPPER = 0.2
_LANGUAGES_OF_CAMPAIGN = 4
_JUDGING_TOOLS = ("fastchat/single", "fastchat/pair-v2", "distilabel/prometheus")
_BLANK_LINES = re.compile(r"\n{3,}")
_CLAUSES = ("role", "ask", "rule")


def queue_of_tasks(
    book: Phrasebook,
    prompts: RealPrompts,
    target: Target,
    count: int,
    draw: Draw,
    *,
    subject: int | None,
) -> list[Task]:
    """`count` distinct tasks; English queues mix real items with composed ones.

    Args:
        book: Phrases of the tasks' language.
        prompts: Real prompts of the same variety.
        target: What the answers are wanted for.
        count: How many.
        draw: Uniform numbers.
        subject: Seeds the few topics the queue stays within; None spreads over all.
    """
    about = book
    if subject is not None:
        about = book.about(topics_of(book, subject, many=_TOPICS_OF_SUBJECT))
    real = _real_items(prompts, target) if book.language == "en" else []
    taken = _drawn_without_replacement(real, int(count * _REAL_ITEM), draw)
    bare, material_name = f"bare.{target}", f"material.{target}"
    tasks: list[Task] = []
    seen: set[str] = set()
    local: dict[str, list[Piece]] = dict(about.pools)
    misses = 0
    while len(tasks) < count:
        if taken and draw() < _REAL_ITEM:
            source, material = taken.pop()
        else:
            source, material = book.language, say(local, material_name, draw, {})
        if misses > _MISSES_BEFORE_PAIRING:
            # A narrow subject has run dry: items of two parts keep the queue distinct.
            material = f"{material}\n\n{say(local, material_name, draw, {})}"
        if material in seen:
            misses += 1
            continue
        seen.add(material)
        local["task"] = [material]
        text = say(local, bare, draw, {})
        digest = blake2b(material.encode("utf-8"), digest_size=8).hexdigest()
        tasks.append(Task(f"{source}:{digest}", text, target, book.language, material))
    return tasks


def _drawn_without_replacement(
    real: list[tuple[str, str]], many: int, draw: Draw
) -> list[tuple[str, str]]:
    if not real:
        return []
    return Random(draw()).sample(real, k=min(many, len(real)))


def _real_items(prompts: RealPrompts, target: Target) -> list[tuple[str, str]]:
    """Source and material of the real items that serve a target."""
    if target is Target.GRADING:
        answered = prompts.maths + prompts.code + prompts.roleplay + prompts.instructions
        return [(row.source, _with_answer(row)) for row in answered if row.answer]
    if target is Target.TOOL_USE:
        return [("bfcl", f"{row.text}\n\nFunctions: {row.source}") for row in prompts.tools]
    plain = {
        Target.REASONING: prompts.maths,
        Target.CODE: prompts.code,
        Target.ANSWERS: prompts.roleplay + prompts.instructions,
    }.get(target, [])
    return [(row.source, row.text) for row in plain]


def _with_answer(row: RealPrompt) -> str:
    return f"{row.text}\n\n{row.answer}"


def wrap_tasks(
    book: Book,
    languages: Sequence[str],
    prompts: RealPrompts,
    tasks: Sequence[Task],
    draw: Draw,
    *,
    wording: int,
    campaign: int,
) -> tuple[list[str | None], list[str]]:
    """The system text and the input text of each task at a level of the wording dial.

    0 wraps all in one template, 1 in three, 2 words and orders each anew in several languages,
    3 leaves every task as it was phrased on its own. Templates depend on the campaign, the target
    and the language of the tasks only, so that separate calls agree.
    """
    if wording >= 3:
        return [None] * len(tasks), [task.text for task in tasks]
    if wording == 2:
        pairs = _worded_anew(book, languages, tasks, draw, campaign)
    else:
        many = WRAPPERS_AT_LEVEL_ONE if wording == 1 else 1
        pairs = _in_templates(book, prompts, tasks, draw, campaign, many)
    return [system for system, _ in pairs], [text for _, text in pairs]


Wrapper = Callable[[Task, Draw], tuple[str | None, str]]


def _in_templates(
    book: Book,
    prompts: RealPrompts,
    tasks: Sequence[Task],
    draw: Draw,
    campaign: int,
    many: int,
) -> list[tuple[str | None, str]]:
    wrappers: dict[tuple[Target, str], list[Wrapper]] = {}
    wrapped = []
    for task in tasks:
        key = (task.target, task.language)
        if key not in wrappers:
            choose = Random(f"wrap:{campaign}:{task.target}:{task.language}")
            wrappers[key] = _wrappers(book(task.language), prompts, task.target, choose, many)
        chosen = wrappers[key][int(draw() * many)]
        wrapped.append(chosen(task, draw))
    return wrapped


def _wrappers(
    book: Phrasebook, prompts: RealPrompts, target: Target, choose: Random, many: int
) -> list[Wrapper]:
    """Fixed templates that share no sentence, as far as the pools reach.

    Each is the grammar's, or now and then a public judging tool's.
    """
    clauses = _clauses(book, target)
    clauses["general_rule"] = book.pools["general_rule"]
    dealt = {name: choose.sample(pieces, k=len(pieces)) for name, pieces in clauses.items()}
    judges = [row.text for row in prompts.wrappers if _judges(row)]
    uses_tool = target is Target.GRADING and book.language == "en"
    wrappers: list[Wrapper] = []
    for at in range(many):
        if uses_tool and choose.random() < _PUBLIC_TOOL_WRAPPER:
            wrappers.append(_tool_wrapper(book, choose.choice(judges)))
            continue
        pools = {**book.pools, **{n: [pieces[at % len(pieces)]] for n, pieces in dealt.items()}}
        pools["ask2"] = [dealt["ask"][(at + many) % len(dealt["ask"])]]
        wrappers.append(_template_wrapper(pools, choose.random))
    return wrappers


def _tool_wrapper(book: Phrasebook, tool: str) -> Wrapper:
    return lambda task, draw: (
        None,
        filled_tool_prompt(tool, book, "candidate", draw, item=task.material),
    )


def _template_wrapper(pools: dict[str, list[Piece]], choose: Draw) -> Wrapper:
    in_system = choose() < _INSTRUCTION_IN_SYSTEM
    if in_system:
        pools["mark"] = [""]
    template = say(pools, "shape.fixed", choose, {})
    if in_system:
        system = _BLANK_LINES.sub("\n\n", template.replace("{task}", "")).strip()
        return lambda task, _: (system, task.material)
    return lambda task, _: (None, template.replace("{task}", task.material))


def _judges(row: RealPrompt) -> bool:
    one_turn = not row.source.endswith("multi-turn")
    return one_turn and row.source.startswith(_JUDGING_TOOLS)


def _clauses(book: Phrasebook, target: Target) -> dict[str, list[Piece]]:
    own = ((name, book.pools.get(f"{name}.{target}")) for name in _CLAUSES)
    clauses = {name: pool or book.pools[name] for name, pool in own}
    return clauses


def _worded_anew(
    book: Book,
    languages: Sequence[str],
    tasks: Sequence[Task],
    draw: Draw,
    campaign: int,
) -> list[tuple[str | None, str]]:
    choose = Random(f"languages:{campaign}")
    spoken = choose.sample(list(languages), k=min(_LANGUAGES_OF_CAMPAIGN, len(languages)))
    in_system = choose.random() < _INSTRUCTION_IN_SYSTEM
    pools: dict[tuple[str, Target], dict[str, list[Piece]]] = {}
    wrapped: list[tuple[str | None, str]] = []
    for task in tasks:
        among = [*spoken, task.language]
        language = among[int(draw() * len(among))]
        key = (language, task.target)
        if key not in pools:
            words = book(language)
            pools[key] = {**words.pools, **_clauses(words, task.target)}
        local = pools[key]
        local["task"] = ["" if in_system else task.material]
        text = say(local, "shape.loose", draw, {}).strip()
        wrapped.append((text, task.material) if in_system else (None, text))
    return wrapped
