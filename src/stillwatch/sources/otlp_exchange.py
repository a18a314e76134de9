"""One model call of an OpenTelemetry log, told as an exchange."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from stillwatch.records import ExchangeStatus
from stillwatch.sources.adapter import ParsedRow
from stillwatch.sources.failures import is_refusal, status_of_error
from stillwatch.sources.messages import (
    Answer,
    Request,
    read_answer,
    read_request,
    read_settings,
    read_tool_names,
)
from stillwatch.sources.network_rows import request_id_of
from stillwatch.sources.otlp_calls import MESSAGE_EVENTS, Call
from stillwatch.sources.values import identifier, mapping, number, sequence, stated, text, whole

__all__ = ["ACCOUNT_ATTRIBUTES", "exchange_of_call"]

# Who is billed, the first that is known: the core conventions' user, then what LiteLLM's
# exporter writes. Never the provider's response id, which gateways lose.
ACCOUNT_ATTRIBUTES = (
    "user.id",
    "enduser.id",
    "metadata.user_api_key_user_id",
    "metadata.user_api_key_team_id",
    "metadata.user_api_key_hash",
)
_END_USER = ("enduser.id", "llm.user", "metadata.user_api_key_end_user_id")
_OF_RESOURCE = "resource."
_BODY_ATTRIBUTE = "gen_ai.event.content"
_OF_BODIES = frozenset({"role", "content", "parts", "message", "tool_calls"})
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NUMBERED = re.compile(r"(gen_ai\.prompt|gen_ai\.completion|llm\.request\.functions)\.(\d{1,6})\.")
_FUNCTIONS = "llm.request.functions."
_NUMBERED_NAMES = ("gen_ai.prompt.", "gen_ai.completion.", _FUNCTIONS)
_CALLS = re.compile(r"tool_calls\.(\d{1,6})\.(\w+)")
_HTTP_CODE = re.compile(r"(?:\A|\b(?:code|status|http)\W{0,3})([45]\d\d)\b", re.IGNORECASE)


def exchange_of_call(call: Call, account_attributes: Iterable[str]) -> ParsedRow:
    """The exchange; what the log does not say is left out."""
    numbered = _numbered(call)
    request = _request(call, numbered)
    answer = _answer(call, numbered)
    account_attribute, account = _account(call, account_attributes)
    key_hash = text(call.attribute("metadata.user_api_key_hash"))
    row = {
        "exchange_id": call.exchange_id,
        "request_id": request_id_of(_header(call, "x-request-id")),
        "account_id": account,
        **_times(call),
        "conversation_id": identifier(call.attribute("gen_ai.conversation.id", "session.id")),
        "turn_index": request.turn_index,
        "model": text(call.attribute("gen_ai.request.model")),
        "system_text": request.system_text,
        "input_text": request.input_text,
        "output_text": answer.text,
        "tool_names": _tool_names(call),
        "input_tokens": whole(
            call.attribute("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
        ),
        "output_tokens": whole(
            call.attribute("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
        ),
        "reasoning_tokens": whole(
            call.attribute("gen_ai.usage.reasoning.output_tokens", "llm.usage.reasoning_tokens")
        ),
        "max_output_tokens": whole(call.attribute("gen_ai.request.max_tokens")),
        "temperature": number(call.attribute("gen_ai.request.temperature")),
        "settings": _settings(call),
        "user_agent": text(
            call.attribute("user_agent.original", "http.user_agent", "metadata.user_agent")
        ),
        "status": _status(call, answer).value,
        "stop_reason": answer.stop_reason,
        "endpoint": _endpoint(call),
        "prefill": request.prefill,
        "credential_sha256": key_hash if key_hash and _SHA256.fullmatch(key_hash) else None,
        "client_ip_raw": text(
            call.attribute("client.address", "http.client_ip", "metadata.requester_ip_address")
        ),
        "end_user_raw": identifier(
            call.attribute(*(n for n in _END_USER if n != account_attribute))
        ),
        "earlier_messages": request.earlier_messages,
        "reasoning_block_issued_raw": answer.reasoning_block,
        "reasoning_blocks_presented_raw": request.reasoning_blocks,
    }
    return ParsedRow(call.line, stated(row))


def _header(call: Call, name: str) -> object:
    """A header of the request, of which the conventions make a list."""
    value = call.attribute(f"http.request.header.{name}")
    return value[0] if isinstance(value, list) and value else value


def _account(call: Call, account_attributes: Iterable[str]) -> tuple[str, str | None]:
    for name in account_attributes:
        if name.startswith(_OF_RESOURCE):
            value = call.attribute_of_resource(name.removeprefix(_OF_RESOURCE))
        else:
            value = call.attribute(name)
        if account := identifier(value):
            return name, account
    return "", None


def _times(call: Call) -> dict[str, Any]:
    """Of the span; an event alone is written at the end of its call, which must do."""
    if call.span is not None:
        return {"started_at": call.span.started_at, "finished_at": call.span.finished_at}
    moments = [event.at for event in call.events if event.at is not None]
    return {"started_at": min(moments, default=None)}


def _numbered(call: Call) -> dict[str, list[dict[str, Any]]]:
    """`gen_ai.prompt.0.role` and its kind, gathered into messages in their order."""
    groups: dict[str, dict[int, dict[str, Any]]] = {}
    for name, value in (call.span.attributes if call.span else {}).items():
        if name.startswith(_NUMBERED_NAMES) and (match := _NUMBERED.match(name)):
            entry = groups.setdefault(match[1], {}).setdefault(int(match[2]), {})
            entry[name[match.end() :]] = value
    return {
        name: [_with_tool_calls(entries[index]) for index in sorted(entries)]
        for name, entries in groups.items()
    }


def _with_tool_calls(entry: dict[str, Any]) -> dict[str, Any]:
    calls: dict[int, dict[str, Any]] = {}
    for name, value in entry.items():
        if match := _CALLS.fullmatch(name):
            calls.setdefault(int(match[1]), {})[match[2]] = value
    content = entry.get("content")
    parts = sequence(content) if isinstance(content, str) else content
    return {
        "role": entry.get("role"),
        "content": parts or content,
        "finish_reason": entry.get("finish_reason"),
        "tool_calls": [calls[index] for index in sorted(calls)],
    }


def _request(call: Call, numbered: Mapping[str, list[dict[str, Any]]]) -> Request:
    messages = call.attribute("gen_ai.input.messages")
    instructions = call.attribute("gen_ai.system_instructions", "gen_ai.request.instructions")
    if isinstance(instructions, str):
        instructions = sequence(instructions) or instructions
    if messages is None:
        messages = numbered.get("gen_ai.prompt") or _logged_messages(call)
    if not messages:
        messages = call.attribute("gen_ai.prompt") or []
    return read_request(messages, instructions=instructions)


def _logged_messages(call: Call) -> list[dict[str, Any]]:
    """The messages that events of conventions 1.36 and before carry, in their order."""
    messages = []
    for event in call.events:
        if event.event_name in MESSAGE_EVENTS and event.event_name != "gen_ai.choice":
            role = event.event_name.removeprefix("gen_ai.").removesuffix(".message")
            messages.append({"role": role, **_said(event.body, event.attributes)})
    return messages


def _said(body: object, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a message event: its body, or the attributes of a span's event."""
    if body is None and isinstance(written := attributes.get(_BODY_ATTRIBUTE), str):
        # A span's event has no body; Azure's tracing and Semantic Kernel write it as JSON.
        body = mapping(written) if _OF_BODIES & mapping(written).keys() else written
    if isinstance(body, str):
        return {"content": body}
    said = dict(mapping(body)) or {k: v for k, v in attributes.items() if "." not in k}
    return {key: value for key, value in said.items() if value is not None}


