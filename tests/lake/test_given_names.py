"""The slot of a name in system texts, over batches of any size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.lake import given_names
from stillwatch.lake.given_names import GivenNames, name_hash

MODELS = ("aster-3-large", None)


def read(batches: Sequence[Sequence[str | None]], models: Sequence[str | None]) -> list[int]:
    """The names of the texts of these batches, in order; a text's number is that of its hash."""
    names, number = GivenNames(), dict[str | None, int]()
    texts = [
        np.array([number.setdefault(text, 7 - 3 * len(number)) for text in batch])
        for batch in batches
    ]
    for batch, own in zip(batches, texts, strict=True):
        asked = [models[i % len(models)] for i in range(len(batch))]
        names.see(pa.array(batch, pa.string()), pa.array(asked, pa.string()), own)
    of_models = [
        name_of_model(models[i % len(models)]) for batch in batches for i in range(len(batch))
    ]
    return names.of(np.concatenate(texts), np.array(of_models)).tolist()


def name_of_model(model: str | None) -> int:
    return given_names._hash(model) if model else 0


@pytest.mark.parametrize("at_once", [1, 2, 1 << 15])
@pytest.mark.parametrize("remembered", [0, 1, 1 << 18])
def test_each_text_has_its_own_name_however_they_come(
    monkeypatch: pytest.MonkeyPatch, at_once: int, remembered: int
) -> None:
    """Texts that come again, in this batch or another, and texts without a name."""
    monkeypatch.setattr(given_names, "AT_ONCE", at_once)
    monkeypatch.setattr(given_names, "REMEMBERED", remembered)
    batches = [
        ["You are Zephyra, a language model.", None, "You are Lumi, an app for birds."],
        ["You are Osprel 2, built by Quillmark.", "You are Zephyra, a language model."],
        [None, "Be brief.", "You are Osprel 2, built by Quillmark."],
    ]
    zephyra, osprel = name_hash("zephyra"), name_hash("OSPREL")

    assert read(batches, ["aster-3"]) == [zephyra, 0, 0, osprel, zephyra, 0, 0, osprel]
    assert zephyra != osprel


def test_the_name_of_the_model_that_was_asked_for_is_its_own() -> None:
    """The same text is another's name where another model, or none that is known, was asked for."""
    batch = ["You are Aster, a language model."] * 2

    assert read([batch], ["maker/aster-3-large", "brook-2"]) == [0, name_hash("Aster")]
    assert read([batch], [None]) == [name_hash("Aster")] * 2


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("You are Zephyra-mini 4.1, made by Quillmark.", "zephyra"),
        ("Note.\n**You are «Zephyra», an AI model**", "zephyra"),
        ("Tu es Zéphyra, un modèle de langage.", "zéphyra"),
        ("Je bent Zephyra, een taalmodel.", "zephyra"),
        ("Jesteś Zephyra, model językowy.", "zephyra"),
        ("Você é Zephyra, criada pela Quillmark.", "zephyra"),
        ("Tu sei Zephyra, creata da Quillmark.", "zephyra"),
        ("당신은 제피라, 언어 모델", "제피라"),
        ("You are Zephyra. You were trained by Quillmark.", "zephyra"),
        ("You are Zephyra. The files were created by others.", ""),
        ("You are zephyra, a language model.", ""),
        ("You are Your own language model.", ""),
        ("Tell me who you are. A language model made by whom?", ""),
        (400 * " " + "You are Zephyra, a language model.", ""),
        ("", ""),
    ],
)
def test_a_name_is_one_that_is_said_to_be_a_model_or_made(text: str, name: str) -> None:
    """And it stands near the head of the text."""
    assert read([[text]], ["aster"]) == [name_hash(name)]
