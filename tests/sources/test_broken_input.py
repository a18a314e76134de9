"""Broken rows of the canonical, OTLP and LiteLLM formats: each is set aside alone, with its reason."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from otlp_builders import json_line, model_call, traces

from stillwatch.identity import Key, Tokeniser
from stillwatch.sources.adapter import ImportRequest, load_adapter
from stillwatch.sources.pipeline import Intake, take_in

FIXTURES = Path(__file__).parent / "fixtures"
NOW = datetime(2027, 1, 1, tzinfo=UTC)
PAYLOAD: dict[str, Any] = json.loads(
    (FIXTURES / "litellm-1.106.2" / "standard_logging_payload.ndjson").read_text().splitlines()[0]
)
EXCHANGE = {"exchange_id": "x", "account_id": "a", "started_at": "2026-03-01T12:00:00Z"}
HEADER = b"exchange_id,account_id,started_at,input_text\n"


class Basket:
    """A destination that keeps what comes."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def add(self, table: str, rows: pa.Table) -> None:
        self.rows.setdefault(table, []).extend(rows.to_pylist())

    def reveal_domains(self, domain_by_token: dict[str, str], *, shared_by: int) -> None:
        pass


def taken_in(log_format: str, path: Path, basket: Basket) -> Intake:
    return take_in(
        [path],
        adapter=load_adapter(log_format, ImportRequest((path,), None)),
        tokeniser=Tokeniser(Key(bytes(range(32)))),
        fills={},
        now=NOW,
        destination=basket,
    )


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _exchange(**changes: Any) -> bytes:
    return _line(EXCHANGE | changes)


def _payload(**changes: Any) -> bytes:
    return _line(PAYLOAD | changes)


