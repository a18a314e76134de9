"""A campaign played through a running LiteLLM proxy is found in what the proxy logged."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from litellm_proxy import Proxy, litellm_proxy
from log_receiver import Received, log_receiver
from played_world import SimulatedWorld, answered, seconds

_SETTLING_SECONDS = 120


@pytest.mark.gateways
def test_a_campaign_is_found_in_the_logs_of_a_litellm_proxy(
    world: SimulatedWorld, tmp_path: Path
) -> None:
    """Twenty accounts among two hundred honest ones; exactly they are found.

    The proxy, its keys, its callback and its payloads are real; the answers are the world's,
    as `mock_response`. Clocks say now, and the world lasts a week: so the three times of each
    payload, and nothing else, are set to the world's from a side table of LiteLLM's call ids.
    """
    keys = {account: f"sk-{account}" for account in {r["account_id"] for r in world.exchanges}}
    with (
        log_receiver() as received,
        litellm_proxy(
            tmp_path,
            accounts={key: {"user_id": account} for account, key in keys.items()},
            endpoint=f"{received.url}/logs",
        ) as proxy,
    ):
        played = world.play(lambda row: _send(proxy, row, keys[row["account_id"]]))
        payloads = _payloads(received, wanted=len(played))
    log = tmp_path / "litellm.ndjson"
    log.write_text("".join(_in_world_time(p, played) for p in payloads.values()))

    assert world.import_and_scan(log, "litellm", folder=tmp_path) == world.campaign_accounts


def _send(proxy: Proxy, row: dict[str, Any], key: str) -> str:
    """One exchange of the world as a request; LiteLLM's id of the call."""
    system = [{"role": "system", "content": row["system_text"]}] if row["system_text"] else []
    body: dict[str, Any] = {
        "model": row["model"],
        "messages": [*system, {"role": "user", "content": row["input_text"]}],
        # A mock of this name makes the proxy fail as at a provider's limit.
        "mock_response": row["output_text"] if answered(row) else "litellm.RateLimitError",
    }
    for name, column in (("temperature", "temperature"), ("max_tokens", "max_output_tokens")):
        if row[column] is not None:
            body[name] = row[column]
    if row["tool_names"]:
        body["tools"] = [
            {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
            for name in row["tool_names"]
        ]
    if row["conversation_id"]:
        body["litellm_session_id"] = row["conversation_id"]
    headers = {"x-forwarded-for": row["client_ip"], "user-agent": row["user_agent"] or "none"}
    status, call_id = proxy.post("/v1/chat/completions", body, key=key, headers=headers)
    assert status == (200 if answered(row) else 429)
    return call_id


def _payloads(received: Received, *, wanted: int) -> dict[str, dict[str, Any]]:
    """What the callback posted, by call id, once all of it is there."""
    deadline = time.monotonic() + _SETTLING_SECONDS
    payloads: dict[str, dict[str, Any]] = {}
    while len(payloads) < wanted and time.monotonic() < deadline:
        time.sleep(1)
        lines = [line for body in received.bodies() for line in body.splitlines()]
        payloads = {(p := json.loads(line))["litellm_call_id"]: p for line in lines}
    assert len(payloads) == wanted
    return payloads


def _in_world_time(payload: dict[str, Any], played: dict[str, dict[str, Any]]) -> str:
    row = played[payload["litellm_call_id"]]
    end = seconds(row["finished_at"] or row["started_at"])
    times = {"startTime": seconds(row["started_at"]), "endTime": end, "completionStartTime": end}
    return json.dumps(payload | times) + "\n"
