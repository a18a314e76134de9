"""What becomes of decisions when the store is away, and in a region that has none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from appeals_server import KEY, speak
from click.testing import CliRunner
from served_decisions import CUSTOMER, HARVESTER, Deployment, ask, until

from stillwatch.cli.main import run
from stillwatch.enforcement.fetching import HttpFetcher
from stillwatch.enforcement.snapshot_sources import FetchedSnapshots, signing_key_at
from stillwatch.identity import GatewayKeys, read_verify_keys, store_key
from stillwatch.records import Step

STILLWATCH = str(Path(sys.executable).with_name("stillwatch"))
PATH = "/envoy/v1/chat/completions"
# Nothing listens there.
AWAY = "postgresql+psycopg://nobody@127.0.0.1:9/none"


def test_a_server_starts_and_blocks_while_its_store_is_away(deployment: Deployment) -> None:
    """By the snapshot that it kept; the store's death blocks nobody else."""
    deployment.act(Step.BLOCK)
    with deployment.served() as url:
        until(lambda: ask(url, "POST", PATH, key=HARVESTER).status == 403)
    with deployment.served(deployment.source(AWAY)) as url:
        assert ask(url, "POST", PATH, key=HARVESTER).status == 403
        assert ask(url, "POST", PATH, key=CUSTOMER).status == 200
        page = until(lambda: ask(url, "GET", "/metrics").body.decode())
    assert "stillwatch_is_store_up 0.0" in page


def test_without_store_and_snapshot_everything_passes(deployment: Deployment) -> None:
    """It is alive, and says that it is not ready."""
    deployment.act(Step.BLOCK)
    with deployment.served(deployment.source(AWAY)) as url:
        assert ask(url, "POST", PATH, key=HARVESTER).status == 200
        assert ask(url, "GET", "/healthz").status == 200
        assert ask(url, "GET", "/readyz").status == 503
        assert ask(url, "GET", "/v1/snapshot").status == 503


