"""What the official clients say through a LiteLLM proxy behind Envoy is what an import reads.

Clients, Envoy, its TLS and its log, the proxy and its payloads are real; the model is a stand-in.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from envoy_proxy import envoy_proxy
from gateway_environment import ROOT, make_environment
from litellm_proxy import litellm_proxy
from log_receiver import log_receiver
from played_world import import_into, litellm_payloads, make_key
from stand_in_openai import stand_in_provider

from stillwatch.lake.store import Lake

pytestmark = pytest.mark.gateways

ADA = {"account": "account-ada", "key": "sk-ada-0123456789abcdef"}
BO = {"account": "account-bo", "key": "sk-bo-0123456789abcdef"}
_TIDE = {"name": "look_up_tide", "parameters": {"type": "object", "properties": {}}}
_SALT = "Rivers carry Größe, 海 and 🌊\r\ninto it."
Call = dict[str, Any]


def _calls() -> list[Call]:
    """Both clients' calls, whole and streamed, and one that fails; no two ask the same."""

    def said(role: str, text: str) -> dict[str, str]:
        return {"role": role, "content": text}

    first = [said("system", "Answer in one line.\n"), said("user", "Why is the sea salty? 🌊")]
    more = [*first, said("assistant", _SALT), said("user", "And why are rivers not?")]
    chat = {"api": "chat", "call": {"model": "gpt-4o"}}
    responses = {"api": "responses", "call": {"model": "o4-mini"}}
    claude = {"api": "messages", "call": {"model": "claude-sonnet-4", "max_tokens": 48}}
    return [
        _call(ADA, chat, messages=first, temperature=0.2, max_tokens=64,
              extra_body={"stand_in_answer": _SALT}),
        _call(ADA, chat, messages=more, tools=[{"type": "function", "function": _TIDE}],
              stream=True, stream_options={"include_usage": True},
              extra_body={"stand_in_answer": "They are renewed by rain."}),
        _call(BO, chat, messages=[said("user", "Am I too fast?")],
              extra_body={"stand_in_status": 429}),
        _call(ADA, responses, instructions="Be brief.", input="What is hail?",
              max_output_tokens=32, extra_body={"stand_in_answer": "Balls of ice."}),
        _call(ADA, responses, input="What is sleet?", stream=True,
              extra_body={"stand_in_answer": "Rain and snow."}),
        _call(BO, claude, messages=[said("user", "What is dew?")], system="Be brief."),
        _call(BO, claude, messages=[said("user", "What is fog?")], stream=True),
    ]  # fmt: skip


def _call(who: dict[str, str], kind: Call, **arguments: Any) -> Call:
    return {**who, **kind, "call": kind["call"] | arguments}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where clients and gateways left what they logged, and the lake of both gateways' logs."""
    folder = tmp_path_factory.mktemp("clients")
    accounts = {who["key"]: {"user_id": who["account"]} for who in (ADA, BO)}
    calls = _calls()
    with (
        log_receiver() as received,
        stand_in_provider() as provider,
        litellm_proxy(
            folder, accounts=accounts, endpoint=f"{received.url}/logs", provider=provider
        ) as proxy,
        envoy_proxy(
            folder, service_port=int(proxy.url.rpartition(":")[2]), answer_seconds=600
        ) as envoy,
    ):
        for path, of_one in (
            ("/v1", [c for c in calls if c["api"] != "messages"]),
            ("", [c for c in calls if c["api"] == "messages"]),
        ):
            _talk(of_one, f"https://localhost:{envoy.port}{path}", envoy.certificate, folder)
        payloads = litellm_payloads(received, wanted=len(calls))
    (folder / "litellm.ndjson").write_text("".join(payloads))
    make_key(folder)
    for log_format, name in (("litellm", "litellm.ndjson"), ("envoy", envoy.access_log.name)):
        import_into(folder / "lake", log_format, folder / name)
    return folder


def _talk(calls: list[Call], url: str, certificate: Path, folder: Path) -> None:
    """The calls by the providers' own clients, which write down what they sent and got."""
    python = make_environment("providers")
    subprocess.run(
        [python, ROOT / "tools" / "provider_client.py", "--provider", url, "--out", folder],
        input="".join(json.dumps(call) + "\n" for call in calls),
        env={"PATH": os.environ["PATH"], "SSL_CERT_FILE": str(certificate)},
        check=True,
        text=True,
        timeout=300,
    )


def test_the_lake_holds_what_the_clients_sent_and_got(folder: Path) -> None:
    """Field by field, of every call, by whichever client."""
    pairs = [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]
    expected = [_columns(pair) for pair in pairs]
    found = {row["input_text"]: row for row in _exchanges(folder)}

    assert len(found) == len(_exchanges(folder)) == len(pairs) == len(_calls())
    for wanted in expected:
        row = found[wanted["input_text"]]
        assert {name: row[name] for name in wanted} == wanted


def test_every_call_has_the_network_that_envoy_saw(folder: Path) -> None:
    """One client, one address and one TLS fingerprint; the keys of both customers are apart."""
    rows = _exchanges(folder)

    assert {row["network_log"] for row in rows} == {"envoy"}
    assert len({(row["client_ip"], row["tls_fingerprint"]) for row in rows}) == 1
    assert all(row["client_ip"] and row["tls_fingerprint"] for row in rows)
    assert len({(row["account_id"], row["credential_id"]) for row in rows}) == 2


def _exchanges(folder: Path) -> list[dict[str, Any]]:
    files = Lake.open(folder / "lake").files("exchanges")
    return [row for path in files for row in pq.read_table(path).to_pylist()]


def _columns(pair: Call) -> Call:
    """The columns of a call, from what the client was told to send and what it was given."""
    asked, answer = pair["request"], pair.get("response")
    messages = asked.get("messages") or [{"role": "user", "content": asked["input"]}]
    apart = asked.get("system") or asked.get("instructions")
    among = [m["content"] for m in messages if m["role"] == "system"]
    tools = [tool["function"]["name"] for tool in asked.get("tools", [])]
    return {
        "account_id": pair["user_id"],
        "model": asked["model"],
        "system_text": apart or (among[0] if among else None),
        "input_text": messages[-1]["content"],
        "output_text": _text_of(answer) if answer else None,
        "temperature": asked.get("temperature"),
        "max_output_tokens": asked.get("max_tokens") or asked.get("max_output_tokens"),
        "tool_names": tools or None,
        "turn_index": sum(m["role"] == "assistant" for m in messages),
        "status": "ok" if answer else "rate_limited",
        **(_tokens(answer["usage"]) if isinstance(answer, dict) else {}),
    }


def _tokens(usage: Call) -> Call:
    """What was billed; of a stream only some clients are told."""
    names = ("input_tokens", "output_tokens")
    if "prompt_tokens" in usage:
        return dict(zip(names, (usage["prompt_tokens"], usage["completion_tokens"]), strict=True))
    return {name: usage[name] for name in names}


def _text_of(answer: Any) -> str:
    """What the client got, whole or in pieces."""
    if isinstance(answer, list):
        deltas = [c["delta"].get("content") for p in answer for c in p.get("choices", [])]
        deltas += [p["delta"].get("text") for p in answer if p.get("type") == "content_block_delta"]
        deltas += [p["delta"] for p in answer if p.get("type") == "response.output_text.delta"]
        return "".join(delta or "" for delta in deltas)
    if "choices" in answer:
        return str(answer["choices"][0]["message"]["content"])
    content = answer.get("content") or answer["output"][-1]["content"]
    return "".join(part["text"] for part in content if part["type"] in ("text", "output_text"))
