"""What the bodies of one model call say, in whichever shape the model takes and gives them.

Read here are the messages of Anthropic, OpenAI, Amazon's Converse and Nova, and the prompts of
Titan, Llama, Mistral, Cohere and older Claude models; answers also as the events of a stream.
All are brought into the shapes that `messages` divides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stillwatch.sources.body_streams import assembled
from stillwatch.sources.failures import is_refusal
from stillwatch.sources.messages import (
    Answer,
    Request,
    goes_on_elsewhere,
    read_answer,
    read_request,
    read_settings,
    read_tool_names,
    without_reasoning_begun,
)
from stillwatch.sources.prompt_templates import expects_reasoning, turns_of_prompt
from stillwatch.sources.streamed import pieces_in
from stillwatch.sources.values import identifier, mapping, number, parsed, sequence, text, whole

__all__ = ["Bodies", "body_of", "read_bodies"]

_LIMITS = (
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "maxTokens",
    "max_new_tokens",
    "max_gen_len",
    "maxTokenCount",
    "max_tokens_to_sample",
)
_INNER_PARAMETERS = ("inferenceConfig", "textGenerationConfig", "additionalModelRequestFields")
_METRICS = "amazon-bedrock-invocationMetrics"
_GUARDRAIL = "amazon-bedrock-guardrailAction"


@dataclass(frozen=True, slots=True)
class Bodies:
    """What a request and its answer say.

    Attributes:
        columns: Canonical columns and `*_raw` keys, null where the bodies say nothing.
        refused: The model, or the provider's filter, declined.
        blocked: A guardrail stood in between.
        model: The model that the answer names.
    """

    columns: dict[str, Any]
    refused: bool
    blocked: bool
    model: str | None


def read_bodies(request: object, response: object) -> Bodies:
    """Read both bodies; either may be missing.

    Args:
        request: The body of a request, its messages alone, a prompt, or the JSON of these.
        response: The body of an answer, its messages alone, its text, or the events of a stream,
            as a list or as an object around it.
    """
    asked, answered = _taken_apart(request), _taken_apart(response)
    answered = pieces_in(answered) or answered
    body, reply = _object(asked), _object(answered)
    if isinstance(answered, list) and _is_stream(answered):
        answered = reply = assembled(answered)
    spoken, answer = _request(asked), _answer(answered)
    if expects_reasoning(body.get("prompt")):
        answer = without_reasoning_begun(answer)
    parameters = _parameters(body)
    reason = (answer.stop_reason or "").lower()
    metadata = mapping(body.get("metadata"))
    columns = {
        "turn_index": None if goes_on_elsewhere(body) else spoken.turn_index,
        "system_text": spoken.system_text,
        "input_text": spoken.input_text,
        "output_text": answer.text,
        "tool_names": _tool_names(body),
        "max_output_tokens": next(
            (n for name in _LIMITS if (n := whole(parameters.get(name))) is not None), None
        ),
        "temperature": number(parameters.get("temperature")),
        "settings": read_settings(parameters),
        "stop_reason": answer.stop_reason,
        "prefill": spoken.prefill,
        "end_user_raw": identifier(body.get("safety_identifier"))
        or identifier(body.get("user"))
        or identifier(metadata.get("user_id")),
        "cache_key_raw": text(body.get("prompt_cache_key")),
        "client_metadata_raw": dict(metadata) or None,
        "earlier_messages": spoken.earlier_messages,
        "reasoning_block_issued_raw": answer.reasoning_block,
        "reasoning_blocks_presented_raw": spoken.reasoning_blocks,
        **_usage(reply),
    }
    blocked = reason == "guardrail_intervened" or reply.get(_GUARDRAIL) == "INTERVENED"
    refused = answer.refused or is_refusal(reason)
    return Bodies(columns, refused, blocked, text(reply.get("model")))


def body_of(request: object) -> dict[str, Any]:
    """A request as a body: itself, or one around its messages or its prompt."""
    taken = _taken_apart(request)
    if isinstance(taken, dict):
        return dict(taken)
    if isinstance(taken, list):
        return {"messages": taken}
    return {} if taken is None else {"prompt": str(taken)}


def _taken_apart(body: object) -> object:
    """JSON text as what it holds; an empty body as none. A prompt that is JSON stays a prompt."""
    if isinstance(body, str):
        inner = parsed(body)
        is_body = isinstance(inner, dict) or (
            isinstance(inner, list)
            and bool(inner)
            and all(isinstance(item, dict) and ("role" in item or "type" in item) for item in inner)
        )
        body = inner if is_body else body
    return None if body in ("", {}, []) else body


def _object(body: object) -> Mapping[str, Any]:
    return body if isinstance(body, dict) else {}


def _is_stream(items: list[Any]) -> bool:
    """Events have no role; a list of output messages does, or is of typed output items."""
    return all(isinstance(item, dict) and "role" not in item for item in items) and not all(
        item.get("type") in ("message", "reasoning", "function_call") for item in items
    )


def _request(body: object) -> Request:
    if not isinstance(body, dict):
        return read_request(_messages(body) if isinstance(body, list) else body)
    instructions = body.get("system") or body.get("instructions") or body.get("preamble")
    if isinstance(instructions, list):
        instructions = _parts(instructions)
    if "inputText" in body:
        return read_request(text(body["inputText"]))
    if isinstance(body.get("prompt"), str):
        return read_request(turns_of_prompt(body["prompt"]), instructions=instructions)
    if isinstance(body.get("message"), str):
        history = [mapping(item) for item in sequence(body.get("chat_history"))]
        said = [{"role": _cohere_role(m), "content": m.get("message")} for m in history]
        said.append({"role": "user", "content": body["message"]})
        return read_request(said, instructions=instructions)
    messages = body.get("messages") or body.get("input")
    return read_request(
        _messages(messages) if isinstance(messages, list) else messages, instructions=instructions
    )


def _answer(body: object) -> Answer:
    if not isinstance(body, dict):
        return read_answer(body)
    message = mapping(mapping(body.get("output")).get("message"))
    if message:
        return read_answer(
            {"content": _parts(message.get("content")), "stop_reason": body.get("stopReason")}
        )
    for name, said, why in (
        ("results", "outputText", "completionReason"),
        ("outputs", "text", "stop_reason"),
        ("generations", "text", "finish_reason"),
    ):
        if first := mapping(next(iter(sequence(body.get(name))), None)):
            return read_answer({"content": first.get(said), "stop_reason": first.get(why)})
    for said, why in (
        ("generation", "stop_reason"),
        ("completion", "stop_reason"),
        ("text", "finish_reason"),
        ("outputText", "completionReason"),
    ):
        if isinstance(body.get(said), str):
            return read_answer({"content": body[said], "stop_reason": body.get(why)})
    choice = mapping(next(iter(sequence(body.get("choices"))), None))
    if choice and "finish_reason" not in choice:
        body = body | {"choices": [{**choice, "finish_reason": choice.get("stop_reason")}]}
    if isinstance(body.get("content"), list):
        body = body | {"content": _parts(body["content"])}
    return read_answer(body)


def _messages(items: list[Any]) -> list[Any]:
    return [
        item | {"content": _parts(item["content"])}
        if isinstance(item, dict) and isinstance(item.get("content"), list)
        else item
        for item in items
    ]


def _parts(content: object) -> object:
    """Parts in the shapes of Anthropic; Converse names a part by its only key."""
    if not isinstance(content, list):
        return content
    return [_part(p) for p in content if not (isinstance(p, dict) and "cachePoint" in p)]


def _part(item: object) -> object:
    part = item if isinstance(item, dict) else {}
    if "toolUse" in part:
        call = mapping(part["toolUse"])
        return {"type": "tool_use", "name": call.get("name"), "input": call.get("input")}
    if "toolResult" in part:
        content = mapping(part["toolResult"]).get("content")
        return {"type": "tool_result", "content": _parts(content)}
    if "reasoningContent" in part:
        reasoning = mapping(part["reasoningContent"])
        return {
            "type": "thinking",
            "signature": mapping(reasoning.get("reasoningText")).get("signature"),
            "data": reasoning.get("redactedContent"),
        }
    if "guardContent" in part:
        return {"text": mapping(mapping(part["guardContent"]).get("text")).get("text")}
    if "json" in part and "type" not in part:
        written = json.dumps(part["json"], ensure_ascii=False, separators=(",", ":"))
        return {"type": "text", "text": written}
    return item


def _cohere_role(message: Mapping[str, Any]) -> str:
    role = (text(message.get("role")) or "user").lower()
    return "assistant" if role == "chatbot" else role


def _parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    parameters = dict(body)
    for name in _INNER_PARAMETERS:
        parameters |= mapping(body.get(name))
    for other in ("topP", "p"):
        parameters.setdefault("top_p", parameters.get(other))
    return parameters


def _tool_names(body: Mapping[str, Any]) -> list[str] | None:
    configured = sequence(mapping(body.get("toolConfig")).get("tools"))
    specified = [mapping(mapping(tool).get("toolSpec")) for tool in configured]
    return read_tool_names(specified or body.get("tools") or body.get("functions"))


def _usage(reply: Mapping[str, Any]) -> dict[str, int | None]:
    """Tokens as billed: those read from and written to a prompt cache are counted in."""
    usage, metrics = mapping(reply.get("usage")), mapping(reply.get(_METRICS))
    result = mapping(next(iter(sequence(reply.get("results"))), None))
    fresh = _first(
        (usage, "input_tokens"),
        (usage, "inputTokens"),
        (usage, "prompt_tokens"),
        (metrics, "inputTokenCount"),
        (reply, "prompt_token_count"),
        (reply, "inputTextTokenCount"),
    )
    cached = sum(
        whole(usage.get(name)) or 0
        for name in (
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cacheReadInputTokens",
            "cacheWriteInputTokens",
        )
    )
    details = mapping(usage.get("completion_tokens_details")) or mapping(
        usage.get("output_tokens_details")
    )
    return {
        "input_tokens": None if fresh is None else fresh + cached,
        "output_tokens": _first(
            (usage, "output_tokens"),
            (usage, "outputTokens"),
            (usage, "completion_tokens"),
            (metrics, "outputTokenCount"),
            (reply, "generation_token_count"),
            (result, "tokenCount"),
        ),
        "reasoning_tokens": _first((details, "reasoning_tokens"), (details, "thinking_tokens")),
    }


def _first(*places: tuple[Mapping[str, Any], str]) -> int | None:
    return next((n for place, name in places if (n := whole(place.get(name))) is not None), None)
