"""Real prompts: those shipped in the package and those a user adds with a corpus folder.

Every prompt belongs to a source (a data set, a prompt template, one conversation, one
instruction), and a source as a whole belongs to one half. Where a file is a single data set it is
dealt by name; where it holds many sources they are dealt by a stable hash of the source's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.records.errors import InputError
from stillwatch.simulation.text.words import Variety

__all__ = ["RealPrompt", "RealPrompts", "half_of", "load_real_prompts"]

_HALF_OF_DATA_SET = {
    "gsm8k": Variety.BUILD,
    "gpteacher_code": Variety.BUILD,
    "humaneval": Variety.HELD_OUT,
    "gpteacher_roleplay": Variety.HELD_OUT,
}
_HALF_OF_TOOL = {"fastchat": Variety.BUILD, "airoboros": Variety.BUILD}
_P3_BUILD = ("adversarial_qa", "commonsense_qa", "cosmos_qa", "paws", "qasc", "ropes", "wiki_bio")
_TOOL_SEPARATOR = ", "


@dataclass(frozen=True, slots=True)
class RealPrompt:
    """A prompt someone really wrote or generated, and the answer that came with it, if any."""

    source: str
    text: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class RealPrompts:
    """The real prompts of one variety, by what they are good for."""

    maths: list[RealPrompt] = field(default_factory=list)
    code: list[RealPrompt] = field(default_factory=list)
    roleplay: list[RealPrompt] = field(default_factory=list)
    tools: list[RealPrompt] = field(default_factory=list)
    lists: dict[str, list[RealPrompt]] = field(default_factory=dict)
    wrappers: list[RealPrompt] = field(default_factory=list)
    instructions: list[RealPrompt] = field(default_factory=list)
    chats: list[list[str]] = field(default_factory=list)


def half_of(source: str) -> Variety:
    """The half a source belongs to, by a hash of its name that never changes."""
    digest = blake2b(source.encode("utf-8"), digest_size=1).digest()[0]
    return Variety.BUILD if digest % 2 == 0 else Variety.HELD_OUT


def load_real_prompts(variety: Variety, corpus: Path | None) -> RealPrompts:
    """The packaged prompts of a variety, with those of a corpus folder added.

    Args:
        variety: Which half to load.
        corpus: A folder that may hold `chat.parquet` (conv, turn, user), `answers.parquet`
            (instruction, output), `instruct.parquet` (kind, prompt, response),
            `templated.parquet` (template, prompt), `tools.parquet` (prompt, tools) and
            `bench.parquet` (task, question, target); each is optional.

    Raises:
        InputError: The corpus is not a folder, holds none of these files, or one is unreadable.
    """
    prompts = _packaged(variety)
    if corpus is None:
        return prompts
    if not corpus.is_dir():
        raise InputError(
            "the corpus is not a folder.",
            where=str(corpus),
            remedy="Name a folder with chat.parquet, answers.parquet or the like.",
        )
    return _with_corpus(prompts, variety, corpus)


@lru_cache(maxsize=4)
def _packaged(variety: Variety) -> RealPrompts:
    p3 = [row for row in _shipped("p3") if _allows(variety, _half_of_p3(row.source))]
    lists = {name: _of_data_set(name, variety) for name in ("gsm8k", "humaneval")}
    lists |= _by_source(p3)
    tools = _without_shared_texts(_shipped("bfcl"), variety, _half_of_function)
    wrappers = [
        row
        for row in _shipped("collection_tools")
        if _allows(variety, _HALF_OF_TOOL.get(row.source.split("/")[0], Variety.HELD_OUT))
    ]
    return RealPrompts(
        maths=lists["gsm8k"],
        code=_of_data_set("gpteacher_code", variety) + lists["humaneval"],
        roleplay=_of_data_set("gpteacher_roleplay", variety),
        tools=tools,
        lists={name: rows for name, rows in lists.items() if rows},
        wrappers=wrappers,
    )


def _allows(variety: Variety, half: Variety) -> bool:
    return variety in (Variety.ALL, half)


def _of_data_set(name: str, variety: Variety) -> list[RealPrompt]:
    return _shipped(name) if _allows(variety, _HALF_OF_DATA_SET[name]) else []


def _half_of_p3(template: str) -> Variety:
    return Variety.BUILD if template.startswith(_P3_BUILD) else Variety.HELD_OUT


def _half_of_function(tools: str) -> Variety:
    """A request belongs to the half of the first function offered, namespace first."""
    return half_of(tools.split(_TOOL_SEPARATOR)[0].split(".")[0])


def _without_shared_texts(
    rows: list[RealPrompt], variety: Variety, half: Callable[[str], Variety]
) -> list[RealPrompt]:
    """The rows of the variety; a text that several sources hold stays with its first."""
    first: dict[str, Variety] = {}
    kept = []
    for row in rows:
        known = row.text.strip() in first
        if _allows(variety, first.setdefault(row.text.strip(), half(row.source))) and not known:
            kept.append(row)
    return kept


def _by_source(rows: Iterable[RealPrompt]) -> dict[str, list[RealPrompt]]:
    grouped: dict[str, list[RealPrompt]] = {}
    for row in rows:
        grouped.setdefault(row.source, []).append(row)
    return grouped


@lru_cache(maxsize=16)
def _shipped(name: str) -> list[RealPrompt]:
    with files(__package__).joinpath(f"data/prompts/{name}.parquet").open("rb") as file:
        rows = pq.read_table(pa.PythonFile(file)).to_pylist()
    return [RealPrompt(row["name"], row["prompt"], row["response"] or "") for row in rows]


def _with_corpus(prompts: RealPrompts, variety: Variety, corpus: Path) -> RealPrompts:
    readers = {
        "chat.parquet": ("conv", "turn", "user"),
        "answers.parquet": ("instruction", "output"),
        "instruct.parquet": ("kind", "prompt", "response"),
        "templated.parquet": ("template", "prompt"),
        "tools.parquet": ("prompt", "tools"),
        "bench.parquet": ("task", "question", "target"),
    }
    tables = {
        name: _read_corpus(corpus / name, columns)
        for name, columns in readers.items()
        if (corpus / name).is_file()
    }
    if not tables:
        raise InputError(
            "the corpus holds none of the files that are read.",
            where=str(corpus),
            remedy=f"Expected one or more of {', '.join(readers)}.",
        )
    answers = _dealt(tables.get("answers.parquet", []), variety, "instruction", "output")
    instruct = tables.get("instruct.parquet", [])
    general = [row for row in instruct if row["kind"] == "general"]
    programs = [row for row in instruct if row["kind"] == "code"]
    maths = [row for row in instruct if row["kind"] == "math"]
    templated = [
        RealPrompt(row["template"], row["prompt"])
        for row in tables.get("templated.parquet", [])
        if _allows(variety, _half_of_p3(row["template"]))
    ]
    bench = [
        RealPrompt(row["task"], row["question"], row["target"] or "")
        for row in tables.get("bench.parquet", [])
        if _allows(variety, _half_of_benchmark(row["task"]))
    ]
    tools = [
        RealPrompt(_TOOL_SEPARATOR.join(row["tools"][:6]), row["prompt"])
        for row in tables.get("tools.parquet", [])
        if row["tools"]
    ]
    return RealPrompts(
        maths=_extended(prompts.maths, _of_half(maths, "gsm8k", variety)),
        code=_extended(prompts.code, _of_half(programs, "gpteacher_code", variety)),
        roleplay=_extended(prompts.roleplay, _of_half(general, "gpteacher_roleplay", variety)),
        tools=_extended(prompts.tools, _without_shared_texts(tools, variety, _half_of_function)),
        lists=prompts.lists | _by_source(templated) | _by_source(bench),
        wrappers=prompts.wrappers,
        instructions=answers,
        chats=_conversations(tables.get("chat.parquet", []), variety),
    )


def _half_of_benchmark(task: str) -> Variety:
    return _HALF_OF_DATA_SET.get(task.split("_")[0]) or half_of(task)


def _of_half(rows: list[dict[str, Any]], data_set: str, variety: Variety) -> list[RealPrompt]:
    if not _allows(variety, _HALF_OF_DATA_SET[data_set]):
        return []
    return [RealPrompt(data_set, row["prompt"], row["response"] or "") for row in rows]


def _extended(shipped: list[RealPrompt], added: list[RealPrompt]) -> list[RealPrompt]:
    known = {row.text for row in shipped}
    return shipped + [row for row in added if row.text.strip() not in known]


def _dealt(
    rows: list[dict[str, Any]], variety: Variety, text: str, answer: str
) -> list[RealPrompt]:
    return [
        RealPrompt(row[text], row[text], row[answer] or "")
        for row in rows
        if row[text] and _allows(variety, half_of(row[text]))
    ]


def _conversations(rows: list[dict[str, Any]], variety: Variety) -> list[list[str]]:
    turns: dict[str, list[tuple[int, str]]] = {}
    for row in rows:
        name = f"conversation {row['conv']}"
        if row["user"] and _allows(variety, half_of(name)):
            turns.setdefault(name, []).append((row["turn"], row["user"]))
    return [[text for _, text in sorted(one)][:8] for one in turns.values()]


def _read_corpus(path: Path, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            "the corpus file is not readable as Parquet.",
            where=str(path),
            remedy="Write it anew, or take it out of the folder.",
        ) from error
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise InputError(
            f"the corpus file lacks the column {missing[0]}.",
            where=str(path),
            remedy=f"It needs {', '.join(columns)}.",
        )
    rows: list[dict[str, Any]] = table.select(list(columns)).to_pylist()
    return rows
