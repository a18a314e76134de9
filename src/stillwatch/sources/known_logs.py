"""Logs that are known by the names in their rows, and of which more than a format must be said.

A half of a batch needs its other half, and the export of a tracing tool needs a map.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from stillwatch.sources.adapter import Unreadable
from stillwatch.sources.bedrock_companions import is_companion
from stillwatch.sources.log_records import log_records
from stillwatch.sources.values import mapping, sequence

__all__ = ["FIRST_ROWS", "KnownLog", "known_log"]

FIRST_ROWS = 200
"""Enough to tell, and little enough that a file of any size is looked at in a moment."""

_MAPS = "docs/sources/maps"


@dataclass(frozen=True, slots=True)
class KnownLog:
    """What a file is, where its format alone does not say it.

    Attributes:
        log_format: The format to import it with.
        what: What its rows are, as the end of "3 of the first 3 rows are …".
        needs: What an import needs beside the file, as a sentence.
        beside: The same, as an argument of the command; "" if nothing is named there.
    """

    log_format: str
    what: str
    needs: str
    beside: str = ""


def _mapped(what: str, name: str) -> KnownLog:
    """An export that a shipped map reads."""
    needs = f"A map reads it: {_MAPS}/{name}.toml; see docs/sources/generic.md."
    return KnownLog("generic", what, needs, f"--map {name}.toml")


_OUTPUT = "Import it with the batch's output file: nobody knows yet which requests were answered."
_INPUT = "Import it with the file that was sent: without it nobody knows what was asked."
_BATCH = "Import it with the files of the batch: it only says when the batch was made."
_OPENAI_BATCH = KnownLog("openai", "records of a batch of OpenAI's, without its lines", _BATCH)
_OPENAI_INPUT = KnownLog(
    "openai", "requests of a batch of OpenAI's, without answers", _OUTPUT, "OUTPUT"
)
_OPENAI_OUTPUT = KnownLog(
    "openai", "answers of a batch of OpenAI's, without requests", _INPUT, "INPUT"
)
_ANTHROPIC_BATCH = KnownLog(
    "anthropic", "records of a message batch of Anthropic's, without its lines", _BATCH
)
_ANTHROPIC_INPUT = KnownLog(
    "anthropic", "requests of a message batch of Anthropic's, without answers", _OUTPUT, "OUTPUT"
)
_ANTHROPIC_OUTPUT = KnownLog(
    "anthropic", "answers of a message batch of Anthropic's, without requests", _INPUT, "INPUT"
)
_COMPANION = KnownLog(
    "bedrock",
    "a body that Bedrock moved out of its log",
    "Import the folder that holds the log and this folder `data`.",
)


def _has(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda row: row.keys() >= set(names)


def _lists(name: str, *inner: str) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a list of rows lies there of which the first has these names."""
    return lambda row: mapping(next(iter(sequence(row.get(name))), None)).keys() >= set(inner)


# The first that holds decides. Each asks for names that only its own log has together.
_MARKS: tuple[tuple[Callable[[Mapping[str, Any]], bool], KnownLog], ...] = (
    (lambda row: row.get("object") == "batch", _OPENAI_BATCH),
    (lambda row: row.get("type") == "message_batch", _ANTHROPIC_BATCH),
    (_has("custom_id", "params"), _ANTHROPIC_INPUT),
    (_lists("requests", "custom_id", "params"), _ANTHROPIC_INPUT),
    (_has("custom_id", "result"), _ANTHROPIC_OUTPUT),
    (
        lambda row: _has("custom_id", "body")(row) and not row.keys() & {"response", "request"},
        _OPENAI_INPUT,
    ),
    (
        lambda row: _has("custom_id", "response")(row) and not row.keys() & {"body", "request"},
        _OPENAI_OUTPUT,
    ),
    (
        _has("type", "start_time", "trace_id", "parent_observation_id", "provided_model_name"),
        _mapped("observations of Langfuse", "langfuse"),
    ),
    (
        _has("request_id", "request_created_at", "response_status"),
        _mapped("requests of Helicone", "helicone"),
    ),
    (_has("run_type", "start_time", "dotted_order"), _mapped("runs of LangSmith", "langsmith")),
    (
        _lists("result", "created_at", "tokens_in", "tokens_out"),
        _mapped("pages of Cloudflare AI Gateway's log", "cloudflare"),
    ),
)


def known_log(path: Path) -> tuple[KnownLog, int, int] | None:
    """What most of a file's first rows are, how many of them, and of how many.

    None where most of them are nothing that has to be said more of.
    """
    if is_companion(path):
        return _COMPANION, 1, 1
    found: Counter[KnownLog] = Counter()
    rows = 0
    for row in islice(_rows(path), FIRST_ROWS):
        rows += 1
        for is_so, known in _MARKS:
            if is_so(row):
                found[known] += 1
                break
    if not found:
        return None
    known, number = found.most_common(1)[0]
    return (known, number, rows) if 2 * number > rows else None


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """The objects of a file that can be read; a file that is none of rows has none."""
    # A file of noise may never have one.
    for item in islice(log_records(path), 5 * FIRST_ROWS):
        if not isinstance(item, Unreadable):
            yield mapping(item[1])
