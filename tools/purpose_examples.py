"""Requests to train the purpose classifier on, each with its purpose and its source.

Two kinds of source: phrase lists written for the purpose (`tools/purpose_phrases`, one a
language), and the build half of the simulator's text. A source is held out as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np

from stillwatch.lake.purpose import OWN_WORK
from stillwatch.records import Target
from stillwatch.simulation.text import Variety, WorkKind, load_text
from stillwatch.simulation.text.grammar import Piece, compile_pattern, read_phrases, say
from stillwatch.simulation.text.packaged import load_real_prompts

__all__ = ["Example", "examples_of_phrases", "examples_of_simulator"]

PARTS = 4
PHRASES = Path(__file__).parent / "purpose_phrases"
# What a request of each purpose is about, and how often: an item tells little by itself, since
# any item may be graded, thought about or explained.
ITEMS: dict[str, dict[str, int]] = {
    Target.GRADING: {
        "answer": 50,
        "question": 10,
        "problem": 15,
        "code": 15,
        "concept": 5,
        "touchy": 5,
    },
    Target.SAFETY_REWRITES: {"touchy": 75, "question": 15, "document": 5, "answer": 5},
    Target.TOOL_USE: {"goal": 75, "question": 10, "table": 5, "document": 5, "code": 5},
    Target.REASONING: {"problem": 55, "question": 20, "answer": 15, "code": 5, "table": 5},
    Target.CODE: {"code": 85, "problem": 10, "table": 5},
    Target.DATA_ANALYSIS: {"table": 90, "question": 10},
    Target.EXPLANATIONS: {"concept": 60, "question": 25, "problem": 10, "code": 5},
    Target.ANSWERS: {"question": 75, "concept": 10, "problem": 10, "touchy": 5},
    OWN_WORK: {"document": 85, "table": 5, "code": 5, "question": 5},
}
# Work that is collection, whoever does it: no example of a customer's own work.
_COLLECTS = {WorkKind.EVALUATION_LAB, WorkKind.REASONING_STUDY, WorkKind.CONTAMINATION_CHECK}
_ANSWERED = ("item.answer", "item.question", "item.concept", "item.code")
_SEPARATORS = (" ", "\n", "\n\n", "\n\n", ": ", "\n---\n")


class Example(NamedTuple):
    """One request: its texts, what it is wanted for, and where it comes from."""

    system: str
    prompt: str
    purpose: str
    source: str
    language: str


def examples_of_phrases(each: int, seed: int) -> Iterator[Example]:
    """For each language and target `each` requests put together from its list; own work 8 times.

    The frames of a language are dealt over `PARTS` sources, which share no sentence that tells.
    """
    english = _pools("en")
    prompts = load_real_prompts(Variety.BUILD, None)
    english["item.problem"] += [row.text for row in prompts.maths[:300]]
    english["item.code"] += [row.text for row in prompts.code[:300]]
    english["item.goal"] += [f"{r.text}\n\nFunctions: {r.source}" for r in prompts.tools[:100]]
    for path in sorted(PHRASES.glob("*.txt")):
        language = path.stem
        own = english if language == "en" else _pools(language)
        for part in range(PARTS):
            source = f"phrases:{language}:{part}"
            rng = Random(f"{source}:{seed}")
            dealt = {n: p[part::PARTS] if _tells(n) else p for n, p in own.items()}
            pools = {**english, **dealt}
            for target in Target:
                for _ in range(each // PARTS):
                    about = english if rng.random() < 0.15 else pools
                    system, prompt = _request(rng, dealt, about, target)
                    yield Example(system, prompt, target.value, source, language)
            for _ in range(each * len(Target) // PARTS):
                if rng.random() < 0.4:
                    system, prompt = "", _chat(rng, pools)
                else:
                    system, prompt = _request(rng, dealt, pools, OWN_WORK)
                yield Example(system, prompt, OWN_WORK, source, language)


def _tells(name: str) -> bool:
    return name in (*Target, OWN_WORK, "chat") or name.startswith("hint.")


def examples_of_simulator(each: int, seed: int) -> Iterator[Example]:
    """The build half: wrapped and bare tasks, honest work and chats in its eight languages."""
    library = load_text(Variety.BUILD)
    rng = np.random.default_rng([seed, 8])
    for language in library.languages:
        source = f"simulator:{language}"
        for target in Target:
            for part in range(16):
                wording = (0, 1, 2, 3)[part % 4]
                tasks = library.tasks(
                    target, rng, max(each // 16, 1), language=language, subject=part
                )
                systems, texts = library.wrap(tasks, rng, wording=wording, campaign=1000 + part)
                for system, text in zip(systems, texts, strict=True):
                    yield Example(system or "", text, target.value, source, language)
        kinds = [kind for kind in WorkKind if kind not in _COLLECTS]
        many = max(each * len(Target) // (2 * len(kinds) * 8), 1)
        for kind in kinds:
            for _ in range(8):
                owner = int(rng.integers(1_000_000))
                system = library.system(kind, rng, owner=owner, language=language) or ""
                for text in library.work(kind, rng, many, owner=owner, language=language):
                    yield Example(system, text, OWN_WORK, source, language)
        turns = [
            turn
            for talk in library.conversations(rng, each * len(Target) // 6, language=language)
            for turn in talk
        ]
        for at in rng.permutation(len(turns))[: each * len(Target) // 2].tolist():
            yield Example("", turns[at], OWN_WORK, source, language)
    prompts = load_real_prompts(Variety.BUILD, None)
    for rows, purpose in ((prompts.code, Target.CODE), (prompts.maths, Target.REASONING)):
        for row in Random(seed).sample(rows, k=min(each, len(rows))):
            yield Example("", row.text, purpose.value, row.source, "en")


def _request(
    rng: Random,
    own: dict[str, list[Piece]],
    pools: dict[str, list[Piece]],
    purpose: str,
) -> tuple[str, str]:
    """A system text and a prompt: one to four sentences around an item, or the item alone."""
    draw = rng.random
    kinds = ITEMS[purpose]
    item = rng.choices([*kinds], [*kinds.values()])[0]
    about = say(pools, f"item.{item}", draw, {})
    if item == next(iter(kinds)) and rng.random() < 0.08:
        return "", about
    if purpose == Target.GRADING and item != "answer":
        about += rng.choice(_SEPARATORS) + say(pools, rng.choice(_ANSWERED), draw, {})
    many = rng.choices((1, 2, 3, 4), (40, 30, 20, 10))[0]
    frames = own[purpose]
    sentences = [
        say({**pools, "frame": [piece]}, "frame", draw, {})
        for piece in rng.sample(frames, k=min(many, len(frames)))
    ]
    if rng.random() < 0.15 and f"hint.{purpose}" in own:
        hints = own[f"hint.{purpose}"]
        sentences = [", ".join(map(str, rng.sample(hints, k=min(3, len(hints)))))]
    sentences += [say(pools, "rule", draw, {}) for _ in range(rng.choices((0, 1, 2), (5, 3, 2))[0])]
    rng.shuffle(sentences)
    between = rng.choice(_SEPARATORS)
    cut = rng.choice((0, len(sentences), len(sentences), rng.randrange(len(sentences) + 1)))
    before, after = sentences[:cut], sentences[cut:]
    if rng.random() < 0.08:
        about = ""
    if rng.random() < 0.25 and before:
        system, prompt = " ".join(before), between.join(filter(None, [about, " ".join(after)]))
    else:
        system = ""
        prompt = between.join(filter(None, [" ".join(before), about, " ".join(after)]))
    if rng.random() < 0.3:
        system, prompt = system.lower(), prompt.lower()
    return system, prompt


def _chat(rng: Random, pools: dict[str, list[Piece]]) -> str:
    said = [say(pools, "chat", rng.random, {}) for _ in range(rng.choice((1, 1, 2)))]
    text = " ".join(said)
    return text.lower() if rng.random() < 0.3 else text


def _pools(language: str) -> dict[str, list[Piece]]:
    path = PHRASES / f"{language}.txt"
    written = read_phrases(path.read_text("utf-8"), Variety.ALL, where=path.name)
    return {name: [compile_pattern(line) for line in lines] for name, lines in written.items()}
