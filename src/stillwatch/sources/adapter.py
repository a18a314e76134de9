"""What an adapter is: one file that reads one log format, and nothing else."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import pyarrow as pa

from stillwatch.records import InputError

__all__ = [
    "ADAPTERS",
    "Adapter",
    "Gathering",
    "ImportRequest",
    "ParsedRow",
    "ParsedTable",
    "Remark",
    "Unreadable",
    "load_adapter",
]

# Format name -> "module:Class". Loaded on use: one format's dependencies are no other's price.
ADAPTERS: dict[str, str] = {
    "canonical": "stillwatch.sources.canonical:CanonicalAdapter",
    "otlp": "stillwatch.sources.otlp:OtlpAdapter",
    "litellm": "stillwatch.sources.litellm:LitellmAdapter",
    "litellm-spend": "stillwatch.sources.litellm_spend:LitellmSpendAdapter",
    "bedrock": "stillwatch.sources.bedrock:BedrockAdapter",
    "openai": "stillwatch.sources.openai:OpenaiAdapter",
    "anthropic": "stillwatch.sources.anthropic:AnthropicAdapter",
    "envoy": "stillwatch.sources.envoy:EnvoyAdapter",
    "generic": "stillwatch.sources.generic:GenericAdapter",
}


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What an adapter may need to know of the import it serves.

    Attributes:
        inputs: The files and folders that were named.
        map_file: The map of `generic`.
    """

    inputs: tuple[Path, ...] = ()
    map_file: Path | None = None


_NOTHING_ASKED = ImportRequest()


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """One exchange, or row of another canonical table, as a source tells it.

    Attributes:
        line: One-based line, or record, of the file it came from.
        row: Canonical columns, and the `*_raw` keys that only `identity` turns into tokens:
            `credential_raw` or `credential_sha256`, `client_ip_raw`, `end_user_raw`,
            `email_raw`, `phone_raw`, `payment_raw`, `device_raw`, `cache_key_raw`,
            `client_metadata_raw` (a mapping), `earlier_messages` (list of text),
            `reasoning_block_issued_raw`, `reasoning_blocks_presented_raw`.
            Any other key becomes an extra column of text.
        table: The table it belongs to: a canonical one, or `network`.
    """

    line: int
    row: dict[str, Any]
    table: str = "exchanges"


@dataclass(frozen=True, slots=True)
class ParsedTable:
    """Many rows at once, from a source that is columns already.

    Attributes:
        first_line: One-based number of its first row in the file.
        rows: Columns by the same names as the keys of `ParsedRow.row`, of any castable type.
        table: The canonical table they belong to.
    """

    first_line: int
    rows: pa.Table
    table: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that yields no exchange; it goes to the quarantine with the file's name.

    Attributes:
        line: One-based line, or record, of the file; 0 when the whole file is meant.
        reason: A sentence for people. It may quote what was wrong, never a whole prompt.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What a person should know of a row that was read. It is counted, by its words.

    Attributes:
        what: A sentence that says the same of every such row, and quotes none.
    """

    what: str


class Adapter(Protocol):
    """Reads one log format.

    An adapter streams: its memory does not grow with the file. It never raises on content;
    whatever it cannot use becomes an `Unreadable`. It sees raw identifiers only to put them
    under a `*_raw` key.
    """

    name: ClassVar[str]

    def read(self, path: Path) -> Iterator[ParsedRow | ParsedTable | Unreadable | Remark]:
        """The exchanges of one file, and what could not be read, in the file's order."""
        ...


@runtime_checkable
class Gathering(Protocol):
    """An adapter some of whose exchanges lie in two files, such as a batch's."""

    def remaining(self) -> Iterator[tuple[Path, ParsedRow | Unreadable]]:
        """Once all files were read: what could not be told before, with the file it lies in."""
        ...


def load_adapter(name: str, request: ImportRequest = _NOTHING_ASKED) -> Adapter:
    """The adapter registered under `name`.

    A class that has a class method `for_import` is made by it, from the request.

    Raises:
        InputError: No format has this name.
    """
    if name not in ADAPTERS:
        raise InputError(
            f"there is no format called {name!r}.",
            where="--format",
            remedy=f"Choose one of {', '.join(sorted(ADAPTERS))}.",
        )
    module, _, class_name = ADAPTERS[name].partition(":")
    adapter_class = getattr(importlib.import_module(module), class_name)
    make = getattr(adapter_class, "for_import", None)
    adapter: Adapter = make(request) if make else adapter_class()
    return adapter
