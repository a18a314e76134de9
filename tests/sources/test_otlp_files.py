"""Files in which OTLP is kept: framings, compression, and what is joined."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf.internal.encoder import _VarintBytes
from otlp_builders import details, json_line, model_call, traces

from stillwatch.sources import otlp_calls
from stillwatch.sources.adapter import ParsedRow, Unreadable
from stillwatch.sources.otlp import OtlpAdapter

REQUESTS = [traces(model_call(number)) for number in range(1, 4)]
QUESTIONS = ["question 1", "question 2", "question 3"]


def _read(tmp_path: Path, content: bytes, **options: Any) -> list[ParsedRow | Unreadable]:
    path = tmp_path / "log"
    path.write_bytes(content)
    return list(OtlpAdapter(**options).read(path))


def _rows(items: list[ParsedRow | Unreadable]) -> list[dict[str, Any]]:
    assert all(isinstance(item, ParsedRow) for item in items), items
    return [item.row for item in items if isinstance(item, ParsedRow)]


def _prefixed(messages: list[bytes]) -> bytes:
    return b"".join(struct.pack(">I", len(message)) + message for message in messages)


BINARY = [request.SerializeToString() for request in REQUESTS]
FILES = {
    "bare protobuf of one request": b"".join(BINARY),
    "protobuf with varint lengths": b"".join(_VarintBytes(len(m)) + m for m in BINARY),
    "protobuf of the Collector's file exporter": _prefixed(BINARY),
    "JSON lines": b"".join(map(json_line, REQUESTS)),
    "JSON with lengths, of the Collector": _prefixed([json_line(r) for r in REQUESTS]),
    "a JSON array": b"[" + b",".join(json_line(r).strip() for r in REQUESTS) + b"]",
    "printed JSON": json.dumps([json.loads(json_line(r)) for r in REQUESTS], indent=2).encode(),
    "JSON lines after a byte order mark": b"\xef\xbb\xbf" + b"".join(map(json_line, REQUESTS)),
}


@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd"])
@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_every_framing_gives_the_same_exchanges(
    content: bytes, packing: str, tmp_path: Path
) -> None:
    """How a file is framed and packed makes no difference."""
    if packing == "gzip":
        content = gzip.compress(content)
    elif packing == "zstd":
        content = pa.compress(content, codec="zstd", asbytes=True)

    rows = _rows(_read(tmp_path, content))

    assert [row["input_text"] for row in rows] == QUESTIONS
    assert [row["account_id"] for row in rows] == ["account-1", "account-2", "account-3"]


def test_an_event_fills_what_its_span_lacks_in_either_order(tmp_path: Path) -> None:
    """Content on the event only, caller on the span only: one exchange has both."""
    span = traces({"number": 1, "attributes": {"gen_ai.request.model": "m", "user.id": "ada"}})
    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "hello"}]}])
    event = details(1, {"gen_ai.input.messages": said})
    for order in ((span, event), (event, span)):
        rows = _rows(_read(tmp_path, b"".join(map(json_line, order))))

        assert [(row["account_id"], row["input_text"]) for row in rows] == [("ada", "hello")]


def test_events_of_a_span_may_hold_their_body_as_json(tmp_path: Path) -> None:
    """As Azure's tracing and Semantic Kernel write it; a text that is no such body is the text."""
    said = {
        "gen_ai.system.message": json.dumps({"role": "system", "content": "Be brief."}),
        "gen_ai.user.message": json.dumps({"role": "user", "content": "hello"}),
        "gen_ai.choice": json.dumps(
            {"index": 0, "finish_reason": "stop", "message": {"content": "hi"}}
        ),
    }
    for user, asked in ((said["gen_ai.user.message"], "hello"), ('{"a": 1}', '{"a": 1}')):
        call = traces({"number": 1, "attributes": {"gen_ai.request.model": "m", "user.id": "ada"}})
        told = json.loads(json_line(call))
        span = told["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        span["events"] = [
            {
                "name": name,
                "attributes": [
                    {"key": "gen_ai.system", "value": {"stringValue": "az.ai.inference"}},
                    {"key": "gen_ai.event.content", "value": {"stringValue": content}},
                ],
            }
            for name, content in {**said, "gen_ai.user.message": user}.items()
        ]
        (row,) = _rows(_read(tmp_path, json.dumps(told).encode() + b"\n"))

        names = ("system_text", "input_text", "output_text", "stop_reason")
        assert [row[name] for name in names] == ["Be brief.", asked, "hi", "stop"]


def test_the_spans_around_a_call_tell_its_caller(tmp_path: Path) -> None:
    """`user.id` and the address are found two spans up, in the same trace only."""
    call = {"number": 3, "parent": 2, "attributes": {"gen_ai.request.model": "m"}}
    agent = {"number": 2, "parent": 1, "attributes": {"client.address": "203.0.113.9"}}
    server = {"number": 1, "attributes": {"user.id": "ada", "client.address": "198.51.100.1"}}
    stranger = {"number": 1, "trace": 9, "attributes": {"user.id": "stranger"}}

    rows = _rows(_read(tmp_path, json_line(traces(stranger, call, agent, server))))

    assert [(r["account_id"], r["client_ip_raw"]) for r in rows] == [("ada", "203.0.113.9")]


