"""Records the LiteLLM fixtures of the tests: `python tools/record_litellm.py [NAME…]`.

A real proxy, asked by invented customers, posts its `StandardLoggingPayload` to a receiver.
Nothing in the files was written by hand; times and ids are those of the recording, and only
the path of this project is replaced where a traceback names it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gateway_environment import ROOT
from litellm_proxy import LITELLM_VERSION, litellm_proxy
from log_receiver import Received, log_receiver
from stand_in_openai import stand_in_provider

FIXTURES = ROOT / "tests" / "sources" / "fixtures" / f"litellm-{LITELLM_VERSION}"
ADA, BO, CY = "sk-ada-0123456789abcdef", "sk-bo-0123456789abcdef", "sk-cy-0123456789abcdef"
ACCOUNTS = {
    ADA: {"user_id": "account-ada", "team_id": "team-north", "org_id": "org-1"},
    BO: {"user_id": "account-bo"},
    CY: {"team_id": "team-south"},
}
_TOOL = {
    "type": "function",
    "function": {
        "name": "look_up_tide",
        "description": "Tide tables.",
        "parameters": {"type": "object", "properties": {"harbour": {"type": "string"}}},
    },
}


_Request = tuple[str, str, dict[str, Any], dict[str, str]]
"""Path, key, body and headers."""


def _requests() -> list[_Request]:
    """One of each shape the adapter must read."""
    agent = {"user-agent": "weaver-sdk/3.1", "x-forwarded-for": "203.0.113.7"}
    plain = {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "Why is the sea salty?"},
        ],
        "mock_response": "Rivers carry dissolved minerals into it.",
        "temperature": 0.2,
        "max_tokens": 64,
    }
    follow_up = {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "Why is the sea salty?"},
            {"role": "assistant", "content": "Rivers carry dissolved minerals into it."},
            {"role": "user", "content": "And why are rivers not?"},
        ],
        "mock_response": "They are renewed by rain.",
        "user": "end-user-17",
        "metadata": {"batch": "spring", "session_id": "conversation-5"},
        "litellm_session_id": "conversation-5",
    }
    tools = {
        "model": "gpt-4o",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "When is high tide in Bergen?"},
                    {"type": "image_url", "image_url": {"url": "https://images.example/pier.png"}},
                ],
            }
        ],
        "tools": [_TOOL],
        "n": 1,
        "top_p": 0.9,
        "seed": 7,
        "logprobs": True,
        "top_logprobs": 3,
        "stand_in_tool_call": {"name": "look_up_tide", "arguments": '{"harbour": "Bergen"}'},
    }
    prefilled = {
        "model": "gpt-4o",
        "messages": [
            {"role": "user", "content": "Name three winds."},
            {"role": "assistant", "content": "1. Föhn"},
        ],
        "mock_response": "\n2. Bora\n3. Mistral",
    }
    streamed = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Count to three."}],
        "stand_in_answer": "One two three.",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    limited = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Am I too fast?"}],
        "stand_in_status": 429,
    }
    broken = {**limited, "messages": [{"role": "user", "content": "Fall."}], "stand_in_status": 500}
    chat = "/v1/chat/completions"
    return [
        (chat, ADA, plain, agent),
        (chat, ADA, follow_up, agent),
        (chat, BO, tools, {}),
        (chat, BO, prefilled, {}),
        (chat, BO, streamed, {}),
        (chat, CY, limited, {}),
        (chat, BO, broken, {}),
        (
            "/v1/responses",
            BO,
            {
                "model": "gpt-4o",
                "instructions": "Be brief.",
                "input": "What is dew?",
                "reasoning": {"effort": "low"},
                "stand_in_answer": "Condensed water.",
            },
            {},
        ),
    ]


def main(*only: str) -> None:
    """Write the fixtures anew, or only those named."""
    FIXTURES.mkdir(parents=True, exist_ok=True)
    for log_format, name, redacted in (
        ("ndjson", "standard_logging_payload.ndjson", False),
        ("ndjson", "standard_logging_payload_redacted.ndjson", True),
        ("json_array", "standard_logging_payload_array.json", False),
        ("single", "standard_logging_payload_single.json", False),
    ):
        if only and name not in only:
            continue
        whole = name == "standard_logging_payload.ndjson"
        requests = _requests() if whole else _requests()[:1]
        if redacted:
            requests += _requests()[-1:]
        with tempfile.TemporaryDirectory() as folder:
            bodies = _posted(Path(folder), requests, log_format=log_format, redacted=redacted)
        lines = [line for body in bodies for line in body.decode().splitlines() if line.strip()]
        # Tracebacks name the recording machine's folders; nothing else is changed.
        lines = [line.replace(str(ROOT), "/srv") for line in lines]
        # A payload that was flushed twice says the same twice.
        kept = list(dict.fromkeys(lines)) if log_format == "ndjson" else lines[:1]
        if log_format == "ndjson":
            kept.sort(key=lambda line: json.loads(line)["startTime"])
        (FIXTURES / name).write_text("\n".join(kept) + "\n")
    for name, stored in (("spend_logs.ndjson", True), ("spend_logs_no_prompts.ndjson", False)):
        if not only or name in only:
            _record_spend_logs(name, stored=stored)


def _record_spend_logs(name: str, *, stored: bool) -> None:
    """The rows that the proxy makes for its database, with the bodies or without."""
    long = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Count the words. " + "dew " * 1_000}],
        "mock_response": "A thousand and three.",
    }
    requests = _requests() if stored else _requests()[:1]
    if stored:
        requests.append(("/v1/chat/completions", BO, long, {}))
    with tempfile.TemporaryDirectory() as folder:
        _posted(Path(folder), requests, spend_logs=True, prompts_in_spend_logs=stored)
        text = (Path(folder) / "spend_logs.ndjson").read_text().replace(str(ROOT), "/srv")
    lines = list(dict.fromkeys(text.splitlines()))
    lines.sort(key=lambda line: json.loads(line)["startTime"])
    (FIXTURES / name).write_text("\n".join(lines) + "\n")


def _posted(folder: Path, requests: list[_Request], **settings: Any) -> list[bytes]:
    """What a proxy with these settings, and its files in this folder, posts of the requests."""
    with (
        log_receiver() as received,
        stand_in_provider() as provider,
        litellm_proxy(
            folder,
            accounts=ACCOUNTS,
            endpoint=f"{received.url}/logs",
            provider=provider,
            **settings,
        ) as proxy,
    ):
        for path, key, body, headers in requests:
            status, _ = proxy.post(path, body, key=key, headers=headers)
            print(path, status, str(body.get("messages", body.get("input")))[:60])
        return _settled(received)


def _settled(received: Received) -> list[bytes]:
    """What arrived, once nothing more has come for three seconds."""
    count = -1
    while count != len(received.bodies("/logs")):
        count = len(received.bodies("/logs"))
        time.sleep(3)
    return received.bodies("/logs")


if __name__ == "__main__":
    main(*sys.argv[1:])