def _span(**changes: Any) -> bytes:
    request = json.loads(json_line(traces(model_call(7))))
    request["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= changes
    return _line(request)


# A good line stands before and after each of these.
LINES: dict[str, list[tuple[str, bytes, str]]] = {
    "canonical": [
        ("no JSON", b'{"exchange_id": \n', "this line is not JSON; one object a line is needed."),
        ("no object", b'["x"]\n', "this line is not a JSON object."),
        ("two objects", _exchange().strip() * 2 + b"\n", "this line is not JSON"),
        ("not UTF-8", b'{"account_id": "\xff"}\n', "this line is not JSON"),
        ("no account", _exchange(account_id=None), "column account_id: a required value"),
        ("no time", _exchange(started_at=None), "column started_at: a required value"),
        ("no such time", _exchange(started_at="the day before"), "column started_at: a required"),
        ("a time of words", _exchange(started_at={"at": 1}), "column started_at: a required"),
        ("the future", _exchange(started_at="2999-01-01"), "started_at lies in the future"),
        ("wrong unit", _exchange(started_at=1), "started_at lies before 2015: check its unit"),
        ("too deep", b'{"a": ' * 5_000 + b"\n", "nested too deeply"),
    ],
    "otlp": [
        ("no JSON", b'{"resourceSpans": [\n', "The line is not JSON"),
        ("no request", b'{"spans": []}\n', "neither resourceSpans nor resourceLogs"),
        ("no object", b"7\n", "neither resourceSpans nor resourceLogs"),
        ("not UTF-8", b'{"resourceSpans": "\xff"}\n', "not UTF-8"),
        ("no account", json_line(traces(model_call(7, **{"user.id": ""}))), "column account_id"),
        ("no time", _span(startTimeUnixNano="0"), "column started_at: a required value"),
        ("no such time", _span(startTimeUnixNano="noon"), "column started_at: a required value"),
        ("the future", _span(startTimeUnixNano=str(2**62)), "started_at lies in the future"),
        ("wrong unit", _span(startTimeUnixNano="1767225600"), "started_at lies before 2015"),
        ("too deep", b'{"a": ' * 5_000 + b"\n", "nested too deeply"),
    ],
    "litellm": [
        ("no JSON", b'{"call_type":\n', "The line is not JSON"),
        ("no object", b'"text"\n', "A LiteLLM payload is a JSON object; this is something else."),
        ("no payload", b'{"id": 1}\n', "it has no call_type and startTime"),
        ("not UTF-8", b'{"call_type": "\xff"}\n', "not UTF-8"),
        ("no account", _payload(metadata={}), "column account_id: a required value"),
        ("no account's object", _payload(metadata=[7]), "column account_id: a required value"),
        ("no time", _payload(startTime=None), "column started_at: a required value"),
        ("no such time", _payload(startTime="noon"), "column started_at: a required value"),
        ("the future", _payload(startTime=3e10), "started_at lies in the future"),
        ("wrong unit", _payload(startTime=1_767_225.6), "started_at lies before 2015"),
        ("too deep", b'{"a": ' * 5_000 + b"\n", "nested too deeply"),
    ],
}
GOOD = {"canonical": _exchange(), "litellm": _payload(), "otlp": json_line(traces(model_call(1)))}


@pytest.mark.parametrize(
    ("log_format", "line", "reason"),
    [
        pytest.param(name, line, reason, id=f"{name}: {what}")
        for name, lines in LINES.items()
        for what, line, reason in lines
    ],
)
def test_a_broken_line_is_set_aside_alone(
    log_format: str, line: bytes, reason: str, tmp_path: Path
) -> None:
    """It has its number and its reason, and the lines around it are taken."""
    path, basket = tmp_path / "log.jsonl", Basket()
    path.write_bytes(GOOD[log_format] + line + GOOD[log_format])

    intake = taken_in(log_format, path, basket)

    (entry,) = basket.rows["quarantine"]
    assert (entry["line"], entry["log_format"]) == (2, log_format)
    assert reason in entry["reason"]
    assert len(basket.rows["exchanges"]) == (1 if log_format == "otlp" else 2)
    assert (intake.read - intake.quarantined, intake.quarantined) == (
        len(basket.rows["exchanges"]),
        1,
    )


REQUEST = traces(model_call(1)).SerializeToString()
FILES: list[tuple[str, str, bytes, str]] = [
    ("canonical", "x.csv", HEADER + b"x,a\n", "the row has 2 values, the header 4."),
    ("canonical", "x.csv", HEADER + b'x,"\xff",2026-03-01,\n', "a text in this row is not UTF-8."),
    ("canonical", "x.csv", HEADER + b'x,a,"2026,\n', "the row has 3 values, the header 4."),
    ("canonical", "x.csv", b"x,a,2026-03-01\ny,b,2026-03-01\n", "those of no canonical table"),
    ("canonical", "x.csv", b"account_id,start_at,model\na,b,c\n", "rename 'start_at'"),
    ("canonical", "x.csv", b"model,user_agent\nm,u\n", "lacks the required columns account_id"),
    ("canonical", "x.jsonl", b"[\n{}\n]\n", "one JSON document; one object a line is needed."),
    ("canonical", "x.jsonl", b'{"name": "a"}\n', "those of no canonical table"),
    ("canonical", "x.parquet", b"no parquet", "it does not start with PAR1."),
    ("canonical", "x.parquet", b"PAR1 and no more", "truncated or damaged"),
    ("canonical", "x.jsonl.gz", b"\x1f\x8b\x08 and no more", "damaged"),
    ("canonical", "x.parquet", b"", "the file is empty."),
    ("otlp", "x", b"words", "neither OTLP/JSON nor OTLP/protobuf"),
    ("otlp", "x", REQUEST[:-3], "breaks off in the middle of a message"),
    ("otlp", "x", struct.pack(">I", len(REQUEST) + 9) + REQUEST, "breaks off in the middle"),
    ("otlp", "x", b"\x1f\x8b\x08 and no more", "damaged"),
    ("otlp", "x", b"[\n" + json_line(traces(model_call(1))), "the rest was not read."),
    ("litellm", "x", b"words\n", "The line is not JSON"),
    ("litellm", "x", b"[\n" + _payload(), "The JSON is broken here; the rest was not read."),
    ("litellm", "x", b"\x1f\x8b\x08 and no more", "damaged"),
]


@pytest.mark.parametrize(
    ("log_format", "name", "content", "reason"),
    FILES,
    ids=[f"{log_format}: {reason}" for log_format, _, _, reason in FILES],
)
def test_a_broken_file_says_what_it_is(
    log_format: str, name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    """One entry says what is wrong with it, and nothing of what it holds."""
    path, basket = tmp_path / name, Basket()
    path.write_bytes(content)

    taken_in(log_format, path, basket)

    (entry,) = basket.rows["quarantine"]
    assert reason in entry["reason"]
