"""Free request metadata: the shape stays readable, the values become tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from stillwatch.identity.tokens import Kind, Tokeniser

__all__ = ["CLEAR_METADATA", "metadata_with_tokens"]

# What client libraries say about themselves: shared by thousands, and it names nobody.
CLEAR_METADATA = frozenset(
    {
        "anthropic-version",
        "openai-version",
        "sdk",
        "sdk_version",
        "x-stainless-arch",
        "x-stainless-async",
        "x-stainless-lang",
        "x-stainless-os",
        "x-stainless-package-version",
        "x-stainless-retry-count",
        "x-stainless-runtime",
        "x-stainless-runtime-version",
    }
)
_PLAIN_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}\Z")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9 ._+:/()-]{0,64}\Z")
_DEEPEST = 4
_MOST_ENTRIES = 64


def metadata_with_tokens(metadata: Mapping[str, Any], tokeniser: Tokeniser) -> str:
    """A JSON object with dotted keys and tokens as values, but for `CLEAR_METADATA`.

    Keys that do not look like the name of a field become tokens too: clients have put
    addresses and secrets there. Entries past the sixty-fourth are left out.
    """
    entries: dict[str, str] = {}
    for path, value in _leaves(metadata):
        if len(entries) == _MOST_ENTRIES:
            break
        name = path[-1].lower()
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        clear = name in CLEAR_METADATA and _PLAIN_VALUE.match(text)
        key = ".".join(_key(part, tokeniser) for part in path)
        entries[key] = text if clear else tokeniser.token(Kind.METADATA, text)
    return json.dumps(entries, sort_keys=True)


def _key(part: str, tokeniser: Tokeniser) -> str:
    return part if _PLAIN_KEY.match(part) else tokeniser.token(Kind.METADATA, part)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and len(path) < _DEEPEST:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif value is not None and path:
        yield path, value
