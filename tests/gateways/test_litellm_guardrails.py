"""Both guardrails in a real LiteLLM proxy: what each can do, and what happens where it cannot ask.

The proxy, its keys, its log and the import of that log are real; the model is a stand-in, and the
decisions come from a table.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from decision_server import REFERENCE, DecisionServer, decision_server
from gateway_environment import ROOT
from litellm_proxy import litellm_proxy
from log_receiver import Received, log_receiver
from played_world import import_into, make_key
from served_decisions import Deployment, until
from stand_in_openai import stand_in_provider

from stillwatch.identity.keys import KeySource
from stillwatch.identity.normalise import credential_digest_of
from stillwatch.identity.tokens import Kind, Tokeniser
from stillwatch.lake.store import Lake
from stillwatch.records.actions import Step

pytestmark = pytest.mark.gateways

_KEYS = {name: f"sk-{name}-0123456789abcdef" for name in ("ada", "bo", "cy", "di", "eve")}
_STEPS = {"bo": Step.BLOCK, "cy": Step.THROTTLE, "di": Step.VERIFY, "eve": Step.TAG}
_GUARDRAILS = """
guardrails:
  - guardrail_name: generic
    litellm_params:
      guardrail: generic_guardrail_api
      mode: [pre_call, post_call]
      api_base: {url}
      unreachable_fallback: fail_open
      fail_on_error: false
      timeout: 2
      extra_headers: [x-forwarded-for]
  - guardrail_name: custom
    litellm_params:
      guardrail: stillwatch_guardrail.StillwatchGuardrail
      mode: pre_call
      api_base: {url}
      timeout: 2
      extra_headers: [x-forwarded-for]
