"""What a request said and what came back, in whichever shape a provider or tool logs it.

Read here are the messages of OpenAI (chat and responses), of Anthropic, and of the
OpenTelemetry GenAI conventions. All of them are lists of roles and parts; unknown roles,
parts and types are legal, and are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stillwatch.sources.failures import is_refusal
from stillwatch.sources.limits import read_json
from stillwatch.sources.values import mapping, number, sequence, text, well_formed, whole

__all__ = [
    "Answer",
    "Request",
    "goes_on_elsewhere",
    "read_answer",
    "read_request",
    "read_settings",
    "read_tool_names",
    "without_reasoning_begun",
]

_SYSTEM_ROLES = frozenset({"system", "developer"})
_ANSWERING_ROLES = frozenset({"assistant", "model", "ai"})
_TOOL_CALLS = frozenset(
    {"tool_call", "tool_use", "function_call", "server_tool_call", "custom_tool_call"}
)
_TOOL_RESULTS = frozenset(
    {"tool_call_response", "tool_result", "function_call_output", "custom_tool_call_output"}
)
# OpenAI's own tools have a type, which may go on with a date, and no name.
_TOOLS_OF_THE_PROVIDER = (
    *("web_search", "file_search", "code_interpreter", "computer", "image_generation", "mcp"),
    *("local_shell", "shell", "apply_patch", "tool_search"),
)
_TOOL_ROLES = frozenset({"tool", "function"})
# What a message may hold beside its content.
_BESIDE_CONTENT = ("type", "refusal", "tool_calls", "function_call", "thinking_blocks")
_REASONING = frozenset({"reasoning", "thinking", "redacted_thinking"})
# Open models write their reasoning into the answer, where whoever runs them does not take it apart.
_REASONING_BEGINS = re.compile(r"\s*<(think|reasoning)>")


@dataclass(frozen=True, slots=True)
class Request:
    """The messages of one request, divided by what is new in it.

    Attributes:
        system_text: System and developer instructions.
        input_text: What the user says in this turn; the results of tools where a turn has
            nothing else.
        earlier_messages: Texts sent again from earlier turns, the model's own included.
        turn_index: How many earlier messages are the user's.
        prefill: The client began the answer: the last message is the model's.
        reasoning_blocks: Signatures or encrypted contents of reasoning sent in again.
    """

    system_text: str | None
    input_text: str | None
    earlier_messages: list[str]
    turn_index: int | None
    prefill: bool | None
    reasoning_blocks: list[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model answered: its first choice, where several were asked for."""

    text: str | None
    stop_reason: str | None
    reasoning_block: str | None
    refused: bool


@dataclass(frozen=True, slots=True)
class _Message:
    role: str
    text: str
    is_tool_result: bool
    reasoning_blocks: list[str]
    refuses: bool = False


def read_request(messages: object, *, instructions: object = None) -> Request:
    """Divide the messages of a request.

    Args:
        messages: A list of messages, its JSON text, or a bare prompt.
        instructions: System instructions that travel beside the messages.
    """
    read = [message for item in _items(messages) for message in _read_messages(item, "user")]
    system = [_content_text(instructions)] if instructions else []
    system += [message.text for message in read if message.role in _SYSTEM_ROLES]
    turns = [message for message in read if message.role not in _SYSTEM_ROLES]
    answered = len(turns)
    while answered and turns[answered - 1].role in _ANSWERING_ROLES:
        answered -= 1
    begin = answered
    while begin and turns[begin - 1].role not in _ANSWERING_ROLES:
        begin -= 1
    new, earlier = turns[begin:answered], turns[:begin]
    said = [m.text for m in new if not m.is_tool_result] or [m.text for m in new]
    return Request(
        system_text=_joined(system),
        input_text=_joined(said),
        earlier_messages=[message.text for message in earlier if message.text],
        turn_index=sum(not m.is_tool_result for m in earlier if m.role not in _ANSWERING_ROLES)
        if turns
        else None,
        prefill=answered < len(turns) if turns else None,
        reasoning_blocks=[block for message in turns for block in message.reasoning_blocks],
    )


