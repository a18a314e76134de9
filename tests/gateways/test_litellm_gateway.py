"""A campaign played through a LiteLLM proxy behind Envoy is found in what the two logged.

Envoy, its TLS, its log, the proxy, its keys, its callback and its payloads are real, and both
logs are imported as they were written. The model is a stand-in that gives the world's answers,
and a client's address is told to Envoy by the PROXY protocol, as a load balancer tells it.

The campaign is one that only Envoy's log can give away. Its accounts have the devices of the
world, five accounts each, and neither card nor contact is known; no two accounts of a device
leave by the same exit, and none of their requests is stopped, for prompts that move on to
another account would tie the two without any network.
"""

from __future__ import annotations

import http.client
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from envoy_proxy import Envoy, envoy_proxy
from litellm_proxy import litellm_proxy
from log_receiver import Received, log_receiver
from played_world import (
    SimulatedWorld,
    answered,
    import_into,
    litellm_payloads,
    make_key,
    scanned,
    simulated_world,
)
from stand_in_openai import stand_in_provider

from stillwatch.lake.store import Lake
from stillwatch.records import Findings

_PATIENCE_SECONDS = 600  # with one answer, where others keep the machine busy
# What whoever runs a gateway may know of its accounts; no address, card, phone or mail.
_KNOWN = (
    *("account_id", "created_at", "closed_at", "closed_reason", "status", "plan", "country"),
    *("organization_id", "organization_since", "organization_verified", "verification"),
    *("email_domain", "device_token"),
)

pytestmark = pytest.mark.gateways


@dataclass(frozen=True, slots=True)
class Recording:
    """What was played and what the two gateways logged of it.

    Attributes:
        campaign: The campaign's accounts, and the address by which each of them leaves.
        played: The exchange of each of LiteLLM's call ids, with the address it came from.
    """

    folder: Path
    campaign: dict[str, str]
    played: dict[str, dict[str, Any]]
    litellm_log: Path
    envoy_log: Path


@dataclass(frozen=True, slots=True)
class Lakes:
    """Lakes of both logs, imported in either order; scanned before Envoy's came, and after."""

    litellm_first: Path
    envoy_first: Path
    before: Findings
    after: Findings


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimulatedWorld:
    """What is played: of half as many exchanges a scan can tell nothing, and each takes time."""
    return simulated_world(tmp_path_factory.mktemp("world") / "world", exchanges=4_300)


