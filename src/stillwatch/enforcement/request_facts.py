"""What a request's body says that a decision may need, read as the log's importers read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stillwatch.sources.messages import read_request, read_tool_names
from stillwatch.sources.values import identifier, mapping, text

__all__ = ["RequestFacts", "facts_of", "facts_of_body"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """The words that go from a body into `Asked`; None where the body does not say."""

    conversation_id: str | None = None
    model: str | None = None
    system_text: str | None = None
    tool_names: tuple[str, ...] = ()


def facts_of_body(body: bytes) -> RequestFacts:
    """The facts in the JSON of a provider's request; none of what cannot be read."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return RequestFacts()
    return facts_of(asked) if isinstance(asked, dict) else RequestFacts()


def facts_of(asked: Mapping[str, Any]) -> RequestFacts:
    """The facts in a request of OpenAI's chat or responses, or of Anthropic's messages."""
    messages = asked.get("messages") if "messages" in asked else asked.get("input")
    instructions = asked.get("system") or asked.get("instructions")
    try:
        system_text = read_request(messages, instructions=instructions).system_text
        tool_names = read_tool_names(asked.get("tools") or asked.get("functions")) or []
    except RecursionError:
        system_text, tool_names = None, []
    conversation = asked.get("conversation")
    return RequestFacts(
        conversation_id=identifier(conversation) or identifier(mapping(conversation).get("id")),
        model=text(asked.get("model")),
        system_text=system_text,
        tool_names=tuple(tool_names),
    )
