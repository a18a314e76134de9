"""Seals the reasoning that goes out, and opens what comes in again (`bind_reasoning`).

Only the opaque texts are sealed that providers send along for the next turn: signatures, redacted
thinking and encrypted content, in the shapes of Anthropic's messages and OpenAI's responses and chat.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from stillwatch.enforcement.json_cuts import Document, Node
from stillwatch.enforcement.reasoning_seal import Binding, ReasoningSeal, SealError, Unsealed

__all__ = ["conversation_of", "opened", "sealed"]

_OPAQUE = ("signature", "data", "encrypted_content")
_KINDS = frozenset(
    {"thinking", "redacted_thinking", "reasoning", "signature_delta", "reasoning.encrypted"}
    | {"reasoning.text", "reasoning.summary"}
)
_LISTS = ("thinking_blocks", "reasoning_details")


def sealed(body: bytes, seal: ReasoningSeal, binding: Binding, *, now: float) -> bytes:
    """An answer, or the data of one event, with its opaque texts sealed.

    Raises:
        UnreadableError: The body is no JSON.
    """
    document = Document(body)
    for node, text in _opaque_texts(document, _of_answer(document)):
        document.replace(node, seal.seal(text, binding, now=now))
    return document.result()


def opened(body: bytes, seal: ReasoningSeal, binding: Binding, *, now: float) -> bytes:
    """A request with the opaque texts as the provider gave them.

    Raises:
        UnreadableError: The body is no JSON.
        SealError: One of them is not sealed, has expired or is bound to something else.
    """
    document = Document(body)
    for node, text in _opaque_texts(document, _of_request(document)):
        try:
            document.replace(node, seal.open(text, binding, now=now))
        except UnicodeError as error:
            raise SealError(Unsealed.NOT_SEALED) from error
    return document.result()


def conversation_of(body: bytes) -> str:
    """A name for a conversation that nobody names: a digest of its first words of the user.

    A client of a provider without memory sends them again with every turn. Marks beside the text,
    such as those for a cache, move from turn to turn and do not count.
    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    said = (asked.get("messages") or asked.get("input") or "") if isinstance(asked, dict) else ""
    first = next(filter(None, map(_text_of_user, said if isinstance(said, list) else [said])), "")
    return hashlib.sha256(first.encode("utf-8", "surrogatepass")).hexdigest() if first else ""


def _text_of_user(message: Any) -> str:
    if isinstance(message, str):
        return message
    if not isinstance(message, dict) or message.get("role") != "user":
        return ""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _of_request(document: Document) -> Iterator[Node]:
    for said in ("messages", "input"):
        yield from document.at(document.root, said, "*", "content", "*")
        yield from document.at(document.root, said, "*")
        for listed in _LISTS:
            yield from document.at(document.root, said, "*", listed, "*")


def _of_answer(document: Document) -> Iterator[Node]:
    root = document.root
    yield from document.at(root, "content", "*")
    yield from document.at(root, "content_block")
    yield from document.at(root, "delta")
    yield from document.at(root, "output", "*")
    yield from document.at(root, "item")
    yield from document.at(root, "response", "output", "*")
    for name in ("message", "delta"):
        for message in document.at(root, "choices", "*", name):
            for holder in (message, *document.at(message, "provider_specific_fields")):
                for listed in _LISTS:
                    yield from document.at(holder, listed, "*")


def _opaque_texts(document: Document, nodes: Iterator[Node]) -> Iterator[tuple[Node, str]]:
    for node in nodes:
        if document.says(node, "type") in _KINDS:
            for name in _OPAQUE:
                for value in document.at(node, name):
                    if text := document.string(value):
                        yield value, text
