"""What senders are answered: every status, in the request's encoding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp_builders import details, model_call, traces
from stations import NDJSON, PROTOBUF, Reply, Station, exchange, exchanges, litellm, ndjson

from stillwatch.receiver.limits import ReceiverLimits


def test_canonical_lines_are_taken_packed_or_not(station: Station) -> None:
    """Rows of both are in the lake, each once."""
    first = station.exchanges(exchanges(3))
    second = station.exchanges(exchanges(3, first=3), packed=True)

    station.fold()

    assert (first.status, first.json) == (200, {"accepted": 3, "rejected": 0})
    assert second.json == {"accepted": 3, "rejected": 0}
    assert sorted(r["exchange_id"] for r in station.rows("exchanges")) == [
        f"e{n}" for n in range(6)
    ]


def test_rows_that_are_no_exchange_are_counted_and_quarantined(station: Station) -> None:
    """The rest is taken; the answer says how many were not, and why the first was not."""
    body = ndjson([exchange(1), exchange(2, started_at="never")]) + b"{broken\n[1]\n"

    reply = station.post("exchanges", body, kind=NDJSON)
    station.fold()

    assert reply.status == 200
    assert (reply.json["accepted"], reply.json["rejected"]) == (1, 3)
    assert "not JSON" in reply.json["first_reason"]
    assert [row["exchange_id"] for row in station.rows("exchanges")] == ["e1"]
    reasons = {row["reason"].split()[0] for row in station.rows("quarantine")}
    assert len(station.rows("quarantine")) == 3
    assert reasons == {"The", "column"}


@pytest.mark.parametrize("body", [b"", b"\n\n"])
def test_an_empty_body_is_taken(station: Station, body: bytes) -> None:
    """Nothing is sent, and nothing is wrong."""
    assert station.post("exchanges", body, kind=NDJSON).json == {"accepted": 0, "rejected": 0}


@pytest.mark.parametrize("endpoint", ["exchanges", "litellm", "traces", "logs"])
@pytest.mark.parametrize("body", [b"{broken", b"\x00\xff", b"[1, 2]"])
def test_what_cannot_be_decoded_is_answered_with_400(
    station: Station, endpoint: str, body: bytes
) -> None:
    """Nothing of it is kept, and the answer says so in JSON."""
    reply = station.post(endpoint, body)

    assert reply.status == 400
    assert reply.json["message" if endpoint in ("traces", "logs") else "error"]
    assert station.spool.backlog().batches == 0


def test_litellm_posts_arrays_objects_and_lines(station: Station) -> None:
    """All three forms of its callback are read; calls that are no exchanges are passed over."""
    station.post("litellm", json.dumps([litellm(1), litellm(2)]).encode())
    station.post("litellm", json.dumps(litellm(3)).encode())
    station.post("litellm", ndjson([litellm(4), litellm(5, call_type="aembedding")]))

    station.fold()

    found = sorted(row["exchange_id"] for row in station.rows("exchanges"))
    assert found == [f"call-{n}" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("is_json", [True, False])
def test_otlp_is_answered_in_the_encoding_of_the_request(station: Station, is_json: bool) -> None:
    """A whole success is an empty response of the same encoding."""
    request = traces(model_call(1))

    reply = _send(station, "traces", request, is_json=is_json)
    station.fold()

    assert reply.status == 200
    assert reply.headers["content-type"] == ("application/json" if is_json else PROTOBUF)
    assert reply.body == (b"{}" if is_json else b"")
    assert [row["account_id"] for row in station.rows("exchanges")] == ["account-1"]


@pytest.mark.parametrize("is_json", [True, False])
def test_otlp_counts_what_was_rejected(station: Station, is_json: bool) -> None:
    """Spans of model calls that have no possible time are counted in `partial_success`."""
    request = traces(model_call(1), model_call(2), model_call(3))
    for span in request.resource_spans[0].scope_spans[0].spans[1:]:
        span.start_time_unix_nano = 0

    reply = _send(station, "traces", request, is_json=is_json)
    station.fold()

    if is_json:
        assert reply.json["partialSuccess"]["rejectedSpans"] == "2"
        assert reply.json["partialSuccess"]["errorMessage"]
    else:
        answer = ExportTraceServiceResponse.FromString(reply.body)
        assert answer.partial_success.rejected_spans == 2
        assert answer.partial_success.error_message
    assert reply.status == 200
    assert len(station.rows("exchanges")) == 1
    assert len(station.rows("quarantine")) == 2


def test_rejected_log_records_are_counted_as_such(station: Station) -> None:
    """An event outside of any span, and without a time, can never be an exchange."""
    request = details(1, {"gen_ai.request.model": "m", "user.id": "a"})
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    record.trace_id, record.span_id, record.observed_time_unix_nano = b"", b"", 0

    reply = station.post("logs", request.SerializeToString(), kind=PROTOBUF)

    answer = ExportLogsServiceResponse.FromString(reply.body)
    assert (reply.status, answer.partial_success.rejected_log_records) == (200, 1)


def test_otlp_errors_are_a_status_in_protobuf(station: Station) -> None:
    """`google.rpc.Status`: code 3, invalid argument, and a message."""
    reply = station.post("traces", b"\x0a\x05abc", kind=PROTOBUF)

    assert (reply.status, reply.headers["content-type"]) == (400, PROTOBUF)
    assert reply.body[:3] == b"\x08\x03\x12"
    assert len(reply.body) == 4 + reply.body[3]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/traces", {}, 405),
        ("POST", "/v1/metrics", {}, 404),
        ("POST", "/healthz", {}, 405),
        ("POST", "/v1/traces", {"content-type": "text/plain"}, 415),
        ("POST", "/v1/exchanges", {"content-type": "image/png"}, 415),
        ("POST", "/v1/exchanges", {"content-type": NDJSON, "content-encoding": "br"}, 415),
        ("POST", "/v1/exchanges", {"content-type": NDJSON, "content-length": "99999999"}, 413),
    ],
)
def test_other_requests_are_refused(
    station: Station, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """Each with the status that says what was wrong."""
    assert station.ask(method, path, headers).status == status


def test_health_and_metrics_name_nobody(station: Station) -> None:
    """Both count; neither holds an account, a token or a text."""
    station.exchanges([exchange(1, account_id="secret-account")])

    health, metrics = station.ask("GET", "/healthz"), station.ask("GET", "/metrics")

    assert (health.status, health.json["status"]) == (200, "ok")
    assert b'stillwatch_receiver_rows_total{endpoint="exchanges",outcome="accepted"} 1.0' in (
        metrics.body
    )
    assert metrics.headers["content-type"].startswith("text/plain")
    assert b"secret" not in health.body + metrics.body


@pytest.fixture
def full_station(tmp_path: Path) -> Iterator[Station]:
    """One whose spool takes two rows before senders must wait."""
    opened = Station(tmp_path, limits=ReceiverLimits(spool_rows=2))
    opened.exchanges(exchanges(2))
    opened.app._backlog_at = 0.0
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("endpoint", "kind", "status"),
    [("traces", PROTOBUF, 503), ("logs", PROTOBUF, 503), ("exchanges", NDJSON, 429)],
)
def test_a_full_spool_asks_senders_to_wait(
    full_station: Station, endpoint: str, kind: str, status: int
) -> None:
    """503 to OTLP, whose exporter drops on 429; 429 to the others; both say when to come back."""
    reply = full_station.post(endpoint, b"", kind=kind)

    assert reply.status == status
    assert int(reply.headers["retry-after"]) > 0
    assert full_station.ask("GET", "/healthz").status == 503


def test_who_never_sends_again_is_let_in(full_station: Station) -> None:
    """LiteLLM's callback drops what is refused, so a full spool refuses it nothing."""
    reply = full_station.post("litellm", json.dumps(litellm(1)).encode())

    assert (reply.status, full_station.spool.backlog().rows) == (200, 3)


def test_senders_are_let_in_again_after_a_fold(full_station: Station) -> None:
    """What is in the lake takes no room."""
    full_station.fold()
    full_station.app._backlog_at = 0.0

    assert full_station.exchanges(exchanges(1, first=5)).status == 200


def _send(station: Station, endpoint: str, request: Message, *, is_json: bool) -> Reply:
    if is_json:
        return station.post(endpoint, MessageToJson(request).encode())
    return station.post(endpoint, request.SerializeToString(), kind=PROTOBUF)
