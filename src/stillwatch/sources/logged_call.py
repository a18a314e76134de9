"""One call of a provider's API, out of whichever envelope somebody logged it in.

An envelope is what stands around request and answer: who asked, when, from where. What the
client wrote (the body and the headers of the request) is kept apart from it, since a client
could otherwise name another's account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stillwatch.sources.streamed import (
    OF_AN_ANSWER,
    PIECES,
    assembled,
    events_of_text,
    pieces_in,
)
from stillwatch.sources.values import mapping, parsed, sequence, text, whole

__all__ = ["NO_OBJECT", "LoggedCall", "read_call"]

_REQUEST_KEYS = ("request", "request_body", "requestBody", "req", "kwargs", "params", "input")
_RESPONSE_KEYS = ("response", "response_body", "responseBody", "resp", "completion", "output")
_BODY_KEYS = ("body", "json", "postData", "payload", "content", "data", "text")
_STATUS_KEYS = ("status_code", "statusCode", "http_status", "status", "code")
# What only the record of an HTTP message has, and no body of either provider.
_OF_HTTP = frozenset({"body", "headers", "url", "method", "postData", *_STATUS_KEYS[:3]})
_OF_A_REQUEST = frozenset({"messages", "prompt", "input"})
_NO_REQUEST = (
    "The line has no request: put the request's body under `request` and what came back under "
    "`response`."
)
NO_OBJECT = "The request's body is no JSON object."


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A call as it was logged.

    Attributes:
        envelope: What the log says around request and answer.
        request: The body of the request; None where something else than a JSON object was sent.
        answer: The body of the answer, put together where it was streamed; an object, a list
            or a text, or None where nothing came back or nothing was logged.
        path: Path of the URL in lower case, "" where the log does not say it.
        status_code: Of HTTP, where it was logged.
        error: What failed, as an object or a text.
        request_record, response_record: What was logged beside the bodies of an HTTP message.
    """

    envelope: Mapping[str, Any]
    request: Mapping[str, Any] | None
    answer: object = None
    path: str = ""
    status_code: int | None = None
    error: object = None
    request_headers: Mapping[str, str] = field(default_factory=dict)
    response_headers: Mapping[str, str] = field(default_factory=dict)
    request_record: Mapping[str, Any] = field(default_factory=dict)
    response_record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def asked(self) -> Mapping[str, Any]:
        """The body of the request where it is an object, else an empty one."""
        return self.request or {}

    @property
    def answered(self) -> Mapping[str, Any]:
        """The answer where it is an object, else an empty one."""
        return self.answer if isinstance(self.answer, dict) else {}


def read_call(line: object) -> LoggedCall | str:
    """The call that a line holds, or the reason why it holds none.

    The reason never quotes the line: it may be a prompt, or a secret.
    """
    if not isinstance(line, dict):
        return "A logged call is a JSON object; this is something else."
    found = _request_of(line)
    if isinstance(found, str):
        return found
    record, request = found
    response_record, answer = _response_of(line)
    status_code = _status_of(response_record) or _status_of(line)
    body = answer if isinstance(answer, dict) else {}
    error = body.get("error") or response_record.get("error") or line.get("error")
    if isinstance(answer, str) and status_code is not None and status_code >= 400:
        answer, error = None, error or answer  # a proxy's own page is no model's answer
    return LoggedCall(
        envelope=line,
        request=request and {**mapping(request.get("extra_body")), **request},
        answer=answer,
        path=_path_of(record) or _path_of(line),
        status_code=status_code,
        error=error,
        request_headers=_headers(record.get("headers") or line.get("request_headers")),
        response_headers=_headers(response_record.get("headers") or line.get("response_headers")),
        request_record=record,
        response_record=response_record,
    )


