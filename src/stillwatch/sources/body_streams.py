"""The events of a streamed answer, put together again as one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stillwatch.sources.values import mapping, sequence, text, whole

__all__ = ["assembled"]

# Where the models without blocks put the next piece of text, and why they stopped.
_PLAIN = (
    ("completion", "stop_reason"),
    ("generation", "stop_reason"),
    ("outputText", "completionReason"),
    ("text", "finish_reason"),
)


def assembled(events: Sequence[object]) -> dict[str, Any]:
    """One answer in the shape of Anthropic: blocks of content, stop reason, usage, model.

    Read are the events of Anthropic, of Converse and Nova, the chunks of OpenAI, and those of
    the models that send text alone. Unknown events are passed over.
    """
    answer = _Assembly()
    for item in events:
        event = mapping(item)
        answer.keep(event)
        if text(event.get("type")):
            answer.take_anthropic(event)
        elif any(name.startswith(("message", "contentBlock")) for name in event):
            answer.take_converse(event)
        else:
            answer.take_plain(event)
    return answer.as_response()


class _Assembly:
    """Blocks of content by their index, as far as they have come."""

    def __init__(self) -> None:
        self.blocks: dict[int, dict[str, Any]] = {}
        self.reason: str | None = None
        self.model: str | None = None
        self.usage: dict[str, Any] = {}
        self.beside: dict[str, Any] = {}

    def keep(self, event: Mapping[str, Any]) -> None:
        """What stands beside the content in any dialect."""
        for place in (event, mapping(event.get("message")), mapping(event.get("metadata"))):
            self.usage |= mapping(place.get("usage"))
            self.model = self.model or text(place.get("model"))
        for name, value in event.items():
            if name.startswith("amazon-bedrock-") or name.endswith("_token_count"):
                self.beside[name] = value

    def take_anthropic(self, event: Mapping[str, Any]) -> None:
        index = whole(event.get("index")) or 0
        if event["type"] == "content_block_start":
            self.blocks[index] = dict(mapping(event.get("content_block")))
        delta = mapping(event.get("delta"))
        self.reason = text(delta.get("stop_reason")) or self.reason
        block = self._block(index) if event["type"] == "content_block_delta" else {}
        if said := text(delta.get("text")):
            block["text"] = _grown(block.get("text"), said)
        if piece := text(delta.get("partial_json")):
            block["input"] = _grown(block.get("input"), piece)
        if signature := text(delta.get("signature")):
            block["signature"] = signature

    def take_converse(self, event: Mapping[str, Any]) -> None:
        stop = mapping(event.get("messageStop"))
        self.reason = text(stop.get("stopReason")) or self.reason
        started = mapping(event.get("contentBlockStart"))
        if call := mapping(mapping(started.get("start")).get("toolUse")):
            index = whole(started.get("contentBlockIndex")) or 0
            self.blocks[index] = {"type": "tool_use", "name": call.get("name")}
        grown = mapping(event.get("contentBlockDelta"))
        delta = mapping(grown.get("delta"))
        block = self._block(whole(grown.get("contentBlockIndex")) or 0) if delta else {}
        if said := text(delta.get("text")):
            block["text"] = _grown(block.get("text"), said)
        if piece := text(mapping(delta.get("toolUse")).get("input")):
            block["input"] = _grown(block.get("input"), piece)
        if reasoning := mapping(delta.get("reasoningContent")):
            block["type"] = "thinking"
            if signature := text(reasoning.get("signature")):
                block["signature"] = signature

    def take_plain(self, event: Mapping[str, Any]) -> None:
        for said, why in _PLAIN:
            self._say(text(event.get(said)))
            self.reason = text(event.get(why)) or self.reason
        output = mapping(next(iter(sequence(event.get("outputs"))), None))
        self._say(text(output.get("text")))
        self.reason = text(output.get("stop_reason")) or self.reason
        choice = mapping(next(iter(sequence(event.get("choices"))), None))
        delta = mapping(choice.get("delta"))
        self._say(text(delta.get("content")) or text(choice.get("text")))
        self.reason = text(choice.get("finish_reason")) or self.reason
        for item in sequence(delta.get("tool_calls")):
            call = mapping(item)
            function = mapping(call.get("function"))
            block = self._block(1 + (whole(call.get("index")) or 0))
            block["type"] = "tool_use"
            block["name"] = text(function.get("name")) or block.get("name")
            if piece := text(function.get("arguments")):
                block["input"] = _grown(block.get("input"), piece)

    def as_response(self) -> dict[str, Any]:
        content = [block for _, block in sorted(self.blocks.items())]
        return {
            "content": content,
            "stop_reason": self.reason,
            "usage": self.usage,
            "model": self.model,
            **self.beside,
        }

    def _block(self, index: int) -> dict[str, Any]:
        return self.blocks.setdefault(index, {"type": "text"})

    def _say(self, said: str | None) -> None:
        if said:
            block = self._block(0)
            block["text"] = _grown(block.get("text"), said)


def _grown(known: object, piece: str) -> str:
    return (known if isinstance(known, str) else "") + piece
