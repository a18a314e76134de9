"""What LiteLLM's proxy logs of a call, in its callback's payload and in its table of spending."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from provider_builders import openai_line

# How the calls of each status fail, as LiteLLM's classes of errors.
_ERRORS = {
    "rate_limited": ("429", "RateLimitError"),
    "error": ("500", "InternalServerError"),
    "blocked": ("400", "GuardrailRaisedException"),
}
_NO_SESSION = "a7e14c6f-61b8-4523-a9a1-10b3ca17216c"
_TEXTS = ("messages", "input", "instructions", "model", "metadata")


def payload(row: dict[str, Any]) -> dict[str, Any]:
    """The row as a `StandardLoggingPayload`."""
    asked, answered = bodies(row)
    parameters = {name: value for name, value in asked.items() if name not in _TEXTS}
    if "instructions" in asked:
        parameters["instructions"] = asked["instructions"]
    return {
        "litellm_call_id": row.get("exchange_id"),
        "trace_id": row.get("conversation_id") or _NO_SESSION,
        "call_type": _call_type(row),
        "startTime": row["started_at"].timestamp(),
        "endTime": row["finished_at"].timestamp() if "finished_at" in row else None,
        "model": f"provider/{row.get('model')}",
        "model_group": row.get("model"),
        "prompt_tokens": row.get("input_tokens"),
        "completion_tokens": row.get("output_tokens"),
        "end_user": row.get("end_user_raw"),
        "requester_ip_address": row.get("client_ip_raw"),
        "user_agent": row.get("user_agent"),
        "messages": asked.get("messages") or asked.get("input") or None,
        "response": answered,
        "model_parameters": parameters,
        "status": "failure" if row["status"] in _ERRORS else "success",
        "error_information": _error(row),
        "metadata": {
            "user_api_key_user_id": row["account_id"],
            "user_api_key_hash": _sha256(row.get("credential_raw")),
            "requester_metadata": row.get("client_metadata_raw"),
            "requester_custom_headers": {"x-request-id": row.get("request_id")},
        },
    }


def spend_row(row: dict[str, Any]) -> dict[str, Any]:
    """The row as one of `LiteLLM_SpendLogs`, exported as text."""
    asked, answered = bodies(row)
    metadata = {
        "error_information": _error(row),
        "usage_object": (answered or {}).get("usage"),
    }
    stored = asked | {"metadata": row.get("client_metadata_raw")}
    return {
        "request_id": f"chatcmpl-{row.get('exchange_id')}",
        "litellm_call_id": row.get("exchange_id"),
        "call_type": _call_type(row),
        "api_key": _sha256(row.get("credential_raw")),
        "startTime": row["started_at"].isoformat(),
        "endTime": row["finished_at"].isoformat() if "finished_at" in row else None,
        "session_id": row.get("conversation_id") or _NO_SESSION,
        "model": f"provider/{row.get('model')}",
        "model_group": row.get("model"),
        "user": row["account_id"],
        "end_user": row.get("end_user_raw"),
        "prompt_tokens": row.get("input_tokens"),
        "completion_tokens": row.get("output_tokens"),
        "requester_ip_address": row.get("client_ip_raw"),
        "request_tags": json.dumps([f"User-Agent: {row['user_agent']}"])
        if "user_agent" in row
        else None,
        "messages": "{}",
        "proxy_server_request": json.dumps(stored),
        "response": json.dumps(answered) if answered else "{}",
        "status": "failure" if row["status"] in _ERRORS else "success",
        "metadata": json.dumps(metadata),
    }


def bodies(row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The bodies of the call as OpenAI's API knows them; no answer where it failed."""
    line = openai_line(row)
    asked = {k: v for k, v in json.loads(line["request"]["body"]).items() if v not in (None, [])}
    failed = row["status"] in _ERRORS
    return asked, None if failed else json.loads(line["response"]["body"])


def _call_type(row: dict[str, Any]) -> str:
    return "aresponses" if row["endpoint"] == "responses" else "acompletion"


def _error(row: dict[str, Any]) -> dict[str, str] | None:
    if row["status"] not in _ERRORS:
        return None
    code, name = _ERRORS[row["status"]]
    return {"error_code": code, "error_class": name}


def _sha256(secret: str | None) -> str | None:
    return None if secret is None else hashlib.sha256(secret.encode()).hexdigest()
