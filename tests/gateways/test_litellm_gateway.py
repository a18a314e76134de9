"""A campaign played through a running LiteLLM proxy is found in what the proxy logged.

The proxy, its keys, its callback and its payloads are real; the answers are the world's, as
`mock_response`. Clocks say now, and the world lasts a week: so the three times of each payload,
and nothing else, are set to the world's from a side table of LiteLLM's call ids.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from litellm_proxy import Proxy, litellm_proxy
from log_receiver import Received, log_receiver
from played_world import SimulatedWorld, accounts_found, answered, imported, seconds

_SETTLING_SECONDS = 120


pytestmark = pytest.mark.gateways


@pytest.fixture(scope="module")
def lake(world: SimulatedWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world played through the proxy, and the proxy's log imported."""
    folder = tmp_path_factory.mktemp("litellm")
    keys = {account: f"sk-{account}" for account in {r["account_id"] for r in world.exchanges}}
    with (
        log_receiver() as received,
        litellm_proxy(
            folder,
            accounts={key: {"user_id": account} for account, key in keys.items()},
            endpoint=f"{received.url}/logs",
        ) as proxy,
    ):
        played = world.play(lambda row: _send(proxy, row, keys[row["account_id"]]))
        payloads = _payloads(received, wanted=len(played))
    log = folder / "litellm.ndjson"
    log.write_text("".join(_in_world_time(p, played) for p in payloads.values()))
    return world.lake_of(log, "litellm", folder=folder)


def test_the_lake_holds_what_was_played(world: SimulatedWorld, lake: Path) -> None:
    """Every exchange, with its account, time and texts, and nothing beside them."""
    assert imported(lake) == world.spoken()


def test_the_campaign_is_found_with_exactly_its_members(world: SimulatedWorld, lake: Path) -> None:
    """Twenty accounts among two hundred honest ones."""
    assert accounts_found(lake) == world.campaign_accounts


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
