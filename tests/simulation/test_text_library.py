"""Texts of a world: repeatable, distinct, in their language, and as alike as they should be."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from stillwatch.records import Target
from stillwatch.simulation.text import (
    AnswerStyle,
    Task,
    TextLibrary,
    Variety,
    WorkKind,
    load_text,
)
from stillwatch.simulation.text.answering import language_of

SCRIPTS = {
    "hi": "DEVANAGARI",
    "zh": "CJK",
    "ja": "HIRAGANA",
    "th": "THAI",
    "ar": "ARABIC",
    "en": "LATIN",
    "es": "LATIN",
    "de": "LATIN",
}


@pytest.fixture(params=[Variety.BUILD, Variety.HELD_OUT])
def library(request: pytest.FixtureRequest) -> TextLibrary:
    return load_text(request.param)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


def share_of_pairs_with_common_wording(
    wrapped: tuple[Sequence[str | None], Sequence[str]], tasks: Sequence[Task]
) -> float:
    """Pairs that share five words in a row which do not come from the tasks themselves."""
    added = [
        shingles(f"{system or ''} {text}") - shingles(task.material)
        for system, text, task in zip(*wrapped, tasks, strict=True)
    ]
    return float(np.mean([bool(one & other) for one, other in combinations(added, 2)]))


def test_equal_generators_give_equal_texts(library: TextLibrary) -> None:
    """A world can be made again from its seed."""

    def everything(seed: int) -> list[object]:
        source = rng(seed)
        tasks = library.tasks(Target.CODE, source, 20)
        return [
            library.conversations(source, 5, topic=2),
            library.work(WorkKind.AGGREGATOR, source, 15, owner=4),
            library.assignments(source, 5, course=1),
            tasks,
            library.wrap(tasks, source, wording=2, campaign=3),
            library.answers([task.text for task in tasks], source),
        ]

    assert everything(7) == everything(7)
    assert everything(7) != everything(8)


@pytest.mark.parametrize("target", Target)
def test_tasks_of_a_queue_are_distinct(library: TextLibrary, target: Target) -> None:
    """A collector asks each thing once: ids and texts never repeat in a queue."""
    tasks = library.tasks(target, rng(), 1500)

    assert len({task.item for task in tasks}) == 1500
    assert len({task.text for task in tasks}) == 1500


def test_a_narrow_queue_does_not_run_dry(library: TextLibrary) -> None:
    """Any number of tasks can be had within one subject of a small language."""
    tasks = library.tasks(Target.SAFETY_REWRITES, rng(), 6000, language="th", subject=1)

    assert len({task.material for task in tasks}) == 6000


def test_a_subject_narrows_the_vocabulary(library: TextLibrary) -> None:
    """Queues of one subject use fewer words than queues that spread."""

    def words(subject: int | None) -> set[str]:
        tasks = library.tasks(Target.EXPLANATIONS, rng(), 400, subject=subject)
        return {word for task in tasks for word in task.material.split()}

    assert len(words(5)) < 0.6 * len(words(None))


@pytest.mark.parametrize("target", Target)
def test_the_wording_dial_leaves_ever_less_in_common(library: TextLibrary, target: Target) -> None:
    """Verbatim, three wrappers, reworded, no common wording: common five-word runs fall away."""
    tasks = library.tasks(target, rng(1), 60)

    verbatim, three, reworded, none = (
        share_of_pairs_with_common_wording(
            library.wrap(tasks, rng(2), wording=wording, campaign=9), tasks
        )
        for wording in range(4)
    )

    assert verbatim == 1
    assert 0.25 < three < 0.6
    assert none < reworded < 0.15


def test_level_zero_is_one_template_over_separate_calls(library: TextLibrary) -> None:
    """Accounts that are written in separate calls still share their campaign's template."""
    systems_and_frames = set()
    for seed in range(5):
        tasks = library.tasks(Target.REASONING, rng(seed), 3)
        for system, text, task in zip(
            *library.wrap(tasks, rng(seed), wording=0, campaign=4), tasks, strict=True
        ):
            systems_and_frames.add((system, text.replace(task.material, "TASK")))

    assert len(systems_and_frames) == 1


def test_campaigns_word_their_templates_differently(library: TextLibrary) -> None:
    """A template is its campaign's own."""
    task = library.tasks(Target.DATA_ANALYSIS, rng(), 1)
    wrapped = {
        str(library.wrap(task, rng(), wording=0, campaign=campaign)) for campaign in range(20)
    }

    assert len(wrapped) >= 18


@pytest.mark.parametrize("language", SCRIPTS)
def test_texts_are_written_in_their_script(library: TextLibrary, language: str) -> None:
    """Chats, work and tasks of a language use its script."""
    chats = library.conversations(rng(), 20, language=language)
    work = library.work(WorkKind.NIGHTLY_JOB, rng(), 5, owner=1, language=language)
    tasks = library.tasks(Target.ANSWERS, rng(), 10, language=language)

    for text in ("".join(turn for chat in chats for turn in chat), *work, *(t.text for t in tasks)):
        assert any(unicodedata.name(letter, "").startswith(SCRIPTS[language]) for letter in text)


