"""A guardrail inside LiteLLM that refuses with 403 and 429 and marks tagged requests.

It runs in LiteLLM's own environment, so it needs nothing of ours: install stillwatch there with
`pip install --no-deps stillwatch`, or copy this file beside LiteLLM's configuration. It asks
`stillwatch serve` over HTTP; whatever goes wrong there, the request goes on.
"""

from __future__ import annotations

import time
from typing import Any

import httpx
from fastapi import HTTPException
from litellm._logging import verbose_proxy_logger
from litellm.integrations.custom_guardrail import CustomGuardrail

__all__ = ["StillwatchGuardrail"]

_PATH = "/beta/litellm_basic_guardrail_api"
_REFERENCE_HEADER = "x-refusal-reference"
_TAG = "stillwatch-tag"
# A decision takes a millisecond or two; a customer is not to wait for one that hangs.
_TIMEOUT_SECONDS = 0.25
# After a failure nobody is asked for so long: a server that hangs costs one request a second.
_SILENCE_SECONDS = 1.0
_ABOUT = (
    *("user_api_key_hash", "user_api_key_user_id", "user_api_key_team_id"),
    *("user_api_key_org_id", "user_api_key_end_user_id"),
)


class StillwatchGuardrail(CustomGuardrail):  # type: ignore[misc,unused-ignore]
    """Asks before each call of a model.

    Args:
        api_base: URL of `stillwatch serve`.
        api_key: Its bearer token, if it wants one.
        timeout: Seconds to wait for a decision.
        extra_headers: Names of the client's headers to pass on. No header is passed on unasked;
            never list one that holds a key, which LiteLLM has hashed already.
    """

    def __init__(
        self,
        *,
        api_base: str,
        api_key: str | None = None,
        timeout: float | None = None,
        extra_headers: list[str] | None = None,
        **litellm_settings: Any,
    ) -> None:
        super().__init__(**litellm_settings)
        self._url = api_base.rstrip("/").removesuffix(_PATH) + _PATH
        self._passed_on = frozenset(name.lower() for name in extra_headers or ())
        self._silent_until = 0.0
        self._client = httpx.AsyncClient(
            timeout=timeout or _TIMEOUT_SECONDS,
            headers={"authorization": f"Bearer {api_key}"} if api_key else {},
            trust_env=False,
        )

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:
        """Let the request go on, marked or not, or raise the refusal."""
        enforcement = await self._decided(user_api_key_dict, data)
        if enforcement.get("status"):
            raise _refusal(enforcement)
        if enforcement.get("tag"):
            _tag(data)
        return data

    async def _decided(self, who: Any, data: dict[str, Any]) -> dict[str, Any]:
        """What is to be done; nothing where nobody could say."""
        if time.monotonic() < self._silent_until:
            return {}
        try:
            answer = await self._client.post(self._url, json=self._question(who, data))
            answer.raise_for_status()
            enforcement = answer.json().get("enforcement")
            return enforcement if isinstance(enforcement, dict) else {}
        except Exception as error:  # whatever it is, customers must not suffer for it
            self._silent_until = time.monotonic() + _SILENCE_SECONDS
            # The message could quote the request; the kind of error cannot.
            verbose_proxy_logger.warning(
                "stillwatch was not asked, the request goes on: %s", type(error).__name__
            )
            return {}

    def _question(self, who: Any, data: dict[str, Any]) -> dict[str, Any]:
        """What a decision may need. Texts of the conversation stay here but for the system's."""
        metadata = data.get("metadata") or data.get("litellm_metadata") or {}
        about = {name: metadata.get(name) for name in _ABOUT}
        about["user_api_key_hash"] = getattr(who, "api_key", None)
        about |= {
            f"user_api_key_{name}": getattr(who, name)
            for name in ("user_id", "team_id", "org_id", "end_user_id")
            if getattr(who, name, None)
        }
        headers = (data.get("proxy_server_request") or {}).get("headers") or {}
        return {
            "adapter": "litellm_custom",
            "input_type": "request",
            "litellm_call_id": data.get("litellm_call_id"),
            "litellm_trace_id": data.get("litellm_trace_id") or data.get("litellm_session_id"),
            "model": data.get("model"),
            "structured_messages": _system_messages(data),
            "tools": _named_tools(data.get("tools")),
            "request_data": about,
            "request_headers": {
                name: value for name, value in headers.items() if name.lower() in self._passed_on
            },
        }


def _refusal(enforcement: dict[str, Any]) -> HTTPException:
    reference = str(enforcement.get("reference") or "")
    headers = {_REFERENCE_HEADER: reference}
    if enforcement.get("retry_after_seconds") is not None:
        headers["retry-after"] = str(enforcement["retry_after_seconds"])
    detail = {
        "error": str(enforcement.get("message") or "This request is not allowed."),
        "code": enforcement.get("code"),
        "reference": reference,
    }
    return HTTPException(int(enforcement["status"]), detail=detail, headers=headers)


def _tag(data: dict[str, Any]) -> None:
    """A request tag: LiteLLM writes it into the log, and can route by it."""
    name = "litellm_metadata" if "litellm_metadata" in data else "metadata"
    metadata = data.setdefault(name, {})
    if isinstance(metadata, dict):
        metadata["tags"] = [*(metadata.get("tags") or []), _TAG]


def _system_messages(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The system's texts, wherever the three kinds of request say them."""
    found = []
    for apart in (data.get("system"), data.get("instructions")):
        if apart:
            found.append({"role": "system", "content": apart})
    for said in (data.get("messages"), data.get("input")):
        if isinstance(said, list):
            found += [
                {"role": message["role"], "content": message.get("content")}
                for message in said
                if isinstance(message, dict) and message.get("role") in ("system", "developer")
            ]
    return found


def _named_tools(tools: Any) -> list[dict[str, Any]]:
    """The tools by type and name; what they say of themselves is long and not needed."""
    found = []
    for tool in tools if isinstance(tools, list) else []:
        if isinstance(tool, dict):
            function = tool.get("function")
            name = (function if isinstance(function, dict) else tool).get("name")
            found.append({"type": tool.get("type", "function"), "name": name})
    return found
