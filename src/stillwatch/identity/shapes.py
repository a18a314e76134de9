"""The shape of an exchange: what stays the same while a campaign's prompts change.

Model, system text and tools, as one keyed token. It is computed from rows of the log, where
policy chooses a shape, and from the body of a request, where a gateway sees one; both give the
same token. A gateway that sees no body (nginx, Caddy, Envoy as it is shipped) knows no shapes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from stillwatch.identity.normalise import message_of
from stillwatch.identity.tokens import Kind

__all__ = ["MakesTokens", "shape_of_row", "shape_words"]

# Below this many characters a system text is a phrase that strangers share by chance.
_FEWEST_CHARACTERS = 40


class MakesTokens(Protocol):
    """`Tokeniser` where the lake's key is, `GatewayKeys` at a gateway."""

    def token(self, kind: Kind, normalised: str) -> str: ...


def shape_of_row(keys: MakesTokens, row: Mapping[str, Any]) -> str | None:
    """The token of an exchange in the log; None where it has no shape of its own.

    Args:
        keys: Of the lake.
        row: The columns `model`, `system_text` and `tool_names` of an exchange.
    """
    words = shape_words(row.get("model"), row.get("system_text"), row.get("tool_names") or ())
    return keys.token(Kind.SHAPE, words) if words else None


def shape_words(
    model: str | None, system_text: str | None, tool_names: Iterable[str]
) -> str | None:
    """What the token is made of; None without a model and a system text of some length.

    Without a system text every plain request to a model would have one shape, and an action on it
    would be one on everybody. Order and repetition of tools are the client's whim and do not count.
    """
    said = message_of(system_text or "")
    if not model or len(said) < _FEWEST_CHARACTERS:
        return None
    digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
    return json.dumps([model.strip(), digest, sorted(set(tool_names))], separators=(",", ":"))
