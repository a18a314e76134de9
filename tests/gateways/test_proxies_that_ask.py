"""The real nginx, Caddy and Envoy, set up as `docs/deploy` has them, asking `stillwatch serve`."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from appeals_server import KEY, Heard
from model_server import PAUSE, PIECES, Model, model_server
from running_proxies import DEPLOY, caddy, envoy, free_port, nginx
from served_decisions import CUSTOMER, HARVESTER, Deployment, ask, until

from stillwatch.enforcement.possible import POSSIBLE, Adapter
from stillwatch.identity.keys import store_key
from stillwatch.records import Step

pytestmark = pytest.mark.gateways

STILLWATCH = str(Path(sys.executable).with_name("stillwatch"))
CHAT = "/v1/chat/completions"
Proxy = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session", autouse=True)
def _proxies(installed: Callable[..., None]) -> None:
    installed("nginx", "caddy")


@pytest.fixture(scope="session")
def model() -> Iterator[Model]:
    with model_server() as running:
        yield running


@pytest.fixture(params=[nginx, caddy, envoy], ids=["nginx", "caddy", "envoy"])
def proxy(request: pytest.FixtureRequest) -> Proxy:
    return request.param


@dataclass(slots=True)
class Front:
    """A proxy before a model."""

    url: str
    model: Model

    def post(self, path: str = CHAT, key: str = HARVESTER, body: bytes = b"{}", **more: str) -> Heard:  # fmt: skip
        return ask(self.url, "POST", path, key=key, given=body, **more)

    def last_seen(self) -> dict:
        return self.model.seen[-1]


@pytest.fixture
def fronted(proxy: Proxy, model: Model, tmp_path: Path) -> Callable[..., AbstractContextManager]:
    """A proxy in front of the model that asks at an address."""

    @contextmanager
    def front(stillwatch: str) -> Iterator[Front]:
        folder = tmp_path / "proxy"
        folder.mkdir(exist_ok=True)
        with proxy(folder, stillwatch=stillwatch, model=model.url) as url:
            model.seen.clear()
            yield Front(url, model)

    return front


def test_a_block_reaches_the_client_in_the_providers_words(deployment, fronted) -> None:
    """403 with the reference, in the shape that the path speaks; the model is not asked."""
    reference = deployment.act(Step.BLOCK)
    with deployment.served() as url, fronted(url) as front:
        openai = front.post()
        anthropic = front.post("/v1/messages?beta=true")
        assert front.model.seen == []
        assert front.post(key=CUSTOMER).status == 200
    assert (openai.status, openai.json["error"]["code"]) == (403, "access_restricted")
    assert anthropic.json["error"]["type"] == "permission_error"
    for one in (openai, anthropic):
        assert one.headers["x-refusal-reference"] == reference
        assert one.headers["content-type"].startswith("application/json")
        assert reference in one.body.decode()
        assert "retry-after" not in one.headers


def test_a_throttle_is_429_to_the_client(deployment, fronted) -> None:
    """With the seconds to wait; the first request of the budget went through."""
    reference = deployment.act(Step.THROTTLE)
    with deployment.served() as url, fronted(url) as front:
        first, second = front.post(), front.post()
    assert first.status == 200
    assert (second.status, second.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(second.headers["retry-after"]) > 0
    assert second.headers["x-refusal-reference"] == reference


@pytest.mark.parametrize("step", list(Step))
def test_each_step_is_done_as_the_table_says(step: Step, deployment, fronted) -> None:
    """What a proxy cannot do falls to the next milder step, and is never a harder one."""
    deployment.act(step)
    done = step.within(POSSIBLE[Adapter.AUTH_REQUEST])
    with deployment.served() as url, fronted(url) as front:
        answers = [front.post(), front.post()]
        marks = [one["headers"].get("x-stillwatch-step") for one in front.model.seen]
    codes = {
        Step.OBSERVE: [200, 200],
        Step.TAG: [200, 200],
        Step.VERIFY: [403, 403],
        Step.THROTTLE: [200, 429],
        Step.BLOCK: [403, 403],
    }
    if step is Step.WITHHOLD:  # it names no budget, so that nothing is left of it but a mark
        assert done is Step.THROTTLE
        assert 403 not in [one.status for one in answers]
        return
    assert [one.status for one in answers] == codes[done]
    expected = "tag" if done is Step.TAG else "none"
    assert marks == [expected] * len(marks)


def test_what_a_client_writes_in_our_names_is_not_believed(deployment, fronted) -> None:
    """Neither a mark, nor an answer, nor another path, nor our token."""
    deployment.act(Step.BLOCK)
    spoofed = {
        "x_stillwatch_step": "tag",
        "x_refusal_status": "429",
        "x_refusal_body": "{}",
        "x_original_uri": "/v1/messages",
        "x_forwarded_uri": "/v1/messages",
        "x_stillwatch_token": "mine",
    }
    with deployment.served() as url, fronted(url) as front:
        blocked = front.post(**spoofed)
        passed = front.post(key=CUSTOMER, **spoofed)
        seen = front.last_seen()["headers"]
    assert (blocked.status, blocked.json["error"]["type"]) == (403, "request_forbidden")
    assert passed.status == 200
    assert seen["x-stillwatch-step"] == "none"


def test_what_the_model_answers_goes_through(deployment, fronted) -> None:
    """Its own 403, 429 and 500 are the model's, and are not taken for ours."""
    with deployment.served() as url, fronted(url) as front:
        for status in (400, 401, 403, 429, 500, 503):
            heard = front.post(f"/v1/status/{status}", key=CUSTOMER)
            assert (heard.status, heard.json["said"]) == (status, "the model's own")
        assert len(front.model.seen) == 6


