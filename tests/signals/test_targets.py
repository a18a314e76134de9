"""What is collected: told of one request, and of the exchanges of a campaign together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.lake.purpose import OWN_WORK, PURPOSES
from stillwatch.lake.sketch import sketch_exchanges
from stillwatch.records import Target
from stillwatch.signals.targets import (
    asks_for_training_material,
    sought_targets,
    targets_of_campaign,
)
from stillwatch.signals.templates import Fragments

NAMES = [target.value for target in Target]
# Sentences that stand in no list the classifier was trained on.
COLLECTED = {
    "grading": "Judge which of the two answers is better and score each against a rubric.",
    "safety_rewrites": "Reword this nasty message so that it respects the content policy.",
    "tool_use": "List the tool calls, with arguments, that an agent makes to reach this goal.",
    "reasoning": "Think through the problem step by step and show all your reasoning.",
    "code": "Implement this class in Python with unit tests and handle invalid input.",
    "data_analysis": "Analyse the dataset, describe trends and outliers, test significance.",
    "explanations": "Explain the concept to beginners with an analogy and a worked example.",
    "answers": "Answer the instruction as an expert, complete and ready to publish.",
}
HONEST = [
    "Please translate our product sheet into Dutch and leave the SKU untouched.",
    "Summarise the customer's complaint and say which department should handle it.",
    "hey, what should i wear to my cousin's party on saturday?",
    "You are the assistant of our shop. Help customers to track their order.",
    "Traduce la ficha de nuestro producto para la tienda.",
    "fasse die E-Mail unseres Kunden kurz zusammen",
]


def shares_of(texts: list[str | None]) -> np.ndarray:
    batch = pa.RecordBatch.from_arrays(
        [pa.array([f"x{i}" for i in range(len(texts))]), pa.array(texts, pa.string())],
        names=["exchange_id", "input_text"],
    )
    column = sketch_exchanges(batch).column("purpose")
    return column.flatten().to_numpy().reshape(-1, len(PURPOSES))


def shares(rows: list[dict[str, float]]) -> np.ndarray:
    found = np.zeros((len(rows), len(PURPOSES)), np.uint8)
    for row, given_row in enumerate(rows):
        for name, share in given_row.items():
            found[row, PURPOSES.index(name)] = round(255 * share)
    return found


def fragments_of(uses: list[tuple[int, int]]) -> Fragments:
    """The uses of fragments, as (row, fragment); nothing else is read."""
    none = np.zeros(0, np.int64)
    rows = np.array([row for row, _ in uses], np.int64)
    which = np.array([fragment for _, fragment in uses], np.int64)
    return Fragments(0, none, none, rows, which, none, none, none, none)


@pytest.mark.parametrize("target", NAMES)
def test_each_target_is_told_from_words_of_its_own(target: str) -> None:
    """Plain requests, worded as the training lists are not."""
    (position,) = sought_targets(shares_of([COLLECTED[target]]))

    assert position == NAMES.index(target)


@pytest.mark.parametrize("text", HONEST)
def test_a_customers_own_work_is_no_target(text: str) -> None:
    """Own products, own customers, own party."""
    found = shares_of([text])

    assert sought_targets(found)[0] == -1
    assert asks_for_training_material(found)[0] < 0.5


def test_words_that_nobody_knows_are_unsure() -> None:
    """Without evidence no target is more likely than not."""
    assert sought_targets(shares_of(["zanlekado rituwisho pelmonika", "qwxz"])).max() == -1


def test_no_text_says_nothing() -> None:
    """Neither a target, nor how probable one is."""
    found = shares_of([None, "", "??"])

    assert (sought_targets(found) == -1).all()
    assert np.isnan(asks_for_training_material(found)).all()


def test_own_work_is_never_named() -> None:
    """Nor is anything that is less likely than not."""
    rows = [{OWN_WORK: 0.9}, {"code": 0.45, OWN_WORK: 0.4}, {"code": 0.6}, {}]

    assert sought_targets(shares(rows)).tolist() == [-1, -1, NAMES.index("code"), -1]


@given(st.lists(st.lists(st.integers(0, 255), min_size=9, max_size=9), max_size=5))
def test_what_is_named_is_more_likely_than_not(rows: list[list[int]]) -> None:
    """Whatever the shares."""
    found = np.array(rows, np.uint8).reshape(-1, 9)

    for position, row in zip(sought_targets(found), found, strict=True):
        assert position == -1 or row[position] == row.max() > 127


def test_a_template_is_wanted_for_one_thing() -> None:
    """What one exchange leaves open, the others in its wording tell."""
    rows = [{"reasoning": 0.8}] * 6 + [{"reasoning": 0.3, "code": 0.35, OWN_WORK: 0.35}] * 2
    found = shares(rows + [{"code": 0.8}] * 6)
    uses = [(row, 0) for row in range(8)] + [(row, 1) for row in range(8, 14)]

    told = targets_of_campaign(found, np.arange(14), fragments_of(uses))

    assert told.tolist() == [NAMES.index("reasoning")] * 8 + [NAMES.index("code")] * 6


def test_a_campaign_of_two_targets_is_not_made_one() -> None:
    """Each template keeps its own, however unequal they are, and even without a template."""
    found = shares([{"answers": 0.9}] * 30 + [{"grading": 0.9}] * 3)
    with_templates = [(row, 0) for row in range(30)] + [(row, 1) for row in range(30, 33)]

    for uses in (with_templates, []):
        told = targets_of_campaign(found, np.arange(33), fragments_of(uses))
        assert told.tolist() == [NAMES.index("answers")] * 30 + [NAMES.index("grading")] * 3


def test_without_any_word_the_campaign_decides_or_nobody() -> None:
    """An exchange without text is wanted for what most of the others are, if there are any."""
    grading = NAMES.index("grading")

    mixed = targets_of_campaign(
        shares([{"grading": 0.9}] * 9 + [{}]), np.arange(10), fragments_of([])
    )
    mute = targets_of_campaign(shares([{}] * 4), np.arange(4), fragments_of([]))

    assert mixed.tolist() == [grading] * 10
    assert mute.tolist() == [-1] * 4


def test_only_the_rows_of_the_campaign_are_read() -> None:
    """What others use the same wording for does not matter."""
    found = shares([{"code": 0.9}, {"reasoning": 0.6}, {"code": 0.9}, {"code": 0.9}])
    uses = [(row, 0) for row in range(4)]

    assert targets_of_campaign(found[[1]], np.array([1]), fragments_of(uses)).tolist() == [
        NAMES.index("reasoning")
    ]
    none = np.zeros(0, np.int64)
    assert targets_of_campaign(found[none], none, fragments_of(uses)).tolist() == []
