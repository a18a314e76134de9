"""OpenTelemetry's real exporters send to a real receiver, which keeps everything once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_environment import ROOT, make_environment
from played_world import answered, simulated_world
from stand_in_openai import stand_in_provider

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "receiver"))

from received import Receiving, start_receiving
from stations import KEY, exchanges, lake_rows, ndjson

from stillwatch.listening.senders import add_sender
from stillwatch.receiver.folding import Folder
from stillwatch.receiver.spool import Spool

pytestmark = pytest.mark.gateways

_PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def python() -> Path:
    """Where OpenTelemetry is installed."""
    return make_environment("otel")


def test_an_instrumented_client_is_received_whole(python: Path, tmp_path: Path) -> None:
    """Content is on events and callers on spans, in requests of their own: all of it is joined."""
    world = simulated_world(tmp_path / "world", exchanges=400)
    receiving = start_receiving(tmp_path, KEY, "--fold-seconds", "2", "--settle-seconds", "15")
    plan = [_step(number, row) for number, row in enumerate(world.exchanges)]
    with stand_in_provider() as provider:
        done = subprocess.run(
            [
                *(str(python), str(ROOT / "tools" / "otel_client.py"), "--provider", provider),
                *("--otlp", f"http://127.0.0.1:{receiving.port}", "--threads", "4"),
            ],
            input="\n".join(map(json.dumps, plan)),
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "event_only",
                "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            },
        )
    status, words = receiving.stop()

    assert done.returncode == 0, done.stderr[-2000:]
    assert status == 0, words
    found = lake_rows(tmp_path / "lake", "exchanges")
    assert Counter((r["account_id"], r["input_text"], r["output_text"]) for r in found) == Counter(
        (r["account_id"], r["input_text"], r["output_text"] if answered(r) else None)
        for r in world.exchanges
    )
    assert lake_rows(tmp_path / "lake", "quarantine") == []


@pytest.fixture
def receiving(tmp_path: Path) -> Iterator[Receiving]:
    """One with room for ten exchanges, of which the lake gets none by itself."""
    started = start_receiving(tmp_path, KEY, "--spool-rows", "10", "--fold-seconds", "600")
    yield started
    started.stop()


def test_the_exporter_waits_while_too_much_waits(
    python: Path, receiving: Receiving, tmp_path: Path
) -> None:
    """It is answered with 503 until there is room; then what it held back is taken."""
    assert receiving.post("/v1/exchanges", ndjson(exchanges(10)))[0] == 200
    time.sleep(0.5)
    exporter = _exporter(python, receiving, "--timeout", "60")
    assert exporter.stdin is not None
    exporter.stdin.write("3\n")
    exporter.stdin.flush()
    _wait_for_refusals(receiving)
    Folder(tmp_path / "lake", KEY, Spool.of_lake(tmp_path / "lake")).fold()

    out, errors = exporter.communicate(timeout=_PATIENCE_SECONDS)

    assert out.split() == ["SUCCESS"], errors
    receiving.stop()
    accounts = [row["account_id"] for row in lake_rows(tmp_path / "lake", "exchanges")]
    assert [a for a in accounts if a.startswith("account-")] == [
        "account-0",
        "account-1",
        "account-2",
    ]


def test_a_batch_that_is_refused_for_too_long_is_lost(python: Path, receiving: Receiving) -> None:
    """The exporter gives up after its timeout, ten seconds if nobody sets it, and says so."""
    receiving.post("/v1/exchanges", ndjson(exchanges(10)))
    time.sleep(0.5)

    out, errors = _exporter(python, receiving, "--timeout", "5").communicate("1\n")

    assert out.split() == ["FAILURE"]
    assert "retrying" in errors
    assert _refusals(receiving) >= 2


def test_partial_success_is_a_success_to_the_exporter(
    python: Path, receiving: Receiving, tmp_path: Path
) -> None:
    """It does not send again what was rejected; the quarantine has it."""
    out, errors = _exporter(python, receiving).communicate("2 timeless\n1\n")
    receiving.stop()

    assert out.split() == ["SUCCESS", "SUCCESS"], errors
    assert len(lake_rows(tmp_path / "lake", "exchanges")) == 1
    assert len(lake_rows(tmp_path / "lake", "quarantine")) == 2


def test_the_exporter_sends_its_token(python: Path, tmp_path: Path) -> None:
    """With it the spans are of its source; without, it fails at once."""
    token = add_sender(tmp_path / "tokens", "east")
    receiving = start_receiving(tmp_path, KEY, "--tokens", tmp_path / "tokens")
    without, _ = _exporter(python, receiving).communicate("1\n")
    with_token, errors = _exporter(python, receiving, "--token", token).communicate("1\n")
    receiving.stop()

    assert (without.split(), with_token.split()) == (["FAILURE"], ["SUCCESS"]), errors
    (row,) = lake_rows(tmp_path / "lake", "exchanges")
    assert (row["account_id"], row["source_id"]) == ("east:account-0", "east")


def _exporter(python: Path, receiving: Receiving, *options: str) -> subprocess.Popen[str]:
    endpoint = f"http://127.0.0.1:{receiving.port}/v1/traces"
    return subprocess.Popen(
        [str(python), str(ROOT / "tools" / "otel_exporter.py"), "--endpoint", endpoint, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for_refusals(receiving: Receiving) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if _refusals(receiving):
            return
        time.sleep(0.1)
    raise AssertionError("the exporter was never refused")


def _refusals(receiving: Receiving) -> float:
    """How many requests to `/v1/traces` were answered with 503."""
    with urllib.request.urlopen(f"http://127.0.0.1:{receiving.port}/metrics") as page:
        for line in page.read().decode().splitlines():
            if line.startswith("stillwatch_receiver_requests_total") and (
                'endpoint="traces"' in line and 'status="503"' in line
            ):
                return float(line.rpartition(" ")[2])
    return 0.0


def _step(number: int, row: dict[str, Any]) -> dict[str, Any]:
    """One exchange of the world as a call of the client."""
    said = {"stand_in_answer": row["output_text"]} if answered(row) else {"stand_in_status": 429}
    messages = [{"role": "user", "content": row["input_text"]}]
    call = {"model": row["model"], "messages": messages, "extra_body": said}
    return {"reference": str(number), "user": row["account_id"], "call": call}