def test_a_stream_goes_through_piece_by_piece(deployment, fronted) -> None:
    """The first piece is there long before the last was sent."""
    with deployment.served() as url, fronted(url) as front:
        connection = http.client.HTTPConnection(urlsplit(front.url).netloc, timeout=30)
        connection.request(
            "POST", "/v1/stream", body=b"{}", headers={"authorization": f"Bearer {CUSTOMER}"}
        )
        began = time.monotonic()
        answer = connection.getresponse()
        first = answer.read1()
        early = time.monotonic() - began
        rest = answer.read()
        late = time.monotonic() - began
        connection.close()
    assert (first + rest).decode() == "".join(f"data: {n}\n\n" for n in range(PIECES))
    assert late - early > PAUSE * (PIECES - 2)


def test_an_honest_request_of_20_megabytes_passes_whole(deployment, fronted) -> None:
    """Byte for byte; and one that is refused is refused, however large."""
    deployment.act(Step.BLOCK)
    body = os.urandom(20_000_000)
    with deployment.served() as url, fronted(url) as front:
        heard = front.post(key=CUSTOMER, body=body)
        assert (heard.status, heard.json["bytes"]) == (200, len(body))
        assert front.last_seen()["sha256"] == hashlib.sha256(body).hexdigest()
        try:
            refused = front.post(body=body).status
        except ConnectionError:  # it was hung up on in the middle of its body
            refused = 403
        assert refused == 403
        assert len(front.model.seen) == 1


def test_where_nobody_answers_requests_go_on(fronted) -> None:
    """Nothing listens there: the mark that the client wrote is not believed either."""
    with fronted(f"http://127.0.0.1:{free_port()}") as front:
        heard = front.post(x_stillwatch_step="tag")
        assert heard.status == 200
        assert front.last_seen()["sha256"] == hashlib.sha256(b"{}").hexdigest()
        assert front.last_seen()["headers"].get("x-stillwatch-step", "none") == "none"


def test_who_hangs_is_waited_for_less_than_seconds(fronted) -> None:
    """And the body reaches the model whole."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        body = os.urandom(300_000)
        with fronted(f"http://127.0.0.1:{silent.getsockname()[1]}") as front:
            began = time.monotonic()
            heard = front.post(body=body)
            seconds = time.monotonic() - began
            assert (heard.status, heard.json["bytes"]) == (200, len(body))
            assert seconds < 3
            assert front.last_seen()["sha256"] == hashlib.sha256(body).hexdigest()


def test_an_error_of_ours_is_no_refusal(deployment, fronted, tmp_path: Path) -> None:
    """A server that does not know the gateway's token says 503: requests go on."""
    from stillwatch.listening.senders import add_sender

    tokens = tmp_path / "tokens"
    add_sender(tokens, "gateway")
    deployment.act(Step.BLOCK)
    with deployment.served(tokens=tokens) as url, fronted(url) as front:
        assert front.post().status == 200
        assert front.last_seen()["headers"].get("x-stillwatch-step", "none") == "none"


def test_the_server_dies_under_load_and_nobody_is_refused_who_was_not(
    deployment: Deployment, fronted, tmp_path: Path
) -> None:
    """Killed, and not asked to stop: customers notice nothing, and a new server blocks again."""
    deployment.act(Step.BLOCK)
    store_key(KEY, tmp_path / "key")
    address = f"127.0.0.1:{free_port()}"
    words = ["serve", "--listen", address, "--lake", str(deployment.lake)]
    words += ["--key-file", str(tmp_path / "key")]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([STILLWATCH, *words], stderr=subprocess.DEVNULL)

    def status(key: str) -> int:
        return front.post(key=key).status

    server = start()
    try:
        with fronted(f"http://{address}") as front:
            until(lambda: status(HARVESTER) == 403)
            stop = threading.Event()
            with ThreadPoolExecutor(8) as pool:

                def play() -> set[int]:
                    found = set()
                    while not stop.is_set():
                        found.add(status(CUSTOMER))
                    return found

                playing = [pool.submit(play) for _ in range(8)]
                try:
                    time.sleep(0.5)
                    server.send_signal(signal.SIGKILL)
                    server.wait(30)
                    time.sleep(0.5)
                    assert status(HARVESTER) == 200  # open, as the file says
                    server = start()
                    until(lambda: status(HARVESTER) == 403)
                finally:
                    stop.set()
                assert {one for done in playing for one in done.result(60)} == {200}
    finally:
        server.kill()
        server.wait(30)


def test_the_shipped_files_hold_no_token_and_ask_no_body() -> None:
    """What people copy is safe as it is."""
    assert "proxy_pass_request_body off;" in (DEPLOY / "nginx.conf").read_text()
    for name in ("nginx.conf", "Caddyfile"):
        assert 'X-Stillwatch-Token ""' in (DEPLOY / name).read_text()
