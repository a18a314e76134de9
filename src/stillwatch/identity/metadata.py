"""Free request metadata: the shape stays readable, the values become tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from stillwatch.identity.tokens import Kind, Tokeniser

__all__ = ["CLEAR_METADATA", "begins_like_a_key", "may_be_a_secret", "metadata_with_tokens"]

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
# How keys of interfaces begin, and a run of letters and digits as no word is.
_BEGINS = re.compile(r"(?i)(?<![a-z0-9])(?:sk|pk|rk|gh[opsur]|xox[abps]|glpat)[-_]")
_RUN = re.compile(r"(?i)(?=[a-z]*[0-9])(?=[0-9]*[a-z])[a-z0-9]{16}")
# A name and a version: no sentence, no long number, and no address.
_PLAIN_VALUE = re.compile(
    r"(?!.*[0-9]{6})(?!.*[0-9]{1,3}(?:\.[0-9]{1,3}){3})"
    r"[A-Za-z0-9._+:/()-]{0,40}(?: [A-Za-z0-9._+:/()-]{1,24})?\Z"
)
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
        clear = name in CLEAR_METADATA and _PLAIN_VALUE.match(text) and not may_be_a_secret(text)
        key = ".".join(_key(part, tokeniser) for part in path)
        entries[key] = text if clear else tokeniser.token(Kind.METADATA, text)
    return json.dumps(entries, sort_keys=True)


def may_be_a_secret(name: str) -> bool:
    """Whether what stands where a field has its name, or its plain value, may be a key."""
    parts = re.split("[^A-Za-z0-9]", name)
    return any(map(_RUN.match, parts)) or begins_like_a_key(name)


def begins_like_a_key(text: str) -> bool:
    """Whether a part of it begins as keys of interfaces do."""
    return _BEGINS.search(text) is not None


def _key(part: str, tokeniser: Tokeniser) -> str:
    is_name = _PLAIN_KEY.match(part) and not may_be_a_secret(part)
    return part if is_name else tokeniser.token(Kind.METADATA, part)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and len(path) < _DEEPEST:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif value is not None and path:
        yield path, value
