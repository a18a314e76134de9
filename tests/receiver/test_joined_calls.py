"""The pieces of a model call come in requests of their own, in any order, and become one exchange."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest
from otlp_builders import START, attributes, details, model_call, traces
from stations import PROTOBUF, Station

from stillwatch.lake.store import Lake

ANSWER = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Answered."}]}])


def _requests() -> dict[str, tuple[str, Any]]:
    """A call in three pieces: its span without account and answer, its caller's span, its event."""
    span = model_call(2, trace=9, parent=1)
    del span["attributes"]["user.id"]
    caller = {
        "number": 1,
        "trace": 9,
        "attributes": {"user.id": "caller", "client.address": "192.0.2.1"},
    }
    return {
        "span": ("traces", traces(span)),
        "caller": ("traces", traces(caller)),
        "event": ("logs", details(2, {"gen_ai.output.messages": ANSWER}, trace=9)),
    }


def _send(station: Station, name: str) -> None:
    endpoint, request = _requests()[name]
    assert station.post(endpoint, request.SerializeToString(), kind=PROTOBUF).status == 200


@pytest.mark.parametrize("order", list(itertools.permutations(["span", "caller", "event"])))
def test_pieces_in_any_order_are_one_exchange(station: Station, order: tuple[str, ...]) -> None:
    """The account is the caller's, the answer the event's, the question the span's."""
    for name in order:
        _send(station, name)

    station.fold()

    (row,) = station.rows("exchanges")
    assert (row["account_id"], row["input_text"], row["output_text"]) == (
        "caller",
        "question 2",
        "Answered.",
    )
    assert row["client_ip"]


@pytest.mark.parametrize("last", ["span", "caller", "event"])
def test_a_piece_that_comes_after_a_fold_still_joins(station: Station, last: str) -> None:
    """Until the call has settled nothing of it is told, whichever piece is late."""
    for name in {"span", "caller", "event"} - {last}:
        _send(station, name)
    station.fold(everything=False)
    _send(station, last)

    station.fold()

    (row,) = station.rows("exchanges")
    assert (row["account_id"], row["output_text"]) == ("caller", "Answered.")


def test_what_was_told_is_not_told_again(station: Station) -> None:
    """A piece that comes later still changes nothing, and is in no quarantine."""
    _send(station, "span")
    _send(station, "caller")
    station.fold()
    _send(station, "event")

    station.fold()
    station.fold()

    (row,) = station.rows("exchanges")
    assert row.get("output_text") is None
    assert station.rows("quarantine") == []
    assert station.spool.backlog().rows == 0


def test_a_call_completed_by_a_batch_that_is_not_due_is_whole(tmp_path: Any) -> None:
    """Old pieces take what young ones add, and the young ones are not told by themselves later."""
    station = Station(tmp_path)
    try:
        _send(station, "span")
        _age(station, 100)
        _send(station, "caller")
        _send(station, "event")

        station.fold(everything=False)
        whole = station.rows("exchanges")
        _age(station, 100)
        station.fold(everything=False)
    finally:
        station.close()

    assert [(r["account_id"], r["output_text"]) for r in whole] == [("caller", "Answered.")]
    assert station.rows("exchanges") == whole
    assert station.rows("quarantine") == []


def test_headers_go_when_no_call_can_need_them(station: Station) -> None:
    """The spool is empty a while after the last call."""
    _send(station, "span")
    _send(station, "caller")
    station.fold()
    assert station.spool.stored()

    _age(station, 1_000)
    station.fold()

    assert station.spool.stored() == []


def test_a_call_without_account_is_quarantined_when_it_has_settled(station: Station) -> None:
    """Its answer could not say so: the account might have come."""
    _send(station, "span")

    folded = station.fold()

    assert folded.rejected == 1
    (entry,) = station.rows("quarantine")
    assert "account_id" in entry["reason"]


def test_senders_do_not_complete_each_others_calls(tmp_path: Any) -> None:
    """A span of one sender takes no caller from another's, whatever ids it has."""
    station = Station(tmp_path, sources=("east", "west"))
    try:
        for name, source in (("span", "east"), ("caller", "west"), ("event", "west")):
            endpoint, request = _requests()[name]
            body = request.SerializeToString()
            assert station.post(endpoint, body, kind=PROTOBUF, source=source).status == 200
        station.fold()
        assert not [r for r in station.rows("quarantine") if "account_id" not in r["reason"]]
        assert station.spool.backlog().rows == 0
        assert Lake.open(station.lake).rows("exchanges") == 0
    finally:
        station.close()


def test_spans_that_are_no_calls_leave_nothing_but_callers(station: Station) -> None:
    """Most spans of a service are not ours: their attributes are not kept."""
    other = {"number": 5, "trace": 5, "parent": 4, "attributes": {"db.statement": "select secret"}}
    request = traces(other)
    request.resource_spans[0].resource.attributes.extend(attributes({"host.name": "secret-host"}))

    assert station.post("traces", request.SerializeToString(), kind=PROTOBUF).status == 200
    (batch,) = station.spool.stored()
    content = station.spool.header(batch) + station.spool.data(batch)

    assert batch.rows == 0
    assert b"secret" not in content


def test_many_calls_in_any_order_and_any_folds_are_each_told_once(tmp_path: Any) -> None:
    """Drawn at random: pieces of forty calls in random requests, with folds in between."""
    dice = random.Random(5)
    station = Station(tmp_path)
    pieces: list[tuple[str, Any]] = []
    for number in range(40):
        span = model_call(2 * number + 1, trace=number + 1, parent=2 * number + 2)
        del span["attributes"]["user.id"]
        caller = {
            "number": 2 * number + 2,
            "trace": number + 1,
            "attributes": {"user.id": f"caller-{number}"},
            "started": START,
        }
        event = details(2 * number + 1, {"gen_ai.output.messages": ANSWER}, trace=number + 1)
        pieces += [("traces", traces(span)), ("traces", traces(caller)), ("logs", event)]
    # Near each other in time, as senders send them: three dozen places at most.
    order = sorted(range(len(pieces)), key=lambda place: place + dice.uniform(0, 36))
    try:
        for count, place in enumerate(order):
            endpoint, request = pieces[place]
            assert station.post(endpoint, request.SerializeToString(), kind=PROTOBUF).status == 200
            _age(station, 1)
            if count % 30 == 29:
                station.fold(everything=False, settle_seconds=60)
        station.fold()
        rows = station.rows("exchanges")
    finally:
        station.close()

    assert sorted(row["account_id"] for row in rows) == sorted(f"caller-{n}" for n in range(40))
    assert {row["output_text"] for row in rows} == {"Answered."}


def _age(station: Station, seconds: float) -> None:
    """Let time pass for all that is in the spool."""
    station.spool._database.execute("update batches set received_at = received_at - ?", (seconds,))
