"""The message shapes of providers, divided into what is new and what came before."""

from __future__ import annotations

from typing import Any

import pytest

from stillwatch.sources.messages import (
    read_answer,
    read_request,
    read_settings,
    read_tool_names,
)

OPENAI = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "One."},
    {"role": "assistant", "content": "First."},
    {"role": "user", "content": [{"type": "text", "text": "Two."}]},
]
ANTHROPIC = [
    {"role": "user", "content": "One."},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "block-1"},
            {"type": "text", "text": "First."},
        ],
    },
    {"role": "user", "content": [{"type": "text", "text": "Two."}]},
]
RESPONSES = [
    {"type": "message", "role": "developer", "content": "Be kind."},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "One."}]},
    {"type": "reasoning", "id": "rs_1", "encrypted_content": "block-1", "summary": []},
    {"role": "assistant", "content": [{"type": "output_text", "text": "First."}]},
    {"role": "user", "content": "Two."},
]
OTEL = [
    {"role": "system", "parts": [{"type": "text", "content": "Be kind."}]},
    {"role": "user", "parts": [{"type": "text", "content": "One."}]},
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "Hm."},
            {"type": "text", "content": "First."},
        ],
    },
    {
        "role": "user",
        "parts": [{"type": "text", "content": "Two."}, {"type": "blob", "data": "…"}],
    },
]


@pytest.mark.parametrize(
    ("messages", "instructions"),
    [(OPENAI, None), (ANTHROPIC, "Be kind."), (RESPONSES, None), (OTEL, None)],
    ids=["openai", "anthropic", "responses", "opentelemetry"],
)
def test_every_shape_of_one_request_says_the_same(messages: Any, instructions: Any) -> None:
    """Instructions, the new turn and the earlier messages are found in each dialect."""
    request = read_request(messages, instructions=instructions)

    assert request.system_text == "Be kind."
    assert request.input_text == "Two."
    assert request.earlier_messages == ["One.", "First."]
    assert (request.turn_index, request.prefill) == (1, False)


@pytest.mark.parametrize("messages", [ANTHROPIC, RESPONSES], ids=["anthropic", "responses"])
def test_reasoning_sent_in_again_is_recognised(messages: Any) -> None:
    """A signed or encrypted block is an id of where the reasoning came from."""
    assert read_request(messages).reasoning_blocks == ["block-1"]


def test_an_answer_the_client_began_is_a_prefill() -> None:
    """The last message is the model's, and the turn is still the user's."""
    request = read_request([*OPENAI, {"role": "assistant", "content": "Second: "}])

    assert request.prefill is True
    assert request.input_text == "Two."


@pytest.mark.parametrize(
    "messages",
    [
        [
            {"role": "user", "content": "Look."},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"function": {"name": "see", "arguments": '{"a": 1}'}}],
            },
            {"role": "tool", "content": "Seen."},
        ],
        [
            {"role": "user", "content": "Look."},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "name": "see", "input": {"a": 1}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "content": "Seen."}]},
        ],
        [
            {"role": "user", "content": "Look."},
            {"type": "function_call", "name": "see", "arguments": '{"a": 1}'},
            {"type": "function_call_output", "output": "Seen."},
        ],
        [
            {"role": "user", "parts": [{"type": "text", "content": "Look."}]},
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "name": "see", "arguments": {"a": 1}}],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "response": "Seen."}]},
        ],
    ],
    ids=["openai", "anthropic", "responses", "opentelemetry"],
)
def test_a_tool_loop_is_one_turn_of_the_user(messages: Any) -> None:
    """The result of a tool is what is new; the call is told as the model wrote it."""
    request = read_request(messages)

    assert request.input_text == "Seen."
    assert request.earlier_messages == ["Look.", 'see({"a":1})']
    assert request.turn_index == 1


def test_the_answer_of_one_turn_is_an_earlier_message_of_the_next() -> None:
    """The digest of an answer can be recognised when it is sent in again."""
    message = {
        "role": "assistant",
        "content": "Let me look.",
        "tool_calls": [{"function": {"name": "see", "arguments": '{ "a":1 }'}}],
    }
    answer = read_answer({"choices": [{"message": message, "finish_reason": "tool_calls"}]})

    request = read_request([message, {"role": "tool", "content": "Seen."}])

    assert request.earlier_messages == [answer.text]


