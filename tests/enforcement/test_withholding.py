"""What is withheld is gone in every shape and piece, and all else is the model's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.enforcement.event_streams import EventEdits
from stillwatch.enforcement.withholding import COSTS, Withheld, changes_answers, withheld_request
from stillwatch.records.actions import Countermeasure

_REMOVED = frozenset({Countermeasure.REMOVE_REASONING})
_SUMMARISED = frozenset({Countermeasure.SUMMARISE_REASONING})
_NO_LOGPROBS = frozenset({Countermeasure.NO_LOG_PROBABILITIES})
_EVERYTHING = _REMOVED | _NO_LOGPROBS
_THOUGHT = "Salt comes from rocks. " * 40
_ANSWER = 'Rivers carry "Größe", 海 and 🌊\ninto it.'
_CHOICE = {
    "index": 0,
    "message": {
        "role": "assistant",
        "content": _ANSWER,
        "reasoning_content": _THOUGHT,
        "thinking_blocks": [{"type": "thinking", "thinking": _THOUGHT, "signature": "c2ln"}],
        "reasoning_details": [{"type": "reasoning.text", "text": _THOUGHT}],
        "provider_specific_fields": {"reasoning": _THOUGHT},
    },
    "logprobs": {"content": [{"token": "R", "logprob": -0.25}]},
    "finish_reason": "stop",
}
_SHAPES: dict[str, dict[str, Any]] = {
    "chat": {"object": "chat.completion", "choices": [_CHOICE], "prompt_logprobs": [None]},
    "messages": {
        "type": "message",
        "content": [
            {"type": "thinking", "thinking": _THOUGHT, "signature": "c2ln"},
            {"type": "text", "text": _ANSWER},
            {"type": "tool_use", "name": "f", "input": {"thinking": "mine", "logprobs": 1}},
        ],
    },
    "responses": {
        "object": "response",
        "output": [
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": _THOUGHT}],
                "content": [{"type": "reasoning_text", "text": _THOUGHT}],
                "encrypted_content": "c2ln",
            },
            {
                "type": "message",
                "content": [
                    {"type": "output_text", "text": _ANSWER, "logprobs": [{"logprob": -1}]}
                ],
            },
        ],
    },
}


@pytest.mark.parametrize("shape", _SHAPES)
@pytest.mark.parametrize("indent", [None, 2])
def test_nothing_of_reasoning_and_log_probabilities_is_left(shape: str, indent: int | None) -> None:
    """In each provider's shape; the answer, calls of tools and signatures are untouched."""
    body = json.dumps(_SHAPES[shape], indent=indent, ensure_ascii=False).encode()
    left = Withheld(_EVERYTHING).answer(body)

    assert b"Salt" not in left
    assert b'"logprob"' not in left
    assert json.dumps(_ANSWER, ensure_ascii=False).encode() in left
    assert left.count(b"c2ln") == body.count(b"c2ln")
    assert left.count(b'"mine"') == body.count(b'"mine"')
    assert _is_part(left, body)


@pytest.mark.parametrize("shape", _SHAPES)
def test_summarised_reasoning_is_its_own_beginning(shape: str) -> None:
    """Never a word that the model did not say; a provider's own summary stays whole."""
    body = json.dumps(_SHAPES[shape]).encode()
    left = json.loads(Withheld(_SUMMARISED, summary_characters=21).answer(body))

    texts = {text for text in _texts(left) if text.startswith("Salt")}
    assert texts == {_THOUGHT[:21]} | ({_THOUGHT} if shape == "responses" else set())


def test_an_answer_without_any_of_it_is_the_same_bytes() -> None:
    """Spaces included."""
    body = b'{ "choices" : [ {"index":0,"message":{"content":"1.0e-5"},"x":1.0e-5} ] }'

    assert Withheld(_EVERYTHING).answer(body) == body


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (" \n<think>ab</think>cd", " \n<think></think>cd"),
        ("<think>a</thinkb</think>cd", "<think></think</think>cd"),
        ("<reasoning>a<think></reasoning>d", "<reasoning><</reasoning>d"),
        ("<think>a<</think>d", "<think><</think>d"),
        ("Use <think>ab</think> tags.", "Use <think>ab</think> tags."),
        ("<thin>ab", "<thin>ab"),
        ("<think>never ended", "<think>"),
    ],
)
def test_reasoning_that_begins_an_answer_goes_with_its_tags_left(text: str, left: str) -> None:
    """As open models write it; tags later in an answer are text."""
    body = json.dumps({"choices": [{"index": 0, "message": {"content": text}}]}).encode()
    said = json.loads(Withheld(_REMOVED).answer(body))

    assert said["choices"][0]["message"]["content"] == left


