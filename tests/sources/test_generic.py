"""Any log, read by a map: what the map says is what the exchange holds."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spoken_exchanges import Spoken, openai, spoken

from stillwatch.sources.adapter import ImportRequest, ParsedRow, Unreadable, load_adapter
from stillwatch.sources.field_paths import field_path

FIXTURES = Path(__file__).parent / "fixtures" / "generic-published-schemas"
MAPS = Path(__file__).parents[2] / "docs" / "sources" / "maps"
QUIET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_SETTINGS = dict.fromkeys(("n", "top_p", "seed", "logprobs", "reasoning_effort"))
_FIRST_TURN = {"turn_index": 0, "prefill": False}
PUBLISHED: dict[str, list[dict[str, Any]]] = {
    "langfuse.jsonl": [
        {
            "exchange_id": "o1",
            "account_id": "account-ada",
            "conversation_id": "conversation-5",
            "started_at": datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC),
            "finished_at": datetime(2026, 3, 1, 12, 0, 1, 60_000, tzinfo=UTC),
            "model": "gpt-4o",
            "status": "ok",
            "system_text": "Answer in one sentence.",
            "earlier_messages": [
                "Why is the sea salty?",
                "Rivers carry dissolved minerals into it.",
            ],
            "input_text": "And why are rivers not?",
            "output_text": "They are renewed by rain.",
            "turn_index": 1,
            "prefill": False,
            "tool_names": ["look_up_tide"],
            "input_tokens": 10,
            "output_tokens": 20,
            "max_output_tokens": 64,
            "temperature": 0.2,
        },
        {
            **_FIRST_TURN,
            "exchange_id": "o3",
            "account_id": "account-ada",
            "started_at": datetime(2026, 3, 1, 12, 0, 2, tzinfo=UTC),
            "model": "gpt-4o",
            "status": "error",
            "input_text": "What is dew?",
        },
    ],
    "helicone.jsonl": [
        {
            **_FIRST_TURN,
            "exchange_id": "q1",
            "account_id": "account-bo",
            "conversation_id": "conversation-6",
            "started_at": "2026-03-01T12:00:00.250Z",
            "finished_at": "2026-03-01T12:00:01.060Z",
            "model": "claude-sonnet-4",
            "status": "ok",
            "system_text": "Be brief.",
            "input_text": "What is dew?",
            "output_text": "Condensed water.",
            "stop_reason": "end_turn",
            "input_tokens": 9,
            "output_tokens": 4,
            "max_output_tokens": 64,
            "client_country": "NO",
            "client_metadata_raw": {"Helicone-Session-Id": "conversation-6", "batch": "spring"},
        },
        {
            **_FIRST_TURN,
            "exchange_id": "q2",
            "account_id": "account-bo",
            "started_at": "2026-03-01T12:00:02.000Z",
            "finished_at": "2026-03-01T12:00:03.000Z",
            "model": "claude-sonnet-4",
            "status": "rate_limited",
            "input_text": "Am I too fast?",
        },
    ],
    "langsmith.jsonl": [
        {
            **_FIRST_TURN,
            "exchange_id": "0195a1f0-0000-7000-8000-000000000001",
            "account_id": "account-di",
            "conversation_id": "conversation-7",
            "started_at": "2026-03-01T12:00:00.250000",
            "finished_at": "2026-03-01T12:00:01.060000",
            "model": "gpt-4o",
            "status": "ok",
            "system_text": "Be brief.",
            "input_text": "What is rime?",
            "output_text": "Frozen fog.",
            "stop_reason": "stop",
            "input_tokens": 9,
            "output_tokens": 4,
            "max_output_tokens": 48,
            "temperature": 0.3,
        },
        {
            **_FIRST_TURN,
            "exchange_id": "0195a1f0-0000-7000-8000-000000000003",
            "account_id": "account-di",
            "started_at": "2026-03-01T12:00:02.000000",
            "finished_at": "2026-03-01T12:00:02.500000",
            "model": "gpt-4o",
            "status": "error",
            "input_text": "Am I too fast?",
            "input_tokens": 0,
            "output_tokens": 0,
        },
    ],
    "cloudflare.json": [
        {
            **_FIRST_TURN,
            "exchange_id": "c1",
            "account_id": "account-cy",
            "started_at": "2026-03-01T12:00:00.250Z",
            "model": "gpt-4o",
            "status": "ok",
            "input_text": "What is fog?",
            "output_text": "A cloud on the ground.",
            "stop_reason": "stop",
            "temperature": 0.5,
            "input_tokens": 10,
            "output_tokens": 6,
            "user_agent": "weaver-sdk/3.1",
            "client_metadata_raw": '{"account": "account-cy", "batch": "spring"}',
        },
        {
            "exchange_id": "c2",
            "account_id": "account-cy",
            "started_at": "2026-03-01T12:00:02.000Z",
            "model": "gpt-4o",
            "status": "error",
            "input_tokens": 0,
            "output_tokens": 0,
            "user_agent": "weaver-sdk/3.1",
            "client_metadata_raw": '{"account": "account-cy"}',
        },
    ],
}
SMALL = """
[columns]
account_id = "who"
started_at = "at"
"""


def _items(path: Path, map_file: Path) -> list[ParsedRow | Unreadable]:
    adapter = load_adapter("generic", ImportRequest((path,), map_file))
    return [item for item in adapter.read(path) if isinstance(item, ParsedRow | Unreadable)]


def _rows(path: Path, map_file: Path) -> list[dict[str, Any]]:
    items = _items(path, map_file)
    assert all(isinstance(item, ParsedRow) for item in items), items
    return [item.row for item in items if isinstance(item, ParsedRow)]


def _read(tmp_path: Path, map_text: str, *records: Any) -> list[ParsedRow | Unreadable]:
    map_file, log = tmp_path / "map.toml", tmp_path / "log.jsonl"
    map_file.write_text(map_text)
    log.write_text("".join(json.dumps(record) + "\n" for record in records))
    return _items(log, map_file)


def _row(tmp_path: Path, map_text: str, record: Any) -> dict[str, Any]:
    (item,) = _read(tmp_path, map_text, record)
    assert isinstance(item, ParsedRow), item
    return item.row


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_shipped_maps_read_the_published_schemas(name: str) -> None:
    """Langfuse, Helicone, LangSmith and Cloudflare, each with a success and a failure."""
    map_file = MAPS / f"{name.partition('.')[0]}.toml"

    assert _rows(FIXTURES / name, map_file) == PUBLISHED[name]


def test_every_shipped_map_is_tested() -> None:
    """A map that the documents offer has a fixture."""
    assert {path.stem for path in MAPS.iterdir()} == {n.partition(".")[0] for n in PUBLISHED}


_ROUND = """
[columns]
exchange_id = "ids[1]"
account_id = "customer.name"
started_at = "at"
model = "model"
stop_reason = "why"
input_tokens = "tokens.in"
output_tokens = "tokens.out"
status = "code"
[constants]
endpoint = "chat"
[times]
started_at = "microseconds"
[values.status]
"2xx" = "ok"
[messages]
request = "asked"
response = "answered"
"""


@pytest.mark.parametrize("encoding", ["jsonl", "array", "csv"])
@QUIET
@given(said=spoken)
def test_a_map_gives_back_what_was_said(encoding: str, said: Spoken, tmp_path: Path) -> None:
    """As lines, as one document and as a table, whose cells hold JSON where there is structure."""
    request, response = openai(said)
    microseconds = round((said.started_at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)
    record = {
        "ids": ["other", said.exchange_id],
        "customer": {"name": said.account_id},
        "at": microseconds,
        "model": said.model,
        "why": said.stop_reason,
        "tokens": {"in": said.input_tokens, "out": said.output_tokens},
        "code": 201,
        "asked": request,
        "answered": response,
    }
    map_file, log = tmp_path / "map.toml", tmp_path / encoding
    map_file.write_text(_ROUND)
    with log.open("w", newline="", encoding="utf-8") as file:
        if encoding == "csv":
            cells = {k: v if isinstance(v, str) else json.dumps(v) for k, v in record.items()}
            writer = csv.DictWriter(file, list(cells))
            writer.writeheader()
            writer.writerow(cells)
        else:
            file.write(json.dumps([record] if encoding == "array" else record))

    assert _rows(log, map_file) == [said.columns()]


@pytest.mark.parametrize(
    ("written", "value", "moment"),
    [
        ("seconds", 1772366400.5, "2026-03-01T12:00:00.500000+00:00"),
        ("seconds", "1772366400", "2026-03-01T12:00:00+00:00"),
        ("milliseconds", 1772366400500, "2026-03-01T12:00:00.500000+00:00"),
        ("microseconds", 1772366400500001, "2026-03-01T12:00:00.500001+00:00"),
        ("nanoseconds", 1772366400500001999, "2026-03-01T12:00:00.500002+00:00"),
        ("iso8601", "2026-03-01T13:00:00.5+01:00", "2026-03-01T12:00:00.500000+00:00"),
        ("iso8601", "2026-03-01 12:00:00", "2026-03-01T12:00:00+00:00"),
        ("%d/%b/%Y:%H:%M:%S %z", "01/Mar/2026:13:00:00 +0100", "2026-03-01T12:00:00+00:00"),
        ("%Y-%m-%d %H:%M", "2026-03-01 12:00", "2026-03-01T12:00:00+00:00"),
    ],
)
def test_times_are_read_as_the_map_says(
    written: str, value: object, moment: str, tmp_path: Path
) -> None:
    """A unit since 1970, ISO 8601, or a format; without a zone it is UTC."""
    map_text = SMALL + f'[times]\nstarted_at = "{written}"\n'

    assert _row(tmp_path, map_text, {"who": "a", "at": value})["started_at"].isoformat() == moment


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("seconds", "2026-03-01"),
        ("seconds", True),
        ("seconds", 1e300),
        ("milliseconds", -5),
        ("iso8601", 1772366400),
        ("iso8601", "01.03.2026"),
        ("%Y-%m-%d", "2026-03-01T12:00:00"),
        ("%Y-%m-%d", ["2026-03-01"]),
    ],
)
def test_a_time_of_another_format_is_named_without_its_value(
    written: str, value: object, tmp_path: Path
) -> None:
    """A wrong unit must not become a wrong time; what stood there is not repeated."""
    map_text = SMALL + f'[times]\nstarted_at = "{written}"\n'

    (item,) = _read(tmp_path, map_text, {"who": "a", "at": value})

    assert item == Unreadable(
        1, "started_at: the value at at is not of the format that the map gives."
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [(200, "ok"), ("204", "ok"), (429, "rate_limited"), (418, "refused"), (503, "error")],
)
def test_words_get_their_meaning(code: object, status: str, tmp_path: Path) -> None:
    """An exact word comes before its hundred, and that before all others."""
    map_text = SMALL.replace("[columns]", '[columns]\nstatus = "code"') + (
        '[values.status]\n"2xx" = "ok"\n"429" = "rate_limited"\n"4xx" = "refused"\n"*" = "error"\n'
    )

    assert _row(tmp_path, map_text, {"who": "a", "at": 1, "code": code})["status"] == status


@pytest.mark.parametrize("word", ["fine", "", None, 7])
def test_a_word_without_meaning_is_no_status(word: object, tmp_path: Path) -> None:
    """What the map does not explain is not guessed."""
    map_text = SMALL.replace("[columns]", '[columns]\nstatus = "code"')

    assert "status" not in _row(tmp_path, map_text, {"who": "a", "at": 1, "code": word})


def test_an_answer_that_refuses_is_no_success(tmp_path: Path) -> None:
    """HTTP says 200 although the model declined."""
    map_text = (
        SMALL.replace("[columns]", '[columns]\nstatus = "code"')
        + '[values.status]\n"200" = "ok"\n[messages]\nresponse = "out"\n'
    )
    answer = {"choices": [{"finish_reason": "content_filter", "message": {"content": ""}}]}

    row = _row(tmp_path, map_text, {"who": "a", "at": 1, "code": 200, "out": answer})

    assert row["status"] == "refused"


def test_the_first_path_that_leads_somewhere_counts(tmp_path: Path) -> None:
    """Empty texts and nulls lead nowhere; constants fill what is left."""
    map_text = (
        '[columns]\naccount_id = ["a", "b.c"]\nstarted_at = "at"\nuser_agent = "ua"\n'
        '[constants]\nuser_agent = "batch"\naccess_path = "reseller"\n'
    )
    row = _row(tmp_path, map_text, {"a": "", "b": {"c": "found"}, "at": 1, "ua": None})

    assert (row["account_id"], row["user_agent"]) == ("found", "batch")
    assert row["access_path"] == "reseller"


def test_rows_that_are_not_wanted_are_passed_over(tmp_path: Path) -> None:
    """`[only]` names the rows that are model calls."""
    map_text = SMALL + '[only]\n"kind.name" = ["llm", "chat"]\nok = "true"\n'
    records = [
        {"who": "a", "at": 1, "kind": {"name": name}, "ok": ok}
        for name, ok in (("llm", True), ("tool", True), ("chat", True), ("llm", False), (None, 1))
    ]

    items = _read(tmp_path, map_text, *records)

    assert [item.line for item in items] == [1, 3]


@pytest.mark.parametrize(
    ("written", "steps"),
    [
        ("a", ("a",)),
        ("a.b-c.d e", ("a", "b-c", "d e")),
        ("a[0].b", ("a", 0, "b")),
        ("a[-1][2]", ("a", -1, 2)),
        ('["a.b"].c', ("a.b", "c")),
        ('x["a[0]"]', ("x", "a[0]")),
        ("[3].a", (3, "a")),
        *((wrong, None) for wrong in ("", ".", ".a", "a.", "a..b", "a[", "a[x]", "a]b", "a[0]b")),
    ],
)
def test_paths_are_names_and_positions(written: str, steps: object) -> None:
    """Dots, brackets, and quotes for names that hold either."""
    path = field_path(written)

    assert (path.steps if path else None) == steps


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b'{"who": "a", "at":', [1]),
        (b'[1]\n"text"\n7\n', [1, 2, 3]),
        (b'{"other": 1}\n', [1]),
        (b"x,y\n1,2\n", [2]),
        (b"who,at\na,1,2\n", [2]),
        (b"who,at\n\xff,1\n", [2]),
        (b"\x1f\x8b\x08broken", [1]),
        (b"[" * 100_000, [1]),
        (gzip.compress(b'{"other": 1}\n' * 500, mtime=0)[:40], [1]),
    ],
)
def test_broken_input_is_reported_by_its_line(
    content: bytes, lines: list[int], tmp_path: Path
) -> None:
    """Each value that is no row has its own entry, and nothing raises."""
    map_file, log = tmp_path / "map.toml", tmp_path / "log"
    map_file.write_text(SMALL)
    log.write_bytes(content)
    items = _items(log, map_file)

    assert [item.line for item in items if isinstance(item, Unreadable)] == lines
    assert not any(isinstance(item, ParsedRow) for item in items)


def test_a_document_without_its_list_is_reported(tmp_path: Path) -> None:
    """`records` names where the rows lie; a document that has none there is another's."""
    (item,) = _read(tmp_path, 'records = "data.rows"\n' + SMALL, {"data": {"rows": 3}})

    assert item == Unreadable(1, "No list of rows lies at data.rows.")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@QUIET
@given(
    record=st.dictionaries(st.sampled_from(["ids", "customer", "at", "asked", "answered"]), JSON)
)
def test_arbitrary_rows_are_read_or_reported(record: dict[str, Any], tmp_path: Path) -> None:
    """Whatever lies where the map points gives one item, and no exception."""
    assert len(_read(tmp_path, _ROUND, record)) == 1


@pytest.mark.parametrize(
    "events",
    [
        [
            {"type": "response.created", "response": {"object": "response"}},
            {"type": "response.output_text.delta", "delta": "Condensed "},
            {"type": "response.output_text.delta", "delta": "water."},
        ],
        [
            {"type": "content_block_delta", "index": 0, "delta": {"text": "Condensed "}},
            {"type": "content_block_delta", "index": 0, "delta": {"text": "water."}},
        ],
    ],
    ids=["broken off", "begun late"],
)
def test_a_stream_that_is_not_whole_gives_what_came(
    events: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Events of OpenAI's responses without their end, and of Anthropic's without their start."""
    map_text = SMALL + '[messages]\nresponse = "out"\n'

    for out in (events, {"events": events}):
        row = _row(tmp_path, map_text, {"who": "a", "at": "2026-03-01", "out": out})

        assert row["output_text"] == "Condensed water."
