"""Exchanges as a client and a model speak them, drawn at random, and the bodies that say so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

__all__ = [
    "Spoken",
    "anthropic",
    "converse",
    "messages_as_json",
    "messages_as_numbers",
    "openai",
    "said_on_a_span",
    "spoken",
]

_SAID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_NAME = st.from_regex(r"[a-z][a-z0-9-]{0,11}", fullmatch=True)
_SETTINGS = ("n", "top_p", "seed", "logprobs", "reasoning_effort")
_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One exchange, by the canonical columns that a log of bodies carries."""

    exchange_id: str
    account_id: str
    started_at: datetime
    model: str
    system_text: str | None
    earlier: tuple[tuple[str, str], ...]
    input_text: str
    output_text: str
    stop_reason: str
    tool_names: tuple[str, ...]
    input_tokens: int
    output_tokens: int
    max_output_tokens: int
    temperature: float
    top_p: float

    def columns(self) -> dict[str, Any]:
        """What a reader of the log must find."""
        row = {
            "exchange_id": self.exchange_id,
            "account_id": self.account_id,
            "started_at": self.started_at,
            "model": self.model,
            "system_text": self.system_text,
            "earlier_messages": [said for turn in self.earlier for said in turn],
            "turn_index": len(self.earlier),
            "prefill": False,
            "input_text": self.input_text,
            "output_text": self.output_text,
            "stop_reason": self.stop_reason,
            "status": "ok",
            "endpoint": "chat",
            "tool_names": list(self.tool_names),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "max_output_tokens": self.max_output_tokens,
            "temperature": self.temperature,
            "settings": dict.fromkeys(_SETTINGS) | {"top_p": self.top_p},
        }
        return {name: value for name, value in row.items() if value not in (None, [])}


_TOKENS = st.integers(0, 10**6)
spoken = st.builds(
    Spoken,
    exchange_id=st.uuids().map(str),
    account_id=_NAME,
    started_at=st.integers(0, 5 * 10**13).map(lambda us: _EPOCH + timedelta(microseconds=us)),
    model=_NAME,
    system_text=st.none() | _SAID,
    earlier=st.lists(st.tuples(_SAID, _SAID), max_size=3).map(tuple),
    input_text=_SAID,
    output_text=_SAID,
    stop_reason=st.sampled_from(["stop", "end_turn", "max_tokens"]),
    tool_names=st.lists(_NAME, max_size=2).map(tuple),
    input_tokens=_TOKENS,
    output_tokens=_TOKENS,
    max_output_tokens=_TOKENS,
    temperature=st.floats(0, 2),
    top_p=st.floats(0, 1),
)


def _turns(said: Spoken) -> list[tuple[str, str]]:
    earlier = [
        (role, text)
        for turn in said.earlier
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    return [*earlier, ("user", said.input_text)]


def openai(said: Spoken) -> tuple[dict[str, Any], dict[str, Any]]:
    """The bodies of OpenAI's chat."""
    messages = [{"role": role, "content": text} for role, text in _turns(said)]
    if said.system_text:
        messages.insert(0, {"role": "system", "content": said.system_text})
    message = {"role": "assistant", "content": said.output_text}
    return {
        "model": said.model,
        "messages": messages,
        "max_completion_tokens": said.max_output_tokens,
        "temperature": said.temperature,
        "top_p": said.top_p,
        "tools": [{"type": "function", "function": {"name": n}} for n in said.tool_names],
    }, {"choices": [{"finish_reason": said.stop_reason, "message": message}]}


def anthropic(said: Spoken) -> tuple[dict[str, Any], dict[str, Any]]:
    """The bodies of Anthropic's messages."""
    request = {
        "messages": [
            {"role": role, "content": [{"type": "text", "text": text}]}
            for role, text in _turns(said)
        ],
        "max_tokens": said.max_output_tokens,
        "temperature": said.temperature,
        "top_p": said.top_p,
        "tools": [{"name": name} for name in said.tool_names],
    }
    if said.system_text:
        request["system"] = said.system_text
    return request, {
        "role": "assistant",
        "content": [{"type": "text", "text": said.output_text}],
        "stop_reason": said.stop_reason,
    }


def converse(said: Spoken) -> tuple[dict[str, Any], dict[str, Any]]:
    """The bodies of Amazon's Converse."""
    request: dict[str, Any] = {
        "messages": [{"role": role, "content": [{"text": text}]} for role, text in _turns(said)],
        "inferenceConfig": {
            "maxTokens": said.max_output_tokens,
            "temperature": said.temperature,
            "topP": said.top_p,
        },
        "toolConfig": {"tools": [{"toolSpec": {"name": name}} for name in said.tool_names]},
    }
    if said.system_text:
        request["system"] = [{"text": said.system_text}]
    message = {"role": "assistant", "content": [{"text": said.output_text}]}
    return request, {"output": {"message": message}, "stopReason": said.stop_reason}


def said_on_a_span(said: Spoken) -> dict[str, Any]:
    """The attributes of OpenTelemetry's GenAI conventions, but for the messages."""
    tools = [{"type": "function", "name": name} for name in said.tool_names]
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": said.model,
        "gen_ai.request.max_tokens": said.max_output_tokens,
        "gen_ai.request.temperature": said.temperature,
        "gen_ai.request.top_p": said.top_p,
        "gen_ai.usage.input_tokens": said.input_tokens,
        "gen_ai.usage.output_tokens": said.output_tokens,
        "gen_ai.tool.definitions": json.dumps(tools),
        "user.id": said.account_id,
    }


def messages_as_json(said: Spoken) -> dict[str, Any]:
    """The messages as JSON text, as the conventions have them since 1.37."""

    def parts(text: str) -> list[dict[str, str]]:
        return [{"type": "text", "content": text}]

    asked = [{"role": role, "parts": parts(text)} for role, text in _turns(said)]
    answer = {
        "role": "assistant",
        "parts": parts(said.output_text),
        "finish_reason": said.stop_reason,
    }
    system = {"gen_ai.system_instructions": json.dumps(parts(said.system_text or ""))}
    return {
        **(system if said.system_text else {}),
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps([answer]),
    }


def messages_as_numbers(said: Spoken) -> dict[str, Any]:
    """The messages as numbered attributes."""
    system = [("system", said.system_text)] if said.system_text else []
    told = {
        f"gen_ai.prompt.{number}.{name}": value
        for number, turn in enumerate([*system, *_turns(said)])
        for name, value in zip(("role", "content"), turn, strict=True)
    }
    return told | {
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": said.output_text,
        "gen_ai.completion.0.finish_reason": said.stop_reason,
    }