def read_answer(response: object) -> Answer:
    """Read an answer: a response object, a list of output messages, or bare text."""
    # A bare answer may itself be JSON, and is not looked into.
    whole_response = response if isinstance(response, dict) else {}
    choice = mapping(next(iter(sequence(whole_response.get("choices"))), None))
    output = whole_response.get("output")
    message: object = choice.get("message") or choice.get("text") or output
    if message is None:
        message = whole_response if "content" in whole_response else response
    read = [m for item in _items(message) for m in _read_messages(item, "assistant")]
    first = next(iter(_items(message)), None)
    reason = text(
        choice.get("finish_reason")
        or whole_response.get("stop_reason")
        or mapping(first).get("finish_reason")
        or mapping(whole_response.get("incomplete_details")).get("reason")
        or (whole_response.get("status") if output is not None else None)
    )
    blocks = [block for m in read for block in m.reasoning_blocks]
    refused = is_refusal(reason) or any(m.refuses for m in read)
    # A list of several OpenTelemetry output messages is a list of choices.
    several = output is None and not choice and isinstance(response, list)
    texts = [m.text for m in read][: 1 if several else None]
    return Answer(_joined(texts), reason, blocks[0] if blocks else None, refused)


def without_reasoning_begun(answer: Answer) -> Answer:
    """An answer whose reasoning the request began: it has the end of that alone."""
    _, end, said = (answer.text or "").partition("</think>")
    return replace(answer, text=said.strip() or None) if end else answer


def goes_on_elsewhere(parameters: Mapping[str, Any]) -> bool:
    """Earlier turns lie with the provider: how many they are, the request does not say."""
    return bool(parameters.get("previous_response_id") or parameters.get("conversation"))


