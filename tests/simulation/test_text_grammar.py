"""Phrase grammars: what a phrase file says is what is spoken."""

from __future__ import annotations

from importlib.resources import files
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.records import InputError
from stillwatch.simulation.text import Variety
from stillwatch.simulation.text.grammar import (
    Pattern,
    Repeated,
    compile_pattern,
    fill,
    read_phrases,
    say,
)
from stillwatch.simulation.text.phrasebook import LANGUAGES, load_phrasebook

FILLED_BY_CALLERS = {"task", "item", "half_item", "role", "ask", "ask2", "rule", "kw"}


def test_a_slot_draws_from_the_pool_it_names() -> None:
    """A filled slot holds one of its pool's alternatives."""
    pools = {"greeting": [compile_pattern("hello {name}")], "name": ["Ana", "Bo"]}

    spoken = {say(pools, "greeting", Random(seed).random, {}) for seed in range(40)}

    assert spoken == {"hello Ana", "hello Bo"}


def test_a_bound_slot_repeats_what_it_drew() -> None:
    """`{name@x}` says the same word wherever `@x` returns, in nested pools too."""
    pools = {
        "line": [compile_pattern("{name@x} and {inner}")],
        "inner": [compile_pattern("{name@x}")],
        "name": [str(number) for number in range(50)],
    }

    first, second = say(pools, "line", Random(3).random, {}).split(" and ")

    assert first == second


def test_doubled_braces_wait_for_a_later_drawing() -> None:
    """What an owner fixes stays, and what is left open becomes a slot of the owner's template."""
    once = fill({"city": ["Porto"]}, compile_pattern("{city}: {{note}}"), Random(1).random, {})

    template = compile_pattern(once)

    assert template == Pattern("Porto: %s", ("note",))


@given(st.integers(0, 500), st.integers(0, 500), st.integers())
def test_numbers_stay_within_both_ends(low: int, spread: int, seed: int) -> None:
    """A range draws whole numbers, both ends included."""
    piece = compile_pattern(f"{{{low}..{low + spread}}}")

    number = int(fill({}, piece, Random(seed).random, {}))

    assert low <= number <= low + spread


@given(st.text(alphabet=st.characters(exclude_characters="{}")))
def test_text_without_braces_is_spoken_as_it_stands(text: str) -> None:
    """Percent signs and backslashes of a document are not formatting."""
    assert fill({}, compile_pattern(text + "{1..1}"), Random(0).random, {}) == text + "1"


def test_json_braces_are_not_slots() -> None:
    """A JSON record may be written in a phrase file as it is."""
    piece = compile_pattern('{"id": "{id}", "n": {1..1}}')

    assert fill({"id": ["A"]}, piece, Random(0).random, {}) == '{"id": "A", "n": 1}'


def test_a_half_opens_only_in_its_variety() -> None:
    """Sections of one half are empty in the other and joined in the union."""
    text = "[a]\nx\n[a | build]\ny\n[a | held_out]\nz\n"

    read = {variety: read_phrases(text, variety, where="t")["a"] for variety in Variety}

    assert read == {
        Variety.BUILD: ["x", "y"],
        Variety.HELD_OUT: ["x", "z"],
        Variety.ALL: list("xyz"),
    }


def test_a_phrase_before_any_section_is_refused_with_its_line() -> None:
    """The message names file and line."""
    with pytest.raises(InputError, match="phrases:2"):
        read_phrases("\nstray\n", Variety.ALL, where="phrases")


@pytest.mark.parametrize("variety", Variety)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_packaged_slot_has_a_pool(language: str, variety: Variety) -> None:
    """No packaged phrase, in any half, names a pool that is missing or empty."""
    book = load_phrasebook(language, variety)
    named = set()
    for pieces in book.pools.values():
        for piece in pieces:
            slots = piece.slots if isinstance(piece, Pattern) else ()
            named |= {slot.pool if isinstance(slot, Repeated) else slot for slot in slots}
            if isinstance(piece, Pattern):
                later = compile_pattern(piece.form.replace("%s", ""))
                named |= set(later.slots) if isinstance(later, Pattern) else set()
    names = {name for name in named if isinstance(name, str)} - FILLED_BY_CALLERS

    assert {name for name in names if not book.pools.get(name)} == set()


def test_every_language_has_a_phrase_file() -> None:
    """The languages a library offers are those that are packaged."""
    folder = files("stillwatch.simulation.text").joinpath("data/phrases")

    assert {entry.name for entry in folder.iterdir() if entry.is_dir()} == set(LANGUAGES)