def _answer(call: Call, numbered: Mapping[str, list[dict[str, Any]]]) -> Answer:
    output = call.attribute("gen_ai.output.messages")
    if output is None:
        output = numbered.get("gen_ai.completion")
    if output is None:
        choices = [
            _said(event.body, event.attributes)
            for event in call.events
            if event.event_name == "gen_ai.choice"
        ]
        output = {"choices": choices} if choices else call.attribute("gen_ai.completion")
    if isinstance(output, str):
        output = sequence(output) or output
    answer = read_answer(output)
    reasons = sequence(call.attribute("gen_ai.response.finish_reasons"))
    reason = text(reasons[0]) if reasons else None
    return Answer(
        answer.text,
        reason or answer.stop_reason,
        answer.reasoning_block,
        answer.refused or is_refusal(reason),
    )


def _tool_names(call: Call) -> list[str] | None:
    names = read_tool_names(call.attribute("gen_ai.tool.definitions"))
    if names or call.span is None:
        return names
    functions: dict[int, str] = {}
    for name, value in call.span.attributes.items():
        if not (name.startswith(_FUNCTIONS) and name.endswith(".name")):
            continue
        if match := _NUMBERED.match(name):
            functions[int(match[2])] = str(value)
    return [functions[index] for index in sorted(functions)] or None


def _settings(call: Call) -> dict[str, Any] | None:
    stated_settings = {
        "n": call.attribute("gen_ai.request.choice.count"),
        "top_p": call.attribute("gen_ai.request.top_p"),
        "seed": call.attribute("gen_ai.request.seed", "gen_ai.openai.request.seed"),
        "reasoning_effort": call.attribute(
            "gen_ai.request.reasoning.effort", "llm.request.reasoning_effort"
        ),
    }
    said = any(value is not None for value in stated_settings.values())
    return read_settings(stated_settings) if said else None


def _status(call: Call, answer: Answer) -> ExchangeStatus:
    error = str(call.attribute("error.type") or "")
    if not error and not (call.span is not None and call.span.failed):
        return ExchangeStatus.REFUSED if answer.refused else ExchangeStatus.OK
    message = call.span.message if call.span else ""
    # The type may be the code itself, and the message is often an exception's.
    code = _HTTP_CODE.search(error) or _HTTP_CODE.search(message)
    return status_of_error(error, message, code=int(code[1]) if code else None, words=message)


def _endpoint(call: Call) -> str | None:
    api = text(call.attribute("openai.api.type"))
    operation = text(call.attribute("gen_ai.operation.name", "llm.request.type"))
    if api and "responses" in api:
        return "responses"
    return "chat" if operation == "chat" else None
