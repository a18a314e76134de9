"""Records the fixtures of the formats `openai` and `anthropic`: `python tools/record_providers.py`.

The providers' own Python clients ask stand-ins, since no real model may be asked. Requests,
headers, streams and batch files are the clients'; the answers are the stand-ins'. Only the
stand-ins' address is replaced.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from gateway_environment import ROOT, make_environment
from stand_in_anthropic import stand_in_anthropic
from stand_in_openai import stand_in_provider

FIXTURES = ROOT / "tests" / "sources" / "fixtures"
CLIENT = ROOT / "tools" / "provider_client.py"
REQUIREMENTS = ROOT / "tools" / "gateway_requirements_providers.txt"
ADA = {"account": "account-ada", "key": "sk-ada-0123456789abcdef"}
BO = {"account": "account-bo", "key": "sk-bo-0123456789abcdef"}
_TIDE = {
    "name": "look_up_tide",
    "parameters": {"type": "object", "properties": {"harbour": {"type": "string"}}},
}
_SALT = "Rivers carry dissolved minerals into it."


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def openai_plan() -> list[dict[str, Any]]:
    """One call of each shape the adapter must read."""
    system = {"role": "system", "content": "Answer in one sentence."}
    first = [system, _user("Why is the sea salty?")]

    def chat(who: dict[str, str], **call: Any) -> dict[str, Any]:
        return {**who, "api": "chat", "call": {"model": "gpt-4o", **call}}

    def responses(who: dict[str, str], **call: Any) -> dict[str, Any]:
        return {**who, "api": "responses", "call": {"model": "o4-mini", **call}}

    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed-1"}
    include = ["reasoning.encrypted_content"]
    return [
        chat(
            ADA,
            messages=first,
            temperature=0.2,
            max_completion_tokens=64,
            prompt_cache_key="salt-course",
            safety_identifier="end-user-17",
            metadata={"course": "oceans"},
            extra_body={"stand_in_answer": _SALT},
        ),
        chat(
            ADA,
            messages=[*first, _assistant(_SALT), _user("And why are rivers not?")],
            n=2,
            seed=7,
            top_p=0.9,
            logprobs=True,
            top_logprobs=5,
            extra_body={"stand_in_answer": "They are renewed by rain."},
        ),
        chat(
            BO,
            messages=[_user("When is high tide in Bergen?")],
            tools=[{"type": "function", "function": _TIDE}],
            stream=False,
            extra_body={
                "stand_in_tool_call": {"name": "look_up_tide", "arguments": '{"harbour": "Bergen"}'}
            },
        ),
        chat(
            BO,
            messages=[_user("Count to three.")],
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"stand_in_answer": "One two three."},
        ),
        chat(
            BO,
            messages=[_user("Name three winds."), _assistant("1. Föhn")],
            extra_body={"stand_in_answer": "\n2. Bora\n3. Mistral"},
        ),
        chat(BO, messages=[_user("Teach me to pick it.")], extra_body={"stand_in_refusal": "No."}),
        chat(BO, messages=[_user("Am I too fast?")], extra_body={"stand_in_status": 429}),
        chat(
            BO,
            messages=[_user("Break the rules.")],
            extra_body={"stand_in_status": 400, "stand_in_code": "content_policy_violation"},
        ),
        responses(
            ADA,
            instructions="Be brief.",
            input="What is dew?",
            reasoning={"effort": "high"},
            include=include,
            extra_body={"stand_in_answer": "Condensed water.", "stand_in_reasoning": "sealed-1"},
        ),
        responses(
            ADA,
            input=[
                _user("What is dew?"),
                reasoning,
                _assistant("Condensed water."),
                _user("And fog?"),
            ],
            store=False,
            stream=True,
            top_logprobs=3,
            extra_body={"stand_in_answer": "Dew that floats.", "stand_in_reasoning": "sealed-2"},
        ),
        {**BO, "api": "batch", "provider": "openai", "call": _openai_batch()},
    ]


def _openai_batch() -> list[dict[str, Any]]:
    def line(custom_id: str, question: str, **more: Any) -> dict[str, Any]:
        body = {"model": "gpt-4o-mini", "messages": [_user(question)], "max_tokens": 32, **more}
        where = {"method": "POST", "url": "/v1/chat/completions"}
        return {"custom_id": custom_id, **where, "body": body}

    return [
        line("item-1", "What is hail?", stand_in_answer="Balls of ice."),
        line("item-2", "What is sleet?", stand_in_answer="Rain and snow."),
        line("item-3", "Too much?", stand_in_status=429),
        line("item-4", "Too late?", stand_in_status=0),
    ]


def anthropic_plan() -> list[dict[str, Any]]:
    """The same for Anthropic's messages."""
    first = _user("Why is the sea salty?")

    def call(who: dict[str, str], **arguments: Any) -> dict[str, Any]:
        settings = {"model": "claude-sonnet-4-5", "max_tokens": 2048}
        return {**who, "api": "messages", "call": {**settings, **arguments}}

    thought = {"type": "thinking", "thinking": "Hm.", "signature": "signed-1"}
    tool = {"name": "look_up_tide", "input_schema": _TIDE["parameters"]}
    return [
        call(
            ADA,
            system="Answer in one sentence.",
            messages=[first],
            metadata={"user_id": "end-user-17"},
            cache_control={"type": "ephemeral"},
            # The client dropped these arguments; older ones and other languages send them.
            extra_body={"stand_in_answer": _SALT, "temperature": 0.2},
        ),
        call(
            ADA,
            messages=[first],
            thinking={"type": "enabled", "budget_tokens": 1024},
            extra_body={"stand_in_answer": _SALT, "stand_in_signature": "signed-1"},
        ),
        call(
            ADA,
            messages=[
                first,
                _assistant([thought, {"type": "text", "text": _SALT}]),
                _user("And why are rivers not?"),
            ],
            stream=True,
            thinking={"type": "adaptive"},
            output_config={"effort": "high"},
            extra_body={
                "stand_in_answer": "They are renewed by rain.",
                "stand_in_signature": "signed-2",
            },
        ),
        call(
            BO,
            messages=[_user("When is high tide in Bergen?")],
            tools=[tool],
            stream=True,
            extra_body={
                "stand_in_answer": "",
                "stand_in_tool_call": {"name": "look_up_tide", "input": {"harbour": "Bergen"}},
            },
        ),
        call(
            BO,
            messages=[_user("Name three winds."), _assistant("1. Föhn")],
            extra_body={"stand_in_answer": "\n2. Bora\n3. Mistral", "top_p": 0.9},
        ),
        call(
            BO,
            messages=[_user("Show me all of your reasoning.")],
            extra_body={"stand_in_answer": "", "stand_in_stop": "refusal"},
        ),
        call(BO, messages=[_user("Am I too fast?")], extra_body={"stand_in_status": 429}),
        call(
            BO,
            messages=[_user("Break the rules.")],
            extra_body={
                "stand_in_status": 400,
                "stand_in_message": "Output blocked by content filtering policy",
            },
        ),
        {**BO, "api": "batch", "provider": "anthropic", "call": _anthropic_batch()},
    ]


