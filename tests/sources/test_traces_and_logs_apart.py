"""OpenTelemetry's traces and logs in files of their own: texts reach the calls of the spans."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.internal.encoder import _VarintBytes
from import_builders import Desk, Outcome
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_builders import details, json_line, traces

from stillwatch.lake.check import check_lake

RECORDED = Path(__file__).parent / "fixtures" / "opentelemetry-instrumentation-genai-openai-1.3b0"
CONTENT = {
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
}


def take(desk: Desk, *words: str | Path) -> Outcome:
    """Import OTLP under the desk's key."""
    key = desk.folder / "key"
    if not key.exists():
        assert desk.command("keys", "init", "--key-file", key).status == 0
    options = ("--format", "otlp", "--lake", desk.lake_path, "--key-file", key)
    return desk.command("import", *words, *options)


def spans(number: int = 1, **more: str) -> Any:
    """A call's span without its texts, of an account."""
    said = {"gen_ai.request.model": "m", "user.id": "ada", **more}
    return traces({"number": number, "attributes": said})


def asked(number: int = 1, words: str = "hello") -> Any:
    """The event with the texts of a call, which names no account."""
    said = [{"role": "user", "parts": [{"type": "text", "content": words}]}]
    return details(number, {"gen_ai.input.messages": json.dumps(said)})


def written(desk: Desk, name: str, *requests: Any) -> Path:
    path = desk.folder / name
    path.write_bytes(b"".join(map(json_line, requests)))
    return path


def texts(desk: Desk) -> dict[str, str | None]:
    """Account and question of each call."""
    return {row["account_id"]: row.get("input_text") for row in desk.rows("exchanges")}


def waiting(desk: Desk) -> list[str]:
    return [r["reason"] for r in desk.rows("quarantine") if r.get("mended_at") is None]


@pytest.fixture
def recorded(desk: Desk) -> tuple[Path, Path, bytes]:
    """What a real client sent, with texts in the log alone: its spans, its log, and both as one."""
    request = ExportTraceServiceRequest.FromString((RECORDED / "traces.pb").read_bytes())
    found = (
        span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )
    for span in found:
        kept = [a for a in span.attributes if a.key not in CONTENT]
        del span.attributes[:]
        span.attributes.extend(kept)
    of_spans, of_logs = request.SerializeToString(), (RECORDED / "logs.pb").read_bytes()
    traces_file, logs_file = desk.folder / "traces.pb", desk.folder / "logs.pb"
    traces_file.write_bytes(of_spans)
    logs_file.write_bytes(of_logs)
    both = b"".join(_VarintBytes(len(m)) + m for m in (of_spans, of_logs))
    return traces_file, logs_file, both


ORDERS = ("traces, then logs", "logs, then traces, then logs", "at once", "at once, logs first")


@pytest.mark.parametrize("order", ORDERS)
def test_two_files_give_the_lake_that_one_gives(
    desk: Desk, recorded: tuple[Path, Path, bytes], tmp_path: Path, order: str
) -> None:
    """Column by column, sketches included, whichever file comes first."""
    of_spans, of_logs, both = recorded
    for words in {
        ORDERS[0]: [(of_spans,), (of_logs,)],
        ORDERS[1]: [(of_logs,), (of_spans,), (of_logs, "--mended")],
        ORDERS[2]: [(of_spans, of_logs)],
        ORDERS[3]: [(of_logs, of_spans)],
    }[order]:
        last = take(desk, *words)
    assert last.status == 0, last.words
    assert last.report["calls"] == {"filled": 6, "alone": 0, "waiting": 0}
    assert waiting(desk) == []
    assert check_lake(desk.lake_path).problems == []

    one = Desk(tmp_path / "one")
    one.folder.mkdir()
    (one.folder / "key").write_bytes((desk.folder / "key").read_bytes())
    (one.folder / "key").chmod(0o600)
    (one.folder / "both.pb").write_bytes(both)
    take(one, one.folder / "both.pb")
    assert desk.rows("exchanges") == one.rows("exchanges")
    assert desk.rows("sketches") == one.rows("sketches")
    assert sum(row["input_text"] is not None for row in one.rows("exchanges")) == 6


def test_log_that_comes_again_changes_nothing(desk: Desk) -> None:
    """What the lake was told already is known, to the byte."""
    log = written(desk, "log.jsonl", asked())
    take(desk, written(desk, "spans.jsonl", spans()))
    take(desk, log)
    before = desk.snapshot()

    again = take(desk, log)

    assert (again.report["imported"], again.report["duplicates"]) == (0, 1)
    assert desk.snapshot() == before