@pytest.mark.parametrize(
    ("response", "text", "reason"),
    [
        (
            {"choices": [{"message": {"content": "A"}, "finish_reason": "stop"}]},
            "A",
            "stop",
        ),
        (
            {"choices": [{"message": {"content": "A"}}, {"message": {"content": "B"}}]},
            "A",
            None,
        ),
        ({"choices": [{"text": "A", "finish_reason": "length"}]}, "A", "length"),
        (
            {"role": "assistant", "content": [{"type": "text", "text": "A"}], "stop_reason": "x"},
            "A",
            "x",
        ),
        (
            [
                {"role": "assistant", "parts": [{"type": "text", "content": "A"}]},
                {"role": "assistant", "parts": [{"type": "text", "content": "B"}]},
            ],
            "A",
            None,
        ),
        ("A", "A", None),
        (None, None, None),
        ({}, None, None),
    ],
)
def test_the_first_choice_is_the_answer(response: Any, text: str, reason: str) -> None:
    """Whatever shape it has; further choices are counted in the settings."""
    answer = read_answer(response)

    assert (answer.text, answer.stop_reason) == (text, reason)


def test_a_reasoning_block_of_the_answer_is_kept() -> None:
    """Its signature is what would give it away elsewhere."""
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "block-2"},
        {"type": "text", "text": "A"},
    ]

    answer = read_answer({"content": content, "stop_reason": "end_turn"})

    assert (answer.text, answer.reasoning_block) == ("A", "block-2")


@pytest.mark.parametrize(
    ("parameters", "logprobs"),
    [
        ({"logprobs": True, "top_logprobs": 5}, 5),
        ({"logprobs": True}, 1),
        ({"logprobs": 4}, 4),
        ({"logprobs": False}, None),
    ],
)
def test_logprobs_are_counted(parameters: dict[str, Any], logprobs: int | None) -> None:
    """Chat says true and how many, completions say how many."""
    settings = read_settings({"seed": 1, **parameters})

    assert settings is not None
    assert settings["logprobs"] == logprobs


def test_no_setting_is_no_settings() -> None:
    """A request that stated none is not one that stated nulls."""
    assert read_settings({"temperature": 1, "stop": ["x"]}) is None


def test_tools_are_named_in_either_shape() -> None:
    """OpenAI wraps the name in `function`; Anthropic and OpenTelemetry do not."""
    tools = [{"type": "function", "function": {"name": "a"}}, {"name": "b"}, {"type": "blob"}]

    assert read_tool_names(tools) == ["a", "b"]
    assert read_tool_names([]) is None


def test_a_tool_of_the_provider_is_named_by_its_type() -> None:
    """OpenAI's have no name of their own; Anthropic's have both, and a function has a name."""
    offered = [
        {"type": "web_search"},
        {"type": "web_search_20250305", "name": "web_search"},
        {"type": "function", "function": {"name": "f"}},
        {"type": "function"},
    ]

    assert read_tool_names(offered) == ["web_search", "web_search", "f"]


@pytest.mark.parametrize(
    "source",
    [
        {"type": "text", "data": "The tide is high."},
        {"type": "text", "media_type": "text/plain", "data": "The tide is high."},
        {"type": "content", "content": [{"type": "text", "text": "The tide is high."}]},
    ],
)
def test_a_document_of_text_is_text(source: dict[str, Any]) -> None:
    """As Anthropic's messages send it; one of bytes has none."""
    parts = [{"type": "document", "source": source}, {"type": "text", "text": "When is low?"}]
    bytes_alone = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}

    said = read_request([{"role": "user", "content": parts}]).input_text
    unsaid = read_request(
        [{"role": "user", "content": [{"type": "document", "source": bytes_alone}]}]
    )

    assert said == "The tide is high.\nWhen is low?"
    assert unsaid.input_text is None


def test_a_prompt_that_is_json_is_a_prompt() -> None:
    """Only a list of messages is looked into; data that a user sends is text."""
    prompt = '[{"name": "Ada", "content": "x"}]'

    assert read_request(prompt).input_text == prompt
    assert read_request([{"role": "user", "content": prompt}]).input_text == prompt
    assert read_answer('{"content": "x"}').text == '{"content": "x"}'


def test_lone_surrogates_do_not_reach_the_tables() -> None:
    """JSON may carry half a character; what is stored is UTF-8."""
    request = read_request([{"role": "user", "content": "a\ud800b"}])

    assert request.input_text == "a?b"