def test_the_proxys_id_of_the_request_is_told(tmp_path: Path) -> None:
    """A header that the instrumented server logs, by which a proxy's log knows the request."""
    call = {"number": 2, "parent": 1, "attributes": {"gen_ai.request.model": "m"}}
    header = {"http.request.header.x-request-id": "8d1f"}
    server = {"number": 1, "attributes": {"user.id": "ada", **header}}
    lists = json.loads(json_line(traces(call, server)))
    (attribute,) = (
        a
        for span in lists["resourceSpans"][0]["scopeSpans"][0]["spans"]
        for a in span["attributes"]
        if a["key"] in header
    )
    attribute["value"] = {"arrayValue": {"values": [attribute["value"]]}}

    for content in (json_line(traces(call, server)), json.dumps(lists).encode()):
        (row,) = _rows(_read(tmp_path, content))
        assert row["request_id"] == "8d1f"


def test_spans_in_a_circle_end(tmp_path: Path) -> None:
    """Parents that are each other's children do not keep the import busy for ever."""
    first = {"number": 1, "parent": 2, "attributes": {"gen_ai.request.model": "m"}}
    second = {"number": 2, "parent": 1, "attributes": {"user.id": "ada"}}

    rows = _rows(_read(tmp_path, json_line(traces(first, second))))

    assert [row["account_id"] for row in rows] == ["ada"]


def test_what_is_no_model_call_is_passed_over(tmp_path: Path) -> None:
    """Embeddings, tools and other services' spans are no exchanges, and no errors either."""
    others = [
        {"number": 1, "attributes": {"http.request.method": "GET"}},
        {
            "number": 2,
            "attributes": {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "e"},
        },
        {
            "number": 3,
            "attributes": {"gen_ai.operation.name": "execute_tool", "gen_ai.request.model": "m"},
        },
    ]
    metrics = b'{"resourceMetrics": []}\n'

    assert _read(tmp_path, metrics + json_line(traces(*others))) == []


def test_the_account_may_be_any_configured_attribute(tmp_path: Path) -> None:
    """`resource.` reaches the attributes of the sender."""
    request = traces(model_call(1, tenant="north"), resource={"deployment": "blue"})

    by_tenant = _rows(_read(tmp_path, json_line(request), account_attributes=("tenant",)))
    by_sender = _rows(
        _read(tmp_path, json_line(request), account_attributes=("resource.deployment",))
    )

    assert (by_tenant[0]["account_id"], by_sender[0]["account_id"]) == ("north", "blue")


def test_the_environment_may_name_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line reaches the same choice."""
    monkeypatch.setenv("STILLWATCH__OTLP__ACCOUNT", "tenant")

    rows = _rows(_read(tmp_path, json_line(traces(model_call(1, tenant="north")))))

    assert [row["account_id"] for row in rows] == ["north"]


def test_a_bad_line_among_good_ones_is_reported_alone(tmp_path: Path) -> None:
    """Its line number and reason are kept; its neighbours are imported."""
    good = json_line(REQUESTS[0])
    items = _read(tmp_path, good + b'{"resourceSpans": [\n' + b'{"other": 1}\n' + b"7\n")

    assert [item.line for item in items if isinstance(item, Unreadable)] == [2, 3, 4]
    assert len([item for item in items if isinstance(item, ParsedRow)]) == 1


@pytest.mark.parametrize("number", range(1, 260))
def test_no_length_of_a_binary_request_is_taken_for_text(number: int, tmp_path: Path) -> None:
    """A length may be the code of a bracket or a line feed; the framing is still told."""
    message = traces(model_call(1, padding="x" * number)).SerializeToString()
    small = traces({"number": 1, "attributes": {"gen_ai.request.model": "x" * number}})
    for content in (
        message,
        _VarintBytes(len(message)) + message,
        _prefixed([message, message]),
        small.SerializeToString(),
        _VarintBytes(small.ByteSize()) + small.SerializeToString(),
    ):
        assert _rows(_read(tmp_path, content))


@pytest.mark.parametrize("name", ["protobuf with varint lengths", "bare protobuf of one request"])
def test_a_file_that_breaks_off_says_so(name: str, tmp_path: Path) -> None:
    """What was whole is imported; the broken rest is one entry."""
    items = _read(tmp_path, FILES[name][:-5])

    assert [type(item) for item in items] == [Unreadable, ParsedRow, ParsedRow]


def test_more_calls_than_are_held_open_are_all_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window bounds memory; it never loses a call."""
    monkeypatch.setattr(otlp_calls, "_OPEN_CALLS", 5)
    requests = [traces(model_call(number)) for number in range(1, 31)]

    rows = _rows(_read(tmp_path, b"".join(map(json_line, requests))))

    assert [row["account_id"] for row in rows] == [f"account-{n}" for n in range(1, 31)]
