"""The events of a streamed answer, put together again as one answer.

The streams of OpenAI and Anthropic are put together by `streamed`; here are those of Converse and
Nova, and of the models that send text alone, and what Bedrock puts beside any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stillwatch.sources import streamed
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
    """One answer: of OpenAI in its own shape, of all others in that of Anthropic.

    Unknown events are passed over.
    """
    pieces = [mapping(item) for item in events]
    known = streamed.assembled(list(pieces))
    answer = known if isinstance(known, dict) else _of_blocks(pieces)
    beside = {
        name: value
        for piece in pieces
        for name, value in piece.items()
        if name.startswith("amazon-bedrock-") or name.endswith("_token_count")
    }
    return answer | beside


def _of_blocks(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    answer = _Assembly()
    for event in events:
        if any(name.startswith(("message", "contentBlock")) for name in event):
            answer.take_converse(event)
        else:
            answer.take_plain(event)
    usage: dict[str, Any] = {}
    model = None
    for event in events:
        model = model or text(event.get("model"))
        for place in (event, mapping(event.get("metadata"))):
            usage |= mapping(place.get("usage"))
    content = [block for _, block in sorted(answer.blocks.items())]
    return {"content": content, "stop_reason": answer.reason, "usage": usage, "model": model}


class _Assembly:
    """Blocks of content by their index, as far as they have come."""

    def __init__(self) -> None:
        self.blocks: dict[int, dict[str, Any]] = {}
        self.reason: str | None = None

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

    def _block(self, index: int) -> dict[str, Any]:
        return self.blocks.setdefault(index, {"type": "text"})

    def _say(self, said: str | None) -> None:
        if said:
            block = self._block(0)
            block["text"] = _grown(block.get("text"), said)


def _grown(known: object, piece: str) -> str:
    return (known if isinstance(known, str) else "") + piece
