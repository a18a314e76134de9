"""What the guard takes out of requests and answers of a linked group, and out of nobody else's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgi_calls import REFERENCE, Answered, Says, called

from stillwatch.enforcement.asgi import Guard, GuardSettings
from stillwatch.enforcement.new_models import NewModels
from stillwatch.enforcement.reasoning_seal import ReasoningSeal
from stillwatch.records.actions import Countermeasure, Step

_NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
_BLOCK = {"type": "thinking", "thinking": "Salt comes from rocks.", "signature": "c2lnbmF0dXJl"}
_MESSAGE = {"type": "message", "content": [_BLOCK, {"type": "text", "text": "Rivers carry it."}]}
_CHAT = {
    "choices": [
        {
            "index": 0,
            "message": {"content": "Rivers carry it.", "reasoning_content": "Salt from rocks."},
            "logprobs": {"content": [{"logprob": -0.5}]},
        }
    ]
}
_ASKED = {"model": "m-new", "logprobs": True, "messages": [{"role": "user", "content": "Why?"}]}


class _Model:
    """A server that answers one thing, whole or as events, and keeps what it was asked."""

    def __init__(
        self, answer: Any, *, status: int = 200, stream: bool = False, packed: bool = False
    ) -> None:
        self.asked: list[bytes] = []
        self.scopes: list[Any] = []
        self._status, self._packed = status, packed
        written = json.dumps(answer, indent=1).encode()
        self._kind = b"text/event-stream" if stream else b"application/json"
        self.body = f"data: {json.dumps(answer)}\n\n".encode() if stream else written

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        self.asked.append(body)
        headers = [(b"content-type", self._kind), (b"content-length", b"%d" % len(self.body))]
        if self._packed:
            headers.append((b"content-encoding", b"gzip"))
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        half = len(self.body) // 2
        await send({"type": "http.response.body", "body": self.body[:half], "more_body": True})
        await send({"type": "http.response.body", "body": self.body[half:], "more_body": False})


def _guard(model: _Model, *measures: Countermeasure, **settings: Any) -> Guard:
    says = Says(Step.WITHHOLD, frozenset(measures))
    return Guard(model, says, GuardSettings(wall=_NOW.timestamp, **settings))


def _sent(guard: Guard, asked: Any = _ASKED, **call: Any) -> Answered:
    return called(guard, body=json.dumps(asked).encode(), **call)


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_and_reasoning_do_not_come_out(stream: bool) -> None:
    """Of a whole answer, its length is the new one; a stream has none."""
    model = _Model(_CHAT, stream=stream)
    guard = _guard(model, Countermeasure.NO_LOG_PROBABILITIES, Countermeasure.REMOVE_REASONING)
    answered = _sent(guard, headers={"accept-encoding": "gzip"})
    length = answered.headers.get("content-length")

    assert b"Salt" not in answered.body
    assert b"logprob" not in answered.body
    assert b"Rivers carry it." in answered.body
    assert length == (None if stream else str(len(answered.body)))
    assert not any(name == b"accept-encoding" for name, _ in model.scopes[0]["headers"])


def test_the_model_is_not_asked_for_what_is_kept_back() -> None:
    """The request that it reads has the length of what is left."""
    model = _Model(_CHAT)
    _sent(_guard(model, Countermeasure.NO_LOG_PROBABILITIES))
    headers = dict(model.scopes[0]["headers"])

    assert json.loads(model.asked[0]) == {k: v for k, v in _ASKED.items() if k != "logprobs"}
    assert headers[b"content-length"] == str(len(model.asked[0])).encode()


def test_nothing_is_taken_from_others() -> None:
    """Requests and answers of an account without a verdict are the same bytes."""
    model = _Model(_CHAT)
    guard = _guard(model, *Countermeasure, seal=ReasoningSeal((bytes(32),)))
    answered = _sent(guard, key="sk-ada")

    assert answered.body == model.body
    assert model.asked == [json.dumps(_ASKED).encode()]


@pytest.mark.parametrize(
    "how", [{"status": 500}, {"packed": True}], ids=["an error", "a compressed answer"]
)
def test_what_cannot_be_edited_goes_out_as_it_is(how: dict[str, Any]) -> None:
    """An error of the model, or an answer that was compressed against our word."""
    model = _Model(_CHAT, **how)
    guard = _guard(model, Countermeasure.REMOVE_REASONING)

    assert _sent(guard).body == model.body
    assert guard.counts["unedited"] == ("packed" in how)


def test_an_answer_beyond_the_limit_is_not_held() -> None:
    """It goes out as it is, and is counted."""
    model = _Model(_CHAT)
    guard = _guard(model, Countermeasure.REMOVE_REASONING, most_body_bytes=50)

    assert _sent(guard).body == model.body
    assert guard.counts["unedited"] == 1


def test_a_new_model_is_not_available() -> None:
    """Until it is old enough; a model that nobody told of is not held back."""
    released = {"m-new": _NOW - timedelta(days=3), "m-old": _NOW - timedelta(days=31)}
    model = _Model(_CHAT)
    guard = _guard(model, Countermeasure.CAP_NEW_MODELS, new_models=NewModels(released, 30))
    answers = {name: _sent(guard, _ASKED | {"model": name}) for name in ("m-new", "m-old", "m-x")}
    error = json.loads(answers["m-new"].body)["error"]

    assert {name: answer.status for name, answer in answers.items()} == {
        "m-new": 404,
        "m-old": 200,
        "m-x": 200,
    }
    assert error["code"] == "model_not_found"
    assert REFERENCE in error["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_bound_reasoning_opens_in_its_own_conversation_alone(stream: bool) -> None:
    """The model gets its own signature back; in another conversation the request is refused."""
    event = {"type": "content_block_start", "index": 0, "content_block": _BLOCK}
    model = _Model(event if stream else _MESSAGE, stream=stream)
    guard = _guard(model, Countermeasure.BIND_REASONING, seal=ReasoningSeal((bytes(32),)))
    first = {"role": "user", "content": "Why is the sea salty?"}
    said = _sent(guard, {"model": "m", "messages": [first]}, path="/v1/messages").body
    answer = json.loads(said.removeprefix(b"data: "))
    block = answer["content_block"] if stream else answer["content"][0]
    assert block["signature"] != _BLOCK["signature"]
    turn = {"role": "assistant", "content": [block]}
    replays = {
        "same": {"model": "m", "messages": [first, turn]},
        "model": {"model": "m-2", "messages": [first, turn]},
        "conversation": {"model": "m", "messages": [{"role": "user", "content": "Hi"}, turn]},
    }
    statuses = {
        name: _sent(guard, asked, path="/v1/messages").status for name, asked in replays.items()
    }
    other = Guard(
        model,
        Says(Step.WITHHOLD, frozenset({Countermeasure.BIND_REASONING}), key="sk-cy"),
        GuardSettings(wall=_NOW.timestamp, seal=ReasoningSeal((bytes(32),))),
    )

    assert statuses == {"same": 200, "model": 400, "conversation": 400}
    assert _sent(other, replays["same"], key="sk-cy", path="/v1/messages").status == 400
    assert json.loads(model.asked[1])["messages"][1]["content"] == [_BLOCK]


def test_reasoning_that_was_never_sealed_is_refused_with_a_way_out() -> None:
    """The client may leave it out, and may appeal."""
    guard = _guard(
        _Model(_MESSAGE), Countermeasure.BIND_REASONING, seal=ReasoningSeal((bytes(32),))
    )
    turn = {"role": "assistant", "content": [_BLOCK]}
    answered = _sent(guard, {"model": "m", "messages": [turn]}, path="/v1/messages")

    assert answered.status == 400
    assert REFERENCE in json.loads(answered.body)["error"]["message"]
