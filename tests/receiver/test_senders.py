"""Tokens: who may send, under which name, and what no sender can do to another."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from otlp_builders import model_call, traces
from stations import NDJSON, PROTOBUF, Station, exchange, litellm, ndjson

from stillwatch.listening.senders import Senders, add_sender, remove_sender, sources_of
from stillwatch.records import InputError


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Station]:
    opened = Station(tmp_path, sources=("east", "west"))
    yield opened
    opened.close()


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Basic abc"])
@pytest.mark.parametrize("endpoint", ["traces", "logs", "exchanges", "litellm"])
def test_nobody_sends_without_a_token(two: Station, endpoint: str, authorization: str) -> None:
    """The answer says how to authenticate, and nothing was looked at."""
    reply = two.post(endpoint, b"{broken", headers={"authorization": authorization})

    assert (reply.status, reply.headers["www-authenticate"][:6]) == (401, "Bearer")


def test_metrics_need_a_token_too(two: Station) -> None:
    """Health does not: it says nothing of anybody."""
    assert two.ask("GET", "/metrics").status == 401
    assert two.ask("GET", "/healthz").status == 200
    token = {"authorization": f"Bearer {two.tokens['east']}"}
    assert two.ask("GET", "/metrics", token).status == 200


def test_a_sender_cannot_frame_an_account_of_another(two: Station) -> None:
    """Whatever `west` says, nothing becomes history of an account of `east`, nor takes its place."""
    honest = exchange(1, account_id="honest", input_text="Good morning.")
    two.exchanges([honest], source="east")
    two.fold()
    before = _of(two, "east:honest")
    forged = {"input_text": "Print the whole answer key.", "source_id": "east"}
    attempts = [
        exchange(2, account_id="honest", **forged),
        exchange(3, account_id="east:honest", **forged),
        exchange(4, account_id="honest", Source_id="east", **forged),
        exchange(5, account_id="west:east:honest", **forged),
        exchange(1, account_id="honest", **forged),  # the id of an exchange that is there
    ]
    attempts[4]["exchange_id"] = "east:e1"

    assert two.exchanges(attempts, source="west").json["accepted"] == 5
    payload = litellm(6, metadata={"user_api_key_user_id": "east:honest"}, source_id="east")
    assert two.post("litellm", json.dumps([payload]).encode(), source="west").status == 200
    span = traces(model_call(7, **{"user.id": "east:honest", "source_id": "east"}))
    span = span.SerializeToString()
    assert two.post("traces", span, kind=PROTOBUF, source="west").status == 200
    two.fold()

    assert _of(two, "east:honest") == before
    others = [r for r in two.rows("exchanges") if r["account_id"] != "east:honest"]
    assert len(others) == 7
    assert {row["source_id"] for row in others} == {"west"}
    assert all(row["account_id"].startswith("west:") for row in others)


def test_a_sender_cannot_take_the_place_of_anothers_exchange(two: Station) -> None:
    """An id that one sender uses first is free for the other: each keeps its own."""
    two.exchanges([exchange(1, account_id="mine")], source="west")
    two.exchanges([exchange(1, account_id="mine")], source="east")
    two.fold()

    found = {(r["exchange_id"], r["account_id"]) for r in two.rows("exchanges")}
    assert found == {("west:e1", "west:mine"), ("east:e1", "east:mine")}


def test_exchanges_without_an_id_stay_apart_by_sender(two: Station) -> None:
    """The same words of the same account name at the same time are two exchanges; twice, one."""
    row = exchange(1)
    del row["exchange_id"]
    for source in ("east", "west", "east"):
        two.exchanges([row], source=source)
        two.fold()

    found = [(r["exchange_id"], r["source_id"]) for r in two.rows("exchanges")]
    assert len({name for name, _ in found}) == len(found) == 2
    assert {source for _, source in found} == {"east", "west"}


def test_without_tokens_a_payload_names_no_source(station: Station) -> None:
    """On loopback everything is of the default source, whatever it says."""
    station.post("exchanges", ndjson([exchange(1, source_id="east")]), kind=NDJSON)
    station.fold()

    (row,) = station.rows("exchanges")
    assert (row["account_id"], row.get("source_id")) == ("a1", None)


def test_the_file_keeps_hashes_and_is_private(tmp_path: Path) -> None:
    """No token can be read from it, and nobody else can read it."""
    path = tmp_path / "tokens"
    token = add_sender(path, "east")

    assert token not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert Senders(path).source_of(token) == "east"
    assert Senders(path).source_of(token[:-1]) is None


def test_a_running_receiver_takes_changes(tmp_path: Path) -> None:
    """Added tokens hold and removed ones do not, without a restart."""
    path = tmp_path / "tokens"
    old = add_sender(path, "east")
    senders = Senders(path)
    new = add_sender(path, "west")
    senders._looked_at = time.monotonic() - 2
    assert senders.source_of(new) == "west"

    assert remove_sender(path, "east") == 1
    senders._looked_at = time.monotonic() - 2

    assert senders.source_of(old) is None
    assert sources_of(path) == {"west": 1}


@pytest.mark.parametrize("name", ["", "default", "a:b", "A", "-a", "a" * 64, "a\n", "é"])
def test_names_that_could_be_mistaken_are_refused(tmp_path: Path, name: str) -> None:
    """A colon could reach into another's accounts, and `default` has no name before its ids."""
    with pytest.raises(InputError):
        add_sender(tmp_path / "tokens", name)


@pytest.mark.parametrize("text", ["east", "east abc", "default " + "0" * 64, "a:b " + "0" * 64])
def test_a_broken_file_of_tokens_is_refused(tmp_path: Path, text: str) -> None:
    """With the line that is wrong."""
    (tmp_path / "tokens").write_text(f"# comment\n{text}\n")

    with pytest.raises(InputError, match="line 2"):
        Senders(tmp_path / "tokens")


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    """Whoever writes it may send as anybody."""
    add_sender(tmp_path / "tokens", "east")
    (tmp_path / "tokens").chmod(0o622)

    with pytest.raises(InputError, match="written by others"):
        Senders(tmp_path / "tokens")


def _of(station: Station, account: str) -> list[dict[str, object]]:
    return [row for row in station.rows("exchanges") if row["account_id"] == account]
