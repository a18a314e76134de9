"""What a sender is answered, in the words and the encoding of its protocol."""

from __future__ import annotations

import json
from dataclasses import dataclass

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from stillwatch.receiver.intake import Endpoint, Outcome

__all__ = ["JSON", "PROTOBUF", "Answer", "answer_of", "refusal"]

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
# Short: some exporters give up after ten seconds, and wait this long in between.
_RETRY_SECONDS = 2
# Of google.rpc.Code, which OTLP's answers carry beside the status of HTTP.
_CODES = {400: 3, 401: 16, 404: 5, 408: 4, 413: 3, 415: 3, 429: 8, 503: 14}
_INTERNAL = 13


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of HTTP."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def answer_of(endpoint: Endpoint, outcome: Outcome, *, is_json: bool) -> Answer:
    """The answer to a request whose body was read."""
    if outcome.status != 200:
        status = outcome.status
        if outcome.is_full and not endpoint.is_otlp:
            status = 507
        return refusal(endpoint, status, outcome.reason, is_json=is_json)
    if endpoint.is_otlp:
        return _partial_success(endpoint, outcome, is_json=is_json)
    said: dict[str, object] = {"accepted": outcome.accepted, "rejected": outcome.rejected}
    if outcome.rejected:
        said["first_reason"] = outcome.reason
    return Answer(200, json.dumps(said).encode())


def refusal(endpoint: Endpoint | None, status: int, reason: str, *, is_json: bool) -> Answer:
    """The answer to a request of which nothing was taken."""
    headers: tuple[tuple[str, str], ...] = ()
    if status in (429, 503, 507):
        headers = (("retry-after", str(_RETRY_SECONDS)),)
    elif status == 401:
        headers = (("www-authenticate", 'Bearer realm="stillwatch"'),)
    if endpoint is None or not endpoint.is_otlp:
        return Answer(status, json.dumps({"error": reason}).encode(), headers=headers)
    code = _CODES.get(status, _INTERNAL)
    if is_json:
        return Answer(
            status, json.dumps({"code": code, "message": reason}).encode(), headers=headers
        )
    return Answer(status, _status_message(code, reason), PROTOBUF, headers)


def _partial_success(endpoint: Endpoint, outcome: Outcome, *, is_json: bool) -> Answer:
    name = "rejectedSpans" if endpoint is Endpoint.TRACES else "rejectedLogRecords"
    if is_json:
        said: dict[str, object] = {}
        if outcome.rejected:
            # Whole numbers of 64 bits are text in protobuf's JSON.
            said = {"partialSuccess": {name: str(outcome.rejected), "errorMessage": outcome.reason}}
        return Answer(200, json.dumps(said).encode())
    answer = (
        ExportTraceServiceResponse() if endpoint is Endpoint.TRACES else ExportLogsServiceResponse()
    )
    if outcome.rejected:
        partial = answer.partial_success
        partial.error_message = outcome.reason
        if endpoint is Endpoint.TRACES:
            partial.rejected_spans = outcome.rejected
        else:
            partial.rejected_log_records = outcome.rejected
    return Answer(200, answer.SerializeToString(), PROTOBUF)


def _status_message(code: int, message: str) -> bytes:
    """`google.rpc.Status` of a code below 128 and a message: two fields, not worth a library."""
    text = message.encode()[:16_000]
    return b"\x08" + bytes([code]) + b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
