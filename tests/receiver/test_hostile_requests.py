"""Requests that ask for too much are refused in bounded memory, whatever they hold."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import time
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from otlp_builders import model_call, traces
from stations import NDJSON, PROTOBUF, Station, exchange, exchanges, litellm, ndjson

from stillwatch.receiver import intake
from stillwatch.receiver.bodies import RefusedError, unpacked_body
from stillwatch.receiver.intake import Endpoint, Intake, Outcome, Request
from stillwatch.receiver.limits import ReceiverLimits

ENDPOINTS = [("exchanges", NDJSON), ("litellm", "application/json"), ("traces", PROTOBUF)]


def _bomb(megabytes: int) -> bytes:
    """A gzip of so many megabytes of zeros, made in a moment: blocks of it repeat."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    repeated = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.flush()
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    return head + block + repeated * (megabytes - 1) + end + bytes(8)


def test_a_bomb_is_refused_in_bounded_memory() -> None:
    """A megabyte of gzip that holds a gigabyte costs no more than a body may unpack to."""
    bomb = _bomb(1_000)
    assert len(bomb) < 2**20
    script = (
        "import sys, resource\n"
        "from stillwatch.receiver.bodies import RefusedError, unpacked_body\n"
        "from stillwatch.receiver.limits import ReceiverLimits\n"
        "from stillwatch.sources.memory import process_bytes\n"
        "body = sys.stdin.buffer.read()\n"
        "before = process_bytes('VmHWM')\n"
        "try:\n"
        "    unpacked_body(body, is_packed=True, limits=ReceiverLimits())\n"
        "except RefusedError as error:\n"
        "    print(error.status, process_bytes('VmHWM') - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], input=bomb, capture_output=True)

    status, grown = map(int, done.stdout.split())
    assert status == 413
    assert grown < 160 * 2**20


@pytest.mark.parametrize(("endpoint", "kind"), ENDPOINTS)
def test_bombs_are_refused_everywhere(station: Station, endpoint: str, kind: str) -> None:
    """And nothing of them is kept."""
    reply = station.post(endpoint, _bomb(200), kind=kind, headers={"content-encoding": "gzip"})

    assert reply.status == 413
    assert station.spool.backlog().batches == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (gzip.compress(gzip.compress(b"x")), 400),
        (gzip.compress(b"{}" * 100)[:-9], 400),
        (b"\x1f\x8bnothing", 400),
        (gzip.compress(b"") * 100, 413),
    ],
    ids=["nested", "torn", "no gzip", "many members"],  # the bytes hold the time
)
def test_damaged_or_nested_gzip_is_refused(body: bytes, status: int) -> None:
    """Packed twice, cut off, wrong, or in many parts."""
    with pytest.raises(RefusedError) as caught:
        unpacked_body(body, is_packed=True, limits=ReceiverLimits())

    assert caught.value.status == status


def test_gzip_in_a_few_parts_is_read() -> None:
    """As some programs write it."""
    body = gzip.compress(b"one ") + gzip.compress(b"two")

    assert unpacked_body(body, is_packed=True, limits=ReceiverLimits()) == b"one two"


@pytest.mark.parametrize(("endpoint", "kind"), ENDPOINTS)
def test_too_many_rows_are_refused(tmp_path: Path, endpoint: str, kind: str) -> None:
    """As many as may be are taken; one more, and none is."""
    bodies = {
        "exchanges": lambda n: ndjson(exchanges(n)),
        "litellm": lambda n: json.dumps([litellm(i) for i in range(n)]).encode(),
        "traces": lambda n: traces(*(model_call(i + 1) for i in range(n))).SerializeToString(),
    }
    station = Station(tmp_path, limits=ReceiverLimits(rows=5))
    try:
        assert station.post(endpoint, bodies[endpoint](5), kind=kind).status == 200
        assert station.post(endpoint, bodies[endpoint](6), kind=kind).status == 413
        assert station.spool.backlog().rows == 5
    finally:
        station.close()


def test_large_bodies_are_refused_whether_they_say_so_or_not(tmp_path: Path) -> None:
    """By their length where it is told, and else as soon as they are too long."""
    station = Station(tmp_path, limits=ReceiverLimits(body_mb=1))
    body = b"\n" * (2**20 + 1)
    try:
        assert station.post("exchanges", body, kind=NDJSON).status == 413
        told = {"content-length": str(len(body))}
        assert station.post("exchanges", b"", kind=NDJSON, headers=told).status == 413
    finally:
        station.close()


def test_a_body_of_line_breaks_costs_nothing(station: Station) -> None:
    """Sixteen million empty lines are no rows."""
    assert station.post("exchanges", b"\n" * (15 * 2**20), kind=NDJSON).status == 200


@pytest.mark.parametrize("depth", [201, 100_000])
def test_deep_json_is_no_exchange(station: Station, depth: int) -> None:
    """A row that is nested too deeply is rejected, and those beside it are taken."""
    deep = b'{"exchange_id": ' + b"[" * depth + b"]" * depth + b"}\n"

    mixed = station.post("exchanges", ndjson([exchange(1)]) + deep, kind=NDJSON)
    alone = station.post("traces", b'{"resourceSpans": ' + b"[" * depth + b"]" * depth + b"}")

    assert (mixed.status, mixed.json["accepted"], mixed.json["rejected"]) == (200, 1, 1)
    assert alone.status == 400