def _anthropic_batch() -> list[dict[str, Any]]:
    def request(custom_id: str, question: str, **more: Any) -> dict[str, Any]:
        settings = {"model": "claude-haiku-4-5", "max_tokens": 32}
        params = {**settings, "messages": [_user(question)], **more}
        return {"custom_id": custom_id, "params": params}

    return [
        request("item-1", "What is hail?", stand_in_answer="Balls of ice."),
        request("item-2", "What is sleet?", stand_in_answer="Rain and snow."),
        request("item-3", "Too large?", stand_in_status=400),
        request("item-4", "Too late?", stand_in_status=0),
    ]


def main() -> None:
    """Write the fixtures anew."""
    python = make_environment("providers")
    with stand_in_provider() as provider:
        _record(python, "openai", openai_plan(), provider)
    with stand_in_anthropic() as provider:
        _record(python, "anthropic", anthropic_plan(), provider)


def _record(python: Path, name: str, plan: list[dict[str, Any]], provider: str) -> None:
    pinned = re.search(rf"^{name}==(\S+)$", REQUIREMENTS.read_text(), re.MULTILINE)
    assert pinned is not None
    folder = FIXTURES / f"{name}-{pinned[1]}"
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [str(python), str(CLIENT), "--provider", provider, "--out", scratch],
            input="\n".join(json.dumps(step) for step in plan).encode(),
            capture_output=True,
            env={"PATH": os.environ["PATH"]},
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
        print(done.stdout.decode())
        folder.mkdir(parents=True)
        address = provider.removesuffix("/v1")
        for path in sorted(Path(scratch).iterdir()):
            text = path.read_text().replace(address, "https://api.example")
            text = text.replace(address.removeprefix("http://"), "api.example")
            (folder / path.name).write_text(text)
            print(folder.name, path.name, len(text))


if __name__ == "__main__":
    main()
