"""LiteLLM's `StandardLoggingPayload`, as its proxy posts or stores it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from stillwatch.records import ExchangeStatus
from stillwatch.sources.account_names import configured_names
from stillwatch.sources.adapter import ParsedRow, Unreadable
from stillwatch.sources.call_lines import told_of_file
from stillwatch.sources.failures import status_of_error
from stillwatch.sources.messages import (
    Answer,
    goes_on_elsewhere,
    read_answer,
    read_request,
    read_settings,
    read_tool_names,
)
from stillwatch.sources.network_rows import request_id_of
from stillwatch.sources.values import (
    identifier,
    instant_from_seconds,
    mapping,
    number,
    stated,
    text,
    whole,
)

__all__ = ["ACCOUNT_FIELDS", "LitellmAdapter"]

# Who is billed, the first that is known. An end user is whom the account serves, not the
# account; a key hash is better than nothing, but an account that rotates keys falls apart.
ACCOUNT_FIELDS = (
    "user_api_key_user_id",
    "user_api_key_team_id",
    "user_api_key_org_id",
    "user_api_key_hash",
)
# LiteLLM gives every request without a session a random (version 4) UUID as trace id.
_RANDOM_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NOT_MODEL_CALLS = ("embedding", "moderation", "rerank", "transcription", "speech", "image")
# Metadata that LiteLLM adds itself, or that another column already has.
_NOT_METADATA = frozenset({"headers", "session_id", "used_client_oauth_token"})


@dataclass(frozen=True, slots=True)
class LitellmAdapter:
    """Reads payloads as lines, arrays or single documents, gzip or not.

    Args:
        account_fields: Fields of the payload's `metadata` that name the billed account, in
            order of preference.
    """

    name: ClassVar[str] = "litellm"

    account_fields: tuple[str, ...] = field(
        default_factory=lambda: configured_names("litellm", ACCOUNT_FIELDS)
    )

    def read(self, path: Path) -> Iterator[ParsedRow | Unreadable]:
        """The exchanges of one file; calls that are no model's answer are passed over."""
        return told_of_file(path, lambda _line, payload: self.row_or_reason(payload))

    def row_or_reason(self, payload: object) -> dict[str, Any] | str | None:
        """The exchange of one payload, why there is none, or None for a call of another kind."""
        if not isinstance(payload, dict):
            return "A LiteLLM payload is a JSON object; this is something else."
        if not ("call_type" in payload or "startTime" in payload):
            return "This is no LiteLLM StandardLoggingPayload: it has no call_type and startTime."
        call_type = text(payload.get("call_type")) or ""
        if any(kind in call_type for kind in _NOT_MODEL_CALLS):
            return None
        try:
            return self._row(payload, call_type)
        except RecursionError:
            return "The payload is nested too deeply."

    def _row(self, payload: Mapping[str, Any], call_type: str) -> dict[str, Any]:
        metadata = mapping(payload.get("metadata"))
        parameters = mapping(payload.get("model_parameters"))
        request = read_request(
            payload.get("messages"),
            instructions=parameters.get("instructions") or parameters.get("system"),
        )
        answer = read_answer(payload.get("response"))
        requester = mapping(metadata.get("requester_metadata"))
        key_hash = text(metadata.get("user_api_key_hash"))
        row = {
            "exchange_id": identifier(payload.get("litellm_call_id"))
            or identifier(payload.get("id")),
            "request_id": _request_id(requester, metadata),
            "account_id": next(
                filter(None, (identifier(metadata.get(f)) for f in self.account_fields)), None
            ),
            "started_at": instant_from_seconds(payload.get("startTime")),
            "finished_at": instant_from_seconds(payload.get("endTime")),
            "conversation_id": _conversation(payload, requester),
            "turn_index": None if goes_on_elsewhere(parameters) else request.turn_index,
            "model": text(payload.get("model_group")) or text(payload.get("model")),
            "system_text": request.system_text,
            "input_text": request.input_text,
            "output_text": answer.text,
            "tool_names": read_tool_names(parameters.get("tools") or parameters.get("functions")),
            "input_tokens": whole(payload.get("prompt_tokens")),
            "output_tokens": whole(payload.get("completion_tokens")),
            "reasoning_tokens": _reasoning_tokens(payload, metadata),
            "max_output_tokens": _first_whole(
                parameters, "max_completion_tokens", "max_output_tokens", "max_tokens"
            ),
            "temperature": number(parameters.get("temperature")),
            "settings": read_settings(parameters),
            "user_agent": text(payload.get("user_agent")) or text(metadata.get("user_agent")),
            "status": _status(payload, answer).value,
            "stop_reason": answer.stop_reason,
            "endpoint": "responses" if "responses" in call_type else "chat",
            "prefill": request.prefill,
            "credential_sha256": key_hash if key_hash and _SHA256.fullmatch(key_hash) else None,
            "client_ip_raw": text(payload.get("requester_ip_address"))
            or text(metadata.get("requester_ip_address")),
            "end_user_raw": identifier(parameters.get("safety_identifier"))
            or identifier(payload.get("end_user"))
            or identifier(metadata.get("user_api_key_end_user_id")),
            "cache_key_raw": text(parameters.get("prompt_cache_key")),
            "client_metadata_raw": _client_metadata(requester),
            "earlier_messages": request.earlier_messages,
            "reasoning_block_issued_raw": answer.reasoning_block,
            "reasoning_blocks_presented_raw": request.reasoning_blocks,
        }
        return stated(row)


def _conversation(payload: Mapping[str, Any], requester: Mapping[str, Any]) -> str | None:
    """The session the client named; LiteLLM copies it to the trace id, not always elsewhere."""
    session = identifier(payload.get("session_id")) or identifier(requester.get("session_id"))
    trace = identifier(payload.get("trace_id"))
    return session or (trace if trace and not _RANDOM_UUID.fullmatch(trace) else None)


def _request_id(requester: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    """The id that the proxy in front gave the request, by which its own log knows it."""
    for headers in (requester.get("headers"), metadata.get("requester_custom_headers")):
        if request_id := request_id_of(mapping(headers).get("x-request-id")):
            return request_id
    return None


def _status(payload: Mapping[str, Any], answer: Answer) -> ExchangeStatus:
    guardrail = mapping(payload.get("status_fields")).get("guardrail_status")
    if payload.get("status") != "failure":
        return ExchangeStatus.REFUSED if answer.refused else ExchangeStatus.OK
    if guardrail == "guardrail_intervened":
        return ExchangeStatus.BLOCKED
    error = mapping(payload.get("error_information"))
    return status_of_error(text(error.get("error_class")), code=whole(error.get("error_code")))


def _client_metadata(requester: Mapping[str, Any]) -> dict[str, Any]:
    """What the client said about itself: request metadata, and the SDK's own headers."""
    said = {key: value for key, value in requester.items() if key not in _NOT_METADATA}
    headers = mapping(requester.get("headers"))
    return said | {key: value for key, value in headers.items() if key.startswith("x-stainless-")}


def _reasoning_tokens(payload: Mapping[str, Any], metadata: Mapping[str, Any]) -> int | None:
    usage = mapping(metadata.get("usage_object")) or mapping(
        mapping(payload.get("response")).get("usage")
    )
    for name in ("completion_tokens_details", "output_tokens_details"):
        tokens = whole(mapping(usage.get(name)).get("reasoning_tokens"))
        if tokens is not None:
            return tokens
    return None


def _first_whole(parameters: Mapping[str, Any], *names: str) -> int | None:
    return next((n for name in names if (n := whole(parameters.get(name))) is not None), None)