def _request_of(
    line: Mapping[str, Any],
) -> tuple[Mapping[str, Any], Mapping[str, Any] | None] | str:
    """The record of the request, empty where only its body was logged, and the body."""
    for key in _REQUEST_KEYS:
        record = mapping(line.get(key))
        if not record or (key == "input" and not _OF_A_REQUEST & record.keys()):
            continue  # a prompt may itself be JSON
        if not _OF_HTTP & record.keys():
            return {}, record
        body = _first_body(record)
        if body is None and "body" not in record:
            # Headers and URL alone: the text was not logged, and the call still happened.
            return record, {}
        return record, mapping(body) or None
    listed = sequence(line.get("request"))
    if listed:
        return {}, {"messages": listed}
    if body := mapping(line.get("body")):
        return {key: line[key] for key in ("method", "url", "headers", "body") if key in line}, body
    if _OF_A_REQUEST & line.keys():
        # A flat line: request and envelope in one. The answer's keys are not the request's.
        apart = {*_RESPONSE_KEYS, *PIECES}
        return {}, {key: value for key, value in line.items() if key not in apart}
    return NO_OBJECT if text(line.get("request")) else _NO_REQUEST


def _response_of(line: Mapping[str, Any]) -> tuple[Mapping[str, Any], object]:
    """The record of the response, empty where only its body was logged, and the body."""
    given = next((line[key] for key in _RESPONSE_KEYS if line.get(key) is not None), None)
    if given is None:
        given = next((line[k] for k in PIECES if isinstance(line.get(k), list)), None)
    record = mapping(given)
    streamed = _streamed_in(record)
    if _OF_HTTP & record.keys() or whole(record.get("status")) is not None:
        body = _first_body(record)
        return record, streamed if body is None else _opened(body)
    return ({}, _opened(given)) if streamed is None else (record, streamed)


def _first_body(record: Mapping[str, Any]) -> object:
    body = next((record[key] for key in _BODY_KEYS if record.get(key) is not None), None)
    if isinstance(body, dict) and isinstance(body.get("text"), str) and "mimeType" in body:
        return body["text"]  # as browsers' archives (HAR) wrap it
    return body


def _opened(body: object) -> object:
    """The answer inside what was logged of it: JSON in text, or the pieces of a stream."""
    if isinstance(body, str):
        if (events := events_of_text(body)) is not None:
            return assembled(events)
        inner = parsed(body)
        if (answer := _streamed_in(inner)) is not None:
            return answer
        if isinstance(inner, list) and isinstance(answer := _opened(inner), dict):
            return answer
        # A model may answer in JSON; only what has an answer's keys is the provider's.
        known = isinstance(inner, dict) and OF_AN_ANSWER & inner.keys()
        return inner if known or isinstance(inner, list) else body
    if isinstance(body, list):
        texts = [item for item in body if isinstance(item, str)]
        if texts and len(texts) == len(body):
            events = events_of_text("\n\n".join(texts))
            return assembled(body if events is None else events)
        return assembled(body)
    answer = _streamed_in(body)
    return body if answer is None else answer


def _streamed_in(value: object) -> object:
    """The answer of which an object holds the pieces; None if it holds none."""
    pieces = pieces_in(value)
    answer = None if pieces is None else _opened(pieces)
    return answer if isinstance(answer, dict) else None


def _path_of(record: Mapping[str, Any]) -> str:
    url = text(record.get("url")) or text(record.get("path")) or text(record.get("endpoint")) or ""
    # What follows the question mark may be a key.
    path = url.partition("?")[0].lower()
    return path.partition("://")[2].partition("/")[2] if "://" in path else path


def _status_of(record: Mapping[str, Any]) -> int | None:
    codes = (whole(record.get(key)) for key in _STATUS_KEYS)
    return next((code for code in codes if code is not None and 100 <= code <= 599), None)


def _headers(value: object) -> dict[str, str]:
    """Names in lower case; from an object, pairs, or objects of name and value."""
    value = parsed(value)
    pairs: Iterable[Any] = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = (
            (item.get("name"), item.get("value")) if isinstance(item, dict) else item
            for item in value
        )
    found: dict[str, str] = {}
    for pair in pairs:
        if not (isinstance(pair, list | tuple) and len(pair) == 2):
            continue
        name, said = pair
        if isinstance(said, list) and said:
            said = said[0]
        if isinstance(name, str) and (known := text(said)):
            found.setdefault(name.lower(), known)
    return found