@settings(deadline=None)
@given(st.data(), st.sampled_from([0, 5]), st.booleans())
def test_a_stream_is_withheld_as_its_whole_is(data: st.DataObject, limit: int, crlf: bool) -> None:
    """However text is cut into deltas, and events into pieces of the wire."""
    thought = data.draw(st.text(alphabet="ab<>/think🌊\n", max_size=12))
    answer = data.draw(st.text(alphabet="cd<🌊\n", max_size=8))
    text = f"<think>{thought}</think>{answer}"
    events = [{"content": part} for part in _parts(data, text)]
    events += [{"reasoning_content": part} for part in _parts(data, thought)]
    end = "\r\n\r\n" if crlf else "\n\n"
    lines = [f"data: {json.dumps({'choices': [{'index': 0, 'delta': d}]})}{end}" for d in events]
    wire = ("".join(lines) + f"data: [DONE]{end}").encode()
    what = frozenset(
        {Countermeasure.SUMMARISE_REASONING if limit else Countermeasure.REMOVE_REASONING}
    )
    edits = EventEdits(Withheld(what, summary_characters=limit).answer)
    out = b"".join(edits.feed(piece) for piece in _pieces(data, wire)) + edits.finish()
    deltas = [
        json.loads(line[6:])["choices"][0]["delta"]
        for line in out.decode().split(end)
        if line.startswith("data: {")
    ]

    message = {"content": text, "reasoning_content": thought}
    whole = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
    expected = json.loads(Withheld(what, summary_characters=limit).answer(whole))
    for name, wanted in expected["choices"][0]["message"].items():
        assert "".join(delta.get(name, "") for delta in deltas) == wanted
    assert out.endswith(f"data: [DONE]{end}".encode())
    assert _is_part(out, wire)


def test_events_of_messages_and_responses_lose_their_reasoning() -> None:
    """Names, indices and the order of events stay, as clients need them."""
    events: list[dict[str, Any]] = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}},
        _delta("thinking_delta", thinking=_THOUGHT),
        _delta("signature_delta", signature="c2ln"),
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": _THOUGHT},
        {"type": "response.reasoning_text.delta", "output_index": 0, "delta": _THOUGHT},
        {"type": "response.reasoning_text.done", "output_index": 0, "text": _THOUGHT},
        {"type": "response.output_item.done", "item": _SHAPES["responses"]["output"][0]},
        {"type": "response.output_text.delta", "delta": _ANSWER, "logprobs": [{"logprob": -1}]},
        {"type": "response.completed", "response": _SHAPES["responses"]},
    ]
    wire = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()
    edits = EventEdits(Withheld(_EVERYTHING).answer)
    out = edits.feed(wire) + edits.finish()

    assert b"Salt" not in out
    assert b'"logprob"' not in out
    assert out.count(b"Rivers") == 2
    assert [line for line in out.splitlines() if line.startswith(b"event")] == [
        line for line in wire.splitlines() if line.startswith(b"event")
    ]


@settings(deadline=None)
@given(st.data())
def test_events_that_are_not_edited_go_through_byte_for_byte(data: st.DataObject) -> None:
    """Comments, names, ids, empty lines of all kinds, and what is no event at all."""
    wire = data.draw(st.lists(st.sampled_from([b"data: x", b": c", b"\r", b"\n", b"id:1"])))
    edits = EventEdits(lambda said: said)
    out = b"".join(edits.feed(p) for p in _pieces(data, b"".join(wire))) + edits.finish()

    assert out == b"".join(wire)


def test_a_request_loses_what_asks_for_log_probabilities() -> None:
    """And nothing else; without that countermeasure it is not even read."""
    body = (
        b'{"model":"m", "logprobs":true,"top_logprobs":5,"temperature":1.0e-5,'
        b'"include":["message.output_text.logprobs","reasoning.encrypted_content"]}'
    )

    assert withheld_request(body, _NO_LOGPROBS) == (
        b'{"model":"m","temperature":1.0e-5,"include":["reasoning.encrypted_content"]}'
    )
    assert withheld_request(b"no json", _REMOVED) == b"no json"


def test_every_countermeasure_declares_its_cost() -> None:
    """To an honest customer, if we were wrong."""
    assert set(COSTS) == set(Countermeasure)
    assert {c for c in Countermeasure if changes_answers(frozenset({c}))} == (
        _EVERYTHING | _SUMMARISED
    )


def _delta(kind: str, **fields: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **fields}}


def _parts(data: st.DataObject, text: str) -> list[str]:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _pieces(data: st.DataObject, wire: bytes) -> list[bytes]:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)), max_size=6)))
    return [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in inner for text in _texts(part)]


def _is_part(left: bytes, whole: bytes) -> bool:
    """Whether the one is the other with bytes left out."""
    rest = iter(whole)
    return all(byte in rest for byte in left)
