"""Reasoning that goes out sealed comes in again as the provider gave it, for the same customer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from stillwatch.enforcement.bound_reasoning import conversation_of, opened, sealed
from stillwatch.enforcement.reasoning_seal import Binding, ReasoningSeal, SealError

_NOW = 1_800_000_000.0
_SEAL = ReasoningSeal((bytes(range(32)),))
_BINDING = Binding(account="acct_ada", conversation="c-1", model="m-1")
_BLOCKS = [
    {"type": "thinking", "thinking": "Salt …", "signature": "c2lnbmF0dXJl"},
    {"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="},
    {"type": "text", "text": "Rivers carry it.", "signature": "not opaque"},
]
_ITEM = {"type": "reasoning", "summary": [], "encrypted_content": "ZW5jcnlwdGVk"}
_SHAPES: dict[str, tuple[Any, Any]] = {
    "messages": (
        {"type": "message", "content": _BLOCKS},
        lambda a: {"messages": [{"role": "assistant", "content": a["content"]}]},
    ),
    "responses": ({"output": [_ITEM]}, lambda a: {"input": a["output"]}),
    "chat": (
        {"choices": [{"message": {"thinking_blocks": _BLOCKS}}]},
        lambda a: {"messages": [a["choices"][0]["message"]]},
    ),
}


@pytest.mark.parametrize("shape", _SHAPES)
def test_sealed_reasoning_comes_back_as_it_was(shape: str) -> None:
    """In each provider's shape; what is not opaque is never touched."""
    answer, next_turn = _SHAPES[shape]
    body = json.dumps(answer, indent=1).encode()
    out = sealed(body, _SEAL, _BINDING, now=_NOW)
    request = json.dumps(next_turn(json.loads(out))).encode()

    assert out != body
    assert b"c2lnbmF0dXJl" not in out
    assert b"ZW5jcnlwdGVk" not in out
    assert b"Rivers carry it." in out or shape == "responses"
    assert json.loads(opened(request, _SEAL, _BINDING, now=_NOW)) == next_turn(answer)


@pytest.mark.parametrize("shape", _SHAPES)
@pytest.mark.parametrize("part", ["account", "conversation", "model"])
def test_a_replay_elsewhere_is_refused(shape: str, part: str) -> None:
    """By another account, in another conversation, or to another model."""
    answer, next_turn = _SHAPES[shape]
    out = sealed(json.dumps(answer).encode(), _SEAL, _BINDING, now=_NOW)
    request = json.dumps(next_turn(json.loads(out))).encode()
    with pytest.raises(SealError):
        opened(request, _SEAL, replace(_BINDING, **{part: "other"}), now=_NOW)


@pytest.mark.parametrize("shape", _SHAPES)
def test_reasoning_that_was_never_sealed_is_refused(shape: str) -> None:
    """It may be another account's."""
    answer, next_turn = _SHAPES[shape]
    with pytest.raises(SealError):
        opened(json.dumps(next_turn(answer)).encode(), _SEAL, _BINDING, now=_NOW)


def test_the_signature_of_a_stream_is_sealed() -> None:
    """As the event that brings it."""
    event = {
        "type": "content_block_delta",
        "delta": {"type": "signature_delta", "signature": "c2ln"},
    }
    out = json.loads(sealed(json.dumps(event).encode(), _SEAL, _BINDING, now=_NOW))

    assert _SEAL.open(out["delta"]["signature"], _BINDING, now=_NOW) == "c2ln"


def test_a_request_without_reasoning_is_the_same_bytes() -> None:
    """A first turn has none."""
    body = b'{ "messages" : [ {"role":"user","content":"Why?"} ] }'

    assert opened(body, _SEAL, _BINDING, now=_NOW) is body


def test_a_conversation_is_known_by_its_first_words() -> None:
    """In every later turn, whatever marks a client sets beside the text."""
    first = {"role": "user", "content": "Why is the sea salty?"}
    marked = [{"type": "text", "text": "Why is the sea salty?", "cache_control": {"type": "x"}}]
    turns = [
        {"messages": [first]},
        {"messages": [{"role": "system", "content": "Brief."}, first, {"role": "assistant"}]},
        {"messages": [{"role": "user", "content": marked}]},
        {"input": "Why is the sea salty?"},
        {"input": [first]},
    ]
    names = {conversation_of(json.dumps(turn).encode()) for turn in turns}

    assert len(names) == 1
    assert names.isdisjoint({"", conversation_of(b'{"input": "And rivers?"}')})
    assert {conversation_of(b) for b in (b"", b"[]", b'{"input": 1}', b'{"messages": [1]}')} == {""}
