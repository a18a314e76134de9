"""Template recovery, against templates we filled ourselves."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.signals.slots import recover_template

_WORDS = [f"{a}{b}" for a in ("ka", "mo", "ri", "tu", "le", "sho") for b in ("n", "rd", "st", "p")]
_CHARACTERS = "天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏"


def _essay(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(words))


@st.composite
def filled_wrappers(draw: st.DrawFn) -> list[str]:
    """Prompts of one to three wrappers and a few strays, in mixed order."""
    part = st.text(alphabet="abcdef \n:.天地{}<>", min_size=1, max_size=40)
    slot = st.text(alphabet="uvwxyz 玄黃\n", max_size=30)
    texts = draw(st.lists(st.text(max_size=60), max_size=4))
    for _ in range(draw(st.integers(1, 3))):
        before, after = draw(part), draw(part)
        fillings = draw(st.lists(slot, min_size=1, max_size=8))
        texts += [before + filling + after for filling in fillings]
    return draw(st.permutations(texts))


@settings(max_examples=150, deadline=None)
@given(filled_wrappers())
def test_rendering_the_template_with_its_slots_gives_back_each_covered_prompt(texts):
    """Nothing of a covered prompt is lost or invented."""
    for family in recover_template(texts).families:
        for prompt, filling in zip(family.prompts, family.slots, strict=True):
            assert family.render(filling) == texts[prompt]


@settings(max_examples=150, deadline=None)
@given(filled_wrappers())
def test_the_fixed_parts_occur_in_order_in_each_covered_prompt(texts):
    """A fixed part is really in the prompts, one after the other."""
    for family in recover_template(texts).families:
        for prompt in family.prompts:
            position = 0
            for part in family.fixed:
                found = texts[prompt].find(part, position)
                assert found >= 0
                position = found + len(part)


@settings(max_examples=100, deadline=None)
@given(filled_wrappers())
def test_a_prompt_belongs_to_one_family_at_most_and_coverage_counts_them(texts):
    """Coverage is the share of prompts in some family, none counted twice."""
    recovered = recover_template(texts)

    covered = [prompt for family in recovered.families for prompt in family.prompts]
    assert len(covered) == len(set(covered))
    assert recovered.coverage == pytest.approx(len(covered) / len(texts))


def test_two_slots_between_three_fixed_parts_are_found():
    """The template that made the prompts comes back, slots closed at both ends."""
    rng = random.Random(1)
    texts = [
        f"You are a careful tutor. Question: {_essay(rng, 12)}\nReference: {_essay(rng, 30)}\n"
        "Show every step before the final answer."
        for _ in range(40)
    ]

    (family,) = recover_template(texts).families

    assert family.fixed == (
        "You are a careful tutor. Question: ",
        "\nReference: ",
        "\nShow every step before the final answer.",
    )
    assert family.open_slots == (False, True, True, False)
    assert family.coverage == 1.0


def test_several_wrappers_of_one_campaign_are_told_apart():
    """Each wrapper is a family of its own, even with a stock phrase in common."""
    rng = random.Random(2)
    wrappers = (
        "Answer as an expert would, in full detail: {}\nThink step by step.",
        "Here is a problem from our archive. {}\nThink step by step.",
        "Write a worked solution that a beginner can follow for: {}\nThink step by step.",
    )
    texts = [wrappers[i % 3].format(_essay(rng, 15)) for i in range(60)]

    recovered = recover_template(texts)

    assert sorted(family.prompts for family in recovered.families) == [
        tuple(range(first, 60, 3)) for first in range(3)
    ]
    assert recovered.coverage == 1.0


def test_a_script_without_spaces_is_cut_by_characters():
    """Chinese wrappers are found although no spaces mark their words."""
    rng = random.Random(3)
    texts = [
        f"請逐步推理並解答:{''.join(rng.choices(_CHARACTERS, k=14))}。最後總結答案。"
        for _ in range(30)
    ]

    (family,) = recover_template(texts).families

    assert family.fixed == ("請逐步推理並解答:", "。最後總結答案。")


def test_a_document_quoted_in_many_prompts_is_a_filling_and_no_family():
    """Long repeated slot contents do not split a wrapper in pieces."""
    rng = random.Random(4)
    documents = [_essay(rng, 120) for _ in range(12)]
    texts = [
        f"Answer the question below from the text alone: {_essay(rng, 8)}\n\n{documents[i % 12]}"
        for i in range(96)
    ]

    (family, *rest) = recover_template(texts).families

    assert not rest
    assert family.fixed[0] == "Answer the question below from the text alone: "
    assert len(family.prompts) == 96


def test_common_words_of_long_texts_are_no_fixed_part():
    """Prompts that share only everyday words have no template between the words."""
    rng = random.Random(5)
    texts = [
        "Summarise this for the board: "
        + " ".join(f"{rng.randrange(10**6)} of the {rng.randrange(10**6)}" for _ in range(60))
        for _ in range(30)
    ]

    (family,) = recover_template(texts).families

    assert family.fixed == ("Summarise this for the board: ",)


def test_unrelated_prompts_have_no_template():
    """Chance agreement makes no family."""
    rng = random.Random(6)

    assert recover_template([_essay(rng, 20) for _ in range(50)]).families == ()


def test_no_prompts_give_an_empty_template():
    """Campaigns whose contracts keep text out of the log are no error."""
    recovered = recover_template([])

    assert recovered.families == ()
    assert recovered.coverage == 0.0


def test_a_filling_that_quotes_the_last_part_stays_in_the_slot():
    """The last fixed part is the one at the end, not its copy in a slot."""
    rng = random.Random(7)
    ending = "\nNow give the verdict."
    texts = [f"Grade the reply that follows: {_essay(rng, 9)}{ending}" for _ in range(10)]
    texts.append(f"Grade the reply that follows: it said{ending} and left{ending}")

    (family,) = recover_template(texts).families

    assert family.slots[-1] == ("", f"it said{ending} and left", "")
