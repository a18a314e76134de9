"""What every provider's call tells alike: who asked, when, from where, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from stillwatch.records import ExchangeStatus
from stillwatch.sources.addresses import nearest_address
from stillwatch.sources.failures import status_of_error
from stillwatch.sources.logged_call import LoggedCall
from stillwatch.sources.messages import Answer
from stillwatch.sources.network_rows import request_id_of
from stillwatch.sources.rows import moment_of
from stillwatch.sources.values import identifier, mapping, number, text

__all__ = [
    "ACCOUNT_FIELDS",
    "account_of",
    "caller_columns",
    "first_whole",
    "is_of_another_kind",
    "sdk_metadata",
    "status_of",
    "status_of_failure",
]

# Who is billed, the first that is known; all of them words of the log, not of the client.
# A key is better than nothing, but an account that rotates keys falls apart.
ACCOUNT_FIELDS = (
    "account_id",
    "account",
    "customer_id",
    "user_id",
    "organization_id",
    "organization",
    "org_id",
    "team_id",
    "workspace_id",
    "project_id",
    "api_key_id",
    "api_key_hash",
)
_STARTED = (
    *("started_at", "start_time", "startTime", "startedDateTime", "request_time", "requested_at"),
    *("timestamp", "@timestamp", "time", "ts", "created_at", "createdAt", "created"),
)
_STARTED_SURELY = _STARTED[:8]  # the others may say something else
_FINISHED = (
    *("finished_at", "ended_at", "end_time", "endTime", "completed_at", "completedAt"),
    *("response_time", "responded_at"),
)
_DURATION_MILLISECONDS = ("latency_ms", "duration_ms", "elapsed_ms", "response_time_ms")
_ADDRESS = (
    *("client_ip", "clientIp", "client_address", "ip", "ip_address"),
    *("remote_addr", "remote_address", "source_ip"),
)
_CONVERSATION = ("conversation_id", "session_id", "thread_id")
_DIGEST = ("api_key_sha256", "api_key_hash", "credential_sha256")
_KEY_ID = ("api_key_id", "key_id")
# Columns that an envelope may state under their own names.
_CANONICAL = (
    *("source_id", "access_path", "client_net_token", "client_asn", "client_country"),
    *("client_network", "tls_fingerprint", "end_user_token", "batch_id", "retention"),
    "turn_index",
)
_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_KEY = re.compile(r"[A-Za-z0-9_\-.~+/=]{16,512}")
# A masked key is the same for many customers, and would tie them.
_MASKED = re.compile(r"redact|\*|\.\.\.|mask|hidden|removed|your[-_]?api", re.IGNORECASE)
_FEWEST_CHARACTERS_OF_A_KEY = 8


def caller_columns(
    call: LoggedCall, *, account_fields: Iterable[str], request_id_header: str
) -> dict[str, Any]:
    """The columns that envelope and headers tell.

    Args:
        account_fields: Names of the envelope, dotted where they lie deeper, in order of
            preference. `request.headers.NAME` and `response.headers.NAME` are headers.
        request_id_header: The response's header by which the provider names the request.
    """
    envelope, headers = call.envelope, call.request_headers
    started = _moment(call, _STARTED, call.request_record)
    if started is None and not _says_an_impossible_start(call):
        started = _first_moment(call.answered, ("created", "created_at"))
        started = started or _first_moment(envelope, ("batch_created_at",))
    stated_here = {name: envelope.get(name) for name in _CANONICAL}
    return stated_here | {
        "exchange_id": _request_id(call, request_id_header),
        # Which a proxy in front set, and by which its own log knows the request.
        "request_id": request_id_of(headers.get("x-request-id"))
        or (request_id_of(envelope.get("request_id")) if "exchange_id" in envelope else None),
        "account_id": _first_said(call, account_fields),
        "started_at": started,
        "finished_at": _finished(call, started),
        "conversation_id": _first_id(envelope, _CONVERSATION),
        "credential_raw": _key_of(call),
        "credential_sha256": next(
            (d for d in map(text, map(envelope.get, _DIGEST)) if d and _SHA256.fullmatch(d)), None
        ),
        "client_ip_raw": _first_text(envelope, _ADDRESS)
        or nearest_address(headers.get("x-forwarded-for", "")),
        "user_agent": text(envelope.get("user_agent")) or headers.get("user-agent"),
        "tls_fingerprint": text(envelope.get("tls_fingerprint")) or text(envelope.get("ja4")),
    }


def account_of(envelope: Mapping[str, Any], account_fields: Iterable[str]) -> str | None:
    """Who is billed, as far as what stands around a call says it."""
    return _first_said(LoggedCall(envelope, None), account_fields)


def _first_said(call: LoggedCall, names: Iterable[str]) -> str | None:
    return next(filter(None, (_said(call, name) for name in names)), None)


def _said(call: LoggedCall, name: str) -> str | None:
    """What the log says under a dotted name; of an object, its id."""
    for prefix, headers in (
        ("request.headers.", call.request_headers),
        ("response.headers.", call.response_headers),
    ):
        if name.startswith(prefix):
            return identifier(headers.get(name.removeprefix(prefix).lower()))
    value: object = call.envelope
    for part in name.split("."):
        value = mapping(value).get(part)
    if isinstance(value, dict):
        value = value.get("id")
    return identifier(value)


def first_whole(parameters: Mapping[str, Any], *names: str) -> Any:
    """The first of these that is stated; whether it is a whole number, the column decides."""
    return next((parameters[name] for name in names if parameters.get(name) is not None), None)


def sdk_metadata(call: LoggedCall) -> dict[str, Any]:
    """What the client said about itself: the metadata of its request and its SDK's headers."""
    told = dict(mapping(call.asked.get("metadata")))
    told |= {
        name: value
        for name, value in call.request_headers.items()
        if name.startswith(("x-stainless-", "anthropic-beta", "anthropic-version", "openai-beta"))
    }
    return told


