"""WebSockets behind the guard: refused when they open, closed when their client goes on speaking."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgi_calls import REFERENCE, Says, called

from stillwatch.enforcement.asgi import Guard, GuardSettings
from stillwatch.records.actions import Countermeasure, Step

_CONNECT = {"type": "websocket.connect"}
_SAID = [{"type": "websocket.receive", "text": f"turn {number}"} for number in range(4)]


class _Talker:
    """An application that answers each message of its client until the client goes away."""

    def __init__(self) -> None:
        self.received: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.received.append(await receive())
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            self.received.append(message)
            await send({"type": "websocket.send", "text": "answer"})
        self.received.append(message)
        await send({"type": "websocket.send", "text": "too late"})


@pytest.mark.parametrize("step", [Step.BLOCK, Step.VERIFY, Step.THROTTLE])
def test_a_refused_socket_does_not_open(step: Step) -> None:
    """With the status and the error JSON of HTTP where the server can send them."""
    app = _Talker()
    call: dict[str, Any] = {"kind": "websocket", "received": [_CONNECT]}
    told = called(
        Guard(app, Says(step)), extensions={"websocket.http.response": {}}, **call
    ).messages
    plain = called(Guard(app, Says(step)), **call).messages

    assert [m["type"] for m in told] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert told[0]["status"] == (429 if step is Step.THROTTLE else 403)
    assert REFERENCE in json.loads(told[1]["body"])["error"]["message"]
    assert plain == [{"type": "websocket.close", "code": 1008, "reason": ""}]
    assert app.received == []


def test_a_verdict_closes_an_open_socket_with_its_clients_next_message() -> None:
    """The frame tells the reference; what the application says afterwards does not go out."""
    says, app = Says(Step.OBSERVE), _Talker()
    seconds = iter([0.0, 1.0, 6.0, 7.0, 12.0])

    def counted() -> float:
        now = next(seconds)
        if now > 6:
            says.step = Step.BLOCK
        return now

    guard = Guard(app, says, GuardSettings(counted=counted, recheck_seconds=5))
    sent = called(guard, kind="websocket", received=[_CONNECT, *_SAID]).messages

    assert [m["type"] for m in sent] == [
        "websocket.accept",
        *["websocket.send"] * 3,
        "websocket.close",
    ]
    assert (sent[-1]["code"], sent[-1]["reason"]) == (1008, f"reference {REFERENCE}")
    assert app.received[-1] == {"type": "websocket.disconnect", "code": 1008}
    # When it opened, after six seconds, and after twelve.
    assert len(says.asked) == 3


def test_nothing_is_withheld_on_a_socket() -> None:
    """Its frames are no protocol that we know: the step falls to a milder one."""
    says = Says(Step.WITHHOLD, frozenset({Countermeasure.REMOVE_REASONING}))
    guard = Guard(_Talker(), says)
    called(guard, kind="websocket", received=[_CONNECT])

    assert guard.counts["withhold"] == 0
