"""The two halves share no wording, no topic and no source."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.records import InputError
from stillwatch.simulation.text import Variety, load_text
from stillwatch.simulation.text.grammar import read_phrases
from stillwatch.simulation.text.packaged import RealPrompts, half_of, load_real_prompts
from stillwatch.simulation.text.phrasebook import LANGUAGES, load_phrasebook

# Alternatives shorter than this many literal words are vocabulary, not wording.
WORDING = 3


def phrase_files(folder: Traversable) -> Iterator[Traversable]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from phrase_files(entry)
        else:
            yield entry


def wordings(text: str, variety: Variety) -> set[str]:
    """The alternatives of sections that belong to this half alone."""
    build = read_phrases(text, Variety.BUILD, where="t")
    held_out = read_phrases(text, Variety.HELD_OUT, where="t")
    halved = {name for name in build if build[name] != held_out.get(name)}
    chosen = build if variety is Variety.BUILD else held_out
    return {
        line for name in halved for line in chosen.get(name, []) if len(line.split()) >= WORDING
    }


def texts(prompts: RealPrompts) -> set[str]:
    rows = [*prompts.maths, *prompts.code, *prompts.roleplay, *prompts.tools, *prompts.wrappers]
    rows += [row for one in prompts.lists.values() for row in one] + prompts.instructions
    return {row.text for row in rows} | {turn for chat in prompts.chats for turn in chat}


def test_no_phrase_belongs_to_both_halves() -> None:
    """Wordings are dealt to one half or the other, in every language."""
    shared = set()
    for file in phrase_files(files("stillwatch.simulation.text").joinpath("data/phrases")):
        text = file.read_text("utf-8")
        shared |= wordings(text, Variety.BUILD) & wordings(text, Variety.HELD_OUT)

    assert shared == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_topic_belongs_to_both_halves(language: str) -> None:
    """People of the two halves talk about different things."""
    build, held_out = (
        {thing for topic in load_phrasebook(language, half).topics for thing in topic.things}
        for half in (Variety.BUILD, Variety.HELD_OUT)
    )

    assert build
    assert build.isdisjoint(held_out)


def test_no_real_prompt_belongs_to_both_halves() -> None:
    """Packaged prompts are dealt by source, and their union is the whole."""
    build, held_out, everything = (
        texts(load_real_prompts(half, None))
        for half in (Variety.BUILD, Variety.HELD_OUT, Variety.ALL)
    )

    assert build.isdisjoint(held_out)
    assert build | held_out == everything


def test_a_corpus_is_dealt_by_conversation_and_instruction(tmp_path: Path) -> None:
    """All turns of one conversation, and all answers to one instruction, stay together."""
    conversations = [
        (conv, turn, f"turn {turn} of {conv}") for conv in range(30) for turn in (0, 1)
    ]
    chat = dict(zip(("conv", "turn", "user"), zip(*conversations, strict=True), strict=True))
    pq.write_table(pa.table({k: list(v) for k, v in chat.items()}), tmp_path / "chat.parquet")
    answers = {"instruction": ["one", "one", "two"], "output": ["a", "b", "c"]}
    pq.write_table(pa.table(answers), tmp_path / "answers.parquet")

    halves = [load_real_prompts(half, tmp_path) for half in (Variety.BUILD, Variety.HELD_OUT)]

    assert sorted(len(chat) for half in halves for chat in half.chats) == [2] * 30
    assert all(half.chats for half in halves)
    assert [row.text for half in halves for row in half.instructions].count("one") == 2
    assert texts(halves[0]).isdisjoint(texts(halves[1]))


def test_the_half_of_a_source_never_changes() -> None:
    """The hash is ours: evaluations of different days hold out the same sources."""
    named = {name: half_of(name) for name in ("conversation 1", "conversation 2", "alpha", "beta")}

    assert named == {
        "conversation 1": Variety.BUILD,
        "conversation 2": Variety.HELD_OUT,
        "alpha": Variety.HELD_OUT,
        "beta": Variety.BUILD,
    }


def test_a_corpus_without_known_files_is_refused(tmp_path: Path) -> None:
    """The message says which files are read."""
    with pytest.raises(InputError, match=r"chat\.parquet"):
        load_text(Variety.ALL, tmp_path)


def test_a_corpus_file_without_its_columns_is_refused(tmp_path: Path) -> None:
    """The message names the missing column and the file."""
    pq.write_table(pa.table({"turn": [0]}), tmp_path / "chat.parquet")

    with pytest.raises(InputError, match=r"chat\.parquet.*lacks the column conv"):
        load_text(Variety.ALL, tmp_path)


def test_a_truncated_corpus_file_is_refused(tmp_path: Path) -> None:
    """A file that is not Parquet is named instead of a traceback."""
    (tmp_path / "answers.parquet").write_bytes(b"PAR1 cut")

    with pytest.raises(InputError, match="not readable as Parquet"):
        load_text(Variety.ALL, tmp_path)


def test_every_shipped_prompt_file_is_attributed() -> None:
    """No data travels without its source and licence, and all together stay small."""
    data = files("stillwatch.simulation.text").joinpath("data")
    shipped = list(data.joinpath("prompts").iterdir())
    attribution = data.joinpath("ATTRIBUTION.md").read_text("utf-8")

    assert [file.name for file in shipped if f"`{file.name}`" not in attribution] == []
    assert sum(len(file.read_bytes()) for file in shipped) < 2_500_000