def is_of_another_kind(call: LoggedCall, paths: Iterable[str]) -> bool:
    """Whether no model was asked: the URL has one of these parts, or the method asks nothing."""
    if any(part in call.path for part in paths):
        return True
    method = text(call.request_record.get("method")) or text(call.envelope.get("method")) or ""
    return method.upper() in ("GET", "DELETE")


def status_of(call: LoggedCall, answer: Answer) -> str | None:
    """How the call ended; None where neither an answer nor a status says it."""
    failure = status_of_failure(call)
    if failure is not None:
        return failure.value
    if answer.refused:
        return ExchangeStatus.REFUSED.value
    known = call.answer is not None or call.status_code is not None
    return ExchangeStatus.OK.value if known else None


def status_of_failure(call: LoggedCall) -> ExchangeStatus | None:
    """How the call failed, by the provider's error and the status of HTTP; None if it did not."""
    code = call.status_code
    if not call.error and (code is None or code < 400):
        return None
    error = mapping(call.error)
    inner = mapping(error.get("error"))  # Anthropic wraps an error in one of type "error"
    names = [text(e.get(key)) for e in (error, inner) for key in ("code", "type")]
    message = text(inner.get("message")) or text(error.get("message")) or text(call.error) or ""
    return status_of_error(*names, code=code, words=message)


def _moment(call: LoggedCall, names: Iterable[str], record: Mapping[str, Any]) -> datetime | None:
    found = _first_moment(call.envelope, names)
    return found or (_first_moment(record, names) if record else None)


def _first_moment(values: Mapping[str, Any], names: Iterable[str]) -> datetime | None:
    for name in names:
        value = values.get(name)
        if value is None or isinstance(value, dict | list):
            continue
        try:
            return moment_of(value)
        except (ValueError, TypeError, OverflowError, OSError):
            continue
    return None


def _says_an_impossible_start(call: LoggedCall) -> bool:
    """Whether the log, in which no start was found, does say one: then no other time stands in."""
    said = [call.envelope.get(name) for name in _STARTED_SURELY]
    return any(isinstance(value, str) and value.strip() for value in said)


def _finished(call: LoggedCall, started: datetime | None) -> datetime | None:
    finished = _moment(call, _FINISHED, call.response_record)
    if finished is None and call.response_record:
        finished = _first_moment(call.response_record, ("timestamp", "time"))
    if finished is None and started is not None:
        lasted = next(
            filter(None, (_milliseconds(call.envelope.get(n)) for n in _DURATION_MILLISECONDS)), 0
        )
        if lasted > 0:
            try:
                return started + timedelta(milliseconds=lasted)
            except OverflowError:
                return None
    return finished or _first_moment(call.answered, ("completed_at",))


def _milliseconds(value: object) -> float | None:
    """A number, or one that is written as text."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        value = float(value)
    return number(value)


def _request_id(call: LoggedCall, header: str) -> str | None:
    """An id of the request. Never the response's: gateways lose it, and retries share it."""
    given = _first_id(call.envelope, ("exchange_id", "request_id", "log_id", "id"))
    if given is not None and given == identifier(call.answered.get("id")):
        given = None
    return given or call.response_headers.get(header)


def _first_text(values: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next(filter(None, (text(values.get(name)) for name in names)), None)


def _first_id(values: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next(filter(None, (identifier(values.get(name)) for name in names)), None)


def _key_of(call: LoggedCall) -> str | None:
    """The key that was sent, or the name the provider gives it; nothing that is masked."""
    headers = call.request_headers
    sent = headers.get("authorization", "")
    scheme, _, value = sent.partition(" ")
    candidates = [
        value.strip() if scheme.lower() == "bearer" else None,
        headers.get("x-api-key"),
        headers.get("api-key"),
        text(call.envelope.get("api_key")),
    ]
    for candidate in candidates:
        if candidate and _is_whole_key(candidate):
            return candidate
    return _first_id(call.envelope, _KEY_ID)


def _is_whole_key(value: str) -> bool:
    varied = len(set(value)) >= _FEWEST_CHARACTERS_OF_A_KEY
    return varied and bool(_KEY.fullmatch(value)) and not _MASKED.search(value)
