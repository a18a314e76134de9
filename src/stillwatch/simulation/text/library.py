"""Every text of a simulated world, from one object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np

from stillwatch.records import Target
from stillwatch.simulation.text.answering import answer, language_of, style_of
from stillwatch.simulation.text.chats import assigned_exercises, human_conversation
from stillwatch.simulation.text.collecting import queue_of_tasks, wrap_tasks
from stillwatch.simulation.text.grammar import Draw, Piece
from stillwatch.simulation.text.owners import book_of_person
from stillwatch.simulation.text.packaged import RealPrompts, load_real_prompts
from stillwatch.simulation.text.phrasebook import LANGUAGES, Phrasebook, load_phrasebook
from stillwatch.simulation.text.words import AnswerStyle, Task, Variety, WorkKind
from stillwatch.simulation.text.work import owner_prompts, owner_system

__all__ = ["TextLibrary", "load_text"]


def load_text(variety: Variety, corpus: Path | None = None) -> TextLibrary:
    """The texts of one variety, from the package and, if given, from a corpus folder.

    Raises:
        InputError: The corpus holds nothing readable; see `load_real_prompts`.
    """
    return TextLibrary(variety, load_real_prompts(variety, corpus))


class TextLibrary:
    """Prompts, system texts and answers of simulated accounts.

    All randomness comes from the generator passed in: each call draws one seed from it, so equal
    generators give equal texts. What must agree between calls (an owner's template, a class's
    sheet, a campaign's wrapper) depends on the owner, course or campaign alone.

    Attributes:
        variety: Which half of all wordings this library speaks.
        languages: The languages with grammars of their own, as ISO 639-1 codes.
    """

    def __init__(self, variety: Variety, prompts: RealPrompts) -> None:
        self.variety = variety
        self.languages: tuple[str, ...] = LANGUAGES
        self._prompts = prompts

    def conversations(
        self,
        rng: np.random.Generator,
        count: int,
        *,
        language: str = "en",
        topic: int | None = None,
    ) -> list[list[str]]:
        """The user turns (one to eight) of `count` chats of one person.

        Args:
            rng: Source of randomness.
            count: How many chats.
            language: One of `languages`.
            topic: Seeds the few topics this person talks about; None for any.
        """
        draw = _draw(rng)
        book = self._person(language, topic)
        return [human_conversation(book, self._prompts, draw) for _ in range(count)]

    def work(
        self,
        kind: WorkKind,
        rng: np.random.Generator,
        count: int,
        *,
        owner: int,
        language: str = "en",
    ) -> list[str]:
        """`count` prompts of one owner's own work.

        The owner seeds template, names and vocabulary. Public texts (`VIRAL_PROMPT`,
        `PROMPT_PACK`, `TUTORIAL_READER`, `MENTOR_STUDENTS`) are named by `owner`: give all who use
        the same text the same owner. Kinds without phrases in the language are English.
        """
        book = self._book_with(f"work.{kind}", language)
        return owner_prompts(book, self._prompts, kind, count, _draw(rng), owner=owner)

    def system(
        self,
        kind: WorkKind,
        rng: np.random.Generator,
        *,
        owner: int,
        language: str = "en",
    ) -> str | None:
        """The system text of this owner's work, always the same, or None if the kind has none."""
        del rng
        return owner_system(self._book_with(f"system.{kind}", language), kind, owner=owner)

    def assignments(
        self, rng: np.random.Generator, count: int, *, course: int, language: str = "en"
    ) -> list[str]:
        """The first `count` exercises of a course's sheet, as one student pastes them."""
        book = self._person(language, course)
        return assigned_exercises(book, count, _draw(rng), course=course)

    def tasks(
        self,
        target: Target,
        rng: np.random.Generator,
        count: int,
        *,
        language: str = "en",
        subject: int | None = None,
    ) -> list[Task]:
        """`count` distinct, self-contained items of a collector's queue.

        Args:
            target: What the answers are wanted for.
            rng: Source of randomness.
            count: How many; there is no limit.
            language: One of `languages`.
            subject: Seeds the few topics the queue stays within; None spreads over all.
        """
        book = self._book(language)
        return queue_of_tasks(book, self._prompts, target, count, _draw(rng), subject=subject)

    def wrap(
        self,
        tasks: Sequence[Task],
        rng: np.random.Generator,
        *,
        wording: int,
        campaign: int,
    ) -> tuple[list[str | None], list[str]]:
        """System and input texts of the tasks at a level (0 to 3) of the wording dial."""
        return wrap_tasks(
            self._book,
            self.languages,
            self._prompts,
            tasks,
            _draw(rng),
            wording=wording,
            campaign=campaign,
        )

    def answers(
        self,
        prompts: Sequence[str],
        rng: np.random.Generator,
        *,
        style: AnswerStyle = AnswerStyle.AUTO,
        target: Target | None = None,
        language: str | None = None,
    ) -> list[str]:
        """A plausible answer to each prompt, in the prompt's words.

        Args:
            prompts: What was asked.
            rng: Source of randomness.
            style: The answers' shape; `AUTO` follows the target, or else each prompt.
            target: What the answers are collected for, if they are.
            language: The answers' language; None tells it from each prompt's script and words.
        """
        draw = _draw(rng)
        pools: dict[str, dict[str, list[Piece]]] = {}
        texts = []
        for prompt in prompts:
            spoken = language or language_of(prompt)
            if spoken not in pools:
                pools[spoken] = dict(self._book(spoken).pools)
            shape = style_of(prompt, target) if style is AnswerStyle.AUTO else style
            texts.append(answer(prompt, pools[spoken], draw, shape))
        return texts

    def _book(self, language: str) -> Phrasebook:
        return load_phrasebook(language, self.variety)

    def _book_with(self, name: str, language: str) -> Phrasebook:
        book = self._book(language)
        return book if name in book else self._book("en")

    def _person(self, language: str, topic: int | None) -> Phrasebook:
        return book_of_person(self._book(language), topic)


def _draw(rng: np.random.Generator) -> Draw:
    return Random(int(rng.integers(0, 2**63))).random
