"""Each door of the server of decisions, over real sockets, from the store to the refusal."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from served_decisions import CUSTOMER, HARVESTER, Deployment, ask, in_json, until

from stillwatch.listening import impatient
from stillwatch.listening.senders import add_sender
from stillwatch.records import Step

GUARDRAIL = "/beta/litellm_basic_guardrail_api"


def litellm(account: str, secret: str = "sk-another") -> dict[str, object]:
    """What LiteLLM posts of a request, as far as it counts here."""
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    about = {"user_api_key_hash": hashed, "user_api_key_user_id": account}
    return {"input_type": "request", "request_data": about}


def test_envoy_gets_the_providers_own_error(deployment: Deployment) -> None:
    """A block is 403 with the reference, in the shape that the path speaks; others pass."""
    reference = deployment.act(Step.BLOCK)
    with deployment.served() as url:
        openai = ask(url, "POST", "/envoy/v1/chat/completions", key=HARVESTER)
        anthropic = ask(url, "POST", "/envoy/v1/messages", x_api_key=HARVESTER)
        passed = ask(url, "POST", "/envoy/v1/chat/completions", key=CUSTOMER)
    assert (openai.status, openai.json["error"]["code"]) == (403, "access_restricted")
    assert anthropic.json["error"]["type"] == "permission_error"
    for one in (openai, anthropic):
        assert one.headers["x-refusal-reference"] == reference
        assert reference in one.body.decode()
    assert (passed.status, passed.headers["x-stillwatch-step"]) == (200, "none")


def test_nginx_is_denied_by_403_alone_and_told_the_true_answer(deployment: Deployment) -> None:
    """A throttle is 429 to the client, which nginx would take for an error."""
    deployment.act(Step.THROTTLE)
    headers = {"x_original_uri": "/v1/messages"}
    with deployment.served() as url:
        first = ask(url, "GET", "/auth", key=HARVESTER, **headers)
        second = ask(url, "GET", "/auth", key=HARVESTER, **headers)
        caddy = ask(url, "GET", "/auth?status=any", key=HARVESTER, **headers)
    assert first.status == 200
    assert (second.status, second.headers["x-refusal-status"]) == (403, "429")
    told = json.loads(second.headers["x-refusal-body"])
    assert told["error"]["type"] == "rate_limit_error"
    assert int(second.headers["retry-after"]) > 0
    assert caddy.status == 429
    assert caddy.json == told


def test_a_tag_goes_on_with_its_mark(deployment: Deployment) -> None:
    """And says so in place of what a client may have written."""
    deployment.act(Step.TAG)
    with deployment.served() as url:
        answers = [
            ask(url, "GET", path, key=HARVESTER, x_stillwatch_step="none")
            for path in ("/auth", "/envoy/v1/chat/completions")
        ]
    assert [(a.status, a.headers["x-stillwatch-step"]) for a in answers] == [(200, "tag")] * 2


def test_litellm_is_told_to_block(deployment: Deployment) -> None:
    """By the account that it names, as its log does: whichever key of it is new."""
    reference = deployment.act(Step.BLOCK)
    with deployment.served() as url:
        blocked = ask(url, "POST", GUARDRAIL, given=litellm("acct-0001"))
        passed = ask(url, "POST", GUARDRAIL, given=litellm("acct-0002", HARVESTER))
        nonsense = ask(url, "POST", GUARDRAIL, given=b"{no json")
        page = ask(url, "GET", "/metrics").body.decode()
    assert blocked.json["action"] == "BLOCKED"
    assert reference in blocked.json["blocked_reason"]
    assert passed.json["action"] == "NONE"
    assert (nonsense.status, nonsense.json) == (200, {"action": "NONE"})
    assert 'stillwatch_failures_total{part="request"} 1.0' in page


def test_a_gateway_of_ones_own_asks_in_json(deployment: Deployment) -> None:
    """It says what it can do; what it says wrong it is told."""
    reference = deployment.act(Step.BLOCK)
    with deployment.served() as url:
        blocked = ask(url, "POST", "/v1/decide", given=in_json(HARVESTER)).json
        tagged = ask(url, "POST", "/v1/decide", given=in_json(HARVESTER, possible=["tag"])).json
        passed = ask(url, "POST", "/v1/decide", given=in_json(CUSTOMER)).json
        wrong = [
            ask(url, "POST", "/v1/decide", given=given)
            for given in (in_json("x", possible=["ban"]), {"acount_id": "a"}, {"path": 1}, b"[]")
        ]
    assert (blocked["step"], blocked["refused"], blocked["reference"]) == ("block", True, reference)
    assert blocked["refusal"]["status"] == 403
    assert (tagged["step"], tagged["wanted"], tagged["refused"]) == ("tag", "block", False)
    assert (passed["step"], passed["known"], passed["refusal"]) == ("observe", False, None)
    assert "group" not in blocked
    assert [one.status for one in wrong] == [400] * 4


def test_a_block_and_its_lift_are_in_force_within_seconds(deployment: Deployment) -> None:
    """Nobody starts anything anew."""
    path = "/envoy/v1/chat/completions"
    person = deployment.office.store.people.authenticate(deployment.office.tokens["ada"])
    with deployment.served() as url:
        assert ask(url, "POST", path, key=HARVESTER).status == 200
        one = deployment.office.block()
        until(lambda: ask(url, "POST", path, key=HARVESTER).status == 403, seconds=5)
        lifted = deployment.office.store.actions.lift(
            [one.action_id], person, "a class", now=one.begins_at
        )
        assert lifted == 1
        until(lambda: ask(url, "POST", path, key=HARVESTER).status == 200, seconds=5)


def test_who_has_no_token_of_a_gateway_learns_and_changes_nothing(
    deployment: Deployment, tmp_path: Path
) -> None:
    """Where gateways refuse on 401, a stranger's question is an error of ours: requests go on."""
    token = add_sender(tmp_path / "tokens", "edge")
    deployment.act(Step.BLOCK)
    path = "/envoy/v1/chat/completions"
    with deployment.served(tokens=tmp_path / "tokens") as url:
        strangers = [
            ask(url, "POST", path, key=HARVESTER),
            ask(url, "GET", "/auth", key=HARVESTER, x_stillwatch_token="wrong"),
            ask(url, "POST", "/v1/decide", given=in_json(HARVESTER)),
            ask(url, "GET", "/v1/snapshot"),
            ask(url, "GET", "/metrics"),
        ]
        ours = [
            ask(url, "POST", path, key=HARVESTER, x_stillwatch_token=token),
            ask(url, "POST", "/v1/decide", key=token, given=in_json(HARVESTER)),
            ask(url, "POST", GUARDRAIL, given=litellm("acct-0001"), x_api_key=token),
            ask(url, "GET", "/v1/snapshot", key=token),
        ]
    assert [one.status for one in strangers] == [503, 503, 401, 401, 401]
    assert [one.status for one in ours] == [403, 200, 200, 200]