def test_events_without_their_span_wait_with_the_next_step(desk: Desk) -> None:
    """The reason says what to import, and the words of the log are not in it."""
    outcome = take(desk, written(desk, "log.jsonl", asked(words="a secret question")))

    assert outcome.status == 2
    assert outcome.report["quarantined"] == outcome.report["read"] == 1
    (reason,) = waiting(desk)
    assert "import the traces, then this file again with `--mended`" in reason
    assert "secret" not in outcome.words + reason
    assert desk.rows("exchanges") == []


def test_what_still_waits_is_not_counted_as_mended(desk: Desk) -> None:
    """Of two events one finds its span; the other stays in the quarantine, until its span comes."""
    log = written(desk, "log.jsonl", asked(1), asked(2, "and then?"))
    take(desk, log)
    take(desk, written(desk, "one.jsonl", spans(1)))

    outcome = take(desk, log, "--mended")

    assert "1 row left the quarantine." in outcome.words
    assert len(waiting(desk)) == 1
    take(desk, written(desk, "two.jsonl", spans(2, **{"user.id": "bo"})))
    assert "1 row left the quarantine." in take(desk, log, "--mended").words
    assert waiting(desk) == []
    assert texts(desk) == {"ada": "hello", "bo": "and then?"}


def test_rows_that_were_set_aside_before_get_their_texts_too(desk: Desk) -> None:
    """A log that names one customer fills the calls that are stored without text, of whomever."""
    log = written(desk, "log.jsonl", asked())
    take(desk, written(desk, "spans.jsonl", spans()))

    take(desk, log, "--set", "account_id=acme")

    assert texts(desk) == {"ada": "hello"}


@pytest.mark.parametrize("is_log_first", [True, False])
def test_in_one_import_the_span_says_who_asked(desk: Desk, is_log_first: bool) -> None:
    """Also where the events name an account: they make no second exchange, and no other one."""
    files = [
        written(desk, "log.jsonl", asked(1), asked(2, "alone")),
        written(desk, "spans.jsonl", spans(1)),
    ]

    outcome = take(desk, *(files if is_log_first else reversed(files)), "--set", "account_id=acme")

    assert texts(desk) == {"ada": "hello", "acme": "alone"}
    assert outcome.report["calls"] == {"filled": 1, "alone": 1, "waiting": 0}
    assert "with the time of their end" in outcome.words
    report = outcome.report
    assert (report["read"], report["imported"], report["duplicates"]) == (3, 3, 0)


def test_spans_and_events_by_turns_are_counted_once(desk: Desk) -> None:
    """Where only some calls are traced, one file holds both; none is lost or doubled."""
    requests = itertools.chain.from_iterable(
        (spans(n), asked(n, f"question {n}"), asked(n + 100, "of no trace")) for n in range(1, 20)
    )

    report = take(desk, written(desk, "both.jsonl", *requests)).report

    assert (report["read"], report["imported"], report["quarantined"]) == (38, 19, 19)
    assert report["calls"] == {"filled": 0, "alone": 0, "waiting": 19}


def test_no_log_brings_in_text_that_a_contract_keeps_out(desk: Desk) -> None:
    """An exchange stored without text by contract stays without it."""
    take(desk, written(desk, "spans.jsonl", spans()), "--set", "retention=no_text")

    outcome = take(desk, written(desk, "log.jsonl", asked()))

    assert texts(desk) == {"ada": None}
    assert outcome.report["duplicates"] + outcome.report["imported"] == 1


def test_refusal_that_only_the_words_tell_is_a_refusal(desk: Desk) -> None:
    """The span ended well, and the event says that the model refused."""
    said = [{"role": "assistant", "parts": [], "finish_reason": "refusal"}]
    event = details(1, {"gen_ai.output.messages": json.dumps(said)})
    both = [written(desk, "one.jsonl", spans(), event)]
    apart = [written(desk, "spans.jsonl", spans()), written(desk, "log.jsonl", event)]

    take(desk, *both)
    status = [row["status"] for row in desk.rows("exchanges")]
    other = Desk(desk.folder / "other")
    other.folder.mkdir()
    take(other, *apart)

    assert [row["status"] for row in other.rows("exchanges")] == status == ["refused"]
