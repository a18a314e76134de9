"""Prompts of one text are taken apart by the templates that models publish."""

from __future__ import annotations

from typing import Any

import pytest

from stillwatch.sources.bodies import read_bodies
from stillwatch.sources.messages import read_answer, read_request
from stillwatch.sources.prompt_templates import turns_of_prompt

LLAMA_3 = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nQ1<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nA1<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nQ2\n\nmore<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
LLAMA_4 = (
    "<|begin_of_text|><|header_start|>system<|header_end|>\n\nBe brief.<|eot|>"
    "<|header_start|>user<|header_end|>\n\nQ1<|eot|>"
    "<|header_start|>assistant<|header_end|>\n\nA1<|eot|>"
    "<|header_start|>user<|header_end|>\n\nQ2\n\nmore<|eot|>"
    "<|header_start|>assistant<|header_end|>\n\n"
)
LLAMA_2 = "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nQ1 [/INST] A1 </s><s>[INST] Q2\n\nmore [/INST]"
MISTRAL = "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Q1[/INST]A1</s>[INST]Q2\n\nmore[/INST]"
CHATML = (
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n"
    "<|im_start|>assistant\nA1<|im_end|>\n<|im_start|>user\nQ2\n\nmore<|im_end|>\n"
    "<|im_start|>assistant\n"
)
DEEPSEEK = (
    "<｜begin▁of▁sentence｜>Be brief.<｜User｜>Q1<｜Assistant｜>A1<｜end▁of▁sentence｜>"
    "<｜User｜>Q2\n\nmore<｜Assistant｜>"
)
CLAUDE_2 = "Be brief.\n\nHuman: Q1\n\nAssistant: A1\n\nHuman: Q2\n\nmore\n\nAssistant:"


@pytest.mark.parametrize(
    "prompt",
    [LLAMA_3, LLAMA_4, LLAMA_2, MISTRAL, CHATML, DEEPSEEK, f"{DEEPSEEK}<think>\n", CLAUDE_2],
)
def test_every_template_tells_the_same_turns(prompt: str) -> None:
    """Instructions, what was said before, and what is new; nothing of the template's own marks."""
    columns = read_bodies({"prompt": prompt}, None).columns

    assert columns["system_text"] == "Be brief."
    assert columns["earlier_messages"] == ["Q1", "A1"]
    assert columns["input_text"] == "Q2\n\nmore"
    assert (columns["turn_index"], columns["prefill"]) == (1, False)


@pytest.mark.parametrize(
    "prompt",
    [
        "What does [INST] do in a prompt?",
        "The text <|im_start|>user\n is a mark.",
        "Why is <|start_header_id|>user<|end_header_id|> written?",
        "",
    ],
)
def test_prompt_that_speaks_of_a_template_is_one_prompt(prompt: str) -> None:
    """Marks count where a template puts them: at the beginning."""
    assert turns_of_prompt(prompt) == prompt


def test_answer_that_the_client_began_is_a_prefill() -> None:
    """As in any list of messages."""
    columns = read_bodies({"prompt": f"{LLAMA_3}It begins"}, {"generation": " here"}).columns

    assert (columns["prefill"], columns["output_text"]) == (True, " here")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("<think>\nHm.\n</think>\n\nIt is 4.", "It is 4."),
        ("<reasoning>Hm.</reasoning>It is 4.", "It is 4."),
        ("\n<think></think>It is 4.", "It is 4."),
        ("<think>It was cut off here", None),
        ("It is <think>4</think>.", "It is <think>4</think>."),
        ("<thinking>4", "<thinking>4"),
        ("", None),
    ],
)
def test_reasoning_that_an_answer_begins_with_is_no_answer(written: str, said: str | None) -> None:
    """Wherever the answer lies, and also where it is sent in again."""
    message = {"role": "assistant", "content": written}
    responses: list[Any] = [
        written,
        {"choices": [{"message": message, "finish_reason": "stop"}]},
        {"content": [{"type": "text", "text": written}], "stop_reason": "end_turn"},
        [{"role": "assistant", "parts": [{"type": "text", "content": written}]}],
    ]
    again = read_request([{"role": "user", "content": "Q"}, message, {"role": "user"}])

    assert [read_answer(response).text for response in responses] == [said] * len(responses)
    assert read_bodies(None, {"outputs": [{"text": written}]}).columns["output_text"] == said
    assert again.earlier_messages == [text for text in ("Q", said) if text]


def test_what_a_user_writes_is_kept_as_it_is() -> None:
    """Only a model's words begin with its reasoning."""
    request = read_request([{"role": "user", "content": "<think>of it</think> Why?"}])

    assert request.input_text == "<think>of it</think> Why?"


def test_reasoning_that_the_prompt_began_ends_in_the_answer() -> None:
    """DeepSeek's template opens it; the answer holds its end alone."""
    answer = {"choices": [{"text": "Hm.\n</think>\n\nIt is 4.", "stop_reason": "stop"}]}

    told = [
        read_bodies({"prompt": prompt}, answer).columns["output_text"]
        for prompt in (f"{DEEPSEEK}<think>\n", DEEPSEEK)
    ]
    assert told == ["It is 4.", "Hm.\n</think>\n\nIt is 4."]
