"""The guard around an application: every route, streams untouched, bodies within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgi_calls import REFERENCE, Says, called, event_bodies
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from stillwatch.enforcement.asgi import Guard, GuardSettings
from stillwatch.records.actions import Countermeasure, Step

_PIECES = [b"data: {", b'"a": 1}\n', b"\n", b": ping\n\ndata: [DONE]\n\n"]
_ASKED = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Why?"}]}).encode()


class _Echo:
    """An application that says what it was given, or sends a stream.

    Attributes:
        scopes: Of every connection.
        bodies: What it read, in the pieces in which it came.
    """

    def __init__(self, stream: list[bytes] | None = None) -> None:
        self.scopes: list[Any] = []
        self.bodies: list[list[bytes]] = []
        self._stream = stream

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] != "http":
            return
        pieces = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                break
            pieces.append(message["body"])
            if not message["more_body"]:
                break
        self.bodies.append(pieces)
        messages = event_bodies(self._stream or [b"ok"])
        for message in messages:
            await send(message)


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/messages", "/invocations", "/", "/metrics", "/x/y"]
)
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
def test_every_route_is_guarded(path: str, method: str) -> None:
    """Also those that a server itself leaves without a key."""
    app = _Echo()
    answered = called(Guard(app, Says(Step.BLOCK)), path, method=method)

    assert (answered.status, app.scopes) == (403, [])
    assert REFERENCE in json.loads(answered.body)["error"]["message"]
    assert answered.headers["content-length"] == str(len(answered.body))
    assert b"tide" not in answered.body
    assert ("type" in json.loads(answered.body)) == (path == "/v1/messages")


@pytest.mark.parametrize(
    ("step", "status"), [(Step.BLOCK, 403), (Step.VERIFY, 403), (Step.THROTTLE, 429)]
)
def test_each_refusal_has_its_status(step: Step, status: int) -> None:
    """A throttle says when to come again."""
    answered = called(Guard(_Echo(), Says(step)))

    assert answered.status == status
    assert answered.headers.get("retry-after") == ("9" if step is Step.THROTTLE else None)


@pytest.mark.parametrize("step", [Step.OBSERVE, Step.TAG])
def test_a_stream_goes_past_untouched(step: Step) -> None:
    """The very messages of the application, in its pieces."""
    answered = called(Guard(_Echo(_PIECES), Says(step)), body=_ASKED)

    assert answered.messages == event_bodies(_PIECES)


def test_whoever_has_no_verdict_gets_the_applications_own_messages() -> None:
    """And the application gets the server's, piece by piece, of whatever size."""
    app = _Echo(_PIECES)
    pieces = [b"x" * 100_000] * 200
    answered = called(Guard(app, Says(Step.BLOCK)), key="sk-ada", body=pieces)

    assert answered.messages == event_bodies(_PIECES)
    assert app.bodies == [pieces]


def test_a_tag_is_told_to_the_application_alone() -> None:
    """Under a name of ours that a client cannot forge."""
    app = _Echo()
    forged = {"X-Stillwatch-Step": "observe", "x-stillwatch-account": "acct_1", "x-other": "1"}
    tagged = called(Guard(app, Says(Step.TAG)), headers=forged)
    called(Guard(app, Says(Step.TAG)), key="sk-ada", headers=forged)
    told = [
        [value for name, value in scope["headers"] if name.lower().startswith(b"x-stillwatch")]
        for scope in app.scopes
    ]

    assert told == [[b"tag"], []]
    assert all((b"x-other", b"1") in scope["headers"] for scope in app.scopes)
    assert "x-stillwatch-step" not in tagged.headers


def test_a_failure_of_ours_lets_the_request_pass(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted, and the log has the error's kind without its words."""
    app = _Echo()
    guard = Guard(app, Says(failure=RuntimeError("sk-bo asked for salt")))
    answered = called(guard)

    assert answered.status == 200
    assert guard.counts["failed"] == 1
    assert "RuntimeError" in caplog.text
    assert "salt" not in caplog.text


def test_a_body_is_read_only_where_it_is_needed() -> None:
    """Then conversation, model, system text and tools are told to the decision."""
    body = json.dumps(
        {
            "model": "m",
            "conversation": {"id": "c-1"},
            "messages": [{"role": "system", "content": "Brief."}],
            "tools": [{"function": {"name": "f"}}],
        }
    ).encode()
    for reads in (False, True):
        says, app = Says(), _Echo()
        called(Guard(app, says, GuardSettings(reads_bodies=reads)), body=[body[:9], body[9:]])
        asked = says.asked[0]
        told = (asked.conversation_id, asked.model, asked.system_text, asked.tool_names)

        assert told == (("c-1", "m", "Brief.", ("f",)) if reads else (None, None, None, ()))
        assert app.bodies == [[body[:9], body[9:]]]


def test_a_body_beyond_the_limit_passes_unbuffered() -> None:
    """Whether its length was told or not, and the application misses nothing."""
    pieces = [b"x" * 1000] * 100
    settings = GuardSettings(reads_bodies=True, most_body_bytes=5_000)
    for headers in ({}, {"content-length": "nonsense"}):
        app, says = _Echo(), Says()
        called(Guard(app, says, settings), body=pieces, headers=headers)

        assert app.bodies == [pieces]
        assert says.asked[0].model is None


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 20_000, b'{"model": 1}'])
@pytest.mark.parametrize("measure", [None, *Countermeasure])
def test_malformed_bodies_pass_as_they_are(body: bytes, measure: Countermeasure | None) -> None:
    """What is no JSON of ours is the application's business."""
    says = Says(Step.WITHHOLD if measure else Step.OBSERVE, frozenset({measure} if measure else ()))
    app = _Echo()
    answered = called(Guard(app, says, GuardSettings(reads_bodies=True)), body=body)

    assert answered.status == 200
    assert b"".join(app.bodies[0]) == body


def test_a_verdict_during_an_answer_holds_from_the_next_request_on() -> None:
    """What has begun goes out to its end: it is billed, and cutting it would show the moment."""
    says = Says(Step.OBSERVE)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for number, message in enumerate(event_bodies(_PIECES)):
            if number == 2:
                says.step = Step.BLOCK
            await send(message)

    guard = Guard(app, says)

    assert called(guard).messages == event_bodies(_PIECES)
    assert called(guard).status == 403


def test_what_is_neither_http_nor_websocket_is_the_applications() -> None:
    """Such as its start and end."""
    app = _Echo()
    called(Guard(app, Says(Step.BLOCK)), kind="lifespan")

    assert [scope["type"] for scope in app.scopes] == ["lifespan"]


def test_fastapi_is_guarded_on_all_its_routes() -> None:
    """As `add_middleware` puts it in front; its own bodies and streams work behind it."""
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> StreamingResponse:
        asked = await request.json()

        async def events() -> Any:
            for word in (asked["model"], "done"):
                yield f"data: {word}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    app.add_middleware(Guard, decider=Says(Step.BLOCK), settings=GuardSettings(reads_bodies=True))
    honest = called(app, key="sk-ada", body=_ASKED)
    blocked = [called(app, path).status for path in ("/v1/chat/completions", "/docs", "/none")]

    assert (honest.status, honest.body) == (200, b"data: m\n\ndata: done\n\n")
    assert blocked == [403, 403, 403]