@pytest.mark.parametrize("language", sorted(SCRIPTS))
def test_answers_are_in_the_language_of_the_prompt(library: TextLibrary, language: str) -> None:
    """Most chats are answered in the language of their first words."""
    openers = [chat[0] for chat in library.conversations(rng(), 60, language=language)]
    answers = library.answers(openers, rng(), style=AnswerStyle.PROSE)

    assert np.mean([language_of(answer) == language for answer in answers]) > 0.7


@pytest.mark.parametrize("style", AnswerStyle)
def test_answers_take_up_words_of_the_prompt(library: TextLibrary, style: AnswerStyle) -> None:
    """Of twenty answers in any style, some repeat the prompt's rare word."""
    answers = library.answers(["What is quixotically?"] * 200, rng(), style=style)

    assert any("quixotically" in answer for answer in answers)


@pytest.mark.parametrize("kind", WorkKind)
def test_every_kind_of_work_has_texts(library: TextLibrary, kind: WorkKind) -> None:
    """Each honest population has prompts with no slot left open."""
    prompts = library.work(kind, rng(), 12, owner=3)

    assert len(prompts) == 12
    assert all(prompt.strip() for prompt in prompts)
    assert not any("{{" in prompt or "{ticket}" in prompt for prompt in prompts)


def test_an_owner_keeps_one_template_and_fills_it_anew(library: TextLibrary) -> None:
    """A nightly job's prompts share most of their frame over calls and differ in content."""
    prompts = [library.work(WorkKind.CATALOGUE, rng(seed), 1, owner=11)[0] for seed in range(8)]
    common = set.intersection(*(shingles(prompt) for prompt in prompts))

    assert len(set(prompts)) == 8
    assert common


def test_owners_do_not_share_templates(library: TextLibrary) -> None:
    """Fewer than one pair of honest owners in ten shares half of its five-word runs."""
    first = [
        shingles(library.work(WorkKind.SHARDED_BACKFILL, rng(owner), 1, owner=owner)[0])
        for owner in range(40)
    ]
    alike = [
        len(one & other) > 0.5 * min(len(one), len(other)) for one, other in combinations(first, 2)
    ]

    assert np.mean(alike) < 0.1


def test_a_developers_identifiers_recur(library: TextLibrary) -> None:
    """The same names come back in one developer's prompts, and not in another's."""

    def names(owner: int) -> set[str]:
        prompts = library.work(WorkKind.DEVELOPER, rng(owner), 60, owner=owner)
        return {word.strip("`(),.:") for text in prompts for word in text.split() if "_" in word}

    assert len(names(1) & names(2)) < 0.3 * len(names(1))


def test_everyone_behind_a_public_agent_sends_the_same_system_text(library: TextLibrary) -> None:
    """The public system prompt does not depend on who uses it."""
    systems = {
        library.system(WorkKind.AGENT_PUBLIC_SYSTEM, rng(owner), owner=owner) for owner in range(20)
    }

    assert len(systems) == 1
    assert None not in systems


def test_an_apps_system_text_is_its_own(library: TextLibrary) -> None:
    """A niche app's users share its system text, and no other app does."""
    systems = [
        library.system(WorkKind.NICHE_APP, rng(seed), owner=app)
        for app in range(12)
        for seed in (1, 2)
    ]

    assert systems[::2] == systems[1::2]
    assert len(set(systems)) == 12


def test_a_class_works_on_one_sheet(library: TextLibrary) -> None:
    """Students of a course paste the same exercises, each in their own way."""
    one, other = (library.assignments(rng(seed), 10, course=5) for seed in (1, 2))
    elsewhere = library.assignments(rng(1), 10, course=6)

    assert all(
        shingles(a) & shingles(b) or a[-20:] == b[-20:] for a, b in zip(one, other, strict=True)
    )
    endings = {text[-30:] for text in one}
    assert len(endings & {text[-30:] for text in elsewhere}) < 0.5 * len(endings)


def test_people_follow_up(library: TextLibrary) -> None:
    """Chats have one to eight turns, and many have more than one."""
    lengths = [len(chat) for chat in library.conversations(rng(), 400)]

    assert min(lengths) == 1
    assert max(lengths) <= 8
    assert 0.4 < np.mean([length > 1 for length in lengths]) < 0.8


def test_an_evaluation_lab_sends_a_public_list_in_order(library: TextLibrary) -> None:
    """Two runs of one laboratory send the same items, as a harness does."""
    runs = [set(library.work(WorkKind.EVALUATION_LAB, rng(s), 900, owner=2)) for s in (1, 2)]

    assert len(runs[0] & runs[1]) > 100
