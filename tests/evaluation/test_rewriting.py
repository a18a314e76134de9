"""What framers write: reworded copies, and wording filled with another list."""

from __future__ import annotations

import random

import numpy as np

from planted_logs import JUDGE, TUTOR, VOCABULARY
from stillwatch.evaluation.rewriting import fill_with_own, reword


def items(seed: int, number: int = 40) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.sample(VOCABULARY, 14)) for _ in range(number)]


def test_one_word_in_seven_is_changed() -> None:
    """The rest stays where it was, punctuation and all."""
    texts = [JUDGE.format(item) for item in items(1)]
    changed = total = 0
    for before, after in zip(texts, reword(texts, np.random.default_rng(1)), strict=True):
        old, new = before.split(" "), after.split(" ")
        assert len(old) == len(new)
        changed += sum(a != b for a, b in zip(old, new, strict=True))
        total += len(old)

    assert 0.1 < changed / total < 0.18


def test_a_text_without_words_stays() -> None:
    """There is nothing to change in it."""
    assert reword(["...", ""], np.random.default_rng(1)) == ["...", ""]


def test_the_others_wording_is_filled_with_ones_own_items() -> None:
    """Nothing of one's own wording and nothing of the others' items is left."""
    mine, theirs = items(2), items(3)
    written = fill_with_own([JUDGE.format(i) for i in mine], [TUTOR.format(i) for i in theirs])

    assert written == [TUTOR.format(item) for item in mine]


def test_what_has_no_wording_gives_way_to_the_item() -> None:
    """As where the wording lies in the system text."""
    mine, theirs = items(4), items(5)

    assert fill_with_own([JUDGE.format(i) for i in mine], theirs) == mine
