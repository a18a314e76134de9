"""A real LiteLLM proxy posts what it logs to a real receiver, by its `generic_api` callback."""

from __future__ import annotations

import re
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from litellm_proxy import litellm_proxy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "receiver"))

from received import Receiving, start_receiving
from stations import KEY, lake_rows

pytestmark = pytest.mark.gateways

_CALLS = 12
_PATIENCE_SECONDS = 300
_QUIET_SECONDS = 15
_ACCEPTED = re.compile(r'endpoint="litellm",outcome="accepted"} ([0-9.]+)')


def test_litellm_calls_are_received(tmp_path: Path) -> None:
    """Each answered call is an exchange in the lake, once, of the account of its key."""
    receiving = start_receiving(tmp_path, KEY, "--fold-seconds", "600", "--source", "proxy")
    accounts = {f"sk-{name}": {"user_id": name} for name in ("ann", "bob")}
    endpoint = f"http://127.0.0.1:{receiving.port}/v1/litellm"
    with litellm_proxy(
        tmp_path, accounts=accounts, endpoint=endpoint, log_format="json_array"
    ) as proxy:
        calls = {}
        for number in range(_CALLS):
            body = {
                "model": "m",
                "messages": [{"role": "user", "content": f"question {number}"}],
                "mock_response": f"answer {number}",
            }
            status, call = proxy.post(
                "/v1/chat/completions", body, key="sk-ann" if number % 2 else "sk-bob"
            )
            assert status == 200
            calls[f"proxy:{call}"] = number
        try:
            _wait_until_received(receiving)
        finally:
            status, words = receiving.stop()

    assert status == 0, words
    found = lake_rows(tmp_path / "lake", "exchanges")
    assert {row["exchange_id"]: row["input_text"] for row in found} == {
        call: f"question {number}" for call, number in calls.items()
    }
    assert {(row["account_id"], row["source_id"]) for row in found} == {
        ("proxy:ann", "proxy"),
        ("proxy:bob", "proxy"),
    }
    assert all(row["output_text"].startswith("answer") for row in found)


def _wait_until_received(receiving: Receiving) -> None:
    """The callback gathers for some seconds before it posts; it posts some of the calls twice."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    accepted, since = 0.0, time.monotonic()
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{receiving.port}/metrics") as page:
            found = _ACCEPTED.search(page.read().decode())
        now = float(found[1]) if found else 0.0
        if now != accepted:
            accepted, since = now, time.monotonic()
        if accepted >= _CALLS and time.monotonic() > since + _QUIET_SECONDS:
            return
        time.sleep(0.2)
    raise AssertionError(f"{accepted} calls were received")
