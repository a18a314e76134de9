"""Rows of `LiteLLM_SpendLogs`, the table in which LiteLLM's proxy counts what was spent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from stillwatch.sources.adapter import ParsedRow, Remark, Unreadable
from stillwatch.sources.call_lines import read_each
from stillwatch.sources.litellm import LitellmAdapter
from stillwatch.sources.log_records import log_records
from stillwatch.sources.values import identifier, instant_from_iso, mapping, parsed, sequence, text

__all__ = ["BROKEN_REQUEST", "CUT_SHORT", "LitellmSpendAdapter"]

CUT_SHORT = (
    "LiteLLM had cut long texts short before it stored them; wording is compared by what is left."
)
BROKEN_REQUEST = (
    "proxy_server_request is no JSON, so that what was asked is not known; was it cut off?"
)
# What LiteLLM puts where it took something out of a long text.
_CUT = re.compile(
    r"\.\.\. \(litellm_truncated skipped \d+ chars[^()]{0,300}(?:\([^()]*\)[^()]{0,300})?\) \.\.\."
)
_MARK = "litellm_truncated"
_AGENT_TAG = "User-Agent: "


@dataclass(frozen=True, slots=True)
class LitellmSpendAdapter:
    """Reads exported rows as JSON lines, as JSON documents, or as CSV with a header.

    A row says what a `StandardLoggingPayload` says, in other places: it is brought into that
    shape, and what `litellm` reads there is read here. So is the choice of the account.
    """

    name: ClassVar[str] = "litellm-spend"

    payloads: LitellmAdapter = field(default_factory=LitellmAdapter)

    def read(self, path: Path) -> Iterator[ParsedRow | Unreadable | Remark]:
        """The exchanges of one file; calls that are no model's answer are passed over."""
        return read_each(log_records(path), self._read_rows)

    def _read_rows(self, line: int, value: object) -> Iterator[ParsedRow | Unreadable | Remark]:
        for record in _rows(value):
            yield from self._read_row(line, record)

    def _read_row(self, line: int, record: object) -> Iterator[ParsedRow | Unreadable | Remark]:
        if not isinstance(record, dict):
            yield Unreadable(line, "A row of spend logs is an object; this is something else.")
            return
        if not {"request_id", "startTime"} <= record.keys():
            yield Unreadable(
                line, "This is no row of LiteLLM_SpendLogs: see request_id, startTime."
            )
            return
        try:
            payload, was_cut = _payload(record)
            row = self.payloads.row_or_reason(payload)
        except RecursionError:
            yield Unreadable(line, "The row is nested too deeply.")
            return
        if isinstance(row, str):
            yield Unreadable(line, row)
        elif row is not None:
            if was_cut:
                yield Remark(CUT_SHORT)
            if _is_broken(record.get("proxy_server_request")):
                yield Remark(BROKEN_REQUEST)
            if payload["messages"] is None and payload["response"] is None:
                row["retention"] = "no_text"
            yield ParsedRow(line, row)


def _is_broken(stored: object) -> bool:
    """Whether the request was stored as text that is no JSON any more."""
    if not isinstance(stored, str) or stored.strip() in ("", "null"):
        return False
    return isinstance(parsed(stored), str)


def _rows(value: object) -> list[object]:
    """The rows of a value: itself, or those of a page of the proxy's API."""
    if isinstance(value, dict) and "request_id" not in value:
        listed = value.get("data")
        return listed if isinstance(listed, list) else [value]
    return [value]