def test_a_second_region_needs_no_store(deployment: Deployment, tmp_path: Path) -> None:
    """It fetches, believes the signature alone, and goes on when the first is gone."""
    deployment.act(Step.BLOCK)
    with deployment.served() as first:
        until(lambda: ask(first, "POST", PATH, key=HARVESTER).status == 403)
        held = ask(first, "GET", "/v1/snapshot")
        again = ask(first, "GET", "/v1/snapshot", if_none_match=held.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        region = FetchedSnapshots(
            HttpFetcher(f"{first}/v1/snapshot"),
            tmp_path / "region",
            GatewayKeys.of(KEY),
            signing_key_at(deployment.state).public,
        )
        with deployment.served(region) as second:
            until(lambda: ask(second, "POST", PATH, key=HARVESTER).status == 403)
            assert ask(second, "GET", "/v1/snapshot").body == held.body
    alone = FetchedSnapshots(
        HttpFetcher(f"{first}/v1/snapshot"),
        tmp_path / "region",
        GatewayKeys.of(KEY),
        signing_key_at(deployment.state).public,
    )
    with deployment.served(alone) as second:
        assert ask(second, "POST", PATH, key=HARVESTER).status == 403


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The lake's key."""
    store_key(KEY, tmp_path / "key")
    return tmp_path / "key"


def test_the_command_decides_takes_appeals_and_stops(
    deployment: Deployment, key_file: Path
) -> None:
    """From refusal to restored account by HTTP alone."""
    reference = deployment.act(Step.BLOCK)
    words = ["--lake", str(deployment.lake), "--key-file", str(key_file)]
    listeners = ["--listen", "127.0.0.1:0", "--appeals-listen", "127.0.0.1:0"]
    with subprocess.Popen(
        [STILLWATCH, "serve", *listeners, *words], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline().split()
            url, appeals = (word.rstrip(".") for word in said if word.startswith("http"))
            refused = until(lambda: _refused(url))
            assert refused == reference
            appeal = {"reference": refused, "text": "We are a class of thirty."}
            assert speak(appeals, "POST", "/v1/appeals", appeal).status == 202
            decided = speak(
                appeals,
                "POST",
                f"/v1/appeals/{refused}/decision",
                {"state": "overturned", "reason": "A class with one assignment."},
                token=deployment.office.tokens["ana"],
            )
            assert decided.status == 200
            until(lambda: ask(url, "POST", PATH, key=HARVESTER).status == 200, seconds=5)
            page = ask(url, "GET", "/metrics").body.decode()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert 'stillwatch_answers_total{listener="appeals"' in page
    assert "acct-0001" not in page
    assert HARVESTER not in page
    assert oct(os.stat(deployment.state).st_mode & 0o777) == "0o700"


def _refused(url: str) -> str | None:
    try:
        return ask(url, "POST", PATH, key=HARVESTER).headers.get("x-refusal-reference")
    except OSError:
        return None


def test_the_command_of_a_region_reads_its_files(
    deployment: Deployment, key_file: Path, tmp_path: Path
) -> None:
    """`keys export-gateway` makes what a region needs, and no secret of the lake's."""
    exported = tmp_path / "gateway-keys"
    arguments = ["keys", "export-gateway", str(exported), "--key-file", str(key_file)]
    assert CliRunner().invoke(run, arguments).exit_code == 0
    assert GatewayKeys.read(exported).fingerprint == KEY.fingerprint
    deployment.act(Step.BLOCK)
    with deployment.served() as first:
        verify_key = deployment.state / "signing-key.pem.pub"
        assert read_verify_keys(verify_key)
        words = ["--snapshot-url", f"{first}/v1/snapshot", "--gateway-keys", str(exported)]
        files = ["--verify-key", str(verify_key), "--state", str(tmp_path / "region")]
        with subprocess.Popen(
            [STILLWATCH, "serve", "--listen", "127.0.0.1:0", *words, *files],
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stderr is not None
                url = next(w for w in process.stderr.readline().split() if w.startswith("http"))
                until(lambda: _refused(url.rstrip(".")))
            finally:
                process.kill()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--listen", "127.0.0.1:0"], "--lake"),
        (["--listen", "127.0.0.1:0", "--snapshot-url", "http://127.0.0.1:1/"], "--state"),
        (["--listen", "0.0.0.0:0", "LAKE"], "no TLS"),
        (["--listen", "127.0.0.1:0", "LAKE", "--account", "x-account"], "any client"),
        (["--listen", "127.0.0.1:0", "LAKE", "--trusted-peer", "here"], "no network"),
        (["--listen", "127.0.0.1:0", "LAKE", "--counters-url", "ftp://x"], "--counters-url"),
        (["--listen", "127.0.0.1:0", "LAKE", "--store", "mysql://x/y"], "PostgreSQL"),
    ],
)
def test_what_cannot_be_served_is_said(
    deployment: Deployment, key_file: Path, words: list[str], said: str
) -> None:
    """With status 2, and before anything is listened on."""
    lake = ["--lake", str(deployment.lake), "--key-file", str(key_file)]
    arguments = [piece for word in words for piece in (lake if word == "LAKE" else [word])]
    result = CliRunner().invoke(run, ["serve", *arguments])
    assert result.exit_code == 2
    assert said in result.output


def test_nothing_of_a_request_is_written_down(deployment: Deployment, key_file: Path) -> None:
    """A secret in every place that a client can fill is in no line and no figure."""
    reference = deployment.act(Step.BLOCK)
    secret = "zq-planted-secret"
    given = {
        "model": secret,
        "messages": [{"role": "user", "content": secret}],
        "metadata": {"user_id": secret},
    }
    words = ["--lake", str(deployment.lake), "--key-file", str(key_file)]
    listeners = ["--listen", "127.0.0.1:0", "--appeals-listen", "127.0.0.1:0"]
    with subprocess.Popen(
        [STILLWATCH, "serve", *listeners, *words], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            url, appeals = (w.rstrip(".") for w in said.split() if w.startswith("http"))
            until(lambda: _refused(url))
            spread = {"x_api_key": secret, "user_agent": secret, "cookie": secret}
            for path in (f"/envoy/v1/{secret}", f"/auth?{secret}", f"/{secret}", "/v1/decide"):
                ask(url, "POST", path, key=HARVESTER, given=given, **spread)
                ask(url, "POST", path, key=secret, given=given, **spread)
            guardrail = "/beta/litellm_basic_guardrail_api"
            ask(url, "POST", guardrail, given={"request_data": given, "texts": [secret]})
            ask(url, "POST", guardrail, given=f"{{{secret}".encode())
            speak(appeals, "POST", "/v1/appeals", {"reference": secret, "text": secret})
            speak(appeals, "POST", "/v1/appeals", {"reference": reference, "text": secret * 3})
            page = ask(url, "GET", "/metrics").body.decode()
            process.send_signal(signal.SIGTERM)
            said += process.stderr.read()
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert reference in said
    for written in (said, page):
        for word in (secret, HARVESTER, "acct-0001"):
            assert word not in written