"""
_PATIENCE_SECONDS = 300  # for a line of the log, where others keep the machine busy
_PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")


@dataclass(frozen=True, slots=True)
class Answered:
    """What a client got."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Guarded:
    """A running proxy with both guardrails, and who decides."""

    port: int
    decisions: DecisionServer
    received: Received

    def post(
        self, who: str, guardrail: str, *, path: str = _PATHS[0], stream: bool = False
    ) -> Answered:
        """One request by one of the keys, past one of the guardrails."""
        said = [{"role": "user", "content": "Why is the sea salty?"}]
        body: dict[str, Any] = {"model": "gpt-4o", "guardrails": [guardrail], "stream": stream}
        body |= {"input": said} if path.endswith("responses") else {"messages": said}
        if path.endswith("messages"):
            body |= {"max_tokens": 64, "system": "Answer in one line."}
        headers = {
            "authorization": f"Bearer {_KEYS[who]}",
            "content-type": "application/json",
            "x-forwarded-for": "203.0.113.9",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(answer.status, told, answer.read().decode())
        finally:
            connection.close()

    def logged(self, calls: set[str]) -> dict[str, str]:
        """The lines of LiteLLM's log about these calls, once all are there."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        lines: dict[str, str] = {}
        while lines.keys() < calls and time.monotonic() < deadline:
            time.sleep(0.2)
            posted = [line for b in self.received.bodies() for line in b.decode().splitlines()]
            told = {json.loads(line)["litellm_call_id"]: f"{line}\n" for line in posted}
            lines = {call: line for call, line in told.items() if call in calls}
        assert lines.keys() == calls
        return lines


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The proxy with its log; one start for all tests here."""
    folder = tmp_path_factory.mktemp("guarded")
    code = ROOT / "src" / "stillwatch" / "enforcement" / "litellm_guardrail.py"
    shutil.copy(code, folder / "stillwatch_guardrail.py")
    accounts = {key: {"user_id": f"account-{name}"} for name, key in _KEYS.items()}
    with (
        log_receiver() as received,
        stand_in_provider() as provider,
        decision_server() as decisions,
        litellm_proxy(
            folder,
            accounts=accounts,
            endpoint=f"{received.url}/logs",
            provider=provider,
            more=_GUARDRAILS.format(url=decisions.url),
        ) as proxy,
    ):
        for name, step in _STEPS.items():
            decisions.steps[hashlib.sha256(_KEYS[name].encode()).hexdigest()] = step
        yield Guarded(int(proxy.url.rpartition(":")[2]), decisions, received)


@pytest.fixture(autouse=True)
def _answering(guarded: Guarded) -> Iterator[None]:
    """After a fault our guardrail asks nobody for a second; the next test begins behind that."""
    guarded.decisions.released.clear()
    yield
    guarded.decisions.released.set()
    if guarded.decisions.fault is not None:
        guarded.decisions.fault = None
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while guarded.post("bo", "custom").status != 403:
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_block_by_the_generic_guardrail_is_400(guarded: Guarded, path: str, stream: bool) -> None:
    """With the reference, and nothing of why; LiteLLM gives every block of it this status."""
    answered = guarded.post("bo", "generic", path=path, stream=stream)

    assert answered.status == 400, answered.text
    assert REFERENCE in answered.text
    assert "tide" not in answered.text


@pytest.mark.parametrize(
    ("who", "generic", "custom"), [("bo", 400, 403), ("cy", 400, 429), ("di", 400, 403)]
)
def test_each_step_has_the_status_its_table_says(
    guarded: Guarded, who: str, generic: int, custom: int
) -> None:
    """LiteLLM's own guardrail refuses with 400 alone, ours as a provider would."""
    assert guarded.post(who, "generic").status == generic
    answered = guarded.post(who, "custom")

    assert answered.status == custom, answered.text
    assert answered.headers["x-refusal-reference"] == REFERENCE
    assert answered.headers.get("retry-after") == ("7" if who == "cy" else None)
    assert json.loads(answered.text)["error"]["message"].count(REFERENCE) == 1


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_block_by_our_guardrail_is_403(guarded: Guarded, path: str, stream: bool) -> None:
    """On every route that asks a model."""
    answered = guarded.post("bo", "custom", path=path, stream=stream)

    assert answered.status == 403, answered.text
    assert REFERENCE in answered.text


@pytest.mark.parametrize("guardrail", ["generic", "custom"])
@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_whoever_has_no_verdict_is_answered(
    guarded: Guarded, guardrail: str, path: str, stream: bool
) -> None:
    """Whole or streamed, and the answer's own guardrail lets it out."""
    answered = guarded.post("ada", guardrail, path=path, stream=stream)

    assert answered.status == 200, answered.text
    assert "answer." in answered.text


@pytest.mark.parametrize("fault", ["down", b"no json", b'{"action": 7, "enforcement": []}', b"[]"])
@pytest.mark.parametrize("guardrail", ["generic", "custom"])
def test_a_fault_of_ours_lets_requests_go_on(
    guarded: Guarded, guardrail: str, fault: str | bytes
) -> None:
    """A server that refuses or answers nonsense stops nobody, a blocked key neither."""
    guarded.decisions.fault = fault

    assert guarded.post("ada", guardrail).status == 200
    assert guarded.post("bo", guardrail).status == 200


@pytest.mark.parametrize("guardrail", ["generic", "custom"])
def test_a_server_that_hangs_is_not_waited_for(guarded: Guarded, guardrail: str) -> None:
    """The guardrail's own timeout ends the question, and the request goes on."""
    guarded.decisions.fault = "hang"

    assert guarded.post("bo", guardrail).status == 200


def test_values_of_headers_that_were_not_listed_are_not_told(guarded: Guarded) -> None:
    """So that the key does not travel; the address comes where the operator lists its header."""
    guarded.post("ada", "generic")
    guarded.post("ada", "custom")

    for posted, asked in zip(
        guarded.decisions.posted[-2:], guarded.decisions.asked[-2:], strict=True
    ):
        assert _KEYS["ada"] not in json.dumps(posted)
        assert asked.headers["x-forwarded-for"] == "203.0.113.9"
        assert "authorization" not in asked.headers


def test_the_token_of_a_key_is_that_of_the_log(guarded: Guarded, tmp_path: Path) -> None:
    """What each guardrail knows of a key, and what the log says of it, is one credential."""
    begin = len(guarded.decisions.answers)
    calls = {
        guarded.post("ada", guardrail).headers["x-litellm-call-id"]
        for guardrail in ("generic", "custom")
    }
    (tmp_path / "litellm.ndjson").write_text("".join(guarded.logged(calls).values()))
    make_key(tmp_path)
    import_into(tmp_path / "lake", "litellm", tmp_path / "litellm.ndjson")
    files = Lake.open(tmp_path / "lake").files("exchanges")
    rows = {row["exchange_id"]: row for file in files for row in pq.read_table(file).to_pylist()}
    tokeniser = Tokeniser(KeySource.chosen(file=tmp_path / "key").read())
    answers = [a for a in guarded.decisions.answers[begin:] if a.decision is not None]
    asked = guarded.decisions.asked[-len(answers) :]
    digests = [credential_digest_of(secret=None, sha256=one.credential_sha256) for one in asked]

    assert {answer.call_id for answer in answers} == calls == rows.keys()
    assert {tokeniser.token(Kind.CREDENTIAL, digest or "") for digest in digests} == {
        row["credential_id"] for row in rows.values()
    }
    assert {one.account_id for one in asked} == {row["account_id"] for row in rows.values()}


def test_a_tag_is_in_the_log(guarded: Guarded) -> None:
    """The request goes on, and those who read the log or route by tags see the mark."""
    answered = guarded.post("eve", "custom")
    call = answered.headers["x-litellm-call-id"]

    assert answered.status == 200
    assert "stillwatch-tag" in json.loads(guarded.logged({call})[call])["request_tags"]
    assert guarded.post("eve", "generic").status == 200


@pytest.mark.parametrize(("guardrail", "status"), [("generic", 400), ("custom", 403)])
def test_what_is_in_the_store_is_done_by_the_real_server(
    guarded: Guarded, deployment: Deployment, guardrail: str, status: int
) -> None:
    """From a block in the store to LiteLLM's client, and back by a lift; others are answered."""
    reference = deployment.act(Step.BLOCK, account="account-ada")
    person = deployment.office.store.people.authenticate(deployment.office.tokens["ada"])
    with deployment.served() as url:
        guarded.decisions.served = url
        try:
            until(lambda: guarded.post("ada", guardrail).status == status)
            blocked = guarded.post("ada", guardrail)
            assert reference in blocked.text
            assert guarded.post("bo", guardrail).status == 200  # of whom only the table knew
            campaign = deployment.office.store.actions.every()
            (campaign_id,) = {action.campaign_id for action in campaign}
            now = datetime.now(UTC)
            deployment.office.store.actions.lift_campaign(campaign_id, person, "a class", now=now)
            until(lambda: guarded.post("ada", guardrail).status == 200)
        finally:
            guarded.decisions.served = None