def test_only_a_proxy_of_ours_names_accounts(deployment: Deployment) -> None:
    """From elsewhere a header that names an account is nobody's word."""
    from ipaddress import ip_network

    from stillwatch.enforcement.identifying import Place

    deployment.act(Step.BLOCK)
    settings = {
        "account": (Place.parsed("x-account"),),
        "trusted_hops": 1,
        "trusted_peers": (ip_network("10.0.0.0/24"),),
    }
    with deployment.served(**settings) as url:
        heard = [
            ask(url, "GET", "/auth", x_account="acct-0001", x_forwarded_for=hops).status
            for hops in ("198.51.100.7, 10.0.0.5", "10.0.0.5, 198.51.100.7")
        ]
        unsaid = ask(url, "GET", "/auth", x_account="acct-0001").status
    assert (heard, unsaid) == ([403, 200], 200)


def test_readiness_and_unknown_paths(deployment: Deployment) -> None:
    """Ready with a snapshot; a stranger's path is no label of a metric."""
    with deployment.served() as url:
        until(lambda: ask(url, "GET", "/readyz").status == 200)
        assert ask(url, "GET", "/v1/../etc").status == 404
        assert ask(url, "GET", "/v1/decide").status == 405
        page = ask(url, "GET", "/metrics").body.decode()
    assert "etc" not in page
    assert "stillwatch_is_store_up 1.0" in page


def test_who_is_slow_with_a_later_request_is_hung_up_on(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was quick once is no free pass; one that rests is left alone."""
    monkeypatch.setattr(impatient, "_HEAD_SECONDS", 0.3)
    with deployment.served() as url:
        address = urlsplit(url).netloc
        slow, resting = (http.client.HTTPConnection(address, timeout=60) for _ in range(2))
        with closing(slow), closing(resting):
            for one in (slow, resting):
                one.request("GET", "/healthz")
                assert one.getresponse().read()
            kept = resting.sock
            assert isinstance(slow.sock, socket.socket)
            slow.sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ")
            with suppress(ConnectionResetError):
                assert slow.sock.recv(1) == b""
            resting.request("GET", "/healthz")
            assert resting.getresponse().status == 200
            assert resting.sock is kept is not None
