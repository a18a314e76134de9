"""A streamed answer, put together again from its pieces.

The pieces are chunks of OpenAI's chat, events of OpenAI's responses, or events of Anthropic's
messages. What breaks off gives what had come until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stillwatch.sources.values import mapping, parsed, sequence, text, whole

__all__ = ["OF_AN_ANSWER", "PIECES", "assembled", "events_of_text", "pieces_in"]

PIECES = ("chunks", "events", "stream")
"""Names under which logs keep the pieces of an answer."""
OF_AN_ANSWER = frozenset({"choices", "output", "content", "error", "object", "type"})
"""Names of which an answer of a provider has one."""

_OF_A_MESSAGE = frozenset(
    {"message_start", "content_block_start", "content_block_delta", "message_delta", "error"}
)
# More choices than OpenAI's largest `n` are no answer of a model.
_MOST_PARTS = 1_024


def pieces_in(value: object) -> list[Any] | None:
    """The pieces that an object holds in place of an answer, or None if it holds none."""
    if not isinstance(value, dict) or OF_AN_ANSWER & value.keys():
        return None
    return next((value[key] for key in PIECES if isinstance(value.get(key), list)), None)


def events_of_text(body: str) -> list[Any] | None:
    """The events of a server-sent stream (WHATWG HTML, 9.2), or None if it is no such stream."""
    if not body.lstrip().startswith(("data:", "event:", ": ")):
        return None
    events: list[Any] = []
    data: list[str] = []
    for line in [*body.splitlines(), ""]:
        if line.startswith("data:"):
            data.append(line[5:].lstrip())
        elif not line.strip() and data:
            event = parsed("\n".join(data))
            if isinstance(event, dict):
                events.append(event)
            data = []
    return events


def assembled(pieces: list[Any]) -> object:
    """The answer of which these are the pieces; the list itself if they are none."""
    events = [piece for piece in map(parsed, pieces) if isinstance(piece, dict)]
    kinds = {kind for event in events if isinstance(kind := event.get("type"), str)}
    if any(kind.startswith("response.") for kind in kinds):
        return _response(events)
    if kinds & _OF_A_MESSAGE:
        return _message(events)
    if any("choices" in event for event in events):
        return _completion(events)
    return pieces


def _completion(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """OpenAI's chat, and its older completions."""
    whole_answer: dict[str, Any] = {"object": "chat.completion"}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for name in ("id", "created", "model", "usage", "error"):
            if chunk.get(name) is not None:
                whole_answer[name] = chunk[name]
        for item in sequence(chunk.get("choices")):
            part = mapping(item)
            index = whole(part.get("index")) or 0
            if index in choices or len(choices) < _MOST_PARTS:
                _add_delta(choices.setdefault(index, {"index": index, "message": {}}), part)
    whole_answer["choices"] = [_closed(choices[index]) for index in sorted(choices)]
    return whole_answer


def _add_delta(choice: dict[str, Any], part: Mapping[str, Any]) -> None:
    message = choice["message"]
    delta = mapping(part.get("delta"))
    for name in ("content", "refusal"):
        if isinstance(delta.get(name), str):
            message.setdefault(name, []).append(delta[name])
    if isinstance(part.get("text"), str):
        message.setdefault("content", []).append(part["text"])
    calls = message.setdefault("calls", {})
    for item in sequence(delta.get("tool_calls")):
        call = mapping(item)
        index = whole(call.get("index")) or 0
        if index in calls or len(calls) < _MOST_PARTS:
            _add_call(calls.setdefault(index, {"name": [], "arguments": []}), call)
    if part.get("finish_reason") is not None:
        choice["finish_reason"] = part["finish_reason"]


def _add_call(call: dict[str, list[str]], delta: Mapping[str, Any]) -> None:
    function = mapping(delta.get("function"))
    for name in ("name", "arguments"):
        if isinstance(function.get(name), str):
            call[name].append(function[name])


def _closed(choice: dict[str, Any]) -> dict[str, Any]:
    """The choice with its pieces joined."""
    pieces = choice["message"]
    message: dict[str, Any] = {"role": "assistant"}
    for name in ("content", "refusal"):
        if name in pieces:
            message[name] = "".join(pieces[name])
    if calls := pieces.get("calls"):
        message["tool_calls"] = [
            {"function": {name: "".join(parts) for name, parts in calls[index].items()}}
            for index in sorted(calls)
        ]
    return choice | {"message": message}


def _response(events: list[dict[str, Any]]) -> dict[str, Any]:
    """OpenAI's responses: the last event holds all of it, unless the stream broke off."""
    answer: dict[str, Any] = {}
    items: list[Any] = []
    texts: list[str] = []
    for event in events:
        kind = text(event.get("type")) or ""
        if response := mapping(event.get("response")):
            answer = dict(response)
            if kind in ("response.completed", "response.incomplete", "response.failed"):
                return answer
        if kind == "response.output_item.done":
            items.append(event.get("item"))
            texts = []
        elif kind in ("response.output_text.delta", "response.refusal.delta"):
            texts.append(text(event.get("delta")) or "")
        elif kind == "error":
            answer["error"] = event
    if texts:
        part = {"type": "output_text", "text": "".join(texts)}
        items.append({"type": "message", "role": "assistant", "content": [part]})
    return answer | {"object": "response", "output": items, "status": None}


def _message(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Anthropic's message."""
    answer: dict[str, Any] = {"type": "message", "role": "assistant"}
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        kind = event.get("type")
        index = whole(event.get("index")) or 0
        if kind == "message_start":
            answer |= mapping(event.get("message"))
        elif kind in ("content_block_start", "content_block_delta"):
            if index in blocks or len(blocks) < _MOST_PARTS:
                # A stream that begins late gives what came.
                start = dict(mapping(event.get("content_block"))) or {"type": "text"}
                block = blocks.setdefault(index, {"start": start, "pieces": {}})
                _add_block_delta(block["pieces"], mapping(event.get("delta")))
        elif kind == "message_delta":
            answer |= _stated(event.get("delta"))
            answer["usage"] = {**mapping(answer.get("usage")), **_stated(event.get("usage"))}
        elif kind == "error":
            answer["error"] = event.get("error") or event
    answer["content"] = [_block(blocks[index]) for index in sorted(blocks)]
    return answer


def _stated(value: object) -> dict[str, Any]:
    """What an event adds; clients write out what it leaves unsaid as null."""
    return {name: item for name, item in mapping(value).items() if item is not None}


def _add_block_delta(pieces: dict[str, list[str]], delta: Mapping[str, Any]) -> None:
    for name in ("text", "thinking", "signature", "partial_json"):
        if isinstance(delta.get(name), str):
            pieces.setdefault(name, []).append(delta[name])


def _block(block: dict[str, Any]) -> dict[str, Any]:
    whole_block: dict[str, Any] = block["start"]
    for name, parts in block["pieces"].items():
        if name == "partial_json":
            whole_block["input"] = "".join(parts)
        else:
            whole_block[name] = (text(whole_block.get(name)) or "") + "".join(parts)
    return whole_block