def test_deep_protobuf_cannot_be_decoded(station: Station) -> None:
    """Protobuf's own limit is met before ours."""
    value = b"\x0a\x01x"
    for _ in range(150):
        value = _field(5, _field(1, value))  # an array of one value
    attribute = _field(1, b"deep") + _field(2, value)
    request = _field(1, _field(2, _field(2, _field(9, attribute))))

    assert station.post("traces", request, kind=PROTOBUF).status == 400


def _field(number: int, content: bytes) -> bytes:
    """One field of protobuf with a length, which is below 16,384."""
    length = len(content)
    size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
    return bytes([number << 3 | 2]) + size + content


@given(body=st.binary(max_size=300), packed=st.booleans(), which=st.sampled_from(ENDPOINTS))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_are_answered(
    station: Station, body: bytes, packed: bool, which: tuple[str, str]
) -> None:
    """With a status that says what became of them, and never with a failure of ours."""
    headers = {"content-encoding": "gzip"} if packed else {}

    reply = station.post(which[0], body, kind=which[1], headers=headers)

    assert reply.status in (200, 400, 413)


@given(
    row=st.dictionaries(
        st.sampled_from(
            ["exchange_id", "account_id", "started_at", "input_text", "x", "source_id"]
        ),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.lists(st.integers(), max_size=2)
        | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    )
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_row_is_taken_or_rejected(station: Station, row: dict[str, object]) -> None:
    """A strange row costs nobody else's, and none fails the receiver."""
    reply = station.exchanges([exchange(1), row])

    assert reply.status == 200
    assert reply.json["accepted"] + reply.json["rejected"] == 2
    assert reply.json["accepted"] >= 1


def test_a_sender_that_dawdles_is_let_go(tmp_path: Path) -> None:
    """A body that does not come ends with 408, and its memory is free again."""
    station = Station(tmp_path, limits=ReceiverLimits(body_seconds=0.05))

    async def ask() -> int:
        sent: list[dict[str, object]] = []

        async def receive() -> dict[str, object]:
            await asyncio.sleep(60)
            raise AssertionError

        async def send(message: object) -> None:
            sent.append(dict(message))  # type: ignore[call-overload]

        scope = {"type": "http", "method": "POST", "path": "/v1/exchanges", "headers": []}
        await station.app(scope, receive, send)
        return int(str(sent[0]["status"]))

    try:
        assert station.runner.run(ask()) == 408
        assert station.app._waiting_bytes == 0
    finally:
        station.close()


def test_bodies_in_memory_are_bounded(tmp_path: Path) -> None:
    """What does not fit is asked to come again; LiteLLM's callback waits until it fits."""
    station = Station(tmp_path, limits=ReceiverLimits(body_mb=1, waiting_mb=1))

    async def together() -> list[int]:
        released = asyncio.Event()

        async def ask(path: str, kind: str, body: bytes, wait: bool) -> int:
            sent: list[dict[str, object]] = []

            async def receive() -> dict[str, object]:
                if wait:
                    await released.wait()
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message: object) -> None:
                sent.append(dict(message))  # type: ignore[call-overload]

            headers = [(b"content-type", kind.encode()), (b"content-length", b"900000")]
            scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
            await station.app(scope, receive, send)
            return int(str(sent[0]["status"]))

        slow = asyncio.create_task(ask("/v1/exchanges", NDJSON, b"", True))
        await asyncio.sleep(0)
        patient = asyncio.create_task(ask("/v1/litellm", "application/json", b"[]", False))
        refused = [
            await ask("/v1/exchanges", NDJSON, b"", False),
            await ask("/v1/traces", PROTOBUF, b"", False),
        ]
        assert not patient.done()
        released.set()
        return [*refused, await slow, await patient]

    try:
        assert station.runner.run(together()) == [429, 503, 200, 200]
    finally:
        station.close()


def test_what_many_bodies_unpack_to_is_not_held_at_once(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait, those of one batch are unpacked; each is answered for itself."""
    held: list[int] = []
    refine = Intake._refine

    def counted(self: Intake, read: Any, judged: Any) -> None:
        held.append(len(read))
        refine(self, read, judged)

    monkeypatch.setattr(Intake, "_refine", counted)
    monkeypatch.setattr(intake, "_BYTES_AT_ONCE", 2_000)
    outcomes: dict[int, Outcome] = {}
    requests = []
    for number in range(6):
        rows = [exchange(number), *([exchange(9, started_at="never")] if number == 3 else [])]
        body = gzip.compress(ndjson(rows) + b" " * 1_500) if number != 4 else b"no gzip"
        answer = partial(outcomes.__setitem__, number)
        requests.append(Request(Endpoint.EXCHANGES, "default", body, True, False, answer))

    station.intake._judge_group(requests)
    while len(outcomes) < 6:
        time.sleep(0.01)

    assert held == [2, 2, 1]
    assert [outcomes[n].status for n in range(6)] == [200, 200, 200, 200, 400, 200]
    assert [outcomes[n].rejected for n in range(6)] == [0, 0, 0, 1, 0, 0]