def _payload(row: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The row as the payload that LiteLLM's callbacks would have been given.

    Also says whether LiteLLM had cut something out of its texts.
    """
    metadata, stored = mapping(row.get("metadata")), mapping(row.get("proxy_server_request"))
    asked, request_was_cut = _mended({k: v for k, v in stored.items() if k != "metadata"})
    said, messages_were_cut = _mended(_said(row.get("messages")))
    response, response_was_cut = _mended(_said(row.get("response")))
    messages = said or asked.get("messages") or asked.get("input") or asked.get("prompt")
    payload = {
        "call_type": row.get("call_type"),
        "litellm_call_id": row.get("litellm_call_id"),
        "id": row.get("request_id"),
        # LiteLLM makes up a session as it makes up a trace: the same rule tells which are real.
        "trace_id": row.get("session_id"),
        "startTime": _seconds(row.get("startTime")),
        "endTime": _seconds(row.get("endTime")),
        "model": row.get("model"),
        "model_group": row.get("model_group") or asked.get("model"),
        "prompt_tokens": row.get("prompt_tokens"),
        "completion_tokens": row.get("completion_tokens"),
        "end_user": identifier(row.get("end_user")) or asked.get("user"),
        "requester_ip_address": row.get("requester_ip_address")
        or metadata.get("requester_ip_address"),
        "user_agent": _user_agent(row) or metadata.get("user_agent"),
        "messages": messages,
        "response": response,
        "model_parameters": asked,
        "status": row.get("status") or metadata.get("status"),
        "status_fields": _guardrail(metadata),
        "error_information": metadata.get("error_information"),
        "metadata": {
            "user_api_key_user_id": identifier(row.get("user"))
            or metadata.get("user_api_key_user_id"),
            "user_api_key_team_id": identifier(row.get("team_id"))
            or metadata.get("user_api_key_team_id"),
            "user_api_key_org_id": identifier(row.get("organization_id"))
            or metadata.get("user_api_key_org_id"),
            "user_api_key_alias": metadata.get("user_api_key_alias"),
            "user_api_key_hash": identifier(row.get("api_key")) or metadata.get("user_api_key"),
            "requester_metadata": _of_the_client(mapping(stored.get("metadata"))),
            "usage_object": metadata.get("usage_object") or metadata.get("additional_usage_values"),
        },
    }
    return payload, request_was_cut or messages_were_cut or response_was_cut


def _of_the_client(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the client wrote; the proxy adds far more of its own, and keeps the client's apart."""
    if "requester_metadata" in metadata:
        return mapping(metadata["requester_metadata"])
    return {key: value for key, value in metadata.items() if not key.startswith("user_api_key")}


def _said(value: object) -> object:
    """What was stored of a body; without `store_prompts_in_spend_logs` that is an empty one."""
    value = parsed(value)
    return None if value in ({}, [], "", "{}", "null") else value


def _seconds(value: object) -> object:
    moment = instant_from_iso(value)
    return moment.timestamp() if moment is not None else value


def _user_agent(row: Mapping[str, Any]) -> str | None:
    """The longest of the tags in which LiteLLM keeps the client's software."""
    tags = [tag for item in sequence(row.get("request_tags")) if (tag := text(item))]
    agents = [tag.removeprefix(_AGENT_TAG) for tag in tags if tag.startswith(_AGENT_TAG)]
    return max(agents, key=len, default=None)


def _guardrail(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Whether a guardrail stood in, as a payload's `status_fields` say it."""
    told = [mapping(item) for item in sequence(metadata.get("guardrail_information"))]
    stood_in = any(item.get("guardrail_status") == "guardrail_intervened" for item in told)
    return {"guardrail_status": "guardrail_intervened"} if stood_in else {}


def _mended(value: Any) -> tuple[Any, bool]:
    """The value without LiteLLM's words about what it cut, and whether there were any.

    The words hold a count that differs from row to row, and would be wording that many share.
    """
    if isinstance(value, str):
        if _MARK not in value:
            return value, False
        inner = parsed(value)
        return _mended(inner) if inner is not value else (_CUT.sub("\n…\n", value), True)
    if isinstance(value, list):
        pairs = [_mended(item) for item in value]
        return [item for item, _ in pairs], any(cut for _, cut in pairs)
    if isinstance(value, dict):
        found = {key: _mended(item) for key, item in value.items()}
        return {key: item for key, (item, _) in found.items()}, any(c for _, c in found.values())
    return value, False