def read_settings(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """The settings of a request that matter to collection, or None if it stated none."""
    if not parameters:
        return None
    logprobs = parameters.get("logprobs")
    settings: dict[str, Any] = {
        "n": whole(parameters.get("n")),
        "top_p": number(parameters.get("top_p")),
        "seed": whole(parameters.get("seed")),
        # OpenAI's chat says true and how many alternatives; its completions say how many.
        "logprobs": max(1, whole(parameters.get("top_logprobs")) or 1)
        if logprobs is True
        else whole(logprobs)
        if logprobs is not None
        else _logprobs_of_responses(parameters),
        "reasoning_effort": _effort(parameters),
    }
    return settings if any(value is not None for value in settings.values()) else None


def _effort(parameters: Mapping[str, Any]) -> str | None:
    """The effort that was asked for; of Anthropic's older way to say it, the budget in tokens."""
    thinking = mapping(parameters.get("thinking"))
    budget = whole(thinking.get("budget_tokens"))
    kind = text(thinking.get("type"))
    return (
        text(parameters.get("reasoning_effort"))
        or text(mapping(parameters.get("reasoning")).get("effort"))
        or text(mapping(parameters.get("output_config")).get("effort"))
        or (str(budget) if budget is not None else None)
        or (kind if kind not in ("enabled", "disabled") else None)
    )


def _logprobs_of_responses(parameters: Mapping[str, Any]) -> int | None:
    """OpenAI's responses have no switch: they say how many, or what to include."""
    alternatives = whole(parameters.get("top_logprobs"))
    wanted = "message.output_text.logprobs" in sequence(parameters.get("include"))
    return max(1, alternatives or 1) if wanted or alternatives else None


def read_tool_names(definitions: object) -> list[str] | None:
    """The names of the tools offered, or None if none were."""
    names = []
    for item in sequence(definitions):
        definition = mapping(item)
        name = text(definition.get("name")) or text(mapping(definition.get("function")).get("name"))
        kind = text(definition.get("type"))
        if name is None and kind and kind.startswith(_TOOLS_OF_THE_PROVIDER):
            name = kind
        if name:
            names.append(name)
    return names or None


def _items(messages: object) -> list[Any]:
    """The messages of a list, of its JSON text, or of an object that wraps one."""
    if isinstance(messages, str):
        # A prompt may itself be JSON; only what has roles or parts is a list of messages.
        listed = sequence(messages)
        are_messages = bool(listed) and all(
            isinstance(item, dict) and ("role" in item or "parts" in item) for item in listed
        )
        return listed if are_messages else [messages]
    if isinstance(messages, dict):
        wrapped = messages.get("messages") or messages.get("input")
        return wrapped if isinstance(wrapped, list) else [messages if wrapped is None else wrapped]
    return messages if isinstance(messages, list) else []


def _read_messages(item: object, default_role: str) -> Iterable[_Message]:
    """One message; for an item that is none (an output item, a tool result), what it stands for."""
    if isinstance(item, str):
        yield _Message(default_role, _said_by(default_role, well_formed(item)), False, [])
        return
    message = mapping(item)
    role = text(message.get("role"))
    if role is not None and not any(map(message.get, _BESIDE_CONTENT)):
        plain = _plain_text(message["parts"] if "parts" in message else message.get("content"))
        if plain is not None:
            yield _Message(role.lower(), _said_by(role, plain), role in _TOOL_ROLES, [])
            return
    kind = text(message.get("type"))
    if role is None:
        role = "assistant" if kind in _TOOL_CALLS or kind in _REASONING else default_role
    parts = message.get("parts") if "parts" in message else message.get("content")
    if kind in _TOOL_CALLS or kind in _TOOL_RESULTS or kind in _REASONING:
        parts = [message]
    texts = [_content_text(parts), text(message.get("refusal")) or ""]
    texts += [_call_text(mapping(call)) for call in sequence(message.get("tool_calls"))]
    if message.get("function_call"):
        texts.append(_call_text(mapping(message["function_call"])))
    listed = parts if isinstance(parts, list) else []
    kinds = {text(mapping(part).get("type")) for part in listed}
    yield _Message(
        role.lower(),
        _said_by(role, _joined(texts, "\n") or ""),
        role in _TOOL_ROLES or (bool(kinds) and kinds <= _TOOL_RESULTS),
        _reasoning_blocks([*listed, *sequence(message.get("thinking_blocks"))]),
        refuses=bool(message.get("refusal")) or "refusal" in kinds,
    )


def _said_by(role: str, said: str) -> str:
    """The text; of a model, without the reasoning that it begins with, cut off or not."""
    begins = _REASONING_BEGINS.match(said) if role.lower() in _ANSWERING_ROLES else None
    if begins is None:
        return said
    return said[begins.end() :].partition(f"</{begins[1]}>")[2].lstrip()


def _plain_text(parts: object) -> str | None:
    """The text of what is nothing but text, as most messages are; None for anything else."""
    if isinstance(parts, str):
        return well_formed(parts)
    if not isinstance(parts, list) or not parts:
        return None
    if len(parts) == 1 and isinstance(parts[0], dict) and parts[0].get("type") == "text":
        value = parts[0].get("text", parts[0].get("content"))
        return well_formed(value) if isinstance(value, str) else _content_text(parts)
    if all(isinstance(part, dict) and part.get("type") == "text" for part in parts):
        return _content_text(parts)
    return None


def _content_text(content: object) -> str:
    """The text of a string, a part, or a list of parts; images and the like have none."""
    if isinstance(content, str):
        return well_formed(content)
    if isinstance(content, list):
        return _joined([_content_text(part) for part in content], "\n") or ""
    part = mapping(content)
    kind = text(part.get("type"))
    if kind in _REASONING:
        return ""
    if kind in _TOOL_CALLS:
        return _call_text(part)
    if kind in _TOOL_RESULTS:
        result = part.get("response", part.get("result", part.get("output", part.get("content"))))
        return _content_text(result) or ("" if result is None else _compact(result))
    source = mapping(part.get("source"))
    if kind == "document" and text(source.get("type")) in ("text", "content"):
        return _content_text(source.get("data", source.get("content")))
    value = part.get("text", part.get("refusal" if kind == "refusal" else "content"))
    return _content_text(value) if isinstance(value, str | list) else ""


def _call_text(call: Mapping[str, Any]) -> str:
    """A tool call as text, so that a trajectory can be read and recognised."""
    function = mapping(call.get("function")) or call
    name = text(function.get("name")) or "tool"
    arguments = function.get("arguments", function.get("input"))
    return f"{name}({_compact(arguments)})"


def _compact(value: object) -> str:
    """One JSON form of a value, whether a source logs it as an object or as its text."""
    if isinstance(value, str):
        try:
            value = read_json(value)
        except (ValueError, RecursionError):
            return well_formed(str(value))
    if value is None:
        return ""
    return well_formed(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _reasoning_blocks(parts: Iterable[object]) -> list[str]:
    blocks = []
    for item in parts:
        part = mapping(item)
        if text(part.get("type")) in _REASONING:
            block = (
                text(part.get("signature"))
                or text(part.get("encrypted_content"))
                or text(part.get("data"))
            )
            if block:
                blocks.append(block)
    return blocks


def _joined(texts: Iterable[str], separator: str = "\n\n") -> str | None:
    return separator.join(item for item in texts if item) or None
