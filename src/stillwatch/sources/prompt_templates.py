"""Prompts as one text, in which a model's chat template has written the turns.

Read here are the public templates of Llama, Mistral, DeepSeek and Qwen (ChatML), and the turns of
older Claude models.
"""

from __future__ import annotations

import re

__all__ = ["expects_reasoning", "turns_of_prompt"]

_SPEAKERS = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
_INSTRUCTION = re.compile(
    r"\[(/?)(INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]", re.ASCII
)
_SYSTEM_OF_LLAMA_2 = re.compile(r"\s*<<SYS>>(.*?)<</SYS>>", re.DOTALL)
# Who speaks in what follows a mark of Mistral's; what follows the others is nobody's words.
_ROLE_AFTER = {
    ("", "INST"): "user",
    ("/", "INST"): "assistant",
    ("", "SYSTEM_PROMPT"): "system",
    ("", "TOOL_CALLS"): "assistant",
    ("", "TOOL_RESULTS"): "tool",
}
_MISTRALS_OWN = re.compile(r"</?s>")
# How a turn begins, with its role, and what else the template writes; by the template of Llama 3,
# Llama 4, Qwen and DeepSeek. Only the last lets the system's words stand before the first turn.
_HEADED = (
    (
        re.compile(r"<\|start_header_id\|>\s*(\w+)\s*<\|end_header_id\|>"),
        re.compile(r"<\|(?:begin_of_text|eot_id|eom_id|end_of_text)\|>"),
    ),
    (
        re.compile(r"<\|header_start\|>\s*(\w+)\s*<\|header_end\|>"),
        re.compile(r"<\|(?:begin_of_text|eot|eom|end_of_text)\|>"),
    ),
    (re.compile(r"<\|im_start\|>(\w+)\n"), re.compile(r"<\|(?:im_end|endoftext)\|>")),
)
_DEEPSEEK = (
    re.compile(r"<\uff5c(User|Assistant)\uff5c>"),
    re.compile(r"<\uff5c(?:begin|end)\u2581of\u2581sentence\uff5c>"),
)
_BEGUN_REASONING = "<think>"


def turns_of_prompt(prompt: str) -> list[dict[str, str]] | str:
    """The messages that a template made the prompt of; any other prompt as it is."""
    turns = _spoken(prompt) or _instructed(prompt)
    for begin, own in _HEADED:
        turns = turns or _headed(prompt, begin, own, system_before=False)
    return turns or _headed(prompt, *_DEEPSEEK, system_before=True) or prompt


def expects_reasoning(prompt: object) -> bool:
    """Whether the prompt began the reasoning, so that the answer has its end alone."""
    return isinstance(prompt, str) and prompt.rstrip().endswith(_BEGUN_REASONING)


def _spoken(prompt: str) -> list[dict[str, str]]:
    """The turns of an older Claude prompt."""
    pieces = _SPEAKERS.split(prompt)
    if "Human" not in pieces[1::2]:
        return []
    roles = ("user" if speaker == "Human" else "assistant" for speaker in pieces[1::2])
    return _told([("system", pieces[0]), *zip(roles, pieces[2::2], strict=True)])


def _instructed(prompt: str) -> list[dict[str, str]]:
    """The turns of a prompt of Mistral or Llama 2."""
    before, *pieces = _INSTRUCTION.split(prompt)
    if not pieces or _MISTRALS_OWN.sub("", before).strip():
        return []
    turns = []
    for slash, name, said in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        role = _ROLE_AFTER.get((slash, name))
        if role is None:
            continue
        said = _MISTRALS_OWN.sub("", said)
        if role == "user" and (found := _SYSTEM_OF_LLAMA_2.match(said)):
            turns.append(("system", found[1]))
            said = said[found.end() :]
        turns.append((role, said))
    return _told(turns)


def _headed(
    prompt: str, begin: re.Pattern[str], own: re.Pattern[str], *, system_before: bool
) -> list[dict[str, str]]:
    before, *pieces = begin.split(prompt)
    before = own.sub("", before)
    if not pieces or (before.strip() and not system_before):
        return []
    roles = ("tool" if role == "ipython" else role.lower() for role in pieces[::2])
    said = (own.sub("", piece) for piece in pieces[1::2])
    return _told([("system", before), *zip(roles, said, strict=True)])


def _told(turns: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Those that say something; the last, which the model is to write, does not."""
    if turns[-1][0] == "assistant" and turns[-1][1].strip() == _BEGUN_REASONING:
        turns = turns[:-1]
    return [{"role": role, "content": said.strip()} for role, said in turns if said.strip()]
