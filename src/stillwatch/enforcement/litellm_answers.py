"""Answers for LiteLLM's guardrails: its request as JSON in, the answer as JSON out.

LiteLLM posts what its *generic guardrail API* posts to `/beta/litellm_basic_guardrail_api`, and so
does our own guardrail (`litellm_guardrail`), which obeys more steps. LiteLLM's own reads `action` and
`blocked_reason`; ours reads `enforcement`. `litellm_call_id` is the id of the exchange in the log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stillwatch.enforcement.answers import ErrorShape, Refusal, Wording, refusal_of
from stillwatch.enforcement.asking import Asked, Decision
from stillwatch.enforcement.possible import POSSIBLE, Adapter
from stillwatch.enforcement.request_facts import facts_of
from stillwatch.records.actions import Step
from stillwatch.sources.account_names import configured_names
from stillwatch.sources.litellm import ACCOUNT_FIELDS
from stillwatch.sources.values import identifier, mapping, text

__all__ = ["GUARDRAIL_PATH", "GuardrailAnswer", "adapter_of", "answer_guardrail", "asked_of"]

GUARDRAIL_PATH = "/beta/litellm_basic_guardrail_api"
# In place of the value of each header that the operator did not list.
_VALUE_NOT_TOLD = "[present]"
_SHA256 = re.compile(r"[0-9a-f]{64}")
# LiteLLM gives a request without a session a random trace id.
_RANDOM_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

Decide = Callable[[Asked, frozenset[Step]], Decision]


@dataclass(frozen=True, slots=True)
class GuardrailAnswer:
    """What LiteLLM is told, and why, for our own record.

    Attributes:
        body: The answer's JSON.
        decision: None where nothing was asked: an answer that has begun is let out.
        call_id: `litellm_call_id`, by which the log knows the exchange.
    """

    body: dict[str, Any]
    decision: Decision | None = None
    call_id: str | None = None


def answer_guardrail(
    said: Mapping[str, Any], decide: Decide, *, wording: Wording | None = None
) -> GuardrailAnswer:
    """The answer to one call of a guardrail.

    An answer of the model (`input_type` is `response`) goes out whatever is decided meanwhile: half
    an answer is billed, and cutting it would show the moment of the verdict.

    Args:
        said: The JSON that LiteLLM posted; whatever it lacks counts as unknown.
        decide: The decision core.
        wording: The operator's, if not ours.
    """
    call_id = text(said.get("litellm_call_id"))
    if said.get("input_type") == "response":
        return GuardrailAnswer({"action": "NONE"}, call_id=call_id)
    decision = decide(asked_of(said), POSSIBLE[adapter_of(said)])
    refusal = refusal_of(decision, ErrorShape.OPENAI, wording=wording)
    body: dict[str, Any] = {"action": "NONE"}
    if refusal is not None:
        body = {"action": "BLOCKED", "blocked_reason": refusal.message}
    body["enforcement"] = _enforcement(decision, refusal)
    return GuardrailAnswer(body, decision, call_id)


def asked_of(said: Mapping[str, Any]) -> Asked:
    """The request as LiteLLM tells it: it knows the hash of the key, as its log does."""
    about = mapping(said.get("request_data"))
    names = configured_names("litellm", ACCOUNT_FIELDS)
    key_hash = text(about.get("user_api_key_hash")) or ""
    trace = identifier(said.get("litellm_trace_id")) or ""
    facts = facts_of({"messages": said.get("structured_messages"), "tools": said.get("tools")})
    return Asked(
        headers=_headers(mapping(said.get("request_headers"))),
        credential_sha256=key_hash if _SHA256.fullmatch(key_hash) else None,
        account_id=next(filter(None, (identifier(about.get(name)) for name in names)), None),
        conversation_id=None if _RANDOM_UUID.fullmatch(trace) else trace or None,
        model=text(said.get("model")),
        system_text=facts.system_text,
        tool_names=facts.tool_names,
    )


def adapter_of(said: Mapping[str, Any]) -> Adapter:
    """Which of the two guardrails asks."""
    is_ours = said.get("adapter") == Adapter.LITELLM_CUSTOM
    return Adapter.LITELLM_CUSTOM if is_ours else Adapter.LITELLM_GENERIC


def _headers(told: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(name).lower(): value
        for name, value in told.items()
        if isinstance(value, str) and value != _VALUE_NOT_TOLD
    }


def _enforcement(decision: Decision, refusal: Refusal | None) -> dict[str, Any]:
    """What our own guardrail obeys; nothing that a customer must not see."""
    if refusal is None:
        return {"tag": decision.step is Step.TAG}
    headers = dict(refusal.headers)
    return {
        "status": refusal.status,
        "message": refusal.message,
        "code": refusal.code,
        "reference": decision.reference,
        "retry_after_seconds": int(headers["retry-after"]) if "retry-after" in headers else None,
    }