@pytest.fixture(scope="module")
def recording(world: SimulatedWorld, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The world played through both."""
    folder = tmp_path_factory.mktemp("gateways")
    exits = _exits(world)
    calm = [r for r in world.exchanges if r["account_id"] not in exits or answered(r)]
    moved = [r | {"client_ip": exits.get(r["account_id"], r["client_ip"])} for r in calm]
    accounts = {f"sk-{name}": {"user_id": name} for name in {r["account_id"] for r in moved}}
    with log_receiver() as received, _gateways(folder, accounts, received) as envoy:
        played = replace(world, exchanges=moved).play(lambda row: _send(envoy, row))
        payloads = litellm_payloads(received, wanted=len(played))
    log = folder / "litellm.ndjson"
    log.write_text("".join(payloads))
    return Recording(folder, exits, played, log, envoy.access_log)


@pytest.fixture(scope="module")
def lakes(world: SimulatedWorld, recording: Recording) -> Lakes:
    """Both logs imported in either order, beside what is known of the accounts."""
    folder = recording.folder
    make_key(folder)
    known = folder / "accounts.parquet"
    pq.write_table(pq.read_table(world.folder / known.name).select(_KNOWN), known)
    facts = known, world.folder / "model_releases.parquet"
    one, other = folder / "litellm-first", folder / "envoy-first"
    import_into(one, "litellm", recording.litellm_log)
    import_into(one, "canonical", *facts)
    before = scanned(one, campaigns=0)
    import_into(one, "envoy", recording.envoy_log)
    import_into(other, "envoy", recording.envoy_log)
    import_into(other, "litellm", recording.litellm_log)
    return Lakes(one, other, before, scanned(one, campaigns=1))


def test_the_lake_holds_what_was_played(recording: Recording, lakes: Lakes) -> None:
    """Every exchange, with its account, texts and outcome, and nothing beside them."""
    assert Counter(
        (row["account_id"], row["system_text"], row["input_text"], row["output_text"])
        for row in _exchanges(lakes.litellm_first)
    ) == Counter(
        (
            *(row["account_id"], row["system_text"] or None, row["input_text"]),
            row["output_text"] if answered(row) else None,
        )
        for row in recording.played.values()
    )


def test_every_exchange_has_the_address_that_envoy_saw(recording: Recording, lakes: Lakes) -> None:
    """One token for each address of a client, and none for Envoy's own, which LiteLLM saw."""
    stored = _exchanges(lakes.litellm_first)
    pairs = {
        (row["client_ip"], recording.played[row["exchange_id"]]["client_ip"]) for row in stored
    }
    tokens, addresses = ({pair[side] for pair in pairs} for side in (0, 1))

    assert {row["network_log"] for row in stored} == {"envoy"}
    assert None not in tokens
    assert len(pairs) == len(tokens) == len(addresses)


def test_which_log_comes_first_makes_no_difference(lakes: Lakes) -> None:
    """The exchanges are the same."""
    assert _exchanges(lakes.envoy_first) == _exchanges(lakes.litellm_first)


def test_without_envoys_log_nothing_ties_the_campaign(recording: Recording, lakes: Lakes) -> None:
    """Its accounts stand out, but machines whose places nobody knows may be a classroom's."""
    reasons = {
        frozenset(group["account_ids"]): group["why_not_reported"]
        for group in lakes.before.tested.to_pylist()
    }

    assert _linked_by_network(lakes.before) == set()
    assert reasons[frozenset(recording.campaign)].startswith("Wording alone ties it: 0%")


def test_with_it_the_campaign_is_found_with_exactly_its_members(
    recording: Recording, lakes: Lakes
) -> None:
    """Twenty accounts among two hundred honest ones."""
    assert set(lakes.after.members["account_id"].to_pylist()) == recording.campaign.keys()


def test_the_accounts_of_an_exit_are_linked(recording: Recording, lakes: Lakes) -> None:
    """All of them, and no others."""
    assert _linked_by_network(lakes.after) == {
        frozenset(pair)
        for pair in combinations(recording.campaign, 2)
        if recording.campaign[pair[0]] == recording.campaign[pair[1]]
    }


def _exits(world: SimulatedWorld) -> dict[str, str]:
    """An exit for each account of the campaign, so that a device is seen at several."""
    table = pq.read_table(world.folder / "accounts.parquet", columns=["account_id", "device_token"])
    sharing: dict[str, list[str]] = defaultdict(list)
    for account in table.to_pylist():
        if account["account_id"] in world.campaign_accounts:
            sharing[account["device_token"]].append(account["account_id"])
    assert sorted(map(len, sharing.values())) == [5, 5, 5, 5]
    # Of the reserved block that the world's own addresses are of.
    return {
        account: f"250.77.{number}.10"
        for accounts in sharing.values()
        for number, account in enumerate(sorted(accounts))
    }


@contextmanager
def _gateways(
    folder: Path, accounts: dict[str, dict[str, str]], received: Received
) -> Iterator[Envoy]:
    """Envoy in front of LiteLLM in front of the stand-in."""
    with (
        stand_in_provider() as provider,
        litellm_proxy(
            folder, accounts=accounts, endpoint=f"{received.url}/logs", provider=provider
        ) as proxy,
        envoy_proxy(
            folder, service_port=int(proxy.url.rpartition(":")[2]), answer_seconds=_PATIENCE_SECONDS
        ) as envoy,
    ):
        yield envoy


def _send(envoy: Envoy, row: dict[str, Any]) -> str:
    """One exchange of the world as a request; LiteLLM's id of the call."""
    system = [{"role": "system", "content": row["system_text"]}] if row["system_text"] else []
    said = {"stand_in_answer": row["output_text"]} if answered(row) else {"stand_in_status": 429}
    body: dict[str, Any] = {
        "model": row["model"],
        "messages": [*system, {"role": "user", "content": row["input_text"]}],
        **said,
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
    headers = {
        "authorization": f"Bearer sk-{row['account_id']}",
        "content-type": "application/json",
        "user-agent": row["user_agent"] or "none",
    }
    with envoy.connected(row["client_ip"]) as stream:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = stream
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
    assert answer.status == (200 if answered(row) else 429)
    return answer.headers["x-litellm-call-id"]


def _exchanges(lake: Path) -> list[dict[str, Any]]:
    """The lake's exchanges, by their ids."""
    rows = ds.dataset(Lake.open(lake).files("exchanges")).to_table().to_pylist()
    return sorted(rows, key=lambda row: row["exchange_id"])


def _linked_by_network(findings: Findings) -> set[frozenset[str]]:
    return {
        frozenset((link["account_a"], link["account_b"]))
        for link in findings.links.to_pylist()
        if link["kind"] == "network"
    }
