"""The command itself: it says where it listens, ends cleanly, and survives being killed."""

from __future__ import annotations

import fcntl
import random
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from google.protobuf.json_format import MessageToJson
from otlp_builders import model_call, traces
from received import Sender, start_receiving
from stations import KEY, exchanges, lake_rows, ndjson

from stillwatch.cli.main import run
from stillwatch.identity import store_key
from stillwatch.lake.check import check_lake
from stillwatch.receiver.serving import _alone
from stillwatch.receiver.spool import Kind, Spool

ROUNDS = 2


def test_it_receives_folds_at_its_end_and_exits_with_0(tmp_path: Path) -> None:
    """SIGTERM ends it; what it took is in the lake by then, and the spool is private."""
    receiving = start_receiving(tmp_path, KEY, "--fold-seconds", "600")

    rows = [row | {"input_text": random.randbytes(100_000).hex()} for row in exchanges(5)]
    status, answer = receiving.post("/v1/exchanges", ndjson(rows))
    spool = tmp_path / "lake" / ".receiver" / "spool.sqlite"
    modes = {path.name: path.stat().st_mode & 0o077 for path in spool.parent.glob("spool*")}
    exit_status, words = receiving.stop()

    assert (status, answer) == (200, {"accepted": 5, "rejected": 0})
    assert exit_status == 0, words
    assert len(words.splitlines()) == 2
    assert len(lake_rows(tmp_path / "lake", "exchanges")) == 5
    assert spool.stat().st_size < 200_000, "what is in the lake is still in the spool"
    assert set(modes.values()) == {0}
    assert {"spool.sqlite", "spool.sqlite-wal"} <= set(modes)


def test_one_lake_has_one_receiver(tmp_path: Path) -> None:
    """A second one is refused, with status 2."""
    store_key(KEY, tmp_path / "key")
    words = ["--listen", "127.0.0.1:0", "--lake", str(tmp_path / "lake")]

    with _alone(tmp_path / "lake"):
        second = CliRunner().invoke(run, ["receive", *words, "--key-file", str(tmp_path / "key")])

    assert second.exit_code == 2
    assert "another receiver" in second.stderr


def test_asked_to_end_at_once_it_folds_open_calls(tmp_path: Path) -> None:
    """The wish may be there before the second process has begun to listen for it."""
    receiving = start_receiving(tmp_path, KEY, "--fold-seconds", "600")
    span = MessageToJson(traces(model_call(1))).encode()
    receiving.post("/v1/traces", span, {"content-type": "application/json"})

    exit_status, words = receiving.stop()

    assert exit_status == 0, words
    assert len(lake_rows(tmp_path / "lake", "exchanges")) == 1


def test_a_killed_receiver_leaves_open_calls_open(tmp_path: Path) -> None:
    """Whole exchanges are folded by its second process; a call whose pieces still come is not."""
    receiving = start_receiving(tmp_path, KEY, "--fold-seconds", "600")
    receiving.post("/v1/exchanges", ndjson(exchanges(3)))
    span = MessageToJson(traces(model_call(1))).encode()
    receiving.post("/v1/traces", span, {"content-type": "application/json"})
    receiving.kill()

    spool = Spool.of_lake(tmp_path / "lake")
    deadline = time.monotonic() + 120
    while len(spool.stored()) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)  # the second process is at its last work
    with (tmp_path / "lake" / ".receiver" / "fold.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

    assert len(lake_rows(tmp_path / "lake", "exchanges")) == 3
    (left,) = spool.stored()
    assert (left.kind, left.is_folded) == (Kind.PIECES, False)


@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(100, marks=pytest.mark.faults)])
def test_killed_at_random_it_loses_and_doubles_nothing(tmp_path: Path, rounds: int) -> None:
    """Every acknowledged exchange is in the lake once, and so is each that was sent again.

    Both of its processes are killed, one of them or one after the other.
    """
    dice = random.Random(rounds)
    sender = Sender()
    for _ in range(rounds):
        receiving = start_receiving(tmp_path, KEY, "--fold-seconds", "0.3")
        sender.send_to(receiving)
        time.sleep(dice.uniform(0.1, 2.0))
        if dice.random() < 0.5:
            receiving.kill_second()
        if dice.random() < 0.3:
            time.sleep(dice.uniform(0.1, 2.0))
        receiving.kill()
        sender.stop()
    receiving = start_receiving(tmp_path, KEY, "--fold-seconds", "600")
    exit_status, words = receiving.stop()

    assert exit_status == 0, words
    rows = lake_rows(tmp_path / "lake", "exchanges")
    ids, days = [row["exchange_id"] for row in rows], {row["started_at"].date() for row in rows}
    assert len(ids) == len(set(ids))
    assert sender.acknowledged, "nothing was taken at all"
    assert sender.acknowledged <= set(ids)
    assert check_lake(tmp_path / "lake").problems == []
    # Of each day: eight files with exchanges and as many with sketches.
    assert len(list((tmp_path / "lake").rglob("*.parquet"))) <= 16 * len(days)
